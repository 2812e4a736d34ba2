/* A relay's uploads, against a directory that is a bare socket. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/dir/dir_http.h"
#include "ippriv-node/ctl_publish.h"

struct fixture {
	int fd;
	char url[64];
	struct node_conf conf;
	struct io_loop *loop;
	struct io_timer *timer;
	struct ctl_publish *publish;
};

static void on_timer(void *data)
{
	io_loop_stop(data);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	io_timer_start(f->timer, ms);
	cr_assert_eq(io_loop_run(f->loop), 0);
}

/* A relay that listens at 127.0.0.9. */
static void setup(struct fixture *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint8_t seed[CRYPTO_SIGN_SEED] = { 1 };
	socklen_t len = sizeof(sin);

	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(dir_http_init(), 0);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(f->fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(listen(f->fd, 4), 0);
	cr_assert_eq(getsockname(f->fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", ntohs(sin.sin_port));
	crypto_sign_key_from_seed(seed, &f->conf.key);
	f->conf.directory = f->url;
	f->conf.listen = addr_v4(0x7f000009);
	f->conf.entry = (struct dir_entry){ .identity = f->conf.key.pub, .nickname = "relay",
					    .address = addr_v4(0xcb007102), .port = DIR_IKE_PORT };
	cr_assert_eq(io_loop_new(&f->loop), 0);
	cr_assert_eq(io_timer_new(f->loop, on_timer, f->loop, &f->timer), 0);
	cr_assert_eq(ctl_publish_new(f->loop, &f->conf, &f->publish), 0);
}

static void teardown(struct fixture *f)
{
	ctl_publish_free(f->publish);
	io_loop_free(f->loop);
	close(f->fd);
}

/* Takes a connection that waits and what came through it; the descriptor in it. Answers STATUS. */
static struct dir_desc take_upload(struct fixture *f, const char *status)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	int fd = accept(f->fd, (struct sockaddr *)&from, &from_len);
	struct dir_desc desc;
	char data[2048];
	const char *body;
	ssize_t len;

	cr_assert_geq(fd, 0, "nobody uploads");
	cr_assert_eq(ntohl(from.sin_addr.s_addr), 0x7f000009, "from the relay's own address");
	len = recv(fd, data, sizeof(data), 0);
	cr_assert_gt(len, 0);
	body = memmem(data, (size_t)len, "\r\n\r\n", 4);
	cr_assert_not_null(body);
	cr_assert_eq(strncmp(data, "POST /descriptor ", 17), 0);
	cr_assert_eq(dir_desc_parse((const uint8_t *)body + 4, (size_t)(data + len - body - 4), &desc),
		     0);
	len = snprintf(data, sizeof(data), "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status);
	cr_assert_eq(send(fd, data, (size_t)len, MSG_NOSIGNAL), len);
	close(fd);
	return desc;
}

Test(ctl_publish, uploads_until_it_is_taken_and_again_when_it_is_not_listed)
{
	struct fixture f = { 0 };
	struct dir_list empty = { 0 };
	uint64_t first, second;

	setup(&f);
	run_for(&f, 200);
	first = take_upload(&f, "503 Service Unavailable").published;
	cr_assert_leq(first, (uint64_t)time(NULL));
	run_for(&f, 1300);
	second = take_upload(&f, "200 OK").published;
	cr_assert_gt(second, first);
	run_for(&f, 300);
	ctl_publish_seen(f.publish, &empty);
	run_for(&f, 10300);
	cr_assert_gt(take_upload(&f, "200 OK").published, second);
	teardown(&f);
}

Test(ctl_publish, stops_at_once_while_a_directory_never_answers)
{
	struct fixture f = { 0 };
	struct timespec from, to;
	long ms;

	setup(&f);
	run_for(&f, 200);
	clock_gettime(CLOCK_MONOTONIC, &from);
	teardown(&f);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	cr_assert_leq(ms, 500, "%ld ms", ms);
}
