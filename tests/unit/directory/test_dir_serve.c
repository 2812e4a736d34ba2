/* The HTTP side with limits small enough to wait for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/dir/dir_http.h"
#include "directory/daemon.h"
#include "directory/dir_serve.h"

/* The server on the main thread, a client on another. */
struct fixture {
	struct io_loop *loop;
	struct dir_serve *serve;
	struct daemon at; /* only its port and URL */
	uint8_t body[512];
	size_t body_len;
	struct addr from;
	unsigned int status;
};

static unsigned int on_upload(void *user, const struct addr *from, const uint8_t *data, size_t len,
			      char *say, size_t size)
{
	struct fixture *f = user;

	f->from = *from;
	memcpy(f->body, data, len);
	f->body_len = len;
	snprintf(say, size, "seen %zu", len);
	return f->status;
}

static void setup(struct fixture *f, struct dir_serve_conf conf)
{
	struct endpoint local, bound;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char why[256] = "";
	int fd;

	cr_assert_eq(dir_http_init(), 0);
	conf.upload = on_upload;
	conf.user = f;
	conf.upload_max = sizeof(f->body);
	cr_assert_eq(endpoint_parse("127.0.0.1:0", &local), 0);
	fd = dir_serve_listen(&local, why, sizeof(why));
	cr_assert_geq(fd, 0, "%s", why);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	cr_assert_eq(endpoint_from_sockaddr((struct sockaddr *)&ss, &bound), 0);
	f->at.port = bound.port;
	snprintf(f->at.url, sizeof(f->at.url), "http://127.0.0.1:%u", bound.port);
	cr_assert_eq(io_loop_new(&f->loop), 0);
	cr_assert_eq(dir_serve_new(f->loop, fd, &conf, &f->serve), 0);
}

static void teardown(struct fixture *f)
{
	dir_serve_free(f->serve);
	io_loop_free(f->loop);
}

struct client {
	struct fixture *f;
	void (*run)(struct fixture *f);
};

static void run_client(void *data)
{
	struct client *c = data;

	c->run(c->f);
}

static void client_done(void *data)
{
	struct client *c = data;

	io_loop_stop(c->f->loop);
}

/* Serves while RUN does its requests on a work thread. */
static void serve_while(struct fixture *f, void (*run)(struct fixture *f))
{
	struct client c = { .f = f, .run = run };

	cr_assert_eq(io_work(f->loop, run_client, client_done, &c), 0);
	cr_assert_eq(io_loop_run(f->loop), 0);
}

static void fetch_nothing(struct fixture *f)
{
	struct dir_http_to to = { .url = f->at.url, .timeout = 5 };
	char why[256] = "";
	uint8_t *data;
	size_t len;

	cr_assert_eq(dir_http_fetch(&to, &data, &len, why, sizeof(why)), -EREMOTEIO);
	cr_assert_not_null(strstr(why, "503"), "%s", why);
}

static void fetch_big(struct fixture *f)
{
	struct dir_http_to to = { .url = f->at.url, .timeout = 5 };
	char why[256] = "";
	uint8_t *data;
	size_t len;

	cr_assert_eq(dir_http_fetch(&to, &data, &len, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(len, DIR_LIST_MAX);
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(data[i], (uint8_t)(i * 7));
	free(data);
}

static void post_some(struct fixture *f)
{
	struct dir_http_to to = { .url = f->at.url, .timeout = 5 };
	uint8_t body[512];
	char why[256] = "";

	memset(body, 0x5a, sizeof(body));
	to.source = addr_v4(0x7f000203);
	f->status = 200;
	cr_assert_eq(dir_http_upload(&to, body, sizeof(body), why, sizeof(why)), 0, "%s",
		     why);
	cr_assert_eq(addr_to_v4(&f->from), 0x7f000203);
	cr_assert_eq(f->body_len, sizeof(body));
	cr_assert_arr_eq(f->body, body, sizeof(body));
	f->status = 400;
	cr_assert_eq(dir_http_upload(&to, body, 7, why, sizeof(why)), -EREMOTEIO);
	cr_assert_not_null(strstr(why, "400: seen 7"), "%s", why);
}

Test(dir_serve, list_and_upload)
{
	struct fixture f = { 0 };
	uint8_t *list = malloc(DIR_LIST_MAX);

	setup(&f, dir_serve_defaults());
	serve_while(&f, fetch_nothing);
	for (size_t i = 0; i < DIR_LIST_MAX; i++)
		list[i] = (uint8_t)(i * 7);
	cr_assert_eq(dir_serve_set_list(f.serve, list, DIR_LIST_MAX), 0);
	serve_while(&f, fetch_big);
	serve_while(&f, post_some);
	teardown(&f);
}

/* A byte every 100 ms, so never idle; returns the milliseconds until it is cut. */
static long trickle(const struct fixture *f)
{
	struct timespec from, to, pause = { .tv_nsec = 100000000 };
	int fd = daemon_connect(&f->at, "127.0.0.1");
	char c;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 100; i++) {
		if (send(fd, i ? "x" : "G", 1, MSG_NOSIGNAL) < 0 ||
		    recv(fd, &c, 1, MSG_DONTWAIT) == 0)
			break;
		nanosleep(&pause, NULL);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	close(fd);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void trickle_some(struct fixture *f)
{
	long ms = trickle(f);

	cr_assert(ms >= 900 && ms < 3000, "cut after %ld ms", ms);
}

Test(dir_serve, a_connection_that_trickles_is_cut)
{
	struct dir_serve_conf conf = dir_serve_defaults();
	struct fixture f = { 0 };

	conf.lifetime = 1;
	setup(&f, conf);
	serve_while(&f, trickle_some);
	teardown(&f);
}

/* Asks for the list and reads nothing: the server's buffers fill and it waits. */
static void read_nothing(struct fixture *f)
{
	static const char get[] = "GET /list HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = daemon_connect(&f->at, "127.0.0.1");
	char buf[65536];
	size_t total = 0;
	ssize_t n;

	cr_assert_eq(send(fd, get, sizeof(get) - 1, 0), sizeof(get) - 1);
	sleep(3);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		total += (size_t)n;
	close(fd);
	cr_assert_lt(total, 64 << 20, "it must have been cut");
}

Test(dir_serve, a_reader_that_stands_still_is_cut)
{
	struct dir_serve_conf conf = dir_serve_defaults();
	struct fixture f = { 0 };

	conf.lifetime = 1;
	setup(&f, conf);
	/* more than any socket buffer takes */
	cr_assert_eq(dir_serve_set_list(f.serve, calloc(1, 64 << 20), 64 << 20), 0);
	serve_while(&f, read_nothing);
	teardown(&f);
}

static void expect_closed(int fd)
{
	char c;

	cr_assert_leq(recv(fd, &c, 1, 0), 0);
	close(fd);
}

static void fill_up(struct fixture *f)
{
	struct timespec pause = { .tv_nsec = 200000000 };
	int fds[4];
	char c;

	for (int i = 0; i < 4; i++) {
		char source[] = "127.0.0.1";

		source[8] = (char)('1' + i / 2);
		fds[i] = daemon_connect(&f->at, source);
	}
	nanosleep(&pause, NULL);
	for (int i = 0; i < 4; i++)
		cr_assert(recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "%d", i);
	expect_closed(daemon_connect(&f->at, "127.0.0.1"));
	for (int i = 0; i < 4; i++)
		expect_closed(fds[i]);
}

Test(dir_serve, two_connections_from_an_address)
{
	struct dir_serve_conf conf = dir_serve_defaults();
	struct fixture f = { 0 };

	conf.per_address = 2;
	conf.idle = 1;
	setup(&f, conf);
	serve_while(&f, fill_up);
	teardown(&f);
}

static void open_more(struct fixture *f)
{
	int fds[8];

	for (int i = 0; i < 8; i++)
		fds[i] = daemon_connect(&f->at, "127.0.0.1");
	for (int i = 0; i < 8; i++)
		expect_closed(fds[i]);
	fetch_nothing(f);
}

Test(dir_serve, over_the_limit_waits_its_turn)
{
	struct dir_serve_conf conf = dir_serve_defaults();
	struct fixture f = { 0 };

	conf.connections = 3;
	conf.idle = 1;
	setup(&f, conf);
	serve_while(&f, open_more);
	teardown(&f);
}

static void leave_open(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		daemon_connect(&f->at, "127.0.0.1");
}

Test(dir_serve, stops_with_connections_open)
{
	struct fixture f = { 0 };

	setup(&f, dir_serve_defaults());
	serve_while(&f, leave_open);
	teardown(&f);
}
