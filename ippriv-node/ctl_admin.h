#pragma once
/* The relay's control socket: "status" for circuits, overlay tunnels and counters. */
#include "ippriv-node/ctl_circuit.h"
#include "ippriv-node/ctl_peer.h"

struct ctl_admin;

struct ctl_admin_conf {
	const char *path;      /* borrowed, all of them */
	const char *nickname;
	struct addr address;
	struct ctl_ike *ike;
	struct ctl_peers *peers;
	struct ctl_circuits *circuits;
	struct io_loop *loop;
};

int ctl_admin_new(const struct ctl_admin_conf *conf, struct ctl_admin **out) _must_check_;
void ctl_admin_free(struct ctl_admin *admin);
/* The command "status": asks the daemon behind PATH, prints. Exit status. */
int ctl_admin_print(const char *path, bool json, bool addresses);
