#include "common/kern/ct_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "common/kern/nl_attr.h"

/* Bits of CTA_FILTER_*_FLAGS, host order; the kernel's headers keep their names to themselves. */
enum { FILTER_IP_SRC = 1 << 0, FILTER_IP_DST = 1 << 1 };

static uint16_t type_of(uint16_t msg)
{
	return (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | msg);
}

static struct nlmsghdr *message(void *buf, uint16_t msg, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *nlh;
	struct nfgenmsg *body;

	memset(buf, 0, CT_MSG_ROOM); /* libmnl leaves the padding as it is */
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type_of(msg);
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	body->nfgen_family = family;
	body->version = NFNETLINK_V0;
	return nlh;
}

static uint16_t src_attr(uint8_t family)
{
	return family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
}

/* Of the answers the destination is to be ADDRESS, IPv4, else of the first packets the source. */
static void put_filter(struct nlmsghdr *nlh, const struct addr *address, bool answers)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, answers ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
	struct nlattr *ip = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	mnl_attr_put(nlh, answers ? CTA_IP_V4_DST : CTA_IP_V4_SRC, addr_size(address),
		     address->bytes);
	mnl_attr_nest_end(nlh, ip);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_FILTER);
	mnl_attr_put_u32(nlh, answers ? CTA_FILTER_REPLY_FLAGS : CTA_FILTER_ORIG_FLAGS,
			 answers ? FILTER_IP_DST : FILTER_IP_SRC);
	mnl_attr_nest_end(nlh, nest);
}

/* The mark is the last four bytes of SRC as they lie in the kernel's memory. */
static void put_mark(struct nlmsghdr *nlh, const struct addr *src)
{
	uint32_t mark;

	memcpy(&mark, src->bytes + 12, sizeof(mark));
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(nlh, CTA_MARK_MASK, UINT32_MAX);
}

int ct_msg_dump(void *buf, size_t size, const struct prefix *src, size_t *len)
{
	size_t bits = addr_size(&src->addr) * 8;
	struct nlmsghdr *nlh;

	if (size < CT_MSG_ROOM)
		return -ENOSPC;
	if (bits == 0 || src->len > bits)
		return -EINVAL;
	nlh = message(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, src->addr.family);
	/* Not by IPv6 address: Linux 6.1 then lists all the others. */
	if (src->addr.family == AF_INET && src->len == bits)
		put_filter(nlh, &src->addr, false);
	else if (src->len == bits)
		put_mark(nlh, &src->addr);
	*len = nlh->nlmsg_len;
	return 0;
}

int ct_msg_dump_home(void *buf, size_t size, const struct addr *home, size_t *len)
{
	struct nlmsghdr *nlh;

	if (size < CT_MSG_ROOM)
		return -ENOSPC;
	if (addr_size(home) == 0)
		return -EINVAL;
	nlh = message(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP, home->family);
	if (home->family == AF_INET)
		put_filter(nlh, home, true);
	*len = nlh->nlmsg_len;
	return 0;
}

int ct_msg_del(void *buf, size_t size, const struct ct_msg_flow *flow, size_t *len)
{
	struct nlmsghdr *nlh;

	if (size < CT_MSG_ROOM)
		return -ENOSPC;
	/* Without a tuple the kernel would delete every connection there is. */
	if (addr_size(&flow->src) == 0 || flow->tuple_len == 0 || flow->tuple_len > CT_MSG_TUPLE)
		return -EINVAL;
	nlh = message(buf, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, flow->src.family);
	mnl_attr_put(nlh, NLA_F_NESTED | CTA_TUPLE_ORIG, flow->tuple_len, flow->tuple);
	mnl_attr_put_u32(nlh, CTA_ID, flow->id);
	if (flow->zone)
		mnl_attr_put_u16(nlh, CTA_ZONE, htons(flow->zone));
	*len = nlh->nlmsg_len;
	return 0;
}

static int nested(const struct nlattr *a, const struct nlattr **tb, size_t count)
{
	if (!a)
		return -EBADMSG;
	return nl_attr_table(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a), tb, count);
}

/* CTA_TUPLE_ORIG: where the connection began, and the bytes to name it by. */
static int parse_tuple(const struct nlattr *a, struct ct_msg_flow *flow)
{
	const struct nlattr *tuple[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *src;

	if (nested(a, tuple, ARRAY_SIZE(tuple)) < 0 ||
	    nested(tuple[CTA_TUPLE_IP], ip, ARRAY_SIZE(ip)) < 0)
		return -EBADMSG;
	src = ip[src_attr(flow->src.family)];
	flow->tuple_len = mnl_attr_get_payload_len(a);
	if (!src || flow->tuple_len > sizeof(flow->tuple))
		return -EBADMSG;
	memcpy(flow->tuple, mnl_attr_get_payload(a), flow->tuple_len);
	return nl_attr_get(src, flow->src.bytes, addr_size(&flow->src));
}

/* CTA_TUPLE_REPLY. */
static int parse_home(const struct nlattr *a, struct addr *out)
{
	const uint16_t dst = out->family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST;
	const struct nlattr *tuple[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1];

	if (nested(a, tuple, ARRAY_SIZE(tuple)) < 0 ||
	    nested(tuple[CTA_TUPLE_IP], ip, ARRAY_SIZE(ip)) < 0 || !ip[dst])
		return -EBADMSG;
	return nl_attr_get(ip[dst], out->bytes, addr_size(out));
}

int ct_msg_parse(const void *msg, size_t len, struct ct_msg_flow *out)
{
	const struct nlattr *tb[CTA_MAX + 1];
	struct ct_msg_flow flow = { 0 };
	struct nfgenmsg body;
	int err = nl_attr_message(msg, len, type_of(IPCTNL_MSG_CT_NEW), &body, sizeof(body), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	flow.src.family = flow.home.family = body.nfgen_family;
	if (addr_size(&flow.src) == 0)
		return -EBADMSG;
	if (!tb[CTA_ID] || nl_attr_get(tb[CTA_ID], &flow.id, sizeof(flow.id)) < 0 ||
	    nl_attr_get(tb[CTA_ZONE], &flow.zone, sizeof(flow.zone)) < 0 ||
	    parse_tuple(tb[CTA_TUPLE_ORIG], &flow) < 0 ||
	    parse_home(tb[CTA_TUPLE_REPLY], &flow.home) < 0)
		return -EBADMSG;
	flow.zone = ntohs(flow.zone);
	*out = flow;
	return 0;
}
