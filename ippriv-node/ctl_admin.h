#pragma once
/* The relay's control socket: "status" for circuits, overlay tunnels and counters. */
#include "ippriv-node/ctl_circuits.h"
#include "ippriv-node/ctl_peer.h"

struct ctl_admin;

/* Who answers. Borrowed, all of them. */
struct ctl_admin_conf {
	const char *nickname;
	struct addr address;
	struct ctl_ike *ike;
	struct ctl_peers *peers;
	struct ctl_circuits *circuits;
};

/* Listens on PATH. 0, or -errno as from ctl_server_new. Then serve, before the loop runs. */
int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out) _must_check_;
void ctl_admin_serve(struct ctl_admin *admin, const struct ctl_admin_conf *conf);
void ctl_admin_free(struct ctl_admin *admin);
/* The command "status": asks the daemon behind PATH, prints. Exit status. */
int ctl_admin_print(const char *path, bool json, bool addresses);
