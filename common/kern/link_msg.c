#include "common/kern/link_msg.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/kern/nl_attr.h"

enum { INDEX_LO = 1 }; /* in every namespace */

static struct nlmsghdr *message(void *buf, uint16_t type, uint16_t flags, const void *body,
				size_t len)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, LINK_MSG_ROOM); /* libmnl leaves the padding as it is */
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), body, len);
	return nlh;
}

static int finish(const struct nlmsghdr *nlh, size_t *len)
{
	*len = nlh->nlmsg_len;
	return 0;
}

static bool name_ok(const char *name)
{
	size_t len = strnlen(name, KERN_NAME);

	return len > 0 && len < KERN_NAME;
}

/* The start that all messages about one named link share. */
static int named(void *buf, size_t size, uint16_t type, uint16_t flags,
		 const struct ifinfomsg *info, const char *name, struct nlmsghdr **nlh)
{
	if (size < LINK_MSG_ROOM)
		return -ENOSPC;
	if (!name_ok(name))
		return -EINVAL;
	*nlh = message(buf, type, NLM_F_ACK | flags, info, sizeof(*info));
	mnl_attr_put_strz(*nlh, IFLA_IFNAME, name);
	return 0;
}

static void put_xfrm(struct nlmsghdr *nlh, const struct kern_link *link)
{
	struct nlattr *data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);

	mnl_attr_put_u32(nlh, IFLA_XFRM_IF_ID, link->if_id);
	mnl_attr_put_u32(nlh, IFLA_XFRM_LINK, INDEX_LO);
	mnl_attr_nest_end(nlh, data);
}

int link_msg_add(void *buf, size_t size, const struct kern_link *link, size_t *len)
{
	struct ifinfomsg info = { 0 };
	struct nlmsghdr *nlh;
	struct nlattr *nest;
	int err = named(buf, size, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, link->name, &nlh);

	if (err < 0)
		return err;
	if (link->kind == KERN_LINK_XFRM && link->if_id == 0)
		return -EINVAL;
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	switch (link->kind) {
	case KERN_LINK_XFRM:
		mnl_attr_put_str(nlh, IFLA_INFO_KIND, "xfrm");
		put_xfrm(nlh, link);
		break;
	case KERN_LINK_DUMMY:
		mnl_attr_put_str(nlh, IFLA_INFO_KIND, "dummy");
		break;
	}
	mnl_attr_nest_end(nlh, nest);
	return finish(nlh, len);
}

int link_msg_move(void *buf, size_t size, const char *name, int fd, size_t *len)
{
	struct ifinfomsg info = { 0 };
	struct nlmsghdr *nlh;
	int err = named(buf, size, RTM_NEWLINK, 0, &info, name, &nlh);

	if (err < 0)
		return err;
	if (fd < 0)
		return -EINVAL;
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)fd);
	return finish(nlh, len);
}

int link_msg_up(void *buf, size_t size, const char *name, uint32_t mtu, size_t *len)
{
	struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlmsghdr *nlh;
	int err = named(buf, size, RTM_NEWLINK, 0, &info, name, &nlh);

	if (err < 0)
		return err;
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return finish(nlh, len);
}

int link_msg_del(void *buf, size_t size, const char *name, size_t *len)
{
	struct ifinfomsg info = { 0 };
	struct nlmsghdr *nlh;
	int err = named(buf, size, RTM_DELLINK, 0, &info, name, &nlh);

	return err < 0 ? err : finish(nlh, len);
}

int link_msg_del_index(void *buf, size_t size, uint32_t index, size_t *len)
{
	struct ifinfomsg info = { .ifi_index = (int)index };

	if (size < LINK_MSG_ROOM)
		return -ENOSPC;
	if (index == 0)
		return -EINVAL;
	return finish(message(buf, RTM_DELLINK, NLM_F_ACK, &info, sizeof(info)), len);
}

int link_msg_get(void *buf, size_t size, const char *name, size_t *len)
{
	struct ifinfomsg info = { 0 };
	struct nlmsghdr *nlh;
	int err = named(buf, size, RTM_GETLINK, 0, &info, name, &nlh);

	return err < 0 ? err : finish(nlh, len);
}

int link_msg_dump(void *buf, size_t size, size_t *len)
{
	struct ifinfomsg info = { 0 };

	if (size < LINK_MSG_ROOM)
		return -ENOSPC;
	return finish(message(buf, RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info)), len);
}

static bool prefix_ok(const struct prefix *p)
{
	return addr_size(&p->addr) > 0 && p->len <= addr_size(&p->addr) * 8;
}

static int address(void *buf, size_t size, uint16_t type, uint16_t flags, uint32_t index,
		   const struct kern_address *a, size_t *len)
{
	struct ifaddrmsg info = {
		.ifa_family = a->prefix.addr.family,
		.ifa_prefixlen = a->prefix.len,
		.ifa_flags = a->prefix.addr.family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = index,
	};
	size_t bytes = addr_size(&a->prefix.addr);
	struct nlmsghdr *nlh;

	if (size < LINK_MSG_ROOM)
		return -ENOSPC;
	if (index == 0 || !prefix_ok(&a->prefix))
		return -EINVAL;
	nlh = message(buf, type, NLM_F_ACK | flags, &info, sizeof(info));
	mnl_attr_put(nlh, IFA_LOCAL, bytes, a->prefix.addr.bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, bytes, a->prefix.addr.bytes);
	return finish(nlh, len);
}

int link_msg_add_address(void *buf, size_t size, uint32_t index, const struct kern_address *a,
			 size_t *len)
{
	return address(buf, size, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, a, len);
}

int link_msg_del_address(void *buf, size_t size, uint32_t index, const struct kern_address *a,
			 size_t *len)
{
	return address(buf, size, RTM_DELADDR, 0, index, a, len);
}

/* What fits into the message's head; a larger number is told in an attribute. */
static uint8_t route_table(uint32_t table)
{
	if (table == 0)
		return RT_TABLE_MAIN;
	return table > UINT8_MAX ? RT_TABLE_UNSPEC : (uint8_t)table;
}

/*
 * Who adds a route by a gateway without naming a link has the kernel look for one among routes of scope
 * link or nearer: a table that is asked before main may not have such, or the gateway is taken to be in it.
 */
static uint8_t route_scope(const struct kern_route *r)
{
	return r->unreachable || (r->table && r->table != KERN_TABLE_MAIN) ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
}

static int route(void *buf, size_t size, uint16_t type, uint16_t flags, uint32_t index,
		 const struct kern_route *r, size_t *len)
{
	struct rtmsg info = {
		.rtm_family = r->dst.addr.family,
		.rtm_dst_len = r->dst.len,
		.rtm_table = route_table(r->table),
		.rtm_protocol = KERN_PROTOCOL,
		.rtm_scope = route_scope(r),
		.rtm_type = r->unreachable ? RTN_UNREACHABLE : RTN_UNICAST,
	};
	struct nlmsghdr *nlh;
	struct nlattr *metrics;

	if (size < LINK_MSG_ROOM)
		return -ENOSPC;
	if ((index == 0) != r->unreachable || !prefix_ok(&r->dst) ||
	    (r->source.family && r->source.family != r->dst.addr.family))
		return -EINVAL;
	nlh = message(buf, type, NLM_F_ACK | flags, &info, sizeof(info));
	mnl_attr_put(nlh, RTA_DST, addr_size(&r->dst.addr), r->dst.addr.bytes);
	if (r->table > UINT8_MAX)
		mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->source.family)
		mnl_attr_put(nlh, RTA_PREFSRC, addr_size(&r->source), r->source.bytes);
	if (r->unreachable)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, UINT32_MAX);
	else
		mnl_attr_put_u32(nlh, RTA_OIF, index);
	if (r->mtu) {
		metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_MTU, r->mtu);
		mnl_attr_nest_end(nlh, metrics);
	}
	return finish(nlh, len);
}

int link_msg_add_route(void *buf, size_t size, uint32_t index, const struct kern_route *r,
		       size_t *len)
{
	return route(buf, size, RTM_NEWROUTE,
		     NLM_F_CREATE | (r->replace ? NLM_F_REPLACE : NLM_F_EXCL), index, r, len);
}

int link_msg_del_route(void *buf, size_t size, uint32_t index, const struct kern_route *r,
		       size_t *len)
{
	return route(buf, size, RTM_DELROUTE, 0, index, r, len);
}

/* IFLA_LINKINFO: the kind, and the if_id of an xfrm interface. */
static int parse_info(const struct nlattr *a, struct link_msg_link *link)
{
	const struct nlattr *tb[IFLA_INFO_MAX + 1], *data[IFLA_XFRM_MAX + 1];

	if (!a)
		return 0;
	if (nl_attr_table(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb,
			  ARRAY_SIZE(tb)) < 0 ||
	    nl_attr_get_text(tb[IFLA_INFO_KIND], link->kind, sizeof(link->kind)) < 0)
		return -EBADMSG;
	a = tb[IFLA_INFO_DATA];
	if (strcmp(link->kind, "xfrm") != 0 || !a)
		return 0;
	if (nl_attr_table(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), data,
			  ARRAY_SIZE(data)) < 0)
		return -EBADMSG;
	return nl_attr_get(data[IFLA_XFRM_IF_ID], &link->if_id, sizeof(link->if_id));
}

int link_msg_parse(const void *msg, size_t len, struct link_msg_link *out)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	struct link_msg_link link = { 0 };
	struct ifinfomsg info;
	int err = nl_attr_message(msg, len, RTM_NEWLINK, &info, sizeof(info), tb, ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (info.ifi_index <= 0 || !tb[IFLA_IFNAME] ||
	    nl_attr_get_text(tb[IFLA_IFNAME], link.name, sizeof(link.name)) < 0 ||
	    nl_attr_get(tb[IFLA_MTU], &link.mtu, sizeof(link.mtu)) < 0 ||
	    parse_info(tb[IFLA_LINKINFO], &link) < 0)
		return -EBADMSG;
	link.index = (uint32_t)info.ifi_index;
	link.up = info.ifi_flags & IFF_UP;
	*out = link;
	return 0;
}
