/* What systemd hears, at a socket in a folder and at one in the abstract namespace. */
#include "common/io/notify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/cleanup.h"

/* NAME as in $NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect_heard(int fd, const char *state)
{
	char heard[64] = "";

	cr_expect_eq(recv(fd, heard, sizeof(heard) - 1, 0), (ssize_t)strlen(state));
	cr_expect_str_eq(heard, state);
}

Test(notify, says_it_to_a_socket_file)
{
	char dir[] = "/tmp/ippriv-notify.XXXXXX", name[64];
	_cleanup_close_ int fd = -1;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(name, sizeof(name), "%s/notify", dir);
	fd = listen_at(name);
	cr_expect_eq(notify_send("READY=1"), 0);
	cr_expect_eq(notify_send("STOPPING=1"), 0);
	expect_heard(fd, "READY=1");
	expect_heard(fd, "STOPPING=1");
	unlink(name);
	rmdir(dir);
}

Test(notify, says_it_to_an_abstract_socket)
{
	char name[64];
	_cleanup_close_ int fd = -1;

	snprintf(name, sizeof(name), "@ippriv-notify-%d", (int)getpid());
	fd = listen_at(name);
	cr_expect_eq(notify_send("READY=1"), 0);
	expect_heard(fd, "READY=1");
}

Test(notify, says_nothing_when_nobody_asked)
{
	unsetenv("NOTIFY_SOCKET");
	cr_expect_eq(notify_send("READY=1"), 0);
}

Test(notify, refuses_what_is_no_socket)
{
	char longest[200];

	setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
	cr_expect_eq(notify_send("READY=1"), -ENOENT);
	setenv("NOTIFY_SOCKET", "notify", 1);
	cr_expect_eq(notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "", 1);
	cr_expect_eq(notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "@", 1);
	cr_expect_eq(notify_send("READY=1"), -EINVAL);
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	cr_expect_eq(notify_send("READY=1"), -EINVAL);
}
