#pragma once
/*
 * The daemon's log for the control socket: root reads all lines, a user those that are for all
 * (list, paths, circuits that nobody got) and those about circuits of its own. {"lines": N} asks for
 * the newest N: {"ok", "lines": [{"time" ms since the epoch, "level", "text"}]}. With "follow": true
 * events come as lines do, until the caller hangs up: {"event": "log", "lines"}.
 */
#include <jansson.h>

#include "common/base/log_ring.h"
#include "common/ctl/ctl.h"

struct ctl_log;

enum { CTL_LOG_LINES = 50 }; /* when not asked for another number */

/* Keeps what is logged from now on: there is one in a process. */
int ctl_log_new(struct io_loop *loop, struct ctl_log **out) _must_check_;
/* The connections are closed already. NULL is fine. */
void ctl_log_free(struct ctl_log *log);
/* Answers REQUEST (borrowed) of user UID. */
void ctl_log_request(struct ctl_log *log, struct ctl_conn *conn, uid_t uid, const json_t *request);
