#include "common/io/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { ATTEMPTS = 16 }; /* each fails only when a holder has gone in between */

/* In the way of nobody but ourselves and root. */
static bool is_safe(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_dir(const char *dir)
{
	_cleanup_close_ int fd = -1;
	bool made = mkdir(dir, 0755) == 0;
	struct stat st;

	if (!made && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (made && fchmod(fd, 0755) < 0) || fstat(fd, &st) < 0)
		return -errno;
	return is_safe(&st) ? steal_fd(&fd) : -EPERM;
}

static int file_name(const char *name, char *out, size_t size)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	if (snprintf(out, size, "%s-%llu.lock", name, (unsigned long long)st.st_ino) >= (int)size)
		return -ENAMETOOLONG;
	return 0;
}

/* -EAGAIN: the file went away before it was locked. */
static int take_file(int dir, const char *file)
{
	_cleanup_close_ int fd =
		openat(dir, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat ours, there;

	if (fd < 0 || fstat(fd, &ours) < 0)
		return -errno;
	if (!S_ISREG(ours.st_mode) || !is_safe(&ours))
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	if (fstatat(dir, file, &there, AT_SYMLINK_NOFOLLOW) < 0 || there.st_ino != ours.st_ino ||
	    there.st_dev != ours.st_dev)
		return -EAGAIN;
	return steal_fd(&fd);
}

int lock_take(const char *dir, const char *name)
{
	char file[NAME_MAX + 1];
	int r = file_name(name, file, sizeof(file));

	if (r < 0)
		return r;
	for (int i = 0; i < ATTEMPTS; i++) {
		_cleanup_close_ int dir_fd = open_dir(dir);

		r = dir_fd < 0 ? dir_fd : take_file(dir_fd, file);
		if (r != -EAGAIN && r != -ENOENT)
			break;
	}
	return r;
}

void lock_release(const char *dir, const char *name, int fd)
{
	_cleanup_close_ int dir_fd = -1;
	char file[NAME_MAX + 1];

	if (fd < 0)
		return;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd >= 0 && file_name(name, file, sizeof(file)) == 0)
		unlinkat(dir_fd, file, 0);
	close(fd);
	rmdir(dir);
}
