#include "common/ctl/ctl.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* ctl_call against a server that answers with these bytes and hangs up. */
static int call_against(const char *answer, size_t len)
{
	json_t *request = json_pack("{s:s}", "command", "x"), *got = NULL;
	char buf[64];
	int fds[2], err;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(send(fds[1], answer, len, 0), (ssize_t)len);
	cr_assert_eq(shutdown(fds[1], SHUT_WR), 0);
	err = ctl_call(fds[0], request, -1, &got);
	cr_assert_eq(recv(fds[1], buf, sizeof(buf), 0), 16);
	cr_assert_eq(memcmp(buf, "{\"command\":\"x\"}\n", 16), 0);
	json_decref(request);
	json_decref(got);
	close(fds[0]);
	close(fds[1]);
	return err;
}

Test(ctl_client, bad_servers)
{
	cr_assert_eq(call_against("{\"ok\":true}\n", 12), 0);
	cr_assert_eq(call_against("{\"ok\":true}", 11), -ECONNRESET);
	cr_assert_eq(call_against("", 0), -ECONNRESET);
	cr_assert_eq(call_against("nonsense\n", 9), -EBADMSG);
	cr_assert_eq(call_against("[1]\n", 4), -EBADMSG);
	cr_assert_eq(call_against("\n", 1), -EBADMSG);
	cr_assert_eq(call_against("{}\n{}\n", 6), -EBADMSG);
}
