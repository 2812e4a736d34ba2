#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>

#include "common/kern/kern_netns.h"
#include "common/kern/xfrm_msg.h"

/* Opens *S in NS, once, to hear GROUPS. Its descriptor or -errno. */
static int hear(struct kern_netns *ns, int family, const int *groups, size_t count,
		struct nl_sock **s)
{
	int err = 0;

	if (*s)
		return nl_sock_fd(*s);
	err = kern_netns_open(ns, family, s);
	for (size_t i = 0; i < count && err == 0; i++)
		err = nl_sock_join(*s, groups[i]);
	if (err == 0)
		return nl_sock_fd(*s);
	nl_sock_free(*s);
	*s = NULL;
	return err;
}

int kern_linux_events_fd(struct kern_linux *k, struct kern_netns *ns)
{
	static const int groups[] = { XFRMNLGRP_EXPIRE };

	if (!ns)
		ns = &k->own;
	return hear(ns, NETLINK_XFRM, groups, ARRAY_SIZE(groups), &ns->events);
}

int kern_linux_events_all_fd(struct kern_linux *k)
{
	static const int more[] = { XFRMNLGRP_ACQUIRE, XFRMNLGRP_MAPPING };
	int fd = kern_linux_events_fd(k, NULL), err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(more) && fd >= 0 && err == 0; i++)
		err = nl_sock_join(k->own.events, more[i]);
	return err < 0 ? err : fd;
}

static bool is_ours(uint32_t reqid)
{
	uint32_t range = reqid & ~(uint32_t)KERN_ID_MASK;

	return range == KERN_REQID_NODE || range == KERN_REQID_CLIENT;
}

int kern_linux_events_next(struct kern_linux *k, struct kern_netns *ns, struct kern_event *out)
{
	struct nl_sock *s = ns ? ns->events : k->own.events;
	const struct nlmsghdr *msg;
	struct kern_event event;
	int err;

	if (!s)
		return -EBADF;
	for (;;) {
		err = nl_sock_next(s, &msg);
		if (err <= 0)
			return err;
		if (xfrm_msg_parse_event(msg, msg->nlmsg_len, &event) == 0 &&
		    is_ours(event.reqid)) {
			*out = event;
			return 1;
		}
	}
}

int kern_linux_route_fd(struct kern_linux *k)
{
	static const int groups[] = { RTNLGRP_LINK,	   RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE };

	return hear(&k->own, NETLINK_ROUTE, groups, ARRAY_SIZE(groups), &k->own.route_events);
}

void kern_linux_route_drain(struct kern_linux *k)
{
	const struct nlmsghdr *msg;
	int got = k->own.route_events ? 1 : 0;

	/* Lost ones are changes, too. */
	while (got > 0 || got == -ENOBUFS)
		got = nl_sock_next(k->own.route_events, &msg);
}
