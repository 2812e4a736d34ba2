/*
 * The control socket's two ends. First byte odd: the rest is what a client sends to the server, in
 * pieces, under a handler that answers each command. Even: the rest is what a server answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/ctl/ctl_conn.h"

enum { SEND_MAX = 65536 };

struct harness {
	struct io_loop *loop;
	struct ctl_closer *closer;
	int far; /* the client's end */
	const uint8_t *left;
	size_t left_len;
	bool over;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void pair_of(int fds[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

/* ---- server ---- */

static void on_request(void *user, struct ctl_conn *conn, uid_t uid, json_t *request, int fd)
{
	const char *command = json_string_value(json_object_get(request, "command"));

	must(user && uid == 7 && fd == -1 && command);
	if (strcmp(command, "close") == 0)
		ctl_conn_close(conn);
	if (strcmp(command, "echo") == 0)
		ctl_reply(conn, json_incref(request));
	else
		ctl_reply_error(conn, "unknown command %s", command);
}

static void on_closed(void *user, struct ctl_conn *conn)
{
	(void)user;
	(void)conn;
}

static void on_gone(void *data, struct ctl_conn *conn)
{
	struct harness *h = data;

	must(!h->over);
	h->over = true;
	ctl_conn_free(conn);
	io_loop_stop(h->loop);
}

/* The client takes what there is, sends the next piece, and hangs up after the last. */
static void on_far(void *data)
{
	struct harness *h = data;
	size_t piece = h->left_len < 1 ? 0 : 1 + h->left[0] % 64;
	uint8_t answer[4096];
	ssize_t n;

	while (recv(h->far, answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
	if (piece > h->left_len || h->left_len > SEND_MAX)
		piece = h->left_len;
	n = piece > 0 ? send(h->far, h->left, piece, MSG_DONTWAIT | MSG_NOSIGNAL) : -1;
	if (n > 0) {
		h->left += n;
		h->left_len -= (size_t)n;
	} else if (n == 0 || errno != EAGAIN || h->left_len == 0) {
		shutdown(h->far, SHUT_WR);
	}
}

static void serve(const uint8_t *data, size_t len)
{
	static const struct ctl_handler handler = { .request = on_request, .closed = on_closed };
	struct harness h = { .left = data, .left_len = len };
	struct io_watch *watch;
	struct ctl_conn *conn;
	int fds[2];

	pair_of(fds);
	h.far = fds[1];
	must(io_loop_new(&h.loop) == 0 && ctl_closer_new(&h.closer) == 0);
	must(ctl_conn_new(h.loop, fds[0], 7, h.closer, &handler, &h, on_gone, &h, &conn) == 0);
	must(io_watch_new(h.loop, h.far, on_far, &h, &watch) == 0);
	io_watch_events(watch, IO_READ | IO_WRITE);
	io_loop_run(h.loop);
	must(h.over);
	io_watch_free(watch);
	io_loop_free(h.loop);
	ctl_closer_free(h.closer);
	close(h.far);
}

/* ---- client ---- */

static void answer(const uint8_t *data, size_t len)
{
	json_t *request = json_pack("{s:s}", "command", "status"), *got = NULL;
	int fds[2], size = SEND_MAX;

	pair_of(fds);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (len > 0)
		(void)send(fds[1], data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fds[1], SHUT_WR);
	if (ctl_call(fds[0], request, -1, &got) == 0)
		must(json_is_object(got));
	json_decref(got);
	json_decref(request);
	close(fds[0]);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 1)
		serve(data + 1, size - 1);
	else
		answer(data + 1, size - 1);
	return 0;
}
