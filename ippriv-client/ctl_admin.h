#pragma once
/*
 * The control socket. "status" tells what there is (ctl_status.h). "attach" has a circuit put into a
 * network namespace of the caller's (ctl_runs.h); it goes with the connection.
 * Requests for the whole host are ctl_host.h's.
 */
#include "ippriv-client/ctl_host.h"
#include "ippriv-client/ctl_runs.h"

struct ctl_admin;

/* Listens on PATH. 0, or -errno as from ctl_server_new. */
int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out) _must_check_;
/* Who answers; until then, every request is told to come again. Borrowed. 0 or -errno. */
int ctl_admin_serve(struct ctl_admin *admin, const struct ctl_runs_conf *conf,
		    struct ctl_host *host) _must_check_;
/* Closes all connections; the stock still is there. NULL is fine. */
void ctl_admin_free(struct ctl_admin *admin);
/* For ctl_stock_events. */
void ctl_admin_ready(struct ctl_admin *admin);
void ctl_admin_lost(void *taker, struct ctl_circuit *circuit);
