/* Sockets are ended by their own address, of both families, and no others. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/kernel/check_kern/check.h"

enum { PORT = 4444 };

/* A socket of TYPE from SRC to 127.0.0.1, connected; MAPPED: an IPv6 socket that speaks IPv4. */
static int connected(int type, const char *src, bool mapped)
{
	struct sockaddr_storage from = { 0 }, to = { 0 };
	struct endpoint e = { check_addr(src), 0 };
	socklen_t len;
	int fd;

	if (mapped) {
		struct sockaddr_in6 *a = (struct sockaddr_in6 *)&from, *b = (struct sockaddr_in6 *)&to;
		uint8_t head[12] = { [10] = 0xff, [11] = 0xff };
		const uint8_t lo[4] = { 127, 0, 0, 1 };

		a->sin6_family = b->sin6_family = AF_INET6;
		memcpy(&a->sin6_addr, head, 12);
		memcpy((uint8_t *)&a->sin6_addr + 12, e.addr.bytes, 4);
		memcpy(&b->sin6_addr, head, 12);
		memcpy((uint8_t *)&b->sin6_addr + 12, lo, 4);
		b->sin6_port = htons(PORT);
		len = sizeof(*a);
	} else {
		len = endpoint_to_sockaddr(&e, &from);
		e = (struct endpoint){ addr_v4(INADDR_LOOPBACK), PORT };
		CHECK(endpoint_to_sockaddr(&e, &to) == len);
	}
	fd = socket(from.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&from, len) == 0);
	CHECK(connect(fd, (struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS);
	return fd;
}

/* What its owner reads: 0: nothing has come, or the errno. */
static int reads(int fd)
{
	char c;

	return recv(fd, &c, 1, 0) < 0 && errno != EAGAIN ? errno : 0;
}

void check_ending(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct addr src = check_addr("100.64.0.7");
	struct endpoint e = { addr_v4(INADDR_LOOPBACK), PORT };
	struct sockaddr_storage at;
	socklen_t len = endpoint_to_sockaddr(&e, &at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ours[4], others[2];

	check_shell("ip link set lo up && ip addr add 100.64.0.7/32 dev lo && ip addr add "
		    "100.64.0.8/32 dev lo");
	CHECK(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 9) == 0);
	CHECK_INT(kern, kern->sockets_end(kern->ctx, NULL, &src), 0); /* there are none */
	for (int i = 0; i < 4; i++)
		ours[i] = connected(i % 2 ? SOCK_DGRAM : SOCK_STREAM, "100.64.0.7", i / 2);
	for (int i = 0; i < 2; i++)
		others[i] = connected(i % 2 ? SOCK_DGRAM : SOCK_STREAM, "100.64.0.8", false);
	CHECK_INT(kern, kern->sockets_end(kern->ctx, NULL, &src), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_INT(kern, reads(ours[i]), ECONNABORTED);
		close(ours[i]);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_INT(kern, reads(others[i]), 0);
		close(others[i]);
	}
	close(listener);
	check_shell("ip addr del 100.64.0.7/32 dev lo; ip addr del 100.64.0.8/32 dev lo");
}
