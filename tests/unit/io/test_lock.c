/* One holder per name and network namespace, until its descriptor is closed or it is killed. */
#include "common/io/lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char name[64];

/* Of this process alone: tests of several builds run at once. */
static void setup(void)
{
	snprintf(name, sizeof(name), "ippriv-test-lock-%d", (int)getpid());
}

TestSuite(lock, .init = setup);

Test(lock, one_at_a_time)
{
	int fd = lock_take(name);

	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(lock_take(name), -EADDRINUSE);
	cr_expect_eq(lock_take(name), -EADDRINUSE, "a refusal changes nothing");
	close(fd);
	fd = lock_take(name);
	cr_expect_geq(fd, 0);
	close(fd);
}

Test(lock, names_differ)
{
	char longer[80];
	int a, b;

	snprintf(longer, sizeof(longer), "%s-x", name);
	a = lock_take(name);
	b = lock_take(longer);
	cr_expect_geq(a, 0);
	cr_expect_geq(b, 0, "a name is no prefix of another");
	close(a);
	close(b);
}

Test(lock, too_long)
{
	char text[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	int fd;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cr_expect_eq(lock_take(text), -ENAMETOOLONG);
	snprintf(text + sizeof(text) - 40, 39, "%038d", (int)getpid());
	cr_assert_eq(strlen(text), sizeof(text) - 2, "the longest that fits behind the NUL");
	fd = lock_take(text);
	cr_expect_geq(fd, 0);
	cr_expect_eq(lock_take(text), -EADDRINUSE);
	close(fd);
}

Test(lock, leaves_no_file)
{
	int fd = lock_take(name);

	cr_assert_geq(fd, 0);
	cr_expect_eq(access(name, F_OK), -1);
	close(fd);
}

Test(lock, a_killed_holder_holds_nothing)
{
	int ready[2], status, fd;
	char c = 0;
	pid_t child;

	cr_assert_eq(pipe(ready), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		c = lock_take(name) >= 0 ? 'y' : 'n';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	cr_expect_eq(c, 'y');
	cr_expect_eq(lock_take(name), -EADDRINUSE);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	fd = lock_take(name);
	cr_expect_geq(fd, 0);
	close(fd);
	close(ready[0]);
	close(ready[1]);
}

Test(lock, each_namespace_has_its_own)
{
	int status = 0, fd = lock_take(name);
	pid_t child;

	cr_assert_geq(fd, 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			_exit(77);
		_exit(lock_take(name) >= 0 ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	close(fd);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("no network namespaces here");
	cr_expect_eq(status, 0);
}
