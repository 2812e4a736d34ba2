#include "common/io/udp.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static int open_bound(const char *text, bool marks, struct endpoint *local)
{
	struct endpoint e;
	int fd;

	cr_assert_eq(endpoint_parse(text, &e), 0);
	fd = socket(e.addr.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(udp_bind(fd, &e, marks), 0);
	cr_assert_eq(udp_local(fd, local), 0);
	cr_assert(addr_equal(&local->addr, &e.addr));
	cr_assert_neq(local->port, 0);
	return fd;
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, 2000), 1);
}

static void exchange(const char *text)
{
	struct endpoint a, b, from;
	int fa = open_bound(text, false, &a), fb = open_bound(text, false, &b);
	uint32_t mark = 99;
	char buf[8];

	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), -EAGAIN);
	cr_assert_eq(udp_send(fa, "hello", 5, &b, 0), 5);
	wait_readable(fb);
	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), 5);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	cr_assert(addr_equal(&from.addr, &a.addr));
	cr_assert_eq(from.port, a.port);
	cr_assert_eq(mark, 0u);
	cr_assert_eq(udp_send(fb, "", 0, &from, 0), 0);
	wait_readable(fa);
	cr_assert_eq(udp_recv(fa, buf, sizeof(buf), &from, &mark), 0);
	cr_assert_eq(from.port, b.port);
	close(fa);
	close(fb);
}

Test(udp, loopback_v4)
{
	exchange("127.0.0.1:0");
}

Test(udp, loopback_v6)
{
	struct endpoint e;
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), usable;

	cr_assert_eq(endpoint_parse("[::1]:0", &e), 0);
	len = endpoint_to_sockaddr(&e, &sa);
	usable = fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0;
	if (fd >= 0)
		close(fd);
	if (!usable)
		cr_skip_test("no IPv6 loopback here");
	exchange("[::1]:0");
}

Test(udp, too_large_for_the_buffer_is_lost)
{
	struct endpoint a, b, from = { .port = 1 };
	int fa = open_bound("127.0.0.1:0", false, &a), fb = open_bound("127.0.0.1:0", false, &b);
	uint32_t mark = 0;
	char buf[4];

	cr_assert_eq(udp_send(fa, "12345", 5, &b, 0), 5);
	cr_assert_eq(udp_send(fa, "1234", 4, &b, 0), 4);
	wait_readable(fb);
	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), -EMSGSIZE);
	cr_assert_eq(from.port, 1, "no result on failure");
	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), 4);
	cr_assert_eq(from.port, a.port);
	close(fa);
	close(fb);
}

Test(udp, df_is_clear)
{
	struct endpoint a;
	int fd = open_bound("127.0.0.1:0", false, &a), mode = -1;
	socklen_t len = sizeof(mode);

	cr_assert_eq(getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, &len), 0);
	cr_assert_eq(mode, IP_PMTUDISC_DONT);
	close(fd);
}

Test(udp, errors)
{
	struct endpoint a, none = { 0 };
	int fa = open_bound("127.0.0.1:0", false, &a);
	int fb = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(udp_bind(fb, &a, false), -EADDRINUSE);
	cr_assert_eq(udp_bind(fb, &none, false), -EAFNOSUPPORT);
	cr_assert_eq(udp_send(fb, "x", 1, &none, 0), -EAFNOSUPPORT);
	cr_assert_eq(udp_local(-1, &a), -EBADF);
	cr_assert_eq(udp_local(stream, &a), -EAFNOSUPPORT);
	close(fa);
	close(fb);
	close(stream);
}

/* On loopback the mark that a datagram is sent with is the mark it comes with. */
Test(udp, marks)
{
	static const uint32_t marks[] = { 0x00010000, 0x0fff0000, 0xffffffff, 0, 0x00020000 };
	struct endpoint a, b, from;
	int fa, fb;
	char buf[8];

	if (geteuid() != 0)
		cr_skip_test("SO_MARK needs root");
	fa = open_bound("127.0.0.1:0", true, &a);
	fb = open_bound("127.0.0.1:0", true, &b);
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		uint32_t mark = 7;

		cr_assert_eq(udp_send(fa, "m", 1, &b, marks[i]), 1);
		wait_readable(fb);
		cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), 1);
		cr_assert_eq(mark, marks[i]);
		cr_assert_eq(udp_send(fb, "r", 1, &from, mark), 1);
		mark = 7;
		wait_readable(fa);
		cr_assert_eq(udp_recv(fa, buf, sizeof(buf), &from, &mark), 1);
		cr_assert_eq(mark, marks[i]);
	}
	close(fa);
	close(fb);
}

/* An IPv6 socket leaves the IPv4 port to others; the kernel takes ESP out of either. */
Test(udp, both_families)
{
	struct endpoint any = { .addr.family = AF_INET6 }, v4;
	int f4 = open_bound("0.0.0.0:0", false, &v4);
	int f6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (f6 < 0)
		cr_skip_test("no IPv6 here");
	any.port = v4.port;
	cr_assert_eq(udp_bind(f6, &any, false), 0);
	cr_assert_eq(udp_encap(-1), -EBADF);
	close(f4);
	close(f6);
}

Test(udp, ike_comes_and_goes_behind_a_marker)
{
	struct endpoint a, b, from;
	int fa = open_bound("127.0.0.1:0", false, &a), fb = open_bound("127.0.0.1:0", false, &b);
	uint8_t buf[8];
	size_t len;
	uint32_t mark;

	cr_assert_eq(udp_encap_send(fa, "ike", 3, &b, 0), 4 + 3);
	wait_readable(fb);
	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), 4 + 3);
	cr_assert_eq(memcmp(buf, "\0\0\0\0ike", 7), 0);
	len = 7;
	cr_assert_eq(udp_encap_strip(buf, &len), buf + 4);
	cr_assert_eq(len, 3u);
	cr_assert_eq(udp_encap_keepalive(fa, &b), 1);
	wait_readable(fb);
	cr_assert_eq(udp_recv(fb, buf, sizeof(buf), &from, &mark), 1);
	cr_assert_eq(buf[0], 0xff);
	close(fa);
	close(fb);
}

Test(udp, what_has_no_marker_is_no_ike)
{
	static const uint8_t esp[] = { 0, 0, 1, 0, 9 }, zeros[4];
	size_t len = sizeof(esp);

	cr_assert_null(udp_encap_strip(esp, &len));
	cr_assert_eq(len, sizeof(esp));
	for (len = 0; len < 4; len++)
		cr_assert_null(udp_encap_strip(zeros, &len));
	cr_assert_eq(udp_encap_strip(zeros, &len), zeros + 4);
	cr_assert_eq(len, 0u);
}
