#pragma once
/* One client of the control socket: lines in, answers out, both bounded. For ctl_server.c. */
#include "common/ctl/ctl.h"

/*
 * Takes FD, a connected non-blocking socket (on success). GONE is called once, by the loop, when
 * the connection is over: it calls closed() and ctl_conn_free.
 */
int ctl_conn_new(struct io_loop *loop, int fd, const struct ctl_handler *handler, void *user,
		 void (*gone)(void *gone_data, struct ctl_conn *conn), void *gone_data,
		 struct ctl_conn **out) _must_check_;
void ctl_conn_free(struct ctl_conn *conn);
