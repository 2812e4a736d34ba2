/* Metrics over HTTP: where it may listen, and what it answers with. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/metrics/metrics_serve.h"

Test(metrics_serve, only_this_host)
{
	static const char *const good[] = { "127.0.0.1:9500", "127.9.9.9:1", "[::1]:65535" };
	static const char *const bad[] = { "0.0.0.0:9500", "203.0.113.7:9500", "[::]:9500",
					   "[2001:db8::1]:9500", "[::ffff:127.0.0.1]:9500", "[::2]:1",
					   "127.0.0.1", "127.0.0.1:0", "localhost:9500", "9500", "" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect_null(metrics_serve_check(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_not_null(metrics_serve_check(bad[i]), "%s", bad[i]);
}

/* One request to a server on a loop, and its answer. */
struct talk {
	struct io_loop *loop;
	struct io_watch *watch;
	int fd;
	char answer[4096];
	size_t len;
};

static void on_answer(void *data)
{
	struct talk *talk = data;
	ssize_t got = read(talk->fd, talk->answer + talk->len, sizeof(talk->answer) - 1 - talk->len);

	if (got > 0) {
		talk->len += (size_t)got;
		return;
	}
	if (got < 0 && errno == EAGAIN)
		return;
	io_loop_stop(talk->loop);
}

static void on_time(void *data)
{
	io_loop_stop(data);
}

static const char *say(struct io_loop *loop, const struct endpoint *at, const char *request)
{
	static struct talk talk;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	struct io_timer *timer;

	talk = (struct talk){ .loop = loop, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	cr_assert_eq(connect(talk.fd, (struct sockaddr *)&sa, len), 0);
	cr_assert_eq(write(talk.fd, request, strlen(request)), (ssize_t)strlen(request));
	cr_assert_eq(io_watch_new(loop, talk.fd, on_answer, &talk, &talk.watch), 0);
	cr_assert_eq(io_timer_new(loop, on_time, loop, &timer), 0);
	io_timer_start(timer, 5000);
	cr_assert_eq(io_loop_run(loop), 0);
	io_timer_free(timer);
	io_watch_free(talk.watch);
	close(talk.fd);
	return talk.answer;
}

#define ASK(method, path) method " " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Test(metrics_serve, answers)
{
	struct endpoint at = { addr_v4(INADDR_LOOPBACK), 0 };
	struct metrics_text t = { 0 };
	struct metrics_serve *serve;
	struct io_loop *loop;
	const char *said;
	int err = -EADDRINUSE;

	cr_assert_eq(io_loop_new(&loop), 0);
	for (at.port = 39500; err == -EADDRINUSE && at.port < 39600; at.port++) {
		err = metrics_serve_new(loop, &at, &serve);
		if (err == 0)
			break;
	}
	cr_assert_eq(err, 0);
	cr_expect_eq(metrics_serve_new(loop, &at, &(struct metrics_serve *){ NULL }), -EADDRINUSE);
	cr_expect(strstr(say(loop, &at, ASK("GET", "/metrics")), " 503 "));
	metrics_value(&t, "ippriv_tunnels", &(struct metrics_labels){ 0 }, 16);
	metrics_serve_set(serve, &t);
	cr_expect_null(t.text, "it has been taken");
	said = say(loop, &at, ASK("GET", "/metrics"));
	cr_expect(strstr(said, " 200 ") && strstr(said, "text/plain; version=0.0.4") &&
		  strstr(said, "\r\n\r\nippriv_tunnels 16\n"), "%s", said);
	metrics_value(&t, "ippriv_tunnels", &(struct metrics_labels){ 0 }, 24);
	metrics_serve_set(serve, &t);
	cr_expect(strstr(say(loop, &at, ASK("GET", "/metrics")), "ippriv_tunnels 24\n"));
	t.err = -ENOMEM;
	metrics_serve_set(serve, &t);
	cr_expect(strstr(say(loop, &at, ASK("GET", "/metrics")), "ippriv_tunnels 24\n"), "the old one stays");
	cr_expect(strstr(say(loop, &at, ASK("GET", "/")), " 404 "));
	cr_expect(strstr(say(loop, &at, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
					"Connection: close\r\n\r\nabc"), " 405 "));
	say(loop, &at, "nonsense\r\n\r\n");
	cr_expect(strstr(say(loop, &at, ASK("HEAD", "/metrics")), " 200 "), "it goes on");
	metrics_serve_free(serve);
	io_loop_free(loop);
}
