#include "ippriv-client/cli_space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define RESOLV_CONF "/etc/resolv.conf"
/* Covered by a tmpfs for a moment, in our own mount namespace. */
#define STAGE "/tmp"

static int fail(char *why, size_t size, const char *fmt, ...) _printf_(3, 4);

/* Writes the line and returns the -errno of the call before. */
static int fail(char *why, size_t size, const char *fmt, ...)
{
	int err = errno;
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, size, fmt, args);
	va_end(args);
	return err ? -err : -EIO;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

/* UID and GID stay what they are; nothing else is mapped. */
static int map_ids(uid_t uid, gid_t gid)
{
	char text[64];
	int r = write_file("/proc/self/setgroups", "deny");

	snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	if (r == 0)
		r = write_file("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	if (r == 0)
		r = write_file("/proc/self/gid_map", text);
	errno = -r;
	return r;
}

static int loopback_up(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* Wishes: ping without privilege; no IPv6 on the tunnel, which carries none. */
static void tune(uid_t uid, gid_t gid)
{
	char range[64];

	if (uid == 0)
		snprintf(range, sizeof(range), "0 %d", INT_MAX);
	else
		snprintf(range, sizeof(range), "%u %u", gid, gid);
	(void)write_file("/proc/sys/net/ipv4/ping_group_range", range);
	(void)write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

int cli_space_enter(char *why, size_t size)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNET | CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER)) < 0) {
		if (uid == 0)
			return fail(why, size, "cannot make namespaces: %s; this needs CAP_SYS_ADMIN",
				    strerror(errno));
		return fail(why, size,
			    "cannot make a user namespace: %s; as root allow them "
			    "(sysctl user.max_user_namespaces=10000, and "
			    "kernel.unprivileged_userns_clone=1 where that exists), or use sudo",
			    strerror(errno));
	}
	if (uid != 0 && map_ids(uid, gid) < 0)
		return fail(why, size, "cannot map the user into the namespace: %s; use sudo",
			    strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fail(why, size, "cannot make the mounts private: %s; is this a chroot?",
			    strerror(errno));
	if (loopback_up() < 0)
		return fail(why, size, "cannot bring the loopback up: %s", strerror(errno));
	tune(uid, gid);
	return 0;
}

static int write_servers(const char *path, const struct addr *servers, size_t count)
{
	char text[ADDR_TEXT];
	FILE *f = fopen(path, "we");

	if (!f)
		return -errno;
	for (size_t i = 0; i < count; i++)
		fprintf(f, "nameserver %s\n", addr_text(&servers[i], text));
	fchmod(fileno(f), 0644);
	return fclose(f) == 0 ? 0 : -errno;
}

static int mount_tmpfs(const char *path)
{
	return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     "mode=755,size=64k");
}

/* Unix sockets by which libc would have somebody outside look names up. */
static int hide_resolvers(char *why, size_t size)
{
	static const char *const dirs[] = {
		"/run/systemd/resolve", "/run/nscd", "/var/run/nscd", "/run/avahi-daemon",
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct stat st;

		if (stat(dirs[i], &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (mount_tmpfs(dirs[i]) < 0)
			return fail(why, size, "cannot hide %s: %s", dirs[i], strerror(errno));
	}
	return 0;
}

/* A file may be bound over a file only: TARGET went when its directory was hidden. */
static int ensure_file(const char *target)
{
	_cleanup_close_ int fd = open(target, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		fd = open(target, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 && errno != EACCES ? -errno : 0;
}

int cli_space_resolver(const struct addr *servers, size_t count, char *why, size_t size)
{
	char target[PATH_MAX];
	int r;

	if (!realpath(RESOLV_CONF, target))
		return fail(why, size, "%s: %s; make it (an empty file will do)", RESOLV_CONF,
			    strerror(errno));
	r = hide_resolvers(why, size);
	if (r < 0)
		return r;
	if (ensure_file(target) < 0)
		return fail(why, size, "%s: %s", target, strerror(errno));
	if (mount_tmpfs(STAGE) < 0)
		return fail(why, size, "cannot mount a tmpfs on %s: %s", STAGE, strerror(errno));
	if (write_servers(STAGE "/resolv.conf", servers, count) < 0 ||
	    mount(STAGE "/resolv.conf", target, NULL, MS_BIND, NULL) < 0)
		r = fail(why, size, "cannot put our own file over %s: %s", target, strerror(errno));
	if (umount2(STAGE, MNT_DETACH) < 0 && r == 0)
		r = fail(why, size, "cannot uncover %s: %s", STAGE, strerror(errno));
	return r;
}
