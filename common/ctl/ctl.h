#pragma once
/*
 * The control socket: a Unix stream socket with one JSON object a line each way. A request has
 * "command"; an answer has "ok": true or "error": "one line". Descriptors ride along (SCM_RIGHTS).
 */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/io/loop.h"

enum { CTL_LINE_MAX = 1 << 20, CTL_REQUEST_MAX = 16384, CTL_CLIENTS_MAX = 64 };

struct ctl_server;
struct ctl_conn; /* one client; valid until closed() */

struct ctl_handler {
	/*
	 * One request; FD is a descriptor that came along (else -1), the handler's to close.
	 * Answer now or later with ctl_reply. UID is the peer's (SO_PEERCRED).
	 */
	void (*request)(void *user, struct ctl_conn *conn, uid_t uid, json_t *request, int fd);
	void (*closed)(void *user, struct ctl_conn *conn);
};

/*
 * Listens on PATH with MODE. A stale socket file (nobody listens) is replaced; -EADDRINUSE when
 * somebody does. HANDLER is borrowed.
 */
int ctl_server_new(struct io_loop *loop, const char *path, mode_t mode,
		   const struct ctl_handler *handler, void *user,
		   struct ctl_server **out) _must_check_;
void ctl_server_free(struct ctl_server *server); /* closes all, removes the file */
/* Takes ANSWER (also on failure). */
void ctl_reply(struct ctl_conn *conn, json_t *answer);
void ctl_reply_error(struct ctl_conn *conn, const char *fmt, ...) _printf_(2, 3);
void *ctl_conn_data(const struct ctl_conn *conn);
void ctl_conn_set_data(struct ctl_conn *conn, void *data);
void ctl_conn_close(struct ctl_conn *conn);

/* The other end, blocking. connect returns a descriptor or -errno. */
int ctl_connect(const char *path) _must_check_;
/* Sends REQUEST (borrowed) with descriptor PASS (-1: none), waits for one answer line. */
int ctl_call(int fd, const json_t *request, int pass, json_t **answer) _must_check_;
