#pragma once
/* Small files that must survive a crash whole. */
#include <stddef.h>

#include "common/base/cleanup.h"

/*
 * Makes LEN bytes at DATA the content of file NAME in FOLDER (a descriptor), mode 0600: writes
 * NAME.new, forces it to the disk, renames it, forces that to the disk. A crash at any moment
 * leaves the old or the new content. Writers of one name must not overlap. 0 or -errno; the file is then
 * the old one, or, when only the last step failed, maybe the new one.
 */
int file_replace_at(int folder, const char *name, const void *data, size_t len) _must_check_;
/* The same for a file by its path. */
int file_replace(const char *path, const void *data, size_t len) _must_check_;
/*
 * All of it as a string into OUT of SIZE bytes. -EBADMSG: there is no room for that, or a zero in it; other
 * -errno as of open and read, -ENOENT among them. OUT is then undefined.
 */
int file_read_text(const char *path, char *out, size_t size) _must_check_;

enum { FILE_LINE = 128 }; /* bytes of a line with its end */
/*
 * EACH line of TEXT, without its end, with DATA, until one is refused. 0, what EACH returned, or -EBADMSG: a
 * line has no end, or is too long.
 */
int file_lines(const char *text, int (*each)(const char *line, void *data), void *data) _must_check_;
