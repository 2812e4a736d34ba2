#include "ctl/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

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
	cr_assert_eq(ctl_server_new(h.loop, h.path, 0666, &harness_handler, &h, &h.server), 0);
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

/* Waits until *COUNT, which the server counts, is WANT; for seconds on a busy machine. */
static bool gets_to(atomic_int *count, int want)
{
	for (int i = 0; i < 5000 && *count != want; i++)
		usleep(1000);
	return *count == want;
}

Test(ctl, peer_goes_while_an_answer_is_pending)
{
	struct harness *h = harness_start();
	int fd = dial(h);

	put(fd, "{\"command\":\"later\",\"n\":300}\n", 28);
	cr_assert(gets_to(&h->requests, 1));
	close(fd);
	cr_assert(gets_to(&h->dropped, 1));
	fd = dial(h);
	put(fd, "{\"command\":\"big\",\"n\":1000000}\n", 30);
	cr_assert(gets_to(&h->requests, 2));
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
	cr_assert_eq(ctl_server_new(h->loop, h->path, 0600, &harness_handler, h, &h->server), 0);
	cr_assert_eq(pthread_create(&h->thread, NULL, harness_run, h), 0);
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
	cr_assert_eq(ctl_server_new(loop, h->path, 0600, &harness_handler, h, &second), -EADDRINUSE);
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
	cr_assert_eq(ctl_server_new(loop, path, 0600, &harness_handler, NULL, &server), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
	unlink(path);
	close(bind_at(target));
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_eq(ctl_server_new(loop, path, 0600, &harness_handler, NULL, &server), -EEXIST);
	cr_assert_eq(access(target, F_OK), 0);
	unlink(path);
	unlink(target);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cr_assert_eq(ctl_server_new(loop, longer, 0600, &harness_handler, NULL, &server), -ENAMETOOLONG);
	cr_assert_eq(ctl_server_new(loop, "", 0600, &harness_handler, NULL, &server), -EINVAL);
	cr_assert_eq(ctl_server_new(loop, "/nonexistent/a/b", 0600, &harness_handler, NULL, &server),
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
	cr_assert_eq(ctl_server_new(loop, path, 0600, &harness_handler, NULL, &server), 0);
	cr_assert_eq(unlink(path), 0);
	close(bind_at(path));
	ctl_server_free(server);
	cr_assert_eq(access(path, F_OK), 0);
	io_loop_free(loop);
	unlink(path);
	rmdir(dir);
}
