#include "common/conf/conf_authorities.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/conf/conf_check.h"

static int missing(const struct conf_authorities *a, const char *path, const char *file, char *why,
		   size_t size)
{
	const char *what = a->keys.count > 0 ? "directory is missing"
			   : a->directory    ? "authorities is missing"
					     : "directory and authorities are missing";

	if (path)
		snprintf(why, size, "%s: %s; add a line for each, or the file %s", path, what, file);
	else
		snprintf(why, size, "%s: no such file, and no configuration; who runs the network "
			 "has such a file: one line `directory = …`, one `authorities = { … }`", file);
	return -ENOENT;
}

static int read_file(struct conf_authorities *a, const char *file, char *why, size_t size)
{
	struct conf_authorities got = { .threshold = 1, .path = file };
	const struct conf_key keys[] = {
		{ .name = "directory", .type = CONF_STRING, .value = &got.directory,
		  .required = !a->directory, .check = conf_check_url },
		{ .name = "authorities", .type = CONF_STRINGS, .value = &got.keys,
		  .required = a->keys.count == 0, .check = conf_check_key },
		{ .name = "threshold", .type = CONF_UINT, .value = &got.threshold, .min = 1,
		  .max = CONF_STRINGS_MAX, .line = &got.threshold_line },
	};
	int err = conf_read(file, keys, ARRAY_SIZE(keys), why, size);

	if (err == 0 && !a->directory) {
		a->directory = got.directory;
		got.directory = NULL;
	}
	if (err == 0 && a->keys.count == 0) {
		a->keys = got.keys;
		a->threshold = got.threshold;
		a->threshold_line = got.threshold_line;
		a->path = file;
		got.keys.count = 0;
	}
	conf_authorities_fini(&got);
	return err;
}

int conf_authorities_complete(struct conf_authorities *a, const char *path, const char *file,
			      char *why, size_t size)
{
	a->path = path;
	if (a->directory && a->keys.count > 0)
		return 0;
	if (a->threshold_line && a->keys.count == 0) {
		snprintf(why, size, "%s:%d: threshold: of the authorities in another file; add "
			 "authorities here, or set it there", path, a->threshold_line);
		return -EINVAL;
	}
	if (access(file, F_OK) < 0 && errno == ENOENT)
		return missing(a, path, file, why, size);
	return read_file(a, file, why, size);
}

void conf_authorities_fini(struct conf_authorities *a)
{
	free(a->directory);
	a->directory = NULL;
	conf_strings_fini(&a->keys);
}
