/* What a stock daemon's companion tells a directory that is a bare socket. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/dir/dir_http.h"
#include "ippriv-node/ctl_announce.h"

static void on_timer(void *data)
{
	io_loop_stop(data);
}

/* The body of the first POST among those who connect to FD; others get no answer. */
static void take_post(int fd, struct dir_desc *out)
{
	char data[2048];
	const char *body;
	ssize_t len;
	int conn;

	while ((conn = accept(fd, NULL, NULL)) >= 0) {
		len = recv(conn, data, sizeof(data), 0);
		close(conn);
		if (len < 17 || strncmp(data, "POST /descriptor ", 17) != 0)
			continue;
		body = memmem(data, (size_t)len, "\r\n\r\n", 4);
		cr_assert_not_null(body);
		cr_assert_eq(dir_desc_parse((const uint8_t *)body + 4,
					    (size_t)(data + len - body - 4), out), 0);
		return;
	}
	cr_assert_fail("nothing was uploaded");
}

Test(ctl_announce, says_that_it_is_a_stock_daemon)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint8_t seed[CRYPTO_SIGN_SEED] = { 1 };
	struct node_conf conf = { .listen = addr_v4(0x7f000009), .refresh = 600 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ctl_announce *announce;
	socklen_t len = sizeof(sin);
	struct io_timer *timer;
	struct io_loop *loop;
	struct dir_desc desc;
	char url[64];

	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(dir_http_init(), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(listen(fd, 4), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(sin.sin_port));
	crypto_sign_key_from_seed(seed, &conf.key);
	conf.directory = url;
	conf.trust = (struct dir_trust){ .count = 1, .threshold = 1, .keys = { conf.key.pub } };
	conf.entry = (struct dir_entry){ .identity = conf.key.pub, .nickname = "relay",
					 .address = addr_v4(0xcb007102), .port = DIR_IKE_PORT,
					 .flags = DIR_FLAG_EXIT };
	cr_assert_eq(io_loop_new(&loop), 0);
	cr_assert_eq(io_timer_new(loop, on_timer, loop, &timer), 0);
	cr_assert_eq(ctl_announce_new(loop, &conf, &announce), 0);
	io_timer_start(timer, 300);
	cr_assert_eq(io_loop_run(loop), 0);
	take_post(fd, &desc);
	cr_assert_eq(desc.entry.flags, DIR_FLAG_EXIT | DIR_FLAG_PSK);
	cr_assert_arr_eq(desc.entry.identity.bytes, conf.key.pub.bytes, CRYPTO_SIGN_PUB);
	ctl_announce_free(announce);
	io_loop_free(loop);
	close(fd);
}
