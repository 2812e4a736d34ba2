#include "ippriv-client/cli_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/base/log.h"

#define NSSWITCH_CONF "/etc/nsswitch.conf"
/* Covered by a tmpfs for a moment, in our own mount namespace. */
#define STAGE "/tmp"

enum { NAMES_PATH = PATH_MAX };

/* Below /run: by these somebody outside of the namespace would be asked for names. */
static const char *const hidden[] = { "nscd", "avahi-daemon", "systemd/resolve" };

static bool is_hidden(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strcmp(hidden[i], name) == 0)
			return true;
	return false;
}

static bool has_hidden(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strncmp(hidden[i], name, len) == 0 && hidden[i][len] == '/')
			return true;
	return false;
}

static int mount_tmpfs(const char *path)
{
	return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") < 0 ?
		       -errno : 0;
}

static int copy_link(const char *from, const char *to)
{
	char target[NAMES_PATH];
	ssize_t len = readlink(from, target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	return symlink(target, to) < 0 ? -errno : 0;
}

static int bind_to(const char *from, const char *to)
{
	return mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

static int mirror(const char *from, const char *to, const char *below);

/* Entry NAME (as seen from the top, as the hidden ones are) from FROM to TO. */
static int mirror_entry(const char *from, const char *to, const char *name)
{
	struct stat st;

	if (is_hidden(name))
		return 0;
	if (lstat(from, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to);
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, 0755) < 0)
			return -errno;
		return has_hidden(name) ? mirror(from, to, name) : bind_to(from, to);
	}
	return mknod(to, S_IFREG | 0644, 0) < 0 ? -errno : bind_to(from, to);
}

/* What cannot be shown is hidden, which does no harm; a file may also be gone by now. */
static int mirror(const char *from, const char *to, const char *below)
{
	char source[NAMES_PATH], target[NAMES_PATH], name[NAMES_PATH];
	struct dirent *e;
	DIR *dir = opendir(from);

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		int r;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (snprintf(source, sizeof(source), "%s/%s", from, e->d_name) >= NAMES_PATH ||
		    snprintf(target, sizeof(target), "%s/%s", to, e->d_name) >= NAMES_PATH ||
		    snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "", e->d_name) >=
			    NAMES_PATH)
			continue;
		r = mirror_entry(source, target, name);
		if (r < 0 && r != -ENOENT)
			log_warning("%s is not there for the command: %s", target, strerror(-r));
	}
	closedir(dir);
	return 0;
}

/* Puts a tmpfs over PATH and shows what was there in it. */
static int cover_run(const char *path, char *why, size_t size)
{
	_cleanup_close_ int before = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char from[64];

	if (before < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		return 0; /* nothing, or a link to what is covered */
	snprintf(from, sizeof(from), "/proc/self/fd/%d", before);
	errno = before < 0 ? errno : -mount_tmpfs(path);
	if (errno == 0)
		errno = -mirror(from, path, "");
	if (errno != 0)
		return cli_why(why, size, "cannot hide the name services under %s: %s", path,
			       strerror(errno));
	return 0;
}

/* In place, so that no reader finds less than one of the two. */
int cli_names_change(int file, const struct addr *servers, size_t count)
{
	char text[CLI_NAMES_SERVERS * (ADDR_TEXT + 16)], address[ADDR_TEXT];
	int len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count && i < CLI_NAMES_SERVERS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "nameserver %s\n",
				addr_text(&servers[i], address));
	if (pwrite(file, text, (size_t)len, 0) != len || ftruncate(file, len) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* Leaves the file open: *FILE. */
static int write_servers(const char *path, const struct addr *servers, size_t count, int *file)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r = fd < 0 || fchmod(fd, 0644) < 0 ? -errno : 0;

	if (r == 0)
		r = cli_names_change(fd, servers, count);
	if (r == 0)
		*file = steal_fd(&fd);
	return r;
}

static void copy_services(FILE *from, FILE *to)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, from) >= 0)
		if (strncmp(line + strspn(line, " \t"), "hosts:", strlen("hosts:")) != 0)
			fputs(line, to);
	free(line);
}

/* The host's, but host names come from files and from resolv.conf's server only. */
static int write_services(const char *path)
{
	FILE *from = fopen(NSSWITCH_CONF, "re"), *to = fopen(path, "we");
	int r = to ? 0 : -errno;

	if (from && to)
		copy_services(from, to);
	if (from)
		fclose(from);
	if (!to)
		return r;
	fputs("\nhosts: files myhostname dns\n", to);
	fchmod(fileno(to), 0644);
	return fclose(to) == 0 ? 0 : -errno;
}

static int cover_etc(const struct addr *servers, size_t count, int *file, char *why, size_t size)
{
	int r = mount_tmpfs(STAGE);

	errno = -r;
	if (r < 0)
		return cli_why(why, size, "cannot mount a tmpfs on %s: %s", STAGE, strerror(errno));
	r = write_servers(STAGE "/resolv.conf", servers, count, file);
	if (r == 0)
		r = write_services(STAGE "/nsswitch.conf");
	if (r == 0 && mount("overlay", "/etc", "overlay", MS_NOSUID | MS_NODEV | MS_RDONLY,
			    "lowerdir=" STAGE ":/etc") < 0)
		r = -errno;
	errno = -r;
	if (r < 0)
		r = cli_why(why, size,
			    "cannot put our resolv.conf over the host's in /etc: %s; this needs "
			    "overlay mounts (Linux 5.11, `modprobe overlay` as root)%s",
			    strerror(errno),
			    errno == EINVAL ? ", and an /etc without mounts in it" : "");
	if (umount2(STAGE, MNT_DETACH) < 0 && r == 0)
		r = cli_why(why, size, "cannot uncover %s: %s", STAGE, strerror(errno));
	return r;
}

int cli_names_cover(const struct addr *servers, size_t count, int *file, char *why, size_t size)
{
	_cleanup_close_ int open_file = -1;
	int r = cover_run("/run", why, size);

	if (r == 0)
		r = cover_run("/var/run", why, size);
	if (r == 0)
		r = cover_etc(servers, count, &open_file, why, size);
	if (r == 0)
		*file = steal_fd(&open_file);
	return r;
}
