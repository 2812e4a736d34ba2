#include "common/kern/kern_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "common/base/log.h"
#include "common/kern/link_msg.h"

/*
 * Namespaces are per thread: only the calling one goes and comes back, other threads stay. A thread
 * that cannot come back would work on somebody else's network: the process ends.
 */
static void come_back(const struct kern_linux *k)
{
	if (setns(k->own.fd, CLONE_NEWNET) == 0)
		return;
	log_error("cannot return to the daemon's network namespace: %s", strerror(errno));
	abort();
}

static int open_current(int *fd)
{
	*fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

int kern_netns_init_own(struct kern_linux *k)
{
	k->own = (struct kern_netns){ .kern = k, .fd = -1 };
	return open_current(&k->own.fd);
}

void kern_netns_fini(struct kern_netns *ns)
{
	for (size_t i = 0; i < KERN_BUS_COUNT; i++)
		nl_sock_free(ns->socks[i]);
	nl_sock_free(ns->events);
	nl_sock_free(ns->route_events);
	cleanup_close(&ns->fd);
}

static int family_of(enum kern_bus bus)
{
	switch (bus) {
	case KERN_BUS_XFRM:
		return NETLINK_XFRM;
	case KERN_BUS_ROUTE:
		return NETLINK_ROUTE;
	case KERN_BUS_NETFILTER:
	case KERN_BUS_CONNTRACK:
		return NETLINK_NETFILTER;
	case KERN_BUS_DIAG:
	case KERN_BUS_DIAG_END:
		return NETLINK_SOCK_DIAG;
	}
	return -1;
}

int kern_netns_open(struct kern_netns *ns, int family, struct nl_sock **out)
{
	bool own = ns == &ns->kern->own;
	int err;

	if (!own && setns(ns->fd, CLONE_NEWNET) < 0)
		return -errno;
	err = nl_sock_new(family, out);
	if (!own)
		come_back(ns->kern);
	return err;
}

int kern_netns_talk(struct kern_netns *ns, enum kern_bus bus, void *msgs, size_t len,
		    int (*each)(const struct nlmsghdr *msg, void *data), void *data)
{
	char *said = ns->kern->said;
	int err = 0;

	if (!ns->socks[bus])
		err = kern_netns_open(ns, family_of(bus), &ns->socks[bus]);
	said[0] = '\0';
	if (err < 0)
		return err;
	err = nl_sock_talk(ns->socks[bus], msgs, len, each, data);
	if (err < 0)
		snprintf(said, sizeof(ns->kern->said), "%s", nl_sock_text(ns->socks[bus]));
	return err;
}

/* Takes FD on success. */
static int netns_wrap(struct kern_linux *k, int fd, struct kern_netns **out)
{
	struct kern_netns *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return -ENOMEM;
	*ns = (struct kern_netns){ .kern = k, .fd = fd };
	*out = ns;
	return 0;
}

int kern_netns_new(struct kern_linux *k, struct kern_netns **out)
{
	_Alignas(4) uint8_t buf[LINK_MSG_ROOM];
	struct kern_netns *ns = NULL;
	_cleanup_close_ int fd = -1;
	size_t len;
	int err;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	err = open_current(&fd);
	come_back(k);
	if (err < 0)
		return err;
	err = netns_wrap(k, fd, &ns);
	if (err < 0)
		return err;
	(void)steal_fd(&fd);
	err = link_msg_up(buf, sizeof(buf), "lo", 0, &len);
	if (err == 0)
		err = kern_netns_talk(ns, KERN_BUS_ROUTE, buf, len, NULL, NULL);
	if (err < 0)
		kern_netns_free(ns);
	else
		*out = ns;
	return err;
}

int kern_netns_from_fd(struct kern_linux *k, int fd, struct kern_netns **out)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC ||
	    ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return -EINVAL;
	return netns_wrap(k, fd, out);
}

void kern_netns_free(struct kern_netns *ns)
{
	if (!ns)
		return;
	kern_netns_fini(ns);
	free(ns);
}

int kern_netns_socket(struct kern_netns *ns, int domain, int type, int protocol)
{
	int fd;

	if (ns && setns(ns->fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		fd = -errno;
	if (ns)
		come_back(ns->kern);
	return fd;
}
