#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/base/file.h"

static char folder[64], path[128], fresh[160];

static void setup(void)
{
	strcpy(folder, "/tmp/ippriv-file-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/state", folder);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
}

static void teardown(void)
{
	unlink(path);
	unlink(fresh);
	cr_assert_eq(rmdir(folder), 0, "something else is left in %s", folder);
}

TestSuite(file, .init = setup, .fini = teardown);

static size_t content(char out[4096])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	cr_assert_geq(fd, 0);
	n = read(fd, out, 4096);
	cr_assert_geq(n, 0);
	close(fd);
	return (size_t)n;
}

Test(file, replaces_the_whole)
{
	char got[4096];
	struct stat st;

	cr_assert_eq(file_replace(path, "long enough", 11), 0);
	cr_assert_eq(file_replace(path, "short", 5), 0);
	cr_assert_eq(content(got), 5);
	cr_assert_arr_eq(got, "short", 5);
	cr_assert_eq(file_replace(path, NULL, 0), 0);
	cr_assert_eq(content(got), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_lt(access(fresh, F_OK), 0, "no other file stays");
}

Test(file, names_without_a_folder)
{
	char got[4096], here[4096];

	cr_assert_not_null(getcwd(here, sizeof(here)));
	cr_assert_eq(chdir(folder), 0);
	cr_assert_eq(file_replace("state", "x", 1), 0);
	cr_assert_eq(chdir(here), 0);
	cr_assert_eq(content(got), 1);
}

/* What a crash left half written is no part of the next; a link does not lead elsewhere. */
Test(file, what_is_in_the_way)
{
	char got[4096], target[160];
	FILE *f = fopen(fresh, "w");

	cr_assert_not_null(f);
	fputs("a longer text that a crash has left", f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(file_replace(path, "new", 3), 0);
	cr_assert_eq(content(got), 3);
	snprintf(target, sizeof(target), "%s/target", folder);
	cr_assert_eq(symlink(target, fresh), 0);
	cr_assert_eq(file_replace(path, "other", 5), -ELOOP);
	cr_assert_lt(access(target, F_OK), 0);
	cr_assert_eq(content(got), 3, "the old one stays");
}

Test(file, failures_leave_the_old_one)
{
	char got[4096], name[300];

	memset(name, 'x', sizeof(name));
	name[252] = '\0';
	cr_assert_eq(file_replace("/no/such/folder/state", "x", 1), -ENOENT);
	cr_assert_eq(file_replace(name, "x", 1), -ENAMETOOLONG);
	cr_assert_eq(file_replace(path, "old", 3), 0);
	cr_assert_eq(mkdir(fresh, 0700), 0);
	cr_assert_eq(file_replace(path, "new", 3), -EISDIR);
	cr_assert_eq(rmdir(fresh), 0);
	cr_assert_eq(content(got), 3);
	cr_assert_arr_eq(got, "old", 3);
}

/* A disk that is full, as a limit on the size of files. */
Test(file, no_room_leaves_the_old_one)
{
	char got[4096];
	int status;
	pid_t pid;

	cr_assert_eq(file_replace(path, "old", 3), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct rlimit none = { .rlim_cur = 2, .rlim_max = 2 };

		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &none) < 0)
			_exit(2);
		_exit(file_replace(path, "new", 3) == -EFBIG ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(content(got), 3);
	cr_assert_arr_eq(got, "old", 3);
	cr_assert_lt(access(fresh, F_OK), 0);
}

static void replace_for_ever(char texts[2][4096])
{
	for (size_t i = 0;; i = 1 - i)
		if (file_replace(path, texts[i], 4000 + i) < 0)
			_exit(1);
}

/* Killed at any moment: the old or the new text, never another. */
Test(file, a_kill_leaves_one_of_them)
{
	char texts[2][4096], got[4096];

	memset(texts[0], 'a', 4096);
	memset(texts[1], 'b', 4096);
	cr_assert_eq(file_replace(path, texts[0], 4000), 0);
	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();
		size_t len;

		cr_assert_geq(pid, 0);
		if (pid == 0)
			replace_for_ever(texts);
		usleep(1000 + 700 * (useconds_t)round);
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		len = content(got);
		cr_assert(len == 4000 || len == 4001, "%zu bytes", len);
		cr_assert_arr_eq(got, texts[len - 4000], len);
	}
}

static int write_text(const char *name, const char *text, size_t len)
{
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, text, len) == (ssize_t)len ? 0 : -1;
}

Test(file, is_read_as_a_text_that_has_room)
{
	char out[6];

	cr_assert_eq(file_read_text(path, out, sizeof(out)), -ENOENT);
	cr_assert_eq(write_text(path, "12345", 5), 0);
	cr_assert_eq(file_read_text(path, out, sizeof(out)), 0);
	cr_assert_str_eq(out, "12345");
	cr_assert_eq(write_text(path, "", 0), 0);
	cr_assert_eq(file_read_text(path, out, sizeof(out)), 0);
	cr_assert_str_eq(out, "");
	cr_assert_eq(write_text(path, "123456", 6), 0);
	cr_assert_eq(file_read_text(path, out, sizeof(out)), -EBADMSG, "no room for its end");
	cr_assert_eq(write_text(path, "1\0003", 3), 0);
	cr_assert_eq(file_read_text(path, out, sizeof(out)), -EBADMSG);
}

struct heard {
	size_t count;
	char last[FILE_LINE];
};

static int hear(const char *line, void *data)
{
	struct heard *h = data;

	h->count++;
	snprintf(h->last, sizeof(h->last), "%s", line);
	return strcmp(line, "stop") == 0 ? -EPERM : 0;
}

Test(file, is_taken_apart_into_lines)
{
	char longest[FILE_LINE + 2];
	struct heard h = { 0 };

	cr_assert_eq(file_lines("", hear, &h), 0);
	cr_assert_eq(h.count, 0);
	cr_assert_eq(file_lines("one\n\nthree\n", hear, &h), 0);
	cr_assert(h.count == 3 && strcmp(h.last, "three") == 0);
	cr_assert_eq(file_lines("stop\nmore\n", hear, &h), -EPERM);
	cr_assert_eq(h.count, 4);
	cr_assert_eq(file_lines("one\ntwo", hear, &h), -EBADMSG);
	cr_assert_eq(h.count, 5, "the second has no end");
	memset(longest, 'x', sizeof(longest));
	longest[FILE_LINE - 1] = '\n';
	longest[FILE_LINE] = '\0';
	cr_assert_eq(file_lines(longest, hear, &h), 0);
	longest[FILE_LINE - 1] = 'x';
	longest[FILE_LINE] = '\n';
	longest[FILE_LINE + 1] = '\0';
	cr_assert_eq(file_lines(longest, hear, &h), -EBADMSG);
}
