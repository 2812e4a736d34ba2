#include "ippriv-client/client_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int client_place_newest(const struct client_conf *conf, char *out, size_t size)
{
	return snprintf(out, size, "%s/newest-list", conf->state) >= (int)size ? -ENAMETOOLONG : 0;
}

static int say(int err, char *why, size_t size, const char *key, const char *path, const char *what)
{
	snprintf(why, size, "%s: %s; give another %s", path, what, key);
	return err;
}

/* Everything before the last slash; "/" for what stands there. */
static void parent_of(const char *path, char *out, size_t size)
{
	char *slash;

	snprintf(out, size, "%s", path);
	slash = strrchr(out, '/');
	slash[slash == out] = '\0';
}

/* A directory, or nothing in one that is there. */
static int check_dir(const char *path, const char *key, char *why, size_t size)
{
	char parent[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			return say(-ENOTDIR, why, size, key, path, "no directory");
		if (geteuid() == 0 && access(path, W_OK | X_OK) < 0)
			return say(-errno, why, size, key, path, strerror(errno));
		return 0;
	}
	if (errno == EACCES)
		return 0;
	if (errno != ENOENT)
		return say(-errno, why, size, key, path, strerror(errno));
	parent_of(path, parent, sizeof(parent));
	if (stat(parent, &st) == 0 && !S_ISDIR(st.st_mode))
		return say(-ENOTDIR, why, size, key, parent, "no directory");
	if (stat(parent, &st) < 0 && errno != EACCES)
		return say(-errno, why, size, key, parent, strerror(errno));
	return 0;
}

static int check_newest(const char *path, char *why, size_t size)
{
	FILE *f = fopen(path, "re");
	unsigned long long time;
	int got, err;

	if (!f && (errno == ENOENT || errno == EACCES))
		return 0;
	if (!f) {
		err = -errno;
		snprintf(why, size, "%s: %s", path, strerror(-err));
		return err;
	}
	got = fscanf(f, "%llu", &time);
	fclose(f);
	if (got == 1)
		return 0;
	snprintf(why, size, "%s: no number in it; it keeps the time of the newest relay list: mend "
		 "or remove it", path);
	return -EBADMSG;
}

static int check_control(const char *path, char *why, size_t size)
{
	char dir[PATH_MAX];
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return say(-EEXIST, why, size, "control", path, "there is something that is no socket");
	parent_of(path, dir, sizeof(dir));
	return check_dir(dir, "control", why, size);
}

int client_place_check(const struct client_conf *conf, char *why, size_t size)
{
	char newest[PATH_MAX];
	int r = client_place_newest(conf, newest, sizeof(newest));

	if (r < 0)
		return say(r, why, size, "state", conf->state, strerror(-r));
	r = check_dir(conf->state, "state", why, size);
	if (r == 0)
		r = check_newest(newest, why, size);
	return r < 0 ? r : check_control(conf->control, why, size);
}
