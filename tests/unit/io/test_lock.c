/* One holder per name and network namespace, until it gives it back or is killed. */
#include "common/io/lock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char top[64], dir[80];
static const char name[] = "ippriv-test";

static void setup(void)
{
	strcpy(top, "/tmp/ippriv-lock.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	snprintf(dir, sizeof(dir), "%s/run", top);
}

static void teardown(void)
{
	rmdir(dir);
	cr_expect_eq(rmdir(top), 0, "something is left: %s", strerror(errno));
}

TestSuite(lock, .init = setup, .fini = teardown);

static void file_path(char *out, size_t size)
{
	struct stat st;

	cr_assert_eq(stat("/proc/self/ns/net", &st), 0);
	snprintf(out, size, "%s/%s-%llu.lock", dir, name, (unsigned long long)st.st_ino);
}

Test(lock, one_at_a_time)
{
	int fd = lock_take(dir, name);

	cr_assert_geq(fd, 0);
	cr_expect_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_expect_eq(lock_take(dir, name), -EADDRINUSE);
	cr_expect_eq(lock_take(dir, name), -EADDRINUSE, "a refusal changes nothing");
	lock_release(dir, name, fd);
	cr_expect_eq(access(dir, F_OK), -1, "nothing is left");
	fd = lock_take(dir, name);
	cr_expect_geq(fd, 0);
	lock_release(dir, name, fd);
	lock_release(dir, name, -1);
}

Test(lock, names_differ)
{
	int a = lock_take(dir, name), b = lock_take(dir, "ippriv-test-x");

	cr_expect_geq(a, 0);
	cr_expect_geq(b, 0, "a name is no prefix of another");
	lock_release(dir, name, a);
	cr_expect_eq(lock_take(dir, "ippriv-test-x"), -EADDRINUSE);
	lock_release(dir, "ippriv-test-x", b);
}

Test(lock, too_long)
{
	char text[NAME_MAX + 1];

	memset(text, 'x', sizeof(text));
	text[NAME_MAX - 1] = '\0';
	cr_expect_eq(lock_take(dir, text), -ENAMETOOLONG);
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
		c = lock_take(dir, name) >= 0 ? 'y' : 'n';
		if (write(ready[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	cr_assert_eq(read(ready[0], &c, 1), 1);
	cr_expect_eq(c, 'y');
	cr_expect_eq(lock_take(dir, name), -EADDRINUSE);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	fd = lock_take(dir, name);
	cr_expect_geq(fd, 0, "the file that was left is no hindrance");
	lock_release(dir, name, fd);
	close(ready[0]);
	close(ready[1]);
}

Test(lock, each_namespace_has_its_own)
{
	int status = 0, fd = lock_take(dir, name);
	pid_t child;

	cr_assert_geq(fd, 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		int own;

		if (unshare(CLONE_NEWNET) < 0)
			_exit(77);
		own = lock_take(dir, name);
		lock_release(dir, name, own);
		_exit(own >= 0 ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(lock_take(dir, name), -EADDRINUSE);
	lock_release(dir, name, fd);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("no network namespaces here");
	cr_expect_eq(status, 0);
}

/* What an unprivileged user might try: to be there first, and to hold the file. */
Test(lock, is_nobody_else_s_to_take)
{
	enum { NOBODY = 65534 };
	char path[160];
	int status, fd;

	if (geteuid() != 0)
		cr_skip_test("other users need root");
	cr_assert(mkdir(dir, 0777) == 0 && chmod(dir, 0777) == 0);
	cr_expect_eq(lock_take(dir, name), -EPERM, "others may write there");
	cr_assert(chmod(dir, 0755) == 0 && chown(dir, NOBODY, NOBODY) == 0);
	cr_expect_eq(lock_take(dir, name), -EPERM, "it is another's");
	cr_assert_eq(rmdir(dir), 0);
	cr_assert_eq(symlink("/tmp", dir), 0);
	cr_expect_lt(lock_take(dir, name), 0, "it leads elsewhere");
	unlink(dir);
	cr_assert_eq(chmod(top, 0755), 0);
	fd = lock_take(dir, name);
	file_path(path, sizeof(path));
	cr_assert_geq(fd, 0);
	if (fork() == 0)
		_exit(setresuid(NOBODY, NOBODY, NOBODY) == 0 && open(path, O_RDONLY) < 0 &&
		      errno == EACCES ? 0 : 1);
	cr_assert_gt(wait(&status), 0);
	cr_expect_eq(status, 0, "nobody else opens the file, so nobody else locks it");
	lock_release(dir, name, fd);
}

/* Two that come and go at the same time never both have it. */
Test(lock, never_two_at_once, .timeout = 60)
{
	enum { CHILDREN = 4, ROUNDS = 300 };
	char path[80];
	int status, held, overlaps = 0;

	snprintf(path, sizeof(path), "%s/in", top);
	held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(held, 0);
	for (int i = 0; i < CHILDREN; i++) {
		if (fork() != 0)
			continue;
		for (int n = 0; n < ROUNDS;) {
			int fd = lock_take(dir, name), in;

			if (fd < 0)
				continue;
			in = open(path, O_RDWR | O_CLOEXEC);
			if (flock(in, LOCK_EX | LOCK_NB) < 0)
				_exit(1);
			close(in);
			lock_release(dir, name, fd);
			n++;
		}
		_exit(0);
	}
	for (int i = 0; i < CHILDREN; i++) {
		cr_assert_gt(wait(&status), 0);
		overlaps += status != 0;
	}
	cr_expect_eq(overlaps, 0);
	close(held);
	unlink(path);
}
