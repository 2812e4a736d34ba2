#include "common/ctl/ctl.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* The server runs in a thread of its own. */
struct harness {
	struct io_loop *loop;
	struct io_watch *stop;
	struct io_timer *timer;
	struct ctl_server *server;
	struct ctl_conn *waiting; /* its answer comes from the timer */
	pthread_t thread;
	int stop_pipe[2];
	int fds_before;
	atomic_int requests, closed, dropped;
	char dir[64], path[96];
};

static int count_fds(void)
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

static const struct ctl_handler handler = { .request = on_request, .closed = on_closed };

static void on_stop(void *data)
{
	struct harness *h = data;

	io_loop_stop(h->loop);
}

static void *run(void *data)
{
	struct harness *h = data;

	return io_loop_run(h->loop) == 0 ? NULL : h;
}

static void harness_init(struct harness *h)
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

static struct harness *harness_start(void)
{
	struct harness *h = malloc(sizeof(*h));

	harness_init(h);
	cr_assert_eq(ctl_server_new(h->loop, h->path, 0600, &handler, h, &h->server), 0);
	cr_assert_eq(pthread_create(&h->thread, NULL, run, h), 0);
	return h;
}

/*
 * Stops the thread: so many REQUESTS were served (-1: it depends on the timing), so many
 * connections CLOSED once the server is gone, and no descriptor is left.
 */
static void harness_end(struct harness *h, int requests, int closed)
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

static int dial(const struct harness *h)
{
	struct timeval limit = { .tv_sec = 5 };
	int fd = ctl_connect(h->path);

	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static json_t *call(int fd, const char *command, int n, int pass)
{
	json_t *request = json_pack("{s:s,s:i}", "command", command, "n", n), *answer = NULL;
	int err = ctl_call(fd, request, pass, &answer);

	json_decref(request);
	cr_assert_eq(err, 0, "%s: %s", command, strerror(-err));
	return answer;
}

static bool is_true(const json_t *answer, const char *key)
{
	return json_is_true(json_object_get(answer, key));
}

static void put(int fd, const char *text, size_t len)
{
	cr_assert_eq(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Reads up to and with one newline. */
static void get_line(int fd, char *line, size_t size)
{
	size_t used = 0;

	while (used + 1 < size && recv(fd, line + used, 1, 0) == 1 && line[used++] != '\n')
		;
	line[used] = '\0';
}

static void expect_line(int fd, const char *expected)
{
	char line[512];

	get_line(fd, line, sizeof(line));
	cr_assert_str_eq(line, expected);
}

static void expect_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert(n == 0 || (n < 0 && errno == ECONNRESET), "%zd %s", n, strerror(errno));
}

Test(ctl, round_trips_and_uid)
{
	struct harness *h = harness_start();
	int fd = dial(h);
	struct stat st;

	for (int i = 0; i < 100; i++) {
		json_t *answer = call(fd, "echo", i, -1);

		cr_assert(is_true(answer, "ok"));
		cr_assert_eq(json_integer_value(json_object_get(answer, "n")), i);
		cr_assert_eq(json_integer_value(json_object_get(answer, "uid")), (int)getuid());
		json_decref(answer);
	}
	cr_assert_eq(stat(h->path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600u);
	close(fd);
	harness_end(h, 100, 1);
}

Test(ctl, directory_and_mode_whatever_the_umask)
{
	struct harness h;
	struct stat st;
	char dir[80];

	umask(0077);
	harness_init(&h);
	cr_assert_eq(ctl_server_new(h.loop, h.path, 0666, &handler, &h, &h.server), 0);
	cr_assert_eq(stat(h.path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0666u);
	snprintf(dir, sizeof(dir), "%s/run", h.dir);
	cr_assert_eq(stat(dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0755u);
	ctl_server_free(h.server);
	io_loop_free(h.loop);
	rmdir(dir);
	rmdir(h.dir);
}

Test(ctl, peer_uid_is_the_kernels)
{
	struct harness *h;
	int status = -1, fd;
	json_t *answer;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("setuid needs root");
	h = harness_start();
	cr_assert_eq(chmod(h->dir, 0755), 0);
	cr_assert_eq(chmod(h->path, 0666), 0);
	pid = fork();
	if (pid == 0) {
		if (setuid(65534) < 0)
			_exit(2);
		fd = ctl_connect(h->path);
		answer = fd >= 0 ? call(fd, "echo", 1, -1) : NULL;
		_exit(json_integer_value(json_object_get(answer, "uid")) == 65534 ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	harness_end(h, 1, 1);
}

Test(ctl, later_answers_keep_their_order)
{
	static const char two[] = "{\"command\":\"later\",\"n\":30}\n{\"command\":\"echo\",\"n\":2}\n";
	struct harness *h = harness_start();
	int fd = dial(h), other = dial(h);
	char line[64];
	json_t *answer;

	put(fd, two, sizeof(two) - 1);
	answer = call(other, "echo", 1, -1); /* meanwhile others are served */
	json_decref(answer);
	expect_line(fd, "{\"ok\":true}\n");
	get_line(fd, line, sizeof(line));
	cr_assert_not_null(strstr(line, "\"n\":2"));
	close(fd);
	close(other);
	harness_end(h, 3, 2);
}

Test(ctl, two_requests_in_one_segment_and_byte_by_byte)
{
	static const char two[] = "{\"command\":\"echo\",\"n\":1}\n {\"command\":\"echo\", \"n\":2} \n";
	struct harness *h = harness_start();
	int fd = dial(h);
	char line[128];

	for (int byte_by_byte = 0; byte_by_byte < 2; byte_by_byte++) {
		if (!byte_by_byte)
			put(fd, two, sizeof(two) - 1);
		for (size_t i = 0; byte_by_byte && i < sizeof(two) - 1; i++) {
			put(fd, two + i, 1);
			usleep(200);
		}
		get_line(fd, line, sizeof(line));
		cr_assert_not_null(strstr(line, "\"n\":1"));
		get_line(fd, line, sizeof(line));
		cr_assert_not_null(strstr(line, "\"n\":2"));
	}
	close(fd);
	harness_end(h, 4, 1);
}

Test(ctl, descriptor_of_a_network_namespace)
{
	struct harness *h = harness_start();
	int fd = dial(h), ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	json_t *answer = call(fd, "fd", 0, ns);
	struct stat st;

	cr_assert_eq(fstat(ns, &st), 0);
	cr_assert(is_true(answer, "got"));
	cr_assert(is_true(answer, "cloexec"));
	cr_assert_eq(json_integer_value(json_object_get(answer, "inode")), (json_int_t)st.st_ino);
	json_decref(answer);
	answer = call(fd, "fd", 0, -1); /* none is left over */
	cr_assert_not(is_true(answer, "got"));
	json_decref(answer);
	close(ns);
	close(fd);
	harness_end(h, 2, 1);
}

enum { PASS_MAX = 253 }; /* as many as the kernel takes at once */

/* TEXT with COUNT copies of PASS. */
static void put_with(int fd, const char *text, int pass, size_t count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(PASS_MAX * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &pass, sizeof(pass));
	cr_assert_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static int open_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

static void expect_netns(int fd)
{
	char line[128];
	struct stat st;

	cr_assert_eq(stat("/proc/self/ns/net", &st), 0);
	snprintf(line, sizeof(line),
		 "{\"ok\":true,\"got\":true,\"inode\":%llu,\"cloexec\":true}\n",
		 (unsigned long long)st.st_ino);
	expect_line(fd, line);
}

static const char got_none[] = "{\"ok\":true,\"got\":false,\"inode\":0,\"cloexec\":false}\n";

/* harness_end counts descriptors: extra ones, those of a torn line and of garbage are closed. */
Test(ctl, surplus_descriptors_are_closed)
{
	struct harness *h = harness_start();
	int fd = dial(h), ns = open_netns();

	put_with(fd, "{\"command\":\"fd\"}\n", ns, 3);
	expect_netns(fd);
	put_with(fd, "{\"command\":\"fd\"}\n", ns, PASS_MAX);
	expect_netns(fd);
	put_with(fd, "{\"comm", ns, 2);
	usleep(5000);
	put_with(fd, "and\":\"fd\"", ns, 1);
	usleep(5000);
	put_with(fd, "}\n", ns, 1);
	expect_netns(fd);
	put_with(fd, "{\"torn", ns, 1);
	close(fd);
	fd = dial(h);
	put_with(fd, "garbage\n", ns, 4);
	expect_line(fd, "{\"error\":\"a request is one line: a JSON object with \\\"command\\\"\"}\n");
	expect_end(fd);
	close(fd);
	close(ns);
	harness_end(h, 3, 2);
}

Test(ctl, only_network_namespaces_are_handed_on)
{
	static const char *const paths[] = { "/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/user",
					     "/", "/proc/self/stat" };
	struct harness *h = harness_start();
	int fd = dial(h), other, ends[2], ns = open_netns();
	char dir[96];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		other = open(paths[i], O_RDONLY | O_CLOEXEC);
		cr_assert_geq(other, 0);
		put_with(fd, "{\"command\":\"fd\"}\n", other, 2);
		expect_line(fd, got_none);
		close(other);
	}
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	put_with(fd, "{\"command\":\"fd\"}\n", ends[0], 1);
	expect_line(fd, got_none);
	/* a name that looks like one */
	snprintf(dir, sizeof(dir), "%s/net:[4026531840]", h->dir);
	other = open(dir, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	put_with(fd, "{\"command\":\"fd\"}\n", other, 1);
	expect_line(fd, got_none);
	unlink(dir);
	put_with(fd, "{\"comm", other, 7);
	usleep(5000);
	put_with(fd, "and\":\"fd\"}\n", ns, 1);
	expect_netns(fd);
	close(other);
	close(ends[0]);
	close(ends[1]);
	close(ns);
	close(fd);
	harness_end(h, (int)ARRAY_SIZE(paths) + 3, 1);
}

/* A connected TCP socket with unsent data whose last close waits for 30 s. The other end in PEER. */
static int lingering(int *peer)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct linger linger = { 1, 30 };
	static const char block[65536];
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(listener, (struct sockaddr *)&a, len), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&a, len), 0);
	*peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq(*peer, 0);
	close(listener);
	while (send(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

static void *close_it(void *fd)
{
	close(*(int *)fd);
	return NULL;
}

/* Read or unread, alone or with others: nobody else waits for the socket's close. */
Test(ctl, a_descriptor_that_does_not_close_stops_nobody, .timeout = 20)
{
	struct harness *h = harness_start();
	static const char later[] = "{\"command\":\"later\",\"n\":200}\n";
	int peers[3], fds[3], slows[3], other;
	pthread_t threads[3];
	json_t *answer;

	for (int i = 0; i < 3; i++) {
		int slow = lingering(&peers[i]);

		fds[i] = dial(h);
		if (i == 2) /* stays in the queue behind a request that is not answered yet */
			put(fds[i], later, strlen(later));
		put_with(fds[i], i == 1 ? "garbage\n" : "{\"command\":\"fd\"}\n", slow, 1);
		/* ours goes, too; if it should be the last one, this thread waits */
		slows[i] = slow;
		cr_assert_eq(pthread_create(&threads[i], NULL, close_it, &slows[i]), 0);
		if (i == 2)
			close(fds[i]);
	}
	other = dial(h);
	answer = call(other, "echo", 7, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	usleep(300000);
	answer = call(other, "echo", 8, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	for (int i = 0; i < 3; i++)
		close(peers[i]); /* with unread data: a reset, nothing lingers any more */
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	close(fds[0]);
	close(fds[1]);
	close(other);
	harness_end(h, -1, 4);
}

Test(ctl, garbage_is_answered_and_closed)
{
	static const char *const bad[] = {
		"\n", "x\n", "{}\n", "[]\n", "{\"command\":1}\n", "{\"command\":\"echo\"}}\n",
		"{\"command\":\"echo\",\"command\":\"fd\"}\n", "\"command\"\n", "null\n",
		"{\"command\":\"ec\xff\"}\n", "{\"command\":\"echo\\u0000\"}\n",
	};
	struct harness *h = harness_start();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int fd = dial(h);

		put(fd, bad[i], strlen(bad[i]));
		expect_line(fd, "{\"error\":\"a request is one line: a JSON object with "
				"\\\"command\\\"\"}\n");
		expect_end(fd);
		close(fd);
	}
	harness_end(h, 0, (int)ARRAY_SIZE(bad));
}

Test(ctl, nothing_after_garbage_is_served)
{
	struct harness *h = harness_start();
	static const char text[] = "x\n{\"command\":\"echo\"}\n{\"command\":\"echo\"}\n";
	int fd = dial(h);
	char line[256];

	put(fd, text, sizeof(text) - 1);
	get_line(fd, line, sizeof(line));
	cr_assert_not_null(strstr(line, "error"));
	expect_end(fd);
	close(fd);
	harness_end(h, 0, 1);
}

Test(ctl, oversize_request)
{
	struct harness *h = harness_start();
	char text[CTL_REQUEST_MAX + 1];
	json_t *request, *answer = NULL;
	int fd = dial(h);

	memset(text, ' ', sizeof(text));
	put(fd, text, CTL_REQUEST_MAX);
	expect_line(fd, "{\"error\":\"the request is too long\"}\n");
	expect_end(fd);
	close(fd);
	/* one byte less, with its newline, is served */
	fd = dial(h);
	memcpy(text, "{\"command\":\"echo\"}", 18);
	text[CTL_REQUEST_MAX - 1] = '\n';
	put(fd, text, CTL_REQUEST_MAX);
	get_line(fd, text, 64);
	cr_assert_not_null(strstr(text, "\"ok\":true"));
	/* our own client refuses to send one */
	memset(text, 'y', CTL_REQUEST_MAX);
	text[CTL_REQUEST_MAX] = '\0';
	request = json_pack("{s:s}", "command", text);
	cr_assert_eq(ctl_call(fd, request, -1, &answer), -EMSGSIZE);
	json_decref(request);
	close(fd);
	harness_end(h, 1, 2);
}

Test(ctl, close_after_the_answer)
{
	struct harness *h = harness_start();
	int fd = dial(h);
	json_t *answer = call(fd, "close", 0, -1), *request;

	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	expect_end(fd);
	request = json_pack("{s:s}", "command", "echo");
	cr_assert_eq(ctl_call(fd, request, -1, &answer), -ECONNRESET);
	json_decref(request);
	close(fd);
	harness_end(h, 1, 1);
}

Test(ctl, errors_of_the_handler)
{
	struct harness *h = harness_start();
	int fd = dial(h);

	put(fd, "{\"command\":\"bogus\"}\n", 20);
	expect_line(fd, "{\"error\":\"no command bogus\"}\n");
	put(fd, "{\"command\":\"memory\"}\n", 21);
	expect_line(fd, "{\"error\":\"out of memory\"}\n");
	close(fd);
	harness_end(h, 2, 1);
}

/* A reader that does not read gets nothing more started, and everything once it reads. */
Test(ctl, slow_reader)
{
	enum { SIZE = 900000, COUNT = 4 };
	struct harness *h = harness_start();
	int fd = dial(h), other = dial(h);
	char *line = malloc(SIZE + 64);
	json_t *answer;

	for (int i = 0; i < COUNT; i++)
		put(fd, "{\"command\":\"big\",\"n\":900000}\n", 29);
	usleep(50000);
	answer = call(other, "echo", 1, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	for (int i = 0; i < COUNT; i++) {
		size_t used = 0;

		while (used == 0 || line[used - 1] != '\n') {
			ssize_t n = recv(fd, line + used, SIZE + 64 - used, MSG_PEEK);
			char *end = n > 0 ? memchr(line + used, '\n', (size_t)n) : NULL;
			size_t want = end ? (size_t)(end - line) + 1 - used : (size_t)n;

			cr_assert_gt(n, 0);
			cr_assert_eq(recv(fd, line + used, want, 0), (ssize_t)want);
			used += want;
		}
		cr_assert_eq(used, (size_t)SIZE + strlen("{\"ok\":true,\"text\":\"\"}\n"));
	}
	free(line);
	close(fd);
	close(other);
	harness_end(h, COUNT + 1, 2);
}

Test(ctl, answer_too_long)
{
	struct harness *h = harness_start();
	int fd = dial(h), fits = CTL_LINE_MAX - (int)strlen("{\"ok\":true,\"text\":\"\"}\n");
	json_t *answer = call(fd, "big", fits, -1);

	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	answer = call(fd, "big", fits + 1, -1);
	cr_assert_str_eq(json_string_value(json_object_get(answer, "error")),
			 "the answer is too long");
	json_decref(answer);
	close(fd);
	harness_end(h, 2, 1);
}

Test(ctl, peer_goes_while_an_answer_is_pending)
{
	struct harness *h = harness_start();
	int fd = dial(h);

	put(fd, "{\"command\":\"later\",\"n\":60}\n", 27);
	usleep(20000);
	close(fd);
	fd = dial(h);
	put(fd, "{\"command\":\"big\",\"n\":1000000}\n", 30);
	usleep(20000);
	close(fd); /* most of the answer is still in the server */
	usleep(80000);
	cr_assert_eq(h->dropped, 1);
	harness_end(h, 2, 2);
}

/* Answered by the handler after the peer went, in the same round: no use after free. */
Test(ctl, request_and_hangup_together)
{
	struct harness *h = harness_start();

	for (int i = 0; i < 50; i++) {
		int fd = dial(h);

		put(fd, "{\"command\":\"echo\",\"n\":1}\n{\"command\":\"later\",\"n\":0}\n", 52);
		close(fd);
	}
	usleep(50000);
	cr_assert_geq(h->requests, 50); /* the second one when the first answer still went out */
	harness_end(h, -1, 50);
}

Test(ctl, server_freed_with_clients)
{
	struct harness *h = harness_start();
	int fd = dial(h), other = dial(h);

	put(fd, "{\"command\":\"later\",\"n\":5000}\n", 29);
	put(other, "{\"comm", 6);
	usleep(30000);
	/* a descriptor each is still ours here */
	h->fds_before += 2;
	harness_end(h, 1, 2);
	expect_end(fd);
	expect_end(other);
	close(fd);
	close(other);
}

Test(ctl, too_many_clients)
{
	struct harness *h = harness_start();
	int fds[CTL_CLIENTS_MAX], extra;
	json_t *answer = NULL, *request = json_pack("{s:s}", "command", "echo");

	if (geteuid() != 0)
		cr_skip_test("only root may have all places");
	for (int i = 0; i < CTL_CLIENTS_MAX; i++) {
		fds[i] = dial(h);
		json_decref(call(fds[i], "echo", i, -1));
	}
	extra = dial(h);
	cr_assert_eq(ctl_call(extra, request, -1, &answer), 0);
	cr_assert_str_eq(json_string_value(json_object_get(answer, "error")),
			 "too many clients; try again later");
	json_decref(answer);
	close(extra);
	close(fds[10]);
	usleep(20000);
	extra = dial(h);
	cr_assert_eq(ctl_call(extra, request, -1, &answer), 0);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	json_decref(request);
	close(extra);
	for (int i = 0; i < CTL_CLIENTS_MAX; i++)
		if (i != 10)
			close(fds[i]);
	usleep(20000);
	harness_end(h, CTL_CLIENTS_MAX + 1, CTL_CLIENTS_MAX + 1);
}

/* Without descriptors the server neither spins nor forgets the client. */
Test(ctl, no_descriptors_left)
{
	struct harness *h = harness_start();
	struct rlimit old, tight;
	struct rusage before, after;
	json_t *answer;
	int fd = dial(h);

	json_decref(call(fd, "echo", 1, -1));
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	usleep(20000);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 1;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	{
		struct sockaddr_un addr = { .sun_family = AF_UNIX };

		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", h->path);
		cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	getrusage(RUSAGE_SELF, &before);
	usleep(300000);
	getrusage(RUSAGE_SELF, &after);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	cr_assert_lt((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
		     after.ru_utime.tv_usec - before.ru_utime.tv_usec, 100000);
	answer = call(fd, "echo", 2, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	close(fd);
	usleep(20000);
	harness_end(h, 2, 2);
}

static int bind_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

Test(ctl, stale_socket_is_replaced)
{
	struct harness *h = malloc(sizeof(*h));
	char dir[80];

	harness_init(h);
	snprintf(dir, sizeof(dir), "%s/run", h->dir);
	cr_assert_eq(mkdir(dir, 0700), 0);
	close(bind_at(h->path)); /* the file stays */
	cr_assert_eq(ctl_connect(h->path), -ECONNREFUSED);
	cr_assert_eq(ctl_server_new(h->loop, h->path, 0600, &handler, h, &h->server), 0);
	cr_assert_eq(pthread_create(&h->thread, NULL, run, h), 0);
	{
		int fd = dial(h);

		json_decref(call(fd, "echo", 1, -1));
		close(fd);
	}
	usleep(10000);
	harness_end(h, 1, 1);
}

Test(ctl, address_in_use)
{
	struct harness *h = harness_start();
	struct ctl_server *second = NULL;
	struct io_loop *loop;
	int fd = dial(h);

	cr_assert_eq(io_loop_new(&loop), 0);
	cr_assert_eq(ctl_server_new(loop, h->path, 0600, &handler, h, &second), -EADDRINUSE);
	io_loop_free(loop);
	/* the first one is as it was, and is still reached by new clients */
	json_decref(call(fd, "echo", 1, -1));
	close(fd);
	fd = dial(h);
	json_decref(call(fd, "echo", 1, -1));
	close(fd);
	usleep(10000);
	/* the trial connection of the second server counts as a client */
	harness_end(h, 2, 3);
}

Test(ctl, other_files_are_left_alone)
{
	char dir[] = "/tmp/ippriv-ctl.XXXXXX", path[64], target[64], longer[200];
	struct ctl_server *server = NULL;
	struct io_loop *loop;
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control", dir);
	snprintf(target, sizeof(target), "%s/target", dir);
	cr_assert_eq(io_loop_new(&loop), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	cr_assert_eq(ctl_server_new(loop, path, 0600, &handler, NULL, &server), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
	unlink(path);
	close(bind_at(target));
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_eq(ctl_server_new(loop, path, 0600, &handler, NULL, &server), -EEXIST);
	cr_assert_eq(access(target, F_OK), 0);
	unlink(path);
	unlink(target);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_assert_eq(ctl_server_new(loop, longer, 0600, &handler, NULL, &server), -ENAMETOOLONG);
	cr_assert_eq(ctl_server_new(loop, "", 0600, &handler, NULL, &server), -EINVAL);
	cr_assert_eq(ctl_server_new(loop, "/nonexistent/a/b", 0600, &handler, NULL, &server),
		     -ENOENT);
	cr_assert_eq(ctl_connect(longer), -ENAMETOOLONG);
	cr_assert_eq(ctl_connect("/nonexistent/a/b"), -ENOENT);
	io_loop_free(loop);
	cr_assert_eq(rmdir(dir), 0);
}

/* A successor's socket file at the same path is not removed. */
Test(ctl, foreign_file_survives_free)
{
	char dir[] = "/tmp/ippriv-ctl.XXXXXX", path[64];
	struct ctl_server *server;
	struct io_loop *loop;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control", dir);
	cr_assert_eq(io_loop_new(&loop), 0);
	cr_assert_eq(ctl_server_new(loop, path, 0600, &handler, NULL, &server), 0);
	cr_assert_eq(unlink(path), 0);
	close(bind_at(path));
	ctl_server_free(server);
	cr_assert_eq(access(path, F_OK), 0);
	io_loop_free(loop);
	unlink(path);
	rmdir(dir);
}

/* A user's share of the places, in a process that is that user. Exit status: connections served. */
static int fill_as(uid_t uid, const struct harness *h, int ready, int over)
{
	static const char text[] = "{\"command\":\"echo\"}\n";
	int served = 0;
	char line[256];

	if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return 255;
	for (int i = 0; i < 2 * CTL_CLIENTS_USER; i++) {
		int fd = ctl_connect(h->path);
		ssize_t n;

		if (fd < 0)
			return 254;
		(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
		n = recv(fd, line, sizeof(line) - 1, 0);
		line[n > 0 ? n : 0] = '\0';
		if (strstr(line, "\"ok\":true"))
			served++;
		else if (!strstr(line, "too many"))
			return 253;
	}
	return write(ready, "!", 1) == 1 && read(over, line, 1) == 0 ? served : 252;
}

static pid_t fill(uid_t uid, const struct harness *h, const int over[2])
{
	int ready[2];
	char c;
	pid_t pid;

	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		close(over[1]);
		_exit(fill_as(uid, h, ready[1], over[0]));
	}
	close(ready[1]);
	(void)!read(ready[0], &c, 1);
	close(ready[0]);
	return pid;
}

/* Many users who take all they get: the places for root stay. */
Test(ctl, users_have_shares)
{
	enum { USERS = CTL_CLIENTS_MAX / CTL_CLIENTS_USER };
	struct harness *h;
	int over[2], served = 0, fd;
	pid_t pids[USERS];
	json_t *answer;

	if (geteuid() != 0)
		cr_skip_test("being other users needs root");
	h = harness_start();
	cr_assert(chmod(h->dir, 0711) == 0 && chmod(h->path, 0666) == 0);
	cr_assert_eq(pipe2(over, O_CLOEXEC), 0);
	for (int i = 0; i < USERS; i++)
		pids[i] = fill(60000 + (uid_t)i, h, over);
	fd = dial(h);
	answer = call(fd, "echo", 1, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	close(fd);
	close(over[0]);
	close(over[1]); /* now they go */
	for (int i = 0; i < USERS; i++) {
		int status, share = i < USERS - 1 ? CTL_CLIENTS_USER :
						     CTL_CLIENTS_USER - CTL_CLIENTS_ROOT;

		cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
		cr_assert(WIFEXITED(status));
		cr_expect_eq(WEXITSTATUS(status), share, "user %d: %d", i, WEXITSTATUS(status));
		served += WEXITSTATUS(status);
	}
	cr_expect_eq(served, CTL_CLIENTS_MAX - CTL_CLIENTS_ROOT);
	for (int i = 0; i < 200 && h->closed < served + 1; i++)
		usleep(10000);
	harness_end(h, served + 1, served + 1);
}

Test(ctl, idle_connections_are_closed, .timeout = 30)
{
	struct harness *h = harness_start();
	static const char half[] = "{\"command\"";
	int silent = dial(h), slow = dial(h), used = dial(h);
	struct pollfd p[] = { { .fd = silent, .events = POLLIN }, { .fd = slow, .events = POLLIN },
			      { .fd = used, .events = POLLIN } };
	json_t *answer = call(used, "echo", 1, -1); /* the harness sets its data */

	json_decref(answer);
	put(slow, half, sizeof(half) - 1);
	cr_assert_eq(poll(p, 3, CTL_IDLE_MS - 2000), 0);
	put(slow, ":", 1); /* not a whole request either */
	usleep(4500000);
	cr_assert_eq(poll(p, 3, 0), 2);
	cr_assert_eq(p[2].revents, 0);
	expect_end(silent);
	expect_end(slow);
	answer = call(used, "echo", 2, -1);
	cr_assert(is_true(answer, "ok"));
	json_decref(answer);
	close(silent);
	close(slow);
	close(used);
	harness_end(h, 2, 3);
}
