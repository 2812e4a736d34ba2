#include "ippriv-client/cli_space.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/kern/kern_guard.h"

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

/*
 * Wishes: ping without privilege; of IPv6 no addresses and routes but those of the daemon's own making,
 * as nobody on the tunnel is a router.
 */
static void tune(uid_t uid, gid_t gid)
{
	static const struct {
		const char *file, *text;
	} quiet6[] = {
		{ "accept_ra", "0" }, { "autoconf", "0" }, { "accept_redirects", "0" },
		{ "addr_gen_mode", "1" }, /* no link-local address */
		{ "router_solicitations", "0" },
	};
	char range[64], path[96];

	if (uid == 0)
		snprintf(range, sizeof(range), "0 %d", INT_MAX);
	else
		snprintf(range, sizeof(range), "%u %u", gid, gid);
	(void)write_file("/proc/sys/net/ipv4/ping_group_range", range);
	for (size_t i = 0; i < ARRAY_SIZE(quiet6); i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/default/%s", quiet6[i].file);
		(void)write_file(path, quiet6[i].text);
	}
}

/* In the process that makes the namespaces. */
static int make(uid_t uid, gid_t gid, char *why, size_t size)
{
	int r;

	if (unshare(CLONE_NEWNET | (uid == 0 ? 0 : CLONE_NEWUSER)) < 0) {
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
	if (loopback_up() < 0)
		return cli_why(why, size, "cannot bring the loopback up: %s", strerror(errno));
	tune(uid, gid);
	r = kern_guard_install();
	errno = -r;
	if (r < 0)
		return cli_why(why, size, "cannot shut out connections from the tunnel: %s; this "
			       "needs nftables (as root: modprobe nf_tables nft_ct)", strerror(errno));
	return 0;
}

/* Says over TELL what came of it, and holds the namespaces until the other end is closed. */
static void maker(int tell, uid_t uid, gid_t gid)
{
	char why[512] = "", c;

	if (make(uid, gid, why, sizeof(why)) < 0) {
		(void)!write(tell, why, strlen(why));
		_exit(1);
	}
	(void)!write(tell, "", 1);
	(void)!read(tell, &c, 1);
	_exit(0);
}

static int open_net(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A process of its own makes them, as nobody can go back from a user namespace to its parent. */
int cli_space_make(int *net, char *why, size_t size)
{
	_cleanup_close_ int ours = -1;
	int ends[2], r = 0;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	ssize_t n;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return cli_why(why, size, "cannot make a socket: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		maker(ends[1], uid, gid);
	}
	ours = ends[0];
	close(ends[1]);
	if (pid < 0)
		return cli_why(why, size, "cannot start a process: %s", strerror(errno));
	n = read(ours, why, size - 1);
	if (n == 1 && why[0] == '\0') {
		*net = open_net(pid);
		if (*net < 0)
			r = cli_why(why, size, "cannot open the namespace: %s", strerror(errno));
	} else {
		r = -EPERM;
		why[n > 0 ? n : 0] = '\0';
		if (n <= 0)
			(void)cli_why(why, size, "the process that makes the namespaces has died");
	}
	close(steal_fd(&ours));
	waitpid(pid, NULL, 0);
	return r;
}

static bool is_own_user_ns(int fd)
{
	struct stat own, other;

	return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

int cli_space_enter(int net, char *why, size_t size)
{
	_cleanup_close_ int user = ioctl(net, NS_GET_USERNS);
	gid_t gid = getegid();

	if (user < 0 || (!is_own_user_ns(user) && setns(user, CLONE_NEWUSER) < 0) ||
	    setns(net, CLONE_NEWNET) < 0)
		return cli_why(why, size, "cannot go into the namespace of the run: %s",
			       strerror(errno));
	errno = EPERM;
	if (getegid() != gid)
		return cli_why(why, size, "the run of that name was started with another group; "
					  "use newgrp(1) as it did, or another name");
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return cli_why(why, size, "cannot make the mounts private: %s; is this a chroot?",
			    strerror(errno));
	return 0;
}
