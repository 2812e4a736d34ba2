#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "ippriv-client/ctl_owner.h"

/* The network namespace of a child that made it in a user namespace of its own, -1: not allowed. */
static int foreign_netns(void)
{
	int ready[2], done[2], fd = -1;
	char path[64], byte = 0;
	pid_t child;

	cr_assert_eq(pipe(ready), 0);
	cr_assert_eq(pipe(done), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		char ok = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;

		close(done[1]);
		_exit(write(ready[1], &ok, 1) == 1 && read(done[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(done[0]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)child);
	if (byte)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	close(done[1]);
	waitpid(child, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	return fd;
}

Test(owner, of_a_namespace_is_who_made_it)
{
	int fd = foreign_netns();

	if (fd < 0)
		cr_skip_test("user namespaces are not allowed here");
	cr_assert_eq(ctl_owner_check(fd, geteuid()), 0);
	cr_assert_eq(ctl_owner_check(fd, geteuid() + 1), -EPERM);
	close(fd);
}

Test(owner, our_own_namespace_is_nobody_s_to_pass)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ctl_owner_check(fd, geteuid()), -EBUSY);
	close(fd);
}

Test(owner, of_what_is_no_network_namespace)
{
	static const char *const paths[] = { "/dev/null", "/proc/self/ns/mnt", "/" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		cr_assert_geq(fd, 0);
		cr_assert_eq(ctl_owner_check(fd, geteuid()), -EINVAL);
		close(fd);
	}
	cr_assert_eq(ctl_owner_check(-1, 0), -EINVAL);
}
