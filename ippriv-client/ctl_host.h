#pragma once
/*
 * The whole host: `up` makes the host's own namespace a seat of circuits and shuts every other way out,
 * `down` undoes that, `lockdown` keeps the other ways shut without a circuit. What was told holds
 * until it is told otherwise: through a circuit that dies, a daemon that stops or is killed, and a
 * restart of the machine.
 *
 * Requests, of root alone; each is answered by {"ok": true} or an error:
 *   {"command": "up", "exclude": ["192.168.1.0/24", …]}
 *   {"command": "down"}
 *   {"command": "lockdown", "on": true}
 *   {"command": "exclude", "cgroup": 4711}   the inode of the control group's folder
 *   {"command": "portal", "cgroup": 4711, "seconds": 120}, or with "shut": true: no more
 */
#include "common/ctl/ctl.h"
#include "common/dir/dir_watch.h"
#include "ippriv-client/ctl_seat.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/host_state.h"

struct ctl_host;

enum { CTL_HOST_PORTAL = 900 /* seconds at the most */ };

struct ctl_host_conf {
	struct io_loop *loop;
	const struct kern *kern;
	const char *folder;    /* of the state */
	const char *directory; /* URL */
	uint32_t rotate;       /* seconds, as ctl_seat_conf has it */
};

/*
 * Shuts the host when it was shut before, and forgets rules and firewall when not. Before anything
 * else is changed in the kernel. CONF's pointers are borrowed. 0, or -errno with one line logged.
 */
int ctl_host_new(const struct ctl_host_conf *conf, struct ctl_host **out) _must_check_;
/* The firewall and the rules stay as they are. The stock is there still. NULL is fine. */
void ctl_host_free(struct ctl_host *host);
/* Where circuits come from; routes stand from here on. 0, or -errno with one line logged. */
int ctl_host_serve(struct ctl_host *host, struct ctl_stock *stock,
		   struct dir_watch *watch) _must_check_;
/* For ctl_stock_events: there is a circuit to take; the one with TAKER is lost (false: not ours). */
void ctl_host_ready(struct ctl_host *host);
bool ctl_host_lost(struct ctl_host *host, void *taker, struct ctl_circuit *circuit);
/* Another circuit as soon as there is one. False: the host is not up. */
bool ctl_host_rotate(struct ctl_host *host);

/* Answers the request, of user UID, when it is for the host; else false. */
bool ctl_host_request(struct ctl_host *host, struct ctl_conn *conn, uid_t uid,
		      const json_t *request);
/* For "status": {"up", "lockdown", "circuit", "exclude", "directory"}, the last a URL. */
json_t *ctl_host_status(const struct ctl_host *host);
