/* The relay's UDP ports: the marker comes and goes, nothing else is taken for IKE. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/io/udp.h"
#include "ippriv-node/ctl_port.h"

static struct ctl_port_room room;
static struct io_loop *loop;
static struct ctl_port port;
static int client;
static struct endpoint client_at;

static void on_readable(void *data)
{
	(void)data;
}

static struct endpoint loopback(void)
{
	return (struct endpoint){ .addr = addr_v4(0x7f000001) };
}

static void open_port(bool floated)
{
	struct ctl_port_conf conf = { .local = loopback(), .floated = floated, .room = &room };
	struct endpoint any = loopback();

	cr_assert_eq(io_loop_new(&loop), 0);
	cr_assert_eq(ctl_port_open(&port, loop, &conf, on_readable, NULL), 0);
	client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(udp_bind(client, &any, false), 0);
	cr_assert_eq(udp_local(client, &client_at), 0);
}

static void close_port(void)
{
	close(client);
	ctl_port_close(&port);
	ctl_port_close(&port);
	io_loop_free(loop);
}

static void send_to_port(const char *data, size_t len)
{
	cr_assert_eq(udp_send(client, data, len, &port.local, 0), (ssize_t)len);
}

/* The next datagram, or the error. */
static int next(const uint8_t **msg, size_t *len)
{
	struct pollfd p = { .fd = port.fd, .events = POLLIN };
	struct endpoint from;
	uint32_t mark = 99;
	int err;

	cr_assert_eq(poll(&p, 1, 2000), 1);
	err = ctl_port_recv(&port, msg, len, &from, &mark);
	if (err == 0) {
		cr_expect_eq(from.port, client_at.port);
		cr_expect_eq(mark, 0u);
	}
	return err;
}

static size_t received(uint8_t *buf, size_t size)
{
	struct pollfd p = { .fd = client, .events = POLLIN };
	struct endpoint from;
	uint32_t mark;
	ssize_t len;

	cr_assert_eq(poll(&p, 1, 2000), 1);
	len = udp_recv(client, buf, size, &from, &mark);
	cr_assert_geq(len, 0);
	cr_expect_eq(from.port, port.local.port, "from where it was sent to");
	return (size_t)len;
}

Test(ctl_port, port_500_is_bare)
{
	const uint8_t *msg;
	uint8_t buf[16];
	size_t len;

	open_port(false);
	send_to_port("\0\0\0\0abc", 7);
	cr_assert_eq(next(&msg, &len), 0);
	cr_expect_eq(len, (size_t)7);
	cr_expect_eq(ctl_port_recv(&port, &msg, &len, &client_at, &(uint32_t){ 0 }), -EAGAIN);
	cr_assert_eq(ctl_port_send(&port, (const uint8_t *)"hello", 5, &client_at, 0), 0);
	cr_assert_eq(received(buf, sizeof(buf)), (size_t)5);
	cr_expect_eq(memcmp(buf, "hello", 5), 0);
	close_port();
}

Test(ctl_port, port_4500_has_a_marker)
{
	const uint8_t *msg;
	uint8_t buf[16];
	size_t len;

	open_port(true);
	send_to_port("\0\0\0\0abc", 7);
	cr_assert_eq(next(&msg, &len), 0);
	cr_expect_eq(len, (size_t)3);
	cr_expect_eq(memcmp(msg, "abc", 3), 0);
	send_to_port("\0\0\0\0", 4);
	cr_assert_eq(next(&msg, &len), 0);
	cr_expect_eq(len, (size_t)0);
	send_to_port("\0\0\0", 3);
	cr_expect_eq(next(&msg, &len), -EBADMSG);
	send_to_port("", 0);
	cr_expect_eq(next(&msg, &len), -EBADMSG);
	send_to_port("ab", 2);
	cr_expect_eq(next(&msg, &len), -EBADMSG);
	/* what came last stays whole while an answer is built */
	send_to_port("\0\0\0\0question", 12);
	cr_assert_eq(next(&msg, &len), 0);
	cr_assert_eq(ctl_port_send(&port, (const uint8_t *)"answer", 6, &client_at, 0), 0);
	cr_expect_eq(memcmp(msg, "question", 8), 0);
	cr_assert_eq(received(buf, sizeof(buf)), (size_t)10);
	cr_expect_eq(memcmp(buf, "\0\0\0\0answer", 10), 0);
	cr_expect_eq(ctl_port_send(&port, room.bytes, CTL_PORT_MSG_MAX, &client_at, 0), -EMSGSIZE);
	cr_assert_eq(ctl_port_keepalive(&port, &client_at), 0);
	cr_assert_eq(received(buf, sizeof(buf)), (size_t)1);
	cr_expect_eq(buf[0], 0xff);
	close_port();
}

Test(ctl_port, addresses_of_others)
{
	struct ctl_port_conf conf = { .local = { .addr = addr_v4(0xcb007105), .port = 0 },
				      .room = &room };

	cr_assert_eq(io_loop_new(&loop), 0);
	cr_expect_eq(ctl_port_open(&port, loop, &conf, on_readable, NULL), -EADDRNOTAVAIL);
	conf.early = true;
	cr_expect_eq(ctl_port_open(&port, loop, &conf, on_readable, NULL), 0, "it will be ours");
	ctl_port_close(&port);
	io_loop_free(loop);
}

Test(ctl_port, advice_names_the_right_key)
{
	struct endpoint at = { .addr = { .family = AF_INET } };

	cr_expect(strstr(ctl_port_advice(&at), "`listen`"));
	at.addr.family = AF_INET6;
	cr_expect(strstr(ctl_port_advice(&at), "`address6`"));
	cr_expect_not(strstr(ctl_port_advice(&at), "`listen`"));
}
