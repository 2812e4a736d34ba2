#pragma once
/*
 * The control socket. "status" tells what there is (ctl_status.h). "attach", with the descriptor of
 * a network namespace of the caller's, puts a ready circuit in there and answers {"ok", "circuit",
 * "address", "mtu", "dns"}; the circuit ends with the connection, and the connection with it. Who
 * has fewest circuits comes first. Users other than root have limits: see below and ctl_quota.h.
 */
#include "common/dir/dir_watch.h"
#include "ippriv-client/ctl_stock.h"

struct ctl_admin;

enum {
	CTL_ADMIN_WAIT_MS = 20000, /* for a circuit to be ready */
	CTL_ADMIN_CIRCUITS = 6,    /* of one user who is not root, waiting ones too */
};

/* Listens on PATH. 0, or -errno as from ctl_server_new. */
int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out) _must_check_;
/* Who answers; until then, every request is told to come again. Borrowed. */
void ctl_admin_serve(struct ctl_admin *admin, struct ctl_stock *stock,
		     struct dir_watch *watch);
/* Closes all connections; the stock still is there. NULL is fine. */
void ctl_admin_free(struct ctl_admin *admin);
/* For ctl_stock_events. */
void ctl_admin_ready(struct ctl_admin *admin);
void ctl_admin_lost(void *taker);
