/* Socket diagnosis: built messages byte for byte against ss(8)'s, the kernel's socket read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/kern/sock_msg.h"
#include "kern/nl_bytes.h"
#include "kern/sock_bytes.h"
#include "kern/values.h"

static _Alignas(8) uint8_t buf[SOCK_MSG_ROOM];
static size_t len;

Test(sock_msg, dump_and_destroy)
{
	struct sock_msg_socket s;
	struct addr src = addr("100.64.0.7");

	memset(buf, 0xa5, sizeof(buf));
	cr_assert(sock_msg_dump(buf, sizeof(buf), AF_INET, IPPROTO_TCP, &len) == 0);
	EXPECT_BYTES(buf, len, sock_dump);
	cr_assert(sock_msg_parse(kernel_socket, sizeof(kernel_socket), &s) == 0);
	cr_assert(s.family == AF_INET && addr_equal(&s.src, &src));
	memset(buf, 0xa5, sizeof(buf));
	cr_assert(sock_msg_destroy(buf, sizeof(buf), &s, IPPROTO_TCP, &len) == 0);
	EXPECT_BYTES(buf, len, sock_destroy);
	cr_assert(sock_msg_dump(buf, sizeof(buf) - 1, AF_INET, IPPROTO_TCP, &len) == -ENOSPC);
	cr_assert(sock_msg_dump(buf, sizeof(buf), AF_UNIX, IPPROTO_TCP, &len) == -EINVAL);
}

/* An IPv6 socket with IPv4 in it, as many programs have; then real IPv6, then neither. */
Test(sock_msg, parse_v6)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 100, 64, 0, 7 };
	struct addr src = addr("100.64.0.7"), six = addr("2001:db8::7");
	uint8_t m[sizeof(kernel_socket)];
	struct sock_msg_socket s;

	memcpy(m, kernel_socket, sizeof(m));
	m[16] = AF_INET6;
	memcpy(m + 24, mapped, sizeof(mapped));
	cr_assert(sock_msg_parse(m, sizeof(m), &s) == 0);
	cr_assert(s.family == AF_INET6 && addr_equal(&s.src, &src));
	memcpy(m + 24, six.bytes, 16);
	cr_assert(sock_msg_parse(m, sizeof(m), &s) == 0 && addr_equal(&s.src, &six));
	m[16] = AF_UNIX;
	cr_assert(sock_msg_parse(m, sizeof(m), &s) == -EBADMSG);
}

static int torture(const void *msg, size_t size, void *out)
{
	return sock_msg_parse(msg, size, out);
}

Test(sock_msg, parser_under_torture)
{
	cr_assert(nl_bytes_torture(kernel_socket, sizeof(kernel_socket), torture,
				   sizeof(struct sock_msg_socket)) == 0);
}
