#include "ippriv-client/cli_space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

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
			return cli_why(why, size, "cannot make namespaces: %s; this needs CAP_SYS_ADMIN",
				    strerror(errno));
		return cli_why(why, size,
			    "cannot make a user namespace: %s; as root allow them "
			    "(sysctl user.max_user_namespaces=10000, and "
			    "kernel.unprivileged_userns_clone=1 where that exists), or use sudo",
			    strerror(errno));
	}
	if (uid != 0 && map_ids(uid, gid) < 0)
		return cli_why(why, size, "cannot map the user into the namespace: %s; use sudo",
			    strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return cli_why(why, size, "cannot make the mounts private: %s; is this a chroot?",
			    strerror(errno));
	if (loopback_up() < 0)
		return cli_why(why, size, "cannot bring the loopback up: %s", strerror(errno));
	tune(uid, gid);
	return 0;
}
