#include "common/kern/rule_msg.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/kern/nl_attr.h"

/* The kernel's name of where a host's own packets come from. */
static const char lo[] = "lo";

static struct nlmsghdr *message(void *buf, uint16_t type, uint16_t flags,
				const struct fib_rule_hdr *head)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, RULE_MSG_ROOM); /* libmnl leaves the padding as it is */
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(*head)), head, sizeof(*head));
	return nlh;
}

/* Of FAMILY, or there is none. */
static bool prefix_ok(const struct prefix *p, uint16_t family)
{
	if (p->addr.family == 0)
		return p->len == 0;
	return p->addr.family == family && p->len > 0 && p->len <= addr_size(&p->addr) * 8;
}

static bool rule_ok(const struct kern_rule *r)
{
	return (r->family == AF_INET || r->family == AF_INET6) && r->priority && r->table &&
	       prefix_ok(&r->from, r->family) && prefix_ok(&r->to, r->family) &&
	       (r->proto || (r->sport == 0 && r->dport == 0));
}

static void put_port(struct nlmsghdr *nlh, uint16_t type, uint16_t port)
{
	const struct fib_rule_port_range range = { port, port };

	if (port)
		mnl_attr_put(nlh, type, sizeof(range), &range);
}

static void put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct prefix *p)
{
	if (p->addr.family)
		mnl_attr_put(nlh, type, addr_size(&p->addr), p->addr.bytes);
}

static int change(void *buf, size_t size, uint16_t type, uint16_t flags,
		  const struct kern_rule *r, size_t *len)
{
	struct fib_rule_hdr head = {
		.family = (uint8_t)r->family,
		.dst_len = r->to.len,
		.src_len = r->from.len,
		.table = r->table > UINT8_MAX ? RT_TABLE_UNSPEC : (uint8_t)r->table,
		.action = FR_ACT_TO_TBL,
		.flags = r->invert ? FIB_RULE_INVERT : 0,
	};
	struct nlmsghdr *nlh;

	if (size < RULE_MSG_ROOM)
		return -ENOSPC;
	if (!rule_ok(r))
		return -EINVAL;
	nlh = message(buf, type, NLM_F_ACK | flags, &head);
	put_prefix(nlh, FRA_SRC, &r->from);
	put_prefix(nlh, FRA_DST, &r->to);
	if (r->local)
		mnl_attr_put_strz(nlh, FRA_IIFNAME, lo);
	if (r->mark.mask) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark.value);
		mnl_attr_put_u32(nlh, FRA_FWMASK, r->mark.mask);
	}
	if (r->proto)
		mnl_attr_put_u8(nlh, FRA_IP_PROTO, r->proto);
	put_port(nlh, FRA_SPORT_RANGE, r->sport);
	put_port(nlh, FRA_DPORT_RANGE, r->dport);
	if (r->table > UINT8_MAX)
		mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, KERN_PROTOCOL);
	*len = nlh->nlmsg_len;
	return 0;
}

int rule_msg_add(void *buf, size_t size, const struct kern_rule *rule, size_t *len)
{
	return change(buf, size, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, len);
}

int rule_msg_del(void *buf, size_t size, const struct kern_rule *rule, size_t *len)
{
	return change(buf, size, RTM_DELRULE, 0, rule, len);
}

int rule_msg_dump(void *buf, size_t size, size_t *len)
{
	struct fib_rule_hdr head = { .family = AF_UNSPEC };

	if (size < RULE_MSG_ROOM)
		return -ENOSPC;
	*len = message(buf, RTM_GETRULE, NLM_F_DUMP, &head)->nlmsg_len;
	return 0;
}

/* Attributes that change nothing when they have this value, as the kernel tells them always. */
static bool says_more(const struct nlattr **tb)
{
	static const uint16_t known[] = { FRA_DST, FRA_SRC, FRA_PRIORITY, FRA_FWMARK, FRA_FWMASK,
					  FRA_IIFNAME,
					  FRA_TABLE, FRA_PROTOCOL, FRA_PAD,
					  FRA_SUPPRESS_PREFIXLEN, FRA_IP_PROTO,
					  FRA_SPORT_RANGE, FRA_DPORT_RANGE };
	uint32_t suppress = UINT32_MAX;

	if (nl_attr_get(tb[FRA_SUPPRESS_PREFIXLEN], &suppress, sizeof(suppress)) < 0 ||
	    suppress != UINT32_MAX)
		return true;
	for (uint16_t type = 0; type <= FRA_MAX; type++) {
		bool is_known = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			is_known |= type == known[i];
		if (tb[type] && !is_known)
			return true;
	}
	return false;
}

static int parse_prefix(const struct nlattr *a, uint8_t len, uint16_t family, struct prefix *out)
{
	if (len == 0)
		return 0;
	out->addr.family = family;
	out->len = len;
	if (!a || len > addr_size(&out->addr) * 8)
		return -EBADMSG;
	return nl_attr_get(a, out->addr.bytes, addr_size(&out->addr));
}

/* One port, as all rules of ours have. */
static int parse_port(const struct nlattr *a, uint16_t *out)
{
	struct fib_rule_port_range range = { 0 };
	int err = nl_attr_get(a, &range, sizeof(range));

	*out = range.start;
	return err < 0 ? err : range.start == range.end ? 0 : -EOPNOTSUPP;
}

static int parse_local(const struct nlattr *a, bool *out)
{
	if (!a)
		return 0;
	*out = mnl_attr_get_payload_len(a) == sizeof(lo) &&
	       memcmp(mnl_attr_get_payload(a), lo, sizeof(lo)) == 0;
	return *out ? 0 : -EOPNOTSUPP;
}

static int parse_ports(const struct nlattr **tb, struct kern_rule *r)
{
	int err = nl_attr_get(tb[FRA_IP_PROTO], &r->proto, sizeof(r->proto));

	if (err == 0)
		err = parse_port(tb[FRA_SPORT_RANGE], &r->sport);
	return err < 0 ? err : parse_port(tb[FRA_DPORT_RANGE], &r->dport);
}

int rule_msg_parse(const void *msg, size_t len, struct kern_rule *out, uint8_t *protocol)
{
	const struct nlattr *tb[FRA_MAX + 1];
	struct kern_rule r = { 0 };
	struct fib_rule_hdr head;
	uint8_t proto = RTPROT_UNSPEC;
	int err = nl_attr_message(msg, len, RTM_NEWRULE, &head, sizeof(head), tb, ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if ((head.family != AF_INET && head.family != AF_INET6) || head.action != FR_ACT_TO_TBL ||
	    head.tos || (head.flags & ~(uint32_t)FIB_RULE_INVERT) || says_more(tb))
		return -EOPNOTSUPP;
	r.family = head.family;
	r.invert = head.flags & FIB_RULE_INVERT;
	r.table = head.table;
	if (parse_prefix(tb[FRA_SRC], head.src_len, head.family, &r.from) < 0 ||
	    parse_prefix(tb[FRA_DST], head.dst_len, head.family, &r.to) < 0 ||
	    nl_attr_get(tb[FRA_FWMARK], &r.mark.value, 4) < 0 ||
	    nl_attr_get(tb[FRA_FWMASK], &r.mark.mask, 4) < 0 ||
	    nl_attr_get(tb[FRA_TABLE], &r.table, 4) < 0 ||
	    nl_attr_get(tb[FRA_PRIORITY], &r.priority, 4) < 0 ||
	    nl_attr_get(tb[FRA_PROTOCOL], &proto, 1) < 0)
		return -EBADMSG;
	err = parse_local(tb[FRA_IIFNAME], &r.local);
	if (err == 0)
		err = parse_ports(tb, &r);
	if (err < 0)
		return err;
	*out = r;
	*protocol = proto;
	return 0;
}
