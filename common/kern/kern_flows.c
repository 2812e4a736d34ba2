#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/kern/ct_msg.h"
#include "common/kern/kern_netns.h"

struct sweep {
	struct kern_netns *ns;
	const struct prefix *src;
	int err; /* the first failure; the others are deleted all the same */
};

static int del_flow(struct kern_netns *ns, const struct ct_msg_flow *flow)
{
	_Alignas(4) uint8_t buf[CT_MSG_ROOM];
	size_t len;
	int err = ct_msg_del(buf, sizeof(buf), flow, &len);

	if (err == 0)
		err = kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL);
	return err == -ENOENT ? 0 : err; /* it ended by itself meanwhile */
}

/* Deletes while the list comes in: keeping it would take as much memory as clients like. */
static int take_flow(const struct nlmsghdr *msg, void *data)
{
	struct sweep *s = data;
	struct ct_msg_flow flow;
	int err = ct_msg_parse(msg, msg->nlmsg_len, &flow);

	if (err == 0 && prefix_contains(s->src, &flow.src))
		err = del_flow(s->ns, &flow);
	if (err < 0 && s->err == 0)
		s->err = err;
	return 0;
}

/* Asks with MSG of LEN bytes for a list; EACH with DATA. -EPROTONOSUPPORT, explained: it cannot. */
static int list(struct kern_netns *ns, uint8_t *msg, size_t len,
		int (*each)(const struct nlmsghdr *msg, void *data), void *data)
{
	int err = kern_netns_talk(ns, KERN_BUS_CONNTRACK, msg, len, each, data);
	if (err != -EINVAL)
		return err;
	snprintf(ns->kern->error, sizeof(ns->kern->error), "this kernel cannot list connections: "
							   "modprobe nf_conntrack_netlink");
	return -EPROTONOSUPPORT;
}

int kern_linux_flows_del(void *ctx, const struct prefix *src)
{
	struct kern_linux *k = ctx;
	struct sweep s = { .ns = &k->own, .src = src };
	_Alignas(4) uint8_t buf[CT_MSG_ROOM];
	size_t len;
	int err = ct_msg_dump(buf, sizeof(buf), src, &len);

	if (err == 0)
		err = list(&k->own, buf, len, take_flow, &s);
	if (err == -EPROTONOSUPPORT)
		return err;
	if (err == 0)
		err = s.err;
	if (err < 0)
		snprintf(k->error, sizeof(k->error), "cannot delete connections: %s%s%s",
			 strerror(-err), k->said[0] ? ": " : "", k->said);
	return err;
}

struct search {
	const struct addr *home;
	bool found;
};

static int look_at(const struct nlmsghdr *msg, void *data)
{
	struct search *s = data;
	struct ct_msg_flow flow;

	if (ct_msg_parse(msg, msg->nlmsg_len, &flow) == 0 && addr_equal(s->home, &flow.home))
		s->found = true;
	return 0;
}

int kern_linux_flows_any(void *ctx, struct kern_netns *netns, const struct addr *home)
{
	struct kern_linux *k = ctx;
	struct search s = { .home = home };
	_Alignas(4) uint8_t buf[CT_MSG_ROOM];
	size_t len;
	int err = ct_msg_dump_home(buf, sizeof(buf), home, &len);

	if (err == 0)
		err = list(netns ? netns : &k->own, buf, len, look_at, &s);
	return err < 0 ? err : s.found;
}
