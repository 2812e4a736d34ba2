#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int force(int fd)
{
	while (fsync(fd) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int file_replace_at(int folder, const char *name, const void *data, size_t len)
{
	_cleanup_close_ int fd = -1;
	char fresh[NAME_MAX + 1];
	int err;

	if (snprintf(fresh, sizeof(fresh), "%s.new", name) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (err == 0)
		err = force(fd);
	if (err == 0 && renameat(folder, fresh, folder, name) < 0)
		err = -errno;
	if (err < 0) {
		unlinkat(folder, fresh, 0);
		return err;
	}
	return force(folder);
}

int file_replace(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int folder = -1;
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX] = ".";

	if (slash && snprintf(parent, sizeof(parent), "%.*s",
			      (int)(slash == path ? 1 : slash - path), path) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	return file_replace_at(folder, slash ? slash + 1 : path, data, len);
}

int file_read_text(const char *path, char *out, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n != 0 && len < size) {
		n = read(fd, out + len, size - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	if (len == size)
		return -EBADMSG;
	out[len] = '\0';
	return strlen(out) == len ? 0 : -EBADMSG;
}

int file_lines(const char *text, int (*each)(const char *line, void *data), void *data)
{
	char line[FILE_LINE];
	int r = 0;

	while (r == 0 && *text) {
		size_t len = strcspn(text, "\n");

		if (len >= sizeof(line) || text[len] != '\n')
			return -EBADMSG;
		memcpy(line, text, len);
		line[len] = '\0';
		r = each(line, data);
		text += len + 1;
	}
	return r;
}
