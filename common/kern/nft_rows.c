#include "common/kern/nft_rows.h"

#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/base/inner6.h"

enum {
	EXIT_TTL = 64, /* of what leaves an exit, as most systems begin with */
	MSS_MIN = 536, /* RFC 9293 section 3.7.1 */
	NAT_PORT_MIN = 1024, /* below are the well-known ones, our own among them */
	TYPE_IPV4_ADDR = 7,      /* nft's number of the data type */
	BYTEORDER_BIG = 2,       /* nft's, tells it how to print the set */
};

static const char clients_set[] = "clients";

/* IPv6 addresses that are public by their first bits alone (RFC 6890): Teredo and the like, 6to4. */
static const struct prefix assigned6 = { { AF_INET6, { 0x20, 0x01 } }, 23 };
static const struct prefix sixtofour = { { AF_INET6, { 0x20, 0x02 } }, 16 };

void nft_rows_table(struct nft_batch *b, uint16_t type, const char *table)
{
	struct nftnl_table *t = nftnl_table_alloc();
	union nft_message m;

	if (!t || nftnl_table_set_str(t, NFTNL_TABLE_NAME, table)) {
		b->err = -ENOMEM;
		goto out;
	}
	if (type == NFT_MSG_NEWTABLE)
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, 0);
	nftnl_table_nlmsg_build_payload(nft_batch_message(b, &m, type, 0), t);
	nft_batch_push(b, &m);
out:
	if (t)
		nftnl_table_free(t);
}

int nft_rows_set(struct nftnl_set *s, const char *table, const char *name, uint32_t id, uint32_t flags,
		 uint32_t size)
{
	uint8_t udata[] = { NFTNL_UDATA_SET_KEYBYTEORDER, 4, 0, 0, 0, 0 };
	uint32_t order = BYTEORDER_BIG;

	memcpy(udata + 2, &order, sizeof(order));
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, table) ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, name) ||
	    nftnl_set_set_data(s, NFTNL_SET_USERDATA, udata, sizeof(udata)))
		return -ENOMEM;
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, TYPE_IPV4_ADDR);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, sizeof(uint32_t));
	nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, size);
	return 0;
}

/* Room for every address of the pool: a full set would let the next client have any number. */
void nft_rows_clients(struct nft_batch *b, const struct nft_rows *t)
{
	struct nftnl_set *s = nftnl_set_alloc();
	union nft_message m;

	if (!s || nft_rows_set(s, t->fw->table, clients_set, t->clients_id, NFT_SET_EVAL,
			      1u << (32 - t->fw->pool.len))) {
		b->err = -ENOMEM;
		goto out;
	}
	nftnl_set_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	nft_batch_push(b, &m);
out:
	if (s)
		nftnl_set_free(s);
}

static void match_addresses(struct nft_rule *r, uint32_t match, const struct nft_rows *t)
{
	struct prefix own = prefix_host(&t->fw->address), public6 = inner6_public();

	if (match & SRC_POOLS)
		nft_match_prefix(r, NFT_SADDR, &t->pools, false);
	if (match & (SRC_POOL | SRC_NOT_POOL))
		nft_match_prefix(r, NFT_SADDR, &t->pool, match & SRC_NOT_POOL);
	if (match & DST_POOLS)
		nft_match_prefix(r, NFT_DADDR, &t->pools, false);
	if (match & DST_NEVER)
		nft_match_set(r, NFT_DADDR, NFT_ROWS_NEVER, NFT_ROWS_NEVER_ID);
	if (match & DST_OWN)
		nft_match_prefix(r, NFT_DADDR, &own, false);
	if (match & DST_NOT_PUBLIC)
		nft_match_prefix(r, NFT_DADDR, &public6, true);
	if (match & DST_ASSIGNED)
		nft_match_prefix(r, NFT_DADDR, &assigned6, false);
	if (match & DST_6TO4)
		nft_match_prefix(r, NFT_DADDR, &sixtofour, false);
}

static void match_protocol(struct nft_rule *r, uint32_t match, bool six)
{
	if (match & ESP)
		nft_match_protocol(r, six, IPPROTO_ESP);
	if (match & EXTENDED)
		nft_match_extended(r);
	if (match & (FROM_IKE | TO_IKE)) {
		nft_match_l4proto(r, IPPROTO_UDP);
		nft_match_ports(r, match & FROM_IKE ? NFT_SPORT : NFT_DPORT, IKE_PORT, IKE_PORT);
	}
	if (match & TCP)
		nft_match_l4proto(r, IPPROTO_TCP);
	if (match & UDP)
		nft_match_l4proto(r, IPPROTO_UDP);
	if (match & (ICMP | ECHO))
		nft_match_l4proto(r, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (match & ECHO)
		nft_match_icmp_type(r, ICMP6_ECHO_REQUEST);
}

static void match_head(struct nft_rule *r, uint32_t match)
{
	if (match & ODD_HEAD)
		nft_match_head_odd(r);
	if (match & OPTIONS)
		nft_match_ip_options(r);
	if (match & ATOMIC)
		nft_match_atomic(r);
	if (match & TCP_SYN)
		nft_match_tcp_flags(r, TH_SYN | TH_ACK, TH_SYN);
	if (match & TCP_SYN_ANY)
		nft_match_tcp_flags(r, TH_SYN, TH_SYN);
}

/*
 * No timestamps: they show how fast this client's clock is, at every exit. No ECN: that few ask for
 * it. Both are agreed on in the SYN, so later packets have neither.
 */
static void clamp_syn(struct nft_rule *r, uint16_t mss)
{
	nft_set_tcp_flags(r, TH_SYN);
	nft_blank_timestamp(r);
	nft_lower_mss(r, mss);
}

static void match_state(struct nft_rule *r, uint32_t match)
{
	if (match & (IN_CLEAR | FROM_SA))
		nft_match_secpath(r, match & FROM_SA);
	if (match & (OUT_CLEAR | INTO_SA))
		nft_match_encap(r, match & INTO_SA);
}

static void match_connection(struct nft_rule *r, uint32_t match, const struct nft_rows *t)
{
	if (match & CT_NEW)
		nft_match_ct_state(r, NF_CT_STATE_BIT(IP_CT_NEW));
	if (match & MANY)
		nft_match_many(r, t->family == AF_INET6, clients_set, t->clients_id,
			       t->fw->client_connections);
	if (match & CT_FOREIGN)
		nft_match_ct_state(r, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_BIT(IP_CT_RELATED) |
					      NF_CT_STATE_UNTRACKED_BIT);
	if (match & CT_REPLY)
		nft_match_ct_reply(r);
	if (match & CT_KNOWN)
		nft_match_ct_state(r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
					      NF_CT_STATE_BIT(IP_CT_RELATED));
}

static void put_action(struct nft_rule *r, const struct nft_row *row, const struct nft_rows *t)
{
	switch (row->action) {
	case ACCEPT:
		nft_accept(r);
		break;
	case DROP:
		nft_drop(r, row->text);
		break;
	case NOTRACK:
		nft_notrack(r);
		nft_accept(r);
		break;
	case JUMP:
		nft_jump(r, row->text);
		break;
	case SNAT:
		nft_snat(r, &t->fw->address, t->fw->nat_port_lo, t->fw->nat_port_hi);
		break;
	case MASQUERADE:
		nft_masquerade_ports(r, t->fw->nat_port_lo, t->fw->nat_port_hi);
		break;
	case CLEAR_TOS:
		nft_set_tos_zero(r);
		break;
	case CLEAR_ID:
		nft_set_id_zero(r);
		break;
	case SET_TTL:
		nft_set_ttl(r, EXIT_TTL);
		break;
	case CLAMP_SYN:
		clamp_syn(r, t->mss);
		break;
	case CLAMP_MSS:
		nft_lower_mss(r, t->mss);
		break;
	case PLAIN_HEAD:
		nft_set_head6_plain(r);
		break;
	case SET_HOPS:
		nft_set_hops(r, EXIT_TTL);
		break;
	case MARK_LEASE:
		nft_set_ct_mark_lease(r);
		break;
	}
}

static void push_row(struct nft_batch *b, const struct nft_rows *t, const struct nft_row *row)
{
	struct nft_rule r = nft_rule_new(t->fw->table, row->chain);

	match_addresses(&r, row->match, t);
	match_state(&r, row->match);
	match_protocol(&r, row->match, t->family == AF_INET6);
	match_head(&r, row->match);
	match_connection(&r, row->match, t);
	put_action(&r, row, t);
	nft_batch_rule(b, &r);
}

static bool any_port(const struct kern_exit_rule *rule)
{
	return rule->port_lo == 0 && rule->port_hi == UINT16_MAX;
}

static uint8_t protocol_of(const struct nft_rows *t, enum kern_proto proto)
{
	return proto == KERN_PROTO_ICMP && t->family == AF_INET6 ? IPPROTO_ICMPV6 : (uint8_t)proto;
}

static void push_exit_rule(struct nft_batch *b, const struct nft_rows *t,
			   const struct kern_exit_rule *rule, enum kern_proto proto)
{
	struct nft_rule r = nft_rule_new(t->fw->table, "exit");

	nft_match_prefix(&r, NFT_DADDR, &rule->dst, false);
	if (proto != KERN_PROTO_ANY)
		nft_match_l4proto(&r, protocol_of(t, proto));
	if (!any_port(rule))
		nft_match_ports(&r, NFT_DPORT, rule->port_lo, rule->port_hi);
	if (rule->accept)
		nft_accept(&r);
	else
		nft_drop(&r, "exit policy");
	nft_batch_rule(b, &r);
}

void nft_rows_policy(struct nft_batch *b, const struct nft_rows *t)
{
	struct nft_rule end;

	for (size_t i = 0; i < t->fw->rule_count; i++) {
		const struct kern_exit_rule *rule = &t->fw->rules[i];

		if (rule->dst.addr.family != 0 && rule->dst.addr.family != t->family)
			continue;
		if (rule->proto == KERN_PROTO_ANY && !any_port(rule)) {
			push_exit_rule(b, t, rule, KERN_PROTO_TCP);
			push_exit_rule(b, t, rule, KERN_PROTO_UDP);
		} else {
			push_exit_rule(b, t, rule, rule->proto);
		}
	}
	end = nft_rule_new(t->fw->table, "exit");
	nft_drop(&end, "exit policy");
	nft_batch_rule(b, &end);
}

static bool wanted(const struct nft_rows *t, enum nft_rows_when when)
{
	return when == ALWAYS || (when == EXIT) == t->fw->exit;
}

void nft_rows_chains(struct nft_batch *b, const struct nft_rows *t)
{
	for (size_t i = 0; i < t->chain_count; i++)
		if (wanted(t, t->chains[i].when))
			nft_batch_chain(b, t->fw->table, &t->chains[i].chain);
}

void nft_rows_push(struct nft_batch *b, const struct nft_rows *t)
{
	for (size_t i = 0; i < t->row_count; i++)
		if (wanted(t, t->rows[i].when))
			push_row(b, t, &t->rows[i]);
}

static bool prefix_ok(const struct prefix *p)
{
	return p->addr.family == AF_INET && p->len <= 32 &&
	       (p->len == 32 || !(addr_to_v4(&p->addr) & UINT32_MAX >> p->len));
}

bool nft_rows_name_ok(const char *name, size_t size)
{
	return *name && memchr(name, 0, size);
}

/* Family 0: any. */
static bool dst_ok(const struct prefix *p)
{
	if (p->addr.family == 0)
		return p->len == 0;
	if (p->addr.family != AF_INET6)
		return prefix_ok(p);
	for (size_t bit = p->len; bit < 128; bit++)
		if (addr_bit(&p->addr, bit))
			return false;
	return p->len <= 128;
}

static bool rule_ok(const struct kern_exit_rule *rule)
{
	if (!dst_ok(&rule->dst) || rule->port_lo > rule->port_hi)
		return false;
	switch (rule->proto) {
	case KERN_PROTO_ICMP:
		return any_port(rule);
	case KERN_PROTO_ANY:
	case KERN_PROTO_TCP:
	case KERN_PROTO_UDP:
		return true;
	}
	return false;
}

bool nft_rows_ok(const struct kern_firewall *fw)
{
	if (!nft_rows_name_ok(fw->table, sizeof(fw->table)) || fw->address.family != AF_INET ||
	    !prefix_ok(&fw->pool) || !prefix_ok(&fw->pools) || fw->pools.len == 0 ||
	    !prefix_within(&fw->pool, &fw->pools) || prefix_contains(&fw->pools, &fw->address) ||
	    fw->rule_count > KERN_EXIT_RULES)
		return false;
	if (fw->exit && (fw->nat_port_lo < NAT_PORT_MIN || fw->nat_port_lo > fw->nat_port_hi ||
			 fw->client_connections == 0 || fw->mss < MSS_MIN))
		return false;
	if (fw->exit6 && !fw->exit)
		return false;
	for (size_t i = 0; i < fw->rule_count; i++)
		if (!rule_ok(&fw->rules[i]))
			return false;
	return true;
}
