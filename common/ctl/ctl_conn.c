#include "common/ctl/ctl_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { PASSED_MAX = 253 }; /* descriptors in one message: the kernel's SCM_MAX_FD */

struct ctl_conn {
	const struct ctl_handler *handler;
	void *user;
	void (*gone)(void *gone_data, struct ctl_conn *conn);
	void *gone_data;
	void *data;
	struct io_loop *loop;
	struct io_watch *watch;
	uint64_t active; /* io_loop_now of the last whole request or sent answer */
	struct ctl_closer *closer;
	int fd;
	int passed; /* network namespace that came for the next request, or -1 */
	uid_t uid;
	bool waiting; /* a request is with the handler */
	bool closing; /* no more requests, close when OUT is empty */
	bool broken;  /* close now */
	size_t in_len;
	size_t out_len, out_sent;
	char *out; /* malloc'ed answers; sent up to OUT_SENT of OUT_LEN */
	int pass;       /* rides on the octet PASS_AT of OUT, or -1 */
	size_t pass_at;
	char in[CTL_REQUEST_MAX];
};

static bool out_pending(const struct ctl_conn *conn)
{
	return conn->out_sent < conn->out_len;
}

/* The next round sees the hang-up and calls GONE. */
static void break_off(struct ctl_conn *conn)
{
	conn->broken = true;
	conn->out_sent = conn->out_len;
	shutdown(conn->fd, SHUT_RDWR);
}

/* Sends once: up to the octet that a descriptor rides on, or from there on. */
static ssize_t send_some(struct ctl_conn *conn)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { conn->out + conn->out_sent, conn->out_len - conn->out_sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (conn->pass >= 0 && conn->out_sent < conn->pass_at) {
		iov.iov_len = conn->pass_at - conn->out_sent;
	} else if (conn->pass >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &conn->pass, sizeof(int));
	}
	n = sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0 && msg.msg_control)
		close(steal_fd(&conn->pass));
	return n;
}

static void flush(struct ctl_conn *conn)
{
	while (out_pending(conn)) {
		ssize_t n = send_some(conn);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			break_off(conn);
		if (n < 0)
			return;
		conn->out_sent += (size_t)n;
		conn->active = io_loop_now(conn->loop);
	}
	free(conn->out);
	conn->out = NULL;
	conn->out_len = conn->out_sent = 0;
}

/* A whole line is there and its turn has come. */
static bool line_ready(const struct ctl_conn *conn)
{
	return !conn->waiting && !conn->closing && !conn->broken && !out_pending(conn) &&
	       memchr(conn->in, '\n', conn->in_len);
}

/* Writable also stands for "come back in the next round". */
static void update_events(struct ctl_conn *conn)
{
	bool write = out_pending(conn) || conn->closing || conn->broken || line_ready(conn);

	io_watch_events(conn->watch, (conn->closing ? 0 : IO_READ) | (write ? IO_WRITE : 0));
}

static void append(struct ctl_conn *conn, const char *line, size_t len)
{
	char *out;

	if (conn->out_len - conn->out_sent + len + 1 > CTL_LINE_MAX) {
		break_off(conn);
		return;
	}
	out = malloc(conn->out_len - conn->out_sent + len + 1);
	if (!out) {
		break_off(conn);
		return;
	}
	conn->out_len -= conn->out_sent;
	conn->pass_at -= conn->pass >= 0 ? conn->out_sent : 0;
	if (conn->out_len > 0)
		memcpy(out, conn->out + conn->out_sent, conn->out_len);
	memcpy(out + conn->out_len, line, len);
	out[conn->out_len + len] = '\n';
	conn->out_len += len + 1;
	conn->out_sent = 0;
	free(conn->out);
	conn->out = out;
}

void ctl_reply(struct ctl_conn *conn, json_t *answer)
{
	ctl_reply_pass(conn, answer, -1);
}

/* PASS is to ride on what is appended next. One at a time, and none that cannot be had: no fd. */
static void put_pass(struct ctl_conn *conn, int pass)
{
	if (pass < 0 || conn->pass >= 0)
		return;
	conn->pass = fcntl(pass, F_DUPFD_CLOEXEC, 0);
	conn->pass_at = conn->out_len;
}

void ctl_reply_pass(struct ctl_conn *conn, json_t *answer, int pass)
{
	static const char memory[] = "{\"error\":\"out of memory\"}";
	static const char length[] = "{\"error\":\"the answer is too long\"}";
	_cleanup_free_ char *line = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	conn->waiting = false;
	if (conn->broken)
		return;
	put_pass(conn, pass);
	if (!line)
		append(conn, memory, sizeof(memory) - 1);
	else if (strlen(line) >= CTL_LINE_MAX)
		append(conn, length, sizeof(length) - 1);
	else
		append(conn, line, strlen(line));
	flush(conn);
	update_events(conn);
}

void ctl_reply_error(struct ctl_conn *conn, const char *fmt, ...)
{
	char text[512];
	json_t *answer;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	answer = json_pack("{s:s}", "error", text);
	if (!answer) /* cut inside a character, or what the peer sent was no UTF-8 */
		answer = json_pack("{s:s}", "error", "refused, for a reason that is no text");
	ctl_reply(conn, answer);
}

void *ctl_conn_data(const struct ctl_conn *conn)
{
	return conn->data;
}

void ctl_conn_set_data(struct ctl_conn *conn, void *data)
{
	conn->data = data;
}

void ctl_conn_close(struct ctl_conn *conn)
{
	conn->closing = true;
	update_events(conn);
}

static void refuse(struct ctl_conn *conn, const char *what)
{
	ctl_reply_error(conn, "%s", what);
	ctl_conn_close(conn);
}

/*
 * Told by its name in /proc, which no file, socket or device of somebody's can bear and which is
 * asked of nobody: fstat, ioctl or close may wait for a file system in the peer's hands.
 */
static bool is_netns(int fd)
{
	char path[32], name[16];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, name, sizeof(name)) > 5 && memcmp(name, "net:[", 5) == 0;
}

/* Keeps the first network namespace that came for a request, gets rid of all else. */
static void take_descriptors(struct ctl_conn *conn, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (conn->passed < 0 && is_netns(fd))
				conn->passed = fd;
			else
				ctl_closer_put(conn->closer, fd);
		}
	}
}

/* Reads once. False when the connection is over. */
static bool fill(struct ctl_conn *conn)
{
	/* room for all: the kernel would close the others in here */
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	struct iovec iov = { conn->in + conn->in_len, sizeof(conn->in) - conn->in_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	take_descriptors(conn, &msg);
	conn->in_len += (size_t)n;
	return n > 0;
}

static void deliver(struct ctl_conn *conn, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	int fd = conn->passed;

	if (!json_is_string(json_object_get(request, "command"))) {
		refuse(conn, "a request is one line: a JSON object with \"command\"");
	} else {
		conn->passed = -1;
		conn->active = io_loop_now(conn->loop);
		conn->waiting = true;
		conn->handler->request(conn->user, conn, conn->uid, request, fd);
	}
	json_decref(request);
}

static void deliver_lines(struct ctl_conn *conn)
{
	while (line_ready(conn)) {
		char *end = memchr(conn->in, '\n', conn->in_len);
		size_t len = (size_t)(end - conn->in);

		deliver(conn, conn->in, len);
		conn->in_len -= len + 1;
		memmove(conn->in, end + 1, conn->in_len);
	}
}

static void on_event(void *data)
{
	struct ctl_conn *conn = data;
	bool alive = true;

	flush(conn);
	if (!conn->closing && !conn->broken) {
		alive = fill(conn);
		deliver_lines(conn);
		if (!conn->closing && conn->in_len == sizeof(conn->in))
			refuse(conn, "the request is too long");
	}
	if (!alive || conn->broken || (conn->closing && !out_pending(conn)))
		conn->gone(conn->gone_data, conn);
	else
		update_events(conn);
}

int ctl_conn_new(struct io_loop *loop, int fd, uid_t uid, struct ctl_closer *closer,
		 const struct ctl_handler *handler, void *user,
		 void (*gone)(void *gone_data, struct ctl_conn *conn), void *gone_data,
		 struct ctl_conn **out)
{
	struct ctl_conn *conn = calloc(1, sizeof(*conn));
	int err;

	if (!conn)
		return -ENOMEM;
	err = io_watch_new(loop, fd, on_event, conn, &conn->watch);
	if (err < 0) {
		free(conn);
		return err;
	}
	conn->handler = handler;
	conn->user = user;
	conn->gone = gone;
	conn->gone_data = gone_data;
	conn->loop = loop;
	conn->active = io_loop_now(loop);
	conn->closer = closer;
	conn->fd = fd;
	conn->passed = conn->pass = -1;
	conn->uid = uid;
	*out = conn;
	return 0;
}

uid_t ctl_conn_uid(const struct ctl_conn *conn)
{
	return conn->uid;
}

uint64_t ctl_conn_idle_since(const struct ctl_conn *conn)
{
	return conn->waiting || conn->data ? UINT64_MAX : conn->active;
}

void ctl_conn_break(struct ctl_conn *conn)
{
	break_off(conn);
	update_events(conn);
}

void ctl_conn_drop(struct ctl_closer *closer, int fd)
{
	char c;

	shutdown(fd, SHUT_RDWR);
	if (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		ctl_closer_put(closer, fd);
	else
		close(fd);
}

void ctl_conn_free(struct ctl_conn *conn)
{
	io_watch_free(conn->watch);
	ctl_conn_drop(conn->closer, conn->fd);
	if (conn->passed >= 0)
		close(conn->passed);
	cleanup_close(&conn->pass);
	free(conn->out);
	free(conn);
}
