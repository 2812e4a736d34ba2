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
	cr_assert_eq(call_against("{}\n[]\n", 6), 0, "the second line is another one's to read");
}

Test(ctl_client, answers_that_come_together)
{
	static const char answers[] = "{\"a\":1}\n{\"a\":2}\n{\"a\"";
	json_t *request = json_pack("{s:s}", "command", "x"), *got;
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	cr_assert_eq(send(fds[1], answers, sizeof(answers) - 1, 0), (ssize_t)sizeof(answers) - 1);
	cr_assert_eq(ctl_call(fds[0], request, -1, &got), 0);
	cr_assert_eq(json_integer_value(json_object_get(got, "a")), 1);
	json_decref(got);
	cr_assert_eq(ctl_hear(fds[0], &got), 0);
	cr_assert_eq(json_integer_value(json_object_get(got, "a")), 2);
	json_decref(got);
	cr_assert_eq(shutdown(fds[1], SHUT_WR), 0);
	cr_assert_eq(ctl_hear(fds[0], &got), -ECONNRESET, "half an answer");
	json_decref(request);
	close(fds[0]);
	close(fds[1]);
}
