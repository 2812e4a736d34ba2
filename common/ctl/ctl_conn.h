#pragma once
/* One client of the control socket: lines in, answers out, both bounded. For ctl_server.c. */
#include "common/ctl/ctl.h"
#include "common/ctl/ctl_closer.h"

/*
 * Takes FD, a connected non-blocking socket of user UID (on success). GONE is called once, by the
 * loop, when the connection is over: it calls closed() and ctl_conn_free.
 */
int ctl_conn_new(struct io_loop *loop, int fd, uid_t uid, struct ctl_closer *closer,
		 const struct ctl_handler *handler, void *user,
		 void (*gone)(void *gone_data, struct ctl_conn *conn), void *gone_data,
		 struct ctl_conn **out) _must_check_;
uid_t ctl_conn_uid(const struct ctl_conn *conn);
/* Since when (io_loop_now) nothing has happened; UINT64_MAX: the next step is the handler's. */
uint64_t ctl_conn_idle_since(const struct ctl_conn *conn);
/* Breaks off: `gone` comes from the loop. */
void ctl_conn_break(struct ctl_conn *conn);
void ctl_conn_free(struct ctl_conn *conn);
/* Closes a connection; what it has not been read of may hold descriptors, which CLOSER sees to. */
void ctl_conn_drop(struct ctl_closer *closer, int fd);
