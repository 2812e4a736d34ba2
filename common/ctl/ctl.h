#pragma once
/*
 * The control socket: a Unix stream socket with one JSON object a line each way. A request has
 * "command"; an answer has "ok": true or "error": "one line". A network namespace may ride along as a
 * descriptor (SCM_RIGHTS), either way; of what clients send others are dropped. After an answer lines
 * with "event" may follow, unasked.
 */
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/base/cleanup.h"
#include "common/io/loop.h"

enum {
	CTL_LINE_MAX = 1 << 20, /* bytes of an answer */
	CTL_REQUEST_MAX = 16384,
	CTL_CLIENTS_MAX = 128,
	CTL_CLIENTS_ROOT = 8,   /* of these are for root alone */
	CTL_CLIENTS_USER = 16,   /* of one user who is not root */
	CTL_IDLE_MS = 10000,    /* without a request, or without reading the answer */
};

struct ctl_server;
struct ctl_conn; /* one client; valid until closed() */

struct ctl_handler {
	/*
	 * One request: an object with a string "command", borrowed. FD is a network namespace that
	 * came along (else -1), the handler's to close. Answer now or later with ctl_reply, and
	 * send events with it later; the connection's next request comes after the answer. UID is the peer's (SO_PEERCRED).
	 */
	void (*request)(void *user, struct ctl_conn *conn, uid_t uid, json_t *request, int fd);
	/* CONN is over. Called by the loop or ctl_server_free, never from within another call. */
	void (*closed)(void *user, struct ctl_conn *conn);
};

/*
 * Listens on PATH with MODE; its directory is made when missing. A stale socket file (nobody
 * listens) is replaced; -EADDRINUSE when somebody does, -EEXIST when PATH is no socket. HANDLER is
 * borrowed.
 */
int ctl_server_new(struct io_loop *loop, const char *path, mode_t mode,
		   const struct ctl_handler *handler, void *user,
		   struct ctl_server **out) _must_check_;
/* Closes all, removes the file. Not from within request(). */
void ctl_server_free(struct ctl_server *server);
/* Takes ANSWER, also on failure; NULL: "out of memory". A peer that is gone is no error. */
void ctl_reply(struct ctl_conn *conn, json_t *answer);
/* The same with descriptor PASS, which stays the caller's. */
void ctl_reply_pass(struct ctl_conn *conn, json_t *answer, int pass);
void ctl_reply_error(struct ctl_conn *conn, const char *fmt, ...) _printf_(2, 3);
/* A connection with DATA other than NULL is in use: it is not closed for being idle. */
void *ctl_conn_data(const struct ctl_conn *conn);
void ctl_conn_set_data(struct ctl_conn *conn, void *data);
/* No more requests; closes when the answers are out, then closed() is called. */
void ctl_conn_close(struct ctl_conn *conn);

/* The other end, blocking. connect returns a descriptor or -errno. */
int ctl_connect(const char *path) _must_check_;
/*
 * Sends REQUEST (borrowed) with descriptor PASS (-1: none), waits for one answer line. 0 with an
 * object in ANSWER (also an "error" one), -ECONNRESET when the server hung up without, -EMSGSIZE
 * for a line too long, -EBADMSG for an answer that is no JSON object.
 */
int ctl_call(int fd, const json_t *request, int pass, json_t **answer) _must_check_;
/* The same; *GOT becomes the descriptor that came with the answer, the caller's, or -1. */
int ctl_call_pass(int fd, const json_t *request, int pass, json_t **answer,
		  int *got) _must_check_;
/* Waits for one more line; as ctl_call. */
int ctl_hear(int fd, json_t **line) _must_check_;
