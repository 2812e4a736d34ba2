#include "ctl/harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void on_timer(void *data)
{
	struct harness *h = data;

	if (h->waiting)
		ctl_reply(h->waiting, json_pack("{s:b}", "ok", 1));
	h->waiting = NULL;
}

static void reply_fd(struct ctl_conn *conn, int fd)
{
	bool cloexec = fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
	struct stat st = { 0 };

	if (fd >= 0)
		cr_expect_eq(fstat(fd, &st), 0);
	ctl_reply(conn, json_pack("{s:b,s:b,s:I,s:b}", "ok", 1, "got", fd >= 0, "inode",
				  (json_int_t)st.st_ino, "cloexec", cloexec));
}

static void reply_big(struct ctl_conn *conn, size_t size)
{
	char *text = malloc(size + 1);

	memset(text, 'x', size);
	text[size] = '\0';
	ctl_reply(conn, json_pack("{s:b,s:s}", "ok", 1, "text", text));
	free(text);
}

static void on_request(void *user, struct ctl_conn *conn, uid_t uid, json_t *request, int fd)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	json_int_t n = json_integer_value(json_object_get(request, "n"));
	struct harness *h = user;

	h->requests++;
	ctl_conn_set_data(conn, h);
	if (strcmp(command, "echo") == 0) {
		ctl_reply(conn, json_pack("{s:b,s:I,s:i}", "ok", 1, "n", n, "uid", (int)uid));
	} else if (strcmp(command, "later") == 0) {
		h->waiting = conn;
		io_timer_start(h->timer, (uint64_t)n);
	} else if (strcmp(command, "fd") == 0) {
		reply_fd(conn, fd);
	} else if (strcmp(command, "back") == 0) {
		ctl_reply(conn, json_pack("{s:b}", "before", 1));
		ctl_reply_pass(conn, json_pack("{s:b}", "ok", 1), fd);
		ctl_reply(conn, json_pack("{s:s}", "event", "after"));
	} else if (strcmp(command, "big") == 0) {
		reply_big(conn, (size_t)n);
	} else if (strcmp(command, "close") == 0) {
		ctl_conn_close(conn);
		ctl_reply(conn, json_pack("{s:b}", "ok", 1));
		ctl_conn_close(conn);
	} else if (strcmp(command, "memory") == 0) {
		ctl_reply(conn, NULL);
	} else {
		ctl_reply_error(conn, "no command %s", command);
	}
	if (fd >= 0)
		close(fd);
}

static void on_closed(void *user, struct ctl_conn *conn)
{
	struct harness *h = user;

	h->closed++;
	if (ctl_conn_data(conn) && ctl_conn_data(conn) != h)
		h->closed += 1000;
	if (h->waiting == conn) {
		h->waiting = NULL;
		h->dropped++;
	}
}

const struct ctl_handler harness_handler = { .request = on_request, .closed = on_closed };

static void on_stop(void *data)
{
	struct harness *h = data;

	io_loop_stop(h->loop);
}

void *harness_run(void *data)
{
	struct harness *h = data;

	return io_loop_run(h->loop) == 0 ? NULL : h;
}

void harness_init(struct harness *h)
{
	memset(h, 0, sizeof(*h));
	/* the first loop of a process makes descriptors that libuv keeps */
	cr_assert_eq(io_loop_new(&h->loop), 0);
	io_loop_free(h->loop);
	h->fds_before = count_fds();
	strcpy(h->dir, "/tmp/ippriv-ctl.XXXXXX");
	cr_assert_not_null(mkdtemp(h->dir));
	snprintf(h->path, sizeof(h->path), "%s/run/control", h->dir);
	cr_assert_eq(io_loop_new(&h->loop), 0);
	cr_assert_eq(pipe2(h->stop_pipe, O_CLOEXEC), 0);
	cr_assert_eq(io_watch_new(h->loop, h->stop_pipe[0], on_stop, h, &h->stop), 0);
	cr_assert_eq(io_timer_new(h->loop, on_timer, h, &h->timer), 0);
}

struct harness *harness_start(void)
{
	struct harness *h = malloc(sizeof(*h));

	harness_init(h);
	cr_assert_eq(ctl_server_new(h->loop, h->path, 0600, &harness_handler, h, &h->server), 0);
	cr_assert_eq(pthread_create(&h->thread, NULL, harness_run, h), 0);
	return h;
}

/*
 * Stops the thread: so many REQUESTS were served (-1: it depends on the timing), so many
 * connections CLOSED once the server is gone, and no descriptor is left.
 */
void harness_end(struct harness *h, int requests, int closed)
{
	char dir[80];
	void *wrong;

	cr_assert_eq(write(h->stop_pipe[1], "x", 1), 1);
	cr_assert_eq(pthread_join(h->thread, &wrong), 0);
	cr_assert_null(wrong);
	ctl_server_free(h->server);
	cr_assert_eq(access(h->path, F_OK), -1, "the socket file is gone");
	io_loop_free(h->loop);
	close(h->stop_pipe[0]);
	close(h->stop_pipe[1]);
	cr_assert(requests < 0 || h->requests == requests, "%d requests", h->requests);
	cr_assert_eq(h->closed, closed, "%d closed", h->closed);
	for (int i = 0; i < 300 && count_fds() > h->fds_before; i++)
		usleep(10000); /* ctl_closer.h has its own time */
	cr_assert_eq(count_fds(), h->fds_before);
	snprintf(dir, sizeof(dir), "%s/run", h->dir);
	cr_assert_eq(rmdir(dir), 0);
	cr_assert_eq(rmdir(h->dir), 0);
	free(h);
}

int dial(const struct harness *h)
{
	struct timeval limit = { .tv_sec = 5 };
	int fd = ctl_connect(h->path);

	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

json_t *call(int fd, const char *command, int n, int pass)
{
	json_t *request = json_pack("{s:s,s:i}", "command", command, "n", n), *answer = NULL;
	int err = ctl_call(fd, request, pass, &answer);

	json_decref(request);
	cr_assert_eq(err, 0, "%s: %s", command, strerror(-err));
	return answer;
}

bool is_true(const json_t *answer, const char *key)
{
	return json_is_true(json_object_get(answer, key));
}

void put(int fd, const char *text, size_t len)
{
	cr_assert_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads up to and with one newline. */
void get_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && recv(fd, line + used, 1, 0) == 1 && line[used++] != '\n')
		;
	line[used] = '\0';
}

void expect_line(int fd, const char *expected)
{
	char line[512];

	get_line(fd, line, sizeof(line));
	cr_assert_str_eq(line, expected);
}

void expect_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert(n == 0 || (n < 0 && errno == ECONNRESET), "%zd %s", n, strerror(errno));
}
