/* What local users may try: descriptors of all kinds, all the places, silence. */
#include "ctl/harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

/* A descriptor rides on its own line, also between others that go out together. */
Test(ctl_strangers, namespace_comes_back_with_its_line)
{
	struct harness *h = harness_start();
	json_t *request = json_pack("{s:s}", "command", "back"), *line = NULL;
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), got = 99, fd = dial(h);
	struct stat there, back;

	cr_assert_eq(ctl_call_pass(fd, request, ns, &line, &got), 0);
	cr_assert(json_object_get(line, "before"));
	cr_assert_eq(got, -1, "it is the next line's");
	json_decref(line);
	json_object_set_new(request, "command", json_string("echo"));
	cr_assert_eq(ctl_call_pass(fd, request, -1, &line, &got), 0);
	cr_assert(json_object_get(line, "ok"));
	cr_assert_eq(fstat(ns, &there), 0);
	cr_assert_eq(fstat(got, &back), 0);
	cr_assert(got != ns && there.st_ino == back.st_ino && there.st_dev == back.st_dev);
	cr_assert(fcntl(got, F_GETFD) & FD_CLOEXEC);
	json_decref(line);
	cr_assert_eq(ctl_hear(fd, &line), 0);
	cr_assert_str_eq(json_string_value(json_object_get(line, "event")), "after");
	json_decref(line);
	json_decref(request);
	close(got);
	close(ns);
	close(fd);
	harness_end(h, 2, 1);
}
