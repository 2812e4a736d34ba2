/* Connections are forgotten by who began them, among many of others. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <time.h>

#include "common/kern/ct_msg.h"
#include "tests/kernel/check_kern/check.h"

enum {
	FOREIGN = 10000,
	OURS = 200, /* of one client, among the foreign ones */
	SECONDS = 432000,
};

struct flow {
	const char *src, *dst;
	uint8_t proto;
	uint16_t sport, zone;
	bool marked; /* with the last four bytes of SRC */
	const char *home; /* where its answers go; NULL: to SRC */
};

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct flow *f, bool reply)
{
	struct addr src = check_addr(reply ? f->dst : f->src);
	struct addr dst = check_addr(!reply ? f->dst : f->home ? f->home : f->src);
	bool v4 = src.family == AF_INET;
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	mnl_attr_put(nlh, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, addr_size(&src), src.bytes);
	mnl_attr_put(nlh, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, addr_size(&dst), dst.bytes);
	mnl_attr_nest_end(nlh, nest);
	nest = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, f->proto);
	if (f->proto == IPPROTO_ICMP) {
		mnl_attr_put_u16(nlh, CTA_PROTO_ICMP_ID, htons(f->sport));
		mnl_attr_put_u8(nlh, CTA_PROTO_ICMP_TYPE, reply ? 0 : 8);
		mnl_attr_put_u8(nlh, CTA_PROTO_ICMP_CODE, 0);
	} else {
		mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(reply ? 80 : f->sport));
		mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(reply ? f->sport : 80));
	}
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_nest_end(nlh, tuple);
}

/* As nft_set_ct_mark_lease does it. */
static void put_mark(struct nlmsghdr *nlh, const struct flow *f)
{
	struct addr src = check_addr(f->src);
	uint32_t mark;

	memcpy(&mark, src.bytes + 12, sizeof(mark));
	mnl_attr_put_u32(nlh, CTA_MARK, htonl(mark));
}

static int add_flow(struct kern_netns *ns, const struct flow *f)
{
	_Alignas(4) uint8_t buf[512] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *body;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
	body = mnl_nlmsg_put_extra_header(nlh, sizeof(*body));
	body->nfgen_family = check_addr(f->src).family;
	put_tuple(nlh, CTA_TUPLE_ORIG, f, false);
	put_tuple(nlh, CTA_TUPLE_REPLY, f, true);
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(SECONDS));
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	if (f->marked)
		put_mark(nlh, f);
	if (f->zone)
		mnl_attr_put_u16(nlh, CTA_ZONE, htons(f->zone));
	return kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, nlh->nlmsg_len, NULL, NULL);
}

struct count {
	struct prefix src;
	int found;
	struct ct_msg_flow last;
};

static int see_flow(const struct nlmsghdr *msg, void *data)
{
	struct count *c = data;
	struct ct_msg_flow flow;
	int err = ct_msg_parse(msg, msg->nlmsg_len, &flow);

	if (err == 0 && prefix_contains(&c->src, &flow.src))
		c->found++;
	if (err == 0)
		c->last = flow;
	return err;
}

static int list_flows(struct kern_netns *ns, const struct prefix *of, struct count *c)
{
	_Alignas(4) uint8_t buf[CT_MSG_ROOM];
	size_t len;
	int err = ct_msg_dump(buf, sizeof(buf), of, &len);

	c->found = 0;
	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, see_flow, c);
}

/* Of a list without filter: what the kernel's filter leaves out must show. */
static int count_flows(struct kern_netns *ns, const char *src)
{
	struct count c = { .src = check_prefix(src) };
	struct prefix all = c.src;
	int err;

	all.len = 0;
	err = list_flows(ns, &all, &c);
	return err < 0 ? err : c.found;
}

/* The kernel's filter leaves out what it should; an id of another connection deletes nothing. */
static void check_one(const struct kern *kern, struct kern_netns *ns, int want)
{
	struct prefix one = check_prefix("100.64.0.7");
	struct count c = { 0 }; /* of all that come */
	_Alignas(4) uint8_t buf[CT_MSG_ROOM];
	size_t len;

	c.src.addr.family = AF_INET;
	CHECK_INT(kern, list_flows(ns, &one, &c), 0);
	CHECK_INT(kern, c.found, want);
	c.last.id++;
	CHECK_INT(kern, ct_msg_del(buf, sizeof(buf), &c.last, &len), 0);
	CHECK_INT(kern, kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL), -ENOENT);
	CHECK_INT(kern, count_flows(ns, "100.64.0.7"), want);
}

static void del_flows(const struct kern *kern, const char *src)
{
	struct prefix p = check_prefix(src);
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	CHECK_INT(kern, kern->flows_del(kern->ctx, &p), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("     connections of %s: %.2f ms\n", src,
	       (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
}

/* 10.0.0.0/8 to somewhere: hosts of the same machine's other networks. */
static void add_foreign(const struct kern *kern, struct kern_netns *ns)
{
	char src[ADDR_TEXT];
	struct addr a;

	for (uint32_t i = 0; i < FOREIGN; i++) {
		a = addr_v4(0x0a000000 + i);
		CHECK_INT(kern, add_flow(ns, &(struct flow){ addr_text(&a, src), "192.0.2.1",
							     IPPROTO_UDP, 1000, 0, false, NULL }), 0);
	}
}

static const struct flow ours[] = {
	{ "100.64.0.7", "203.0.113.9", IPPROTO_TCP, 1000, 0, false, NULL },
	{ "100.64.0.7", "203.0.113.9", IPPROTO_UDP, 1000, 0, false, NULL },
	{ "100.64.0.7", "203.0.113.9", IPPROTO_ICMP, 5, 0, false, NULL },
	{ "100.64.0.7", "203.0.113.9", IPPROTO_UDP, 1000, 7, false, NULL },
};

/* Alike: the neighbours, the address as a destination, the same bits in IPv6. */
static const struct flow alike[] = {
	{ "100.64.0.6", "203.0.113.9", IPPROTO_TCP, 1000, 0, false, NULL },
	{ "100.64.0.8", "203.0.113.9", IPPROTO_TCP, 1000, 0, false, NULL },
	{ "100.65.0.7", "203.0.113.9", IPPROTO_TCP, 1000, 0, false, NULL },
	{ "203.0.113.9", "100.64.0.7", IPPROTO_TCP, 1000, 0, false, NULL },
	{ "6440:7::1", "2001:db8::1", IPPROTO_TCP, 1000, 0, false, NULL },
};

/* Of one client two, of a neighbour, and one that bears no mark. */
static const struct flow sixes[] = {
	{ "fd49:5070:7269:7600::6440:1207", "2001:db8::1", IPPROTO_TCP, 1000, 0, true, NULL },
	{ "fd49:5070:7269:7600::6440:1207", "2001:db8::1", IPPROTO_UDP, 1000, 0, true, NULL },
	{ "fd49:5070:7269:7600::6440:1208", "2001:db8::1", IPPROTO_TCP, 1000, 0, true, NULL },
	{ "fd49:5070:7269:7600::6440:1209", "2001:db8::1", IPPROTO_TCP, 1000, 0, false, NULL },
};

/* A container's, say. */
static const struct flow translated = { "172.17.0.2", "203.0.113.9", IPPROTO_TCP, 1000, 0,
					false, "100.64.0.7" };

void check_flows(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_netns *ns = &k->own;
	struct addr client = check_addr("100.64.0.7");
	struct count c = { .src.addr.family = AF_INET6 };

	del_flows(kern, "100.64.0.7");
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		CHECK_INT(kern, add_flow(ns, &ours[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(alike); i++)
		CHECK_INT(kern, add_flow(ns, &alike[i]), 0);
	add_foreign(kern, ns);
	CHECK_INT(kern, count_flows(ns, "100.64.0.7"), ARRAY_SIZE(ours));
	check_one(kern, ns, ARRAY_SIZE(ours));
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 1);
	del_flows(kern, "100.64.0.7");
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 0);
	CHECK_INT(kern, count_flows(ns, "100.64.0.7"), 0);
	CHECK_INT(kern, count_flows(ns, "0.0.0.0/0"), FOREIGN + 4);
	CHECK_INT(kern, add_flow(ns, &translated), 0);
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 1);
	del_flows(kern, translated.src);
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 0);
	CHECK_INT(kern, count_flows(ns, "::/0"), 1);
	for (uint16_t i = 0; i < OURS; i++)
		CHECK_INT(kern, add_flow(ns, &(struct flow){ "100.64.0.7", "192.0.2.1", IPPROTO_TCP,
							     (uint16_t)(1000 + i), 0, false, NULL }), 0);
	del_flows(kern, "100.64.0.7");
	CHECK_INT(kern, count_flows(ns, "0.0.0.0/0"), FOREIGN + 4);
	del_flows(kern, "100.64.0.0/16");
	CHECK_INT(kern, count_flows(ns, "100.64.0.0/16"), 0);
	CHECK_INT(kern, count_flows(ns, "0.0.0.0/0"), FOREIGN + 2);
	del_flows(kern, "0.0.0.0/0");
	CHECK_INT(kern, count_flows(ns, "0.0.0.0/0"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sixes); i++)
		CHECK_INT(kern, add_flow(ns, &sixes[i]), 0);
	client = check_addr(sixes[0].src);
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 1);
	CHECK_INT(kern, list_flows(ns, &(struct prefix){ client, 128 }, &c), 0);
	CHECK_INT(kern, c.found, 2); /* no other came */
	del_flows(kern, sixes[0].src);
	CHECK_INT(kern, count_flows(ns, sixes[0].src), 0);
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 0);
	CHECK_INT(kern, count_flows(ns, "::/0"), 3);
	client = check_addr(sixes[3].src);
	CHECK_INT(kern, kern->flows_any(kern->ctx, NULL, &client), 1); /* marks do not count there */
	del_flows(kern, "::/0");
	CHECK_INT(kern, count_flows(ns, "::/0"), 0);
}
