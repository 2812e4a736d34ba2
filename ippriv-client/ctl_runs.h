#pragma once
/*
 * Who has the tunnel: each connection that has attached is a run, and runs of one user under one name
 * share a seat, so its circuits. A run without a name shares with nobody. The seat goes with its last
 * run. Who has fewest circuits comes first; users other than root have limits: below and ctl_quota.h.
 *
 * "attach" comes with the descriptor of a network namespace of the caller's and, if wanted, "isolate": a
 * name, "exit": relays (nicknames or keys, commas between). The answer, when there is a circuit:
 * {"ok", "circuit", "address", "mtu", "dns"}, and with it a descriptor when there is a run of that name:
 * of its namespace, for the caller to go to. Later, {"event": "circuit", "circuit", ...} as in the answer
 * tells of another circuit, {"event": "lost"} that there is none for the time being.
 */
#include "common/ctl/ctl.h"
#include "common/dir/dir_watch.h"
#include "ippriv-client/ctl_quota.h"
#include "ippriv-client/ctl_seat.h"

struct ctl_runs;

enum {
	CTL_RUNS_WAIT_MS = 20000, /* for a first circuit to be ready */
	CTL_RUNS_SEATS = 6,       /* of one user who is not root, waiting ones too */
	CTL_RUNS_NAME = 64,       /* characters of a name */
};

struct ctl_runs_conf {
	struct io_loop *loop;
	struct ctl_stock *stock;
	struct dir_watch *watch; /* all borrowed */
	uint32_t rotate;         /* seconds, 0: never */
};

int ctl_runs_new(const struct ctl_runs_conf *conf, struct ctl_runs **out) _must_check_;
/* All connections of runs are closed before. NULL is fine. */
void ctl_runs_free(struct ctl_runs *runs);
/* Answers REQUEST of UID, now or later. FD is taken, -1: none came. */
void ctl_runs_attach(struct ctl_runs *runs, struct ctl_conn *conn, uid_t uid,
		     const json_t *request, int fd);
/* For ctl_stock_events. */
void ctl_runs_ready(struct ctl_runs *runs);
void ctl_runs_lost(void *taker, struct ctl_circuit *circuit);
/* What users other than root pay for circuits from. */
struct ctl_quota *ctl_runs_quota(struct ctl_runs *runs);
/* Seats of UID, waiting ones too. */
size_t ctl_runs_count(const struct ctl_runs *runs, uid_t uid);
/* Another circuit for all runs of UID (those of everybody when ALL). Returns for how many seats. */
size_t ctl_runs_rotate(struct ctl_runs *runs, uid_t uid, bool all);
/* Whether NAME can be one: 1 to CTL_RUNS_NAME printable characters. */
bool ctl_runs_name_ok(const char *name);
