#include "common/kern/nft_expr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <string.h>

/* Of the TCP header, RFC 9293 section 3.1, RFC 7323 section 3.2. */
enum { TCP_FLAGS = 13, TCP_CHECK = 16, TCP_OPTION_MSS = 2, TCP_OPTION_TIMESTAMP = 8 };

struct nft_rule nft_rule_new(const char *table, const char *chain)
{
	struct nft_rule r = { .rule = nftnl_rule_alloc() };

	if (!r.rule || nftnl_rule_set_str(r.rule, NFTNL_RULE_TABLE, table) ||
	    nftnl_rule_set_str(r.rule, NFTNL_RULE_CHAIN, chain)) {
		r.err = -ENOMEM;
		return r;
	}
	nftnl_rule_set_u32(r.rule, NFTNL_RULE_FAMILY, NFPROTO_IPV4);
	return r;
}

void nft_rule_free(struct nft_rule *r)
{
	if (r->rule)
		nftnl_rule_free(r->rule);
	r->rule = NULL;
}

/* A new expression, owned by the rule; NULL once something has failed. */
static struct nftnl_expr *add(struct nft_rule *r, const char *name)
{
	struct nftnl_expr *e;

	if (r->err)
		return NULL;
	e = nftnl_expr_alloc(name);
	if (!e) {
		r->err = -ENOMEM;
		return NULL;
	}
	nftnl_rule_add_expr(r->rule, e);
	return e;
}

static void set_data(struct nft_rule *r, struct nftnl_expr *e, uint16_t attr, const void *data,
		     uint32_t len)
{
	if (nftnl_expr_set(e, attr, data, len))
		r->err = -ENOMEM;
}

static void set_str(struct nft_rule *r, struct nftnl_expr *e, uint16_t attr, const char *s)
{
	if (nftnl_expr_set_str(e, attr, s))
		r->err = -ENOMEM;
}

static void payload(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

/* meta, rt and ct load a value by its key, with the attributes KEY and DREG of their own. */
static void load(struct nft_rule *r, const char *name, uint16_t key_attr, uint32_t key,
		 uint16_t dreg_attr)
{
	struct nftnl_expr *e = add(r, name);

	if (!e)
		return;
	nftnl_expr_set_u32(e, key_attr, key);
	nftnl_expr_set_u32(e, dreg_attr, NFT_REG_1);
}

static void cmp(struct nft_rule *r, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *e = add(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	set_data(r, e, NFTNL_EXPR_CMP_DATA, data, len);
}

/* Keeps what MASK has, then turns what XOR has; both of LEN bytes. NULL once something has failed. */
static struct nftnl_expr *bits(struct nft_rule *r, const void *mask, const void *xor, uint32_t len)
{
	struct nftnl_expr *e = add(r, "bitwise");

	if (!e)
		return NULL;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	set_data(r, e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	set_data(r, e, NFTNL_EXPR_BITWISE_XOR, xor, len);
	return e;
}

static void bitmask(struct nft_rule *r, uint32_t mask)
{
	uint32_t zero = 0;

	bits(r, &mask, &zero, sizeof(mask));
}

/* Names the operation, as nft(8) does here and not for prefixes. */
static void bits_named(struct nft_rule *r, const void *mask, const void *xor, uint32_t len)
{
	struct nftnl_expr *e = bits(r, mask, xor, len);

	if (e)
		nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
}

static void bitmask8(struct nft_rule *r, uint8_t mask)
{
	uint8_t zero = 0;

	bits_named(r, &mask, &zero, sizeof(mask));
}

static void immediate(struct nft_rule *r, uint32_t reg, const void *data, uint32_t len)
{
	struct nftnl_expr *e = add(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, reg);
	set_data(r, e, NFTNL_EXPR_IMM_DATA, data, len);
}

static void verdict(struct nft_rule *r, uint32_t code, const char *chain)
{
	struct nftnl_expr *e = add(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, code);
	if (chain)
		set_str(r, e, NFTNL_EXPR_IMM_CHAIN, chain);
}

static void comment(struct nft_rule *r, const char *text)
{
	struct nftnl_udata_buf *buf;

	if (r->err)
		return;
	buf = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	if (!buf || !nftnl_udata_put_strz(buf, NFTNL_UDATA_RULE_COMMENT, text) ||
	    nftnl_rule_set_data(r->rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(buf),
				nftnl_udata_buf_len(buf)))
		r->err = -ENOMEM;
	if (buf)
		nftnl_udata_buf_free(buf);
}

static uint32_t field_offset(enum nft_field field)
{
	switch (field) {
	case NFT_SADDR:
		return offsetof(struct iphdr, saddr);
	case NFT_DADDR:
		return offsetof(struct iphdr, daddr);
	case NFT_SPORT:
		return 0;
	case NFT_DPORT:
		return 2;
	}
	return 0;
}

/* Of the addresses in the IPv6 header, RFC 8200 section 3, and of other fields of it. */
enum { IP6_NEXT = 6, IP6_HOPS = 7, IP6_SADDR = 8, IP6_LEASE = IP6_SADDR + 12, IP6_DADDR = 24 };

static uint32_t address_offset(enum nft_field field, bool v4)
{
	if (v4)
		return field_offset(field);
	return field == NFT_SADDR ? IP6_SADDR : IP6_DADDR;
}

void nft_match_prefix(struct nft_rule *r, enum nft_field field, const struct prefix *p, bool not)
{
	bool v4 = p->addr.family == AF_INET;
	uint32_t len = p->len % 8 ? v4 ? 4 : 16 : p->len / 8; /* whole bytes need no mask */
	uint8_t mask[16] = { 0 }, none[16] = { 0 };

	if (p->len == 0)
		return;
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, address_offset(field, v4), len);
	for (uint32_t i = 0; i < p->len; i++)
		mask[i / 8] |= 0x80 >> i % 8;
	if (p->len % 8)
		bits(r, mask, none, len);
	cmp(r, not ? NFT_CMP_NEQ : NFT_CMP_EQ, p->addr.bytes, len);
}

static void lookup(struct nft_rule *r, const char *set, uint32_t set_id)
{
	struct nftnl_expr *e = add(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, set_id);
	set_str(r, e, NFTNL_EXPR_LOOKUP_SET, set);
}

void nft_match_set(struct nft_rule *r, enum nft_field field, const char *set,
		   uint32_t set_id)
{
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, field_offset(field), 4);
	lookup(r, set, set_id);
}

void nft_match_ports(struct nft_rule *r, enum nft_field field, uint16_t lo, uint16_t hi)
{
	uint16_t be_lo = htons(lo), be_hi = htons(hi);

	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, field_offset(field), sizeof(be_lo));
	if (lo == hi) {
		cmp(r, NFT_CMP_EQ, &be_lo, sizeof(be_lo));
		return;
	}
	cmp(r, NFT_CMP_GTE, &be_lo, sizeof(be_lo));
	cmp(r, NFT_CMP_LTE, &be_hi, sizeof(be_hi));
}

void nft_match_protocol(struct nft_rule *r, bool six, uint8_t protocol)
{
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, six ? IP6_NEXT : offsetof(struct iphdr, protocol),
		sizeof(protocol));
	cmp(r, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void nft_match_extended(struct nft_rule *r)
{
	static const uint8_t plain[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6 };

	for (size_t i = 0; i < sizeof(plain); i++) {
		payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT, sizeof(plain[i]));
		cmp(r, NFT_CMP_NEQ, &plain[i], sizeof(plain[i]));
	}
}

void nft_match_l4proto(struct nft_rule *r, uint8_t protocol)
{
	load(r, "meta", NFTNL_EXPR_META_KEY, NFT_META_L4PROTO, NFTNL_EXPR_META_DREG);
	cmp(r, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void nft_match_secpath(struct nft_rule *r, bool exists)
{
	uint8_t value = exists;

	load(r, "meta", NFTNL_EXPR_META_KEY, NFT_META_SECPATH, NFTNL_EXPR_META_DREG);
	cmp(r, NFT_CMP_EQ, &value, sizeof(value));
}

void nft_match_encap(struct nft_rule *r, bool exists)
{
	uint8_t value = exists;

	load(r, "rt", NFTNL_EXPR_RT_KEY, NFT_RT_XFRM, NFTNL_EXPR_RT_DREG);
	cmp(r, NFT_CMP_EQ, &value, sizeof(value));
}

void nft_match_ct_state(struct nft_rule *r, uint32_t states)
{
	uint32_t zero = 0;

	load(r, "ct", NFTNL_EXPR_CT_KEY, NFT_CT_STATE, NFTNL_EXPR_CT_DREG);
	bitmask(r, states);
	cmp(r, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void nft_match_ct_reply(struct nft_rule *r)
{
	uint8_t reply = 1;

	load(r, "ct", NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION, NFTNL_EXPR_CT_DREG);
	cmp(r, NFT_CMP_EQ, &reply, sizeof(reply));
}

static struct nftnl_expr *connlimit(uint32_t most)
{
	struct nftnl_expr *e = nftnl_expr_alloc("connlimit");

	if (!e)
		return NULL;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_COUNT, most);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	return e;
}

void nft_match_many(struct nft_rule *r, bool six, const char *set, uint32_t set_id, uint32_t most)
{
	struct nftnl_expr *e, *count;

	payload(r, NFT_PAYLOAD_NETWORK_HEADER, six ? IP6_LEASE : offsetof(struct iphdr, saddr), 4);
	e = add(r, "dynset");
	if (!e)
		return;
	count = connlimit(most);
	if (!count) {
		r->err = -ENOMEM;
		return;
	}
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
	set_str(r, e, NFTNL_EXPR_DYNSET_SET_NAME, set);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SET_ID, set_id);
	nftnl_expr_add_expr(e, NFTNL_EXPR_DYNSET_EXPRESSIONS, count); /* owned by E */
}

void nft_match_head_odd(struct nft_rule *r)
{
	uint16_t plain = htons(0x4500); /* version 4, five words, type of service 0 */

	payload(r, NFT_PAYLOAD_NETWORK_HEADER, 0, sizeof(plain));
	cmp(r, NFT_CMP_NEQ, &plain, sizeof(plain));
}

void nft_match_ip_options(struct nft_rule *r)
{
	uint8_t words = sizeof(struct iphdr) / 4;

	payload(r, NFT_PAYLOAD_NETWORK_HEADER, 0, sizeof(words));
	bitmask8(r, 0x0f);
	cmp(r, NFT_CMP_GT, &words, sizeof(words));
}

void nft_match_atomic(struct nft_rule *r)
{
	uint16_t df = htons(0x4000);

	payload(r, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct iphdr, frag_off), sizeof(df));
	cmp(r, NFT_CMP_EQ, &df, sizeof(df));
}

void nft_match_tcp_flags(struct nft_rule *r, uint8_t mask, uint8_t flags)
{
	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS, sizeof(flags));
	bitmask8(r, mask);
	cmp(r, NFT_CMP_EQ, &flags, sizeof(flags));
}

/* Register 1 into LEN bytes at OFFSET of the IPv6 header, which has no checksum. */
static void store_ip6(struct nft_rule *r, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *e = add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
}

/* Register 1 into the two bytes at OFFSET, an even one, of BASE, whose checksum is at SUM. */
static void store(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t sum)
{
	struct nftnl_expr *e = add(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, sizeof(uint16_t));
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, sum);
}

/* Of the two bytes there KEEP stays and the rest is VALUE; host order. */
static void change(struct nft_rule *r, uint32_t base, uint32_t offset, uint32_t sum, uint16_t keep,
		   uint16_t value)
{
	uint16_t mask = htons(keep), xor = htons(value);

	payload(r, base, offset, sizeof(mask));
	bits_named(r, &mask, &xor, sizeof(mask));
	store(r, base, offset, sum);
}

static void change_ip(struct nft_rule *r, uint32_t offset, uint16_t keep, uint16_t value)
{
	change(r, NFT_PAYLOAD_NETWORK_HEADER, offset, offsetof(struct iphdr, check), keep, value);
}

void nft_set_tos_zero(struct nft_rule *r)
{
	change_ip(r, 0, 0xff03, 0); /* DSCP, */
	change_ip(r, 0, 0xfffc, 0); /* ECN: as nft(8) writes them */
}

void nft_set_id_zero(struct nft_rule *r)
{
	uint16_t zero = 0;

	immediate(r, NFT_REG_1, &zero, sizeof(zero));
	store(r, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct iphdr, id),
	      offsetof(struct iphdr, check));
}

void nft_set_ttl(struct nft_rule *r, uint8_t ttl)
{
	change_ip(r, offsetof(struct iphdr, ttl), 0x00ff, (uint16_t)(ttl << 8));
}

void nft_set_head6_plain(struct nft_rule *r)
{
	uint32_t head = htonl(6u << 28); /* the version alone */

	immediate(r, NFT_REG_1, &head, sizeof(head));
	store_ip6(r, 0, sizeof(head));
}

void nft_set_hops(struct nft_rule *r, uint8_t hops)
{
	immediate(r, NFT_REG_1, &hops, sizeof(hops));
	store_ip6(r, IP6_HOPS, sizeof(hops));
}

void nft_set_tcp_flags(struct nft_rule *r, uint8_t flags)
{
	change(r, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS - 1, TCP_CHECK, 0xff00, flags);
}

void nft_lower_mss(struct nft_rule *r, uint16_t mss)
{
	uint16_t be = htons(mss);
	struct nftnl_expr *e;

	immediate(r, NFT_REG_1, &be, sizeof(be));
	e = add(r, "exthdr");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_SREG, NFT_REG_1);
	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, TCP_OPTION_MSS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, 2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, sizeof(be));
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
}

void nft_blank_timestamp(struct nft_rule *r)
{
	struct nftnl_expr *e = add(r, "exthdr");

	if (!e)
		return;
	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, TCP_OPTION_TIMESTAMP);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
}

void nft_match_family(struct nft_rule *r, uint8_t family)
{
	load(r, "meta", NFTNL_EXPR_META_KEY, NFT_META_NFPROTO, NFTNL_EXPR_META_DREG);
	cmp(r, NFT_CMP_EQ, &family, sizeof(family));
}

void nft_match_net(struct nft_rule *r, enum nft_field field, const struct prefix *p, bool not)
{
	nft_match_family(r, p->addr.family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	nft_match_prefix(r, field, p, not);
}

void nft_match_lo(struct nft_rule *r, bool out)
{
	uint32_t lo = 1; /* the index of lo in every namespace */

	load(r, "meta", NFTNL_EXPR_META_KEY, out ? NFT_META_OIF : NFT_META_IIF,
	     NFTNL_EXPR_META_DREG);
	cmp(r, NFT_CMP_EQ, &lo, sizeof(lo));
}

void nft_match_link(struct nft_rule *r, bool out, const char *name)
{
	char whole[16] = ""; /* IFNAMSIZ */

	strncpy(whole, name, sizeof(whole) - 1);
	load(r, "meta", NFTNL_EXPR_META_KEY, out ? NFT_META_OIFNAME : NFT_META_IIFNAME,
	     NFTNL_EXPR_META_DREG);
	cmp(r, NFT_CMP_EQ, whole, sizeof(whole));
}

/* As nft compares under a mask that was written out. */
static void and_cmp(struct nft_rule *r, uint32_t mask, uint32_t value)
{
	uint32_t zero = 0;

	bits_named(r, &mask, &zero, sizeof(mask));
	cmp(r, NFT_CMP_EQ, &value, sizeof(value));
}

static void load_socket(struct nft_rule *r, uint32_t key, uint32_t level)
{
	struct nftnl_expr *e = add(r, "socket");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_LEVEL, level);
}

void nft_match_mark(struct nft_rule *r, uint32_t value, uint32_t mask)
{
	load(r, "meta", NFTNL_EXPR_META_KEY, NFT_META_MARK, NFTNL_EXPR_META_DREG);
	and_cmp(r, mask, value);
}

void nft_match_socket_mark(struct nft_rule *r, uint32_t value, uint32_t mask)
{
	load_socket(r, NFT_SOCKET_MARK, 0);
	and_cmp(r, mask, value);
}

void nft_match_ct_mark(struct nft_rule *r, uint32_t value)
{
	load(r, "ct", NFTNL_EXPR_CT_KEY, NFT_CT_MARK, NFTNL_EXPR_CT_DREG);
	cmp(r, NFT_CMP_EQ, &value, sizeof(value));
}

void nft_match_ct_home(struct nft_rule *r, const struct addr *address)
{
	struct nftnl_expr *e = add(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, address->family == AF_INET ? NFT_CT_DST_IP : NFT_CT_DST_IP6);
	nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_REPLY);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	cmp(r, NFT_CMP_EQ, address->bytes, (uint32_t)addr_size(address));
}

void nft_match_cgroup(struct nft_rule *r, const char *set, uint32_t set_id)
{
	load_socket(r, NFT_SOCKET_CGROUPV2, 1);
	lookup(r, set, set_id);
}

void nft_match_port_pair(struct nft_rule *r, uint16_t sport, uint16_t dport)
{
	uint16_t pair[] = { htons(sport), htons(dport) };

	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(pair));
	cmp(r, NFT_CMP_EQ, pair, sizeof(pair));
}

void nft_match_icmp_type(struct nft_rule *r, uint8_t type)
{
	payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(type));
	cmp(r, NFT_CMP_EQ, &type, sizeof(type));
}

void nft_match_arp_target(struct nft_rule *r, const struct addr *address)
{
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, 24, 4); /* RFC 826, of Ethernet and IPv4 */
	cmp(r, NFT_CMP_EQ, address->bytes, 4);
}

void nft_set_mark(struct nft_rule *r, uint32_t value)
{
	struct nftnl_expr *e;

	immediate(r, NFT_REG_1, &value, sizeof(value));
	e = add(r, "meta");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, NFT_REG_1);
}

/* From register 1. */
static void store_ct_mark(struct nft_rule *r)
{
	struct nftnl_expr *e = add(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, NFT_REG_1);
}

void nft_set_ct_mark(struct nft_rule *r, uint32_t value)
{
	immediate(r, NFT_REG_1, &value, sizeof(value));
	store_ct_mark(r);
}

void nft_set_ct_mark_lease(struct nft_rule *r)
{
	payload(r, NFT_PAYLOAD_NETWORK_HEADER, IP6_LEASE, 4);
	store_ct_mark(r);
}

void nft_dnat(struct nft_rule *r, const struct addr *address)
{
	struct nftnl_expr *e;

	immediate(r, NFT_REG_1, address->bytes, 4);
	e = add(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
}

void nft_masquerade(struct nft_rule *r)
{
	add(r, "masq");
}

void nft_masquerade_ports(struct nft_rule *r, uint16_t port_lo, uint16_t port_hi)
{
	uint16_t lo = htons(port_lo), hi = htons(port_hi);
	struct nftnl_expr *e;

	immediate(r, NFT_REG_1, &lo, sizeof(lo));
	immediate(r, NFT_REG_2, &hi, sizeof(hi));
	e = add(r, "masq");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS,
			   NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM_FULLY);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_REG_PROTO_MAX, NFT_REG_2);
}

void nft_notrack(struct nft_rule *r)
{
	add(r, "notrack");
}

void nft_accept(struct nft_rule *r)
{
	verdict(r, NF_ACCEPT, NULL);
}

void nft_drop(struct nft_rule *r, const char *why)
{
	add(r, "counter");
	verdict(r, NF_DROP, NULL);
	comment(r, why);
}

void nft_jump(struct nft_rule *r, const char *chain)
{
	verdict(r, NFT_JUMP, chain);
}

void nft_snat(struct nft_rule *r, const struct addr *address, uint16_t port_lo, uint16_t port_hi)
{
	uint16_t lo = htons(port_lo), hi = htons(port_hi);
	struct nftnl_expr *e;

	immediate(r, NFT_REG_1, address->bytes, 4);
	immediate(r, NFT_REG_2, &lo, sizeof(lo));
	immediate(r, NFT_REG_3, &hi, sizeof(hi));
	e = add(r, "nat");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_SNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, NFT_REG_3);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS,
			   NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}
