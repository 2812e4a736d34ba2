#include "common/kern/nft_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/kern/nft_batch.h"

enum {
	NEVER_SET_ID = 1, /* both within the batch */
	CLIENTS_SET_ID = 2,
	EXIT_TTL = 64, /* of what leaves an exit, as most systems begin with */
	MSS_MIN = 536, /* RFC 9293 section 3.7.1 */
	NAT_PORT_MIN = 1024, /* below are the well-known ones, our own among them */
	TYPE_IPV4_ADDR = 7,      /* nft's number of the data type */
	BYTEORDER_BIG = 2,       /* nft's, tells it how to print the set */
};

/* What is matched, in this order. SRC, DST: the addresses. IKE: UDP port 500. */
enum match {
	SRC_POOLS = 1 << 0,
	SRC_POOL = 1 << 1,
	SRC_NOT_POOL = 1 << 2,
	DST_POOLS = 1 << 3,
	DST_NEVER = 1 << 4,
	DST_OWN = 1 << 5,
	IN_CLEAR = 1 << 6,     /* has not come out of an SA */
	FROM_SA = 1 << 7,
	OUT_CLEAR = 1 << 8,    /* is not going into an SA */
	INTO_SA = 1 << 9,
	ESP = 1 << 10,
	FROM_IKE = 1 << 11,
	TO_IKE = 1 << 12,
	TCP = 1 << 13,
	UDP = 1 << 14,
	ICMP = 1 << 15,
	CT_FOREIGN = 1 << 16,  /* not new, not established: also ICMP errors, made up or not */
	CT_REPLY = 1 << 17,
	CT_KNOWN = 1 << 18,
	CT_NEW = 1 << 19,
	MANY = 1 << 20,        /* more connections than one client may have */
	ODD_HEAD = 1 << 21,    /* IP options, or a type of service */
	OPTIONS = 1 << 22,     /* of IP */
	ATOMIC = 1 << 23,      /* no fragment and never will be one */
	TCP_SYN = 1 << 24,     /* SYN without ACK */
	TCP_SYN_ANY = 1 << 25, /* SYN, with ACK or without */
};

/* NOTRACK accepts, too. Those in the second line only change the packet. */
enum action { ACCEPT, DROP, NOTRACK, JUMP, SNAT,
	      CLEAR_TOS, CLEAR_ID, SET_TTL, CLAMP_SYN, CLAMP_MSS };

enum when { ALWAYS, EXIT, NO_EXIT };

/* TEXT: why it drops, or the chain to jump to. */
struct row {
	const char *chain;
	uint32_t match;
	enum action action;
	const char *text;
	enum when when;
};

/*
 * The firewall. Clients of different entries bear the same numbers, so conntrack never sees tunnel
 * traffic. Chains without a hook are reached from pool matches only. A packet of a telescope passes
 * some chains ten times at each relay: what nearly all packets match comes first.
 */
static const struct row rows[] = {
	{ "raw_prerouting", ESP, NOTRACK, NULL, ALWAYS },
	{ "raw_prerouting", SRC_POOLS | TO_IKE, NOTRACK, NULL, ALWAYS },
	{ "raw_prerouting", DST_POOLS | FROM_IKE, NOTRACK, NULL, ALWAYS },
	{ "raw_output", ESP, NOTRACK, NULL, ALWAYS },
	{ "raw_output", DST_POOLS | FROM_IKE, NOTRACK, NULL, ALWAYS },

	{ "pool_to_us", IN_CLEAR, DROP, "pool address in clear", ALWAYS },
	{ "pool_to_us", ESP, ACCEPT, NULL, ALWAYS },
	{ "pool_to_us", TO_IKE, ACCEPT, NULL, ALWAYS },
	{ "pool_to_us", 0, DROP, "client to the relay itself", ALWAYS },

	{ "input", SRC_POOLS, JUMP, "pool_to_us", ALWAYS },
	{ "output", DST_POOLS | OUT_CLEAR, DROP, "no circuit", ALWAYS },

	{ "odd_head", OPTIONS, DROP, "IP options", EXIT },
	{ "odd_head", 0, CLEAR_TOS, NULL, EXIT },

	{ "out_of_pool", IN_CLEAR, DROP, "pool address in clear", ALWAYS },
	{ "out_of_pool", SRC_NOT_POOL, DROP, "pool address of another relay", ALWAYS },
	{ "out_of_pool", DST_POOLS, DROP, "client to client", ALWAYS },
	{ "out_of_pool", INTO_SA | ESP, ACCEPT, NULL, ALWAYS },
	{ "out_of_pool", INTO_SA | TO_IKE, ACCEPT, NULL, ALWAYS },
	{ "out_of_pool", INTO_SA, DROP, "not tunnel traffic", ALWAYS },
	{ "out_of_pool", 0, DROP, "no exit", NO_EXIT },
	{ "out_of_pool", CT_FOREIGN, DROP, "no connection of its own", EXIT },
	/* What tells one client's system from another's. */
	{ "out_of_pool", ODD_HEAD, JUMP, "odd_head", EXIT },
	{ "out_of_pool", ATOMIC, CLEAR_ID, NULL, EXIT },
	{ "out_of_pool", 0, SET_TTL, NULL, EXIT },
	{ "out_of_pool", CT_KNOWN, ACCEPT, NULL, EXIT }, /* its first packet has passed the rest */
	{ "out_of_pool", DST_NEVER, DROP, "not a public address", EXIT },
	{ "out_of_pool", DST_OWN, DROP, "client to the relay itself", EXIT },
	{ "out_of_pool", CT_NEW | MANY, DROP, "too many connections", EXIT },
	{ "out_of_pool", TCP | TCP_SYN, CLAMP_SYN, NULL, EXIT },
	{ "out_of_pool", TCP, JUMP, "exit", EXIT },
	{ "out_of_pool", UDP, JUMP, "exit", EXIT },
	{ "out_of_pool", ICMP, JUMP, "exit", EXIT },
	{ "out_of_pool", 0, DROP, "protocol without NAPT", EXIT },

	{ "into_pool", OUT_CLEAR, DROP, "no circuit", ALWAYS },
	{ "into_pool", FROM_SA | ESP, ACCEPT, NULL, ALWAYS },
	{ "into_pool", FROM_SA | FROM_IKE, ACCEPT, NULL, ALWAYS },
	{ "into_pool", TCP | TCP_SYN_ANY, CLAMP_MSS, NULL, EXIT },
	{ "into_pool", CT_REPLY | CT_KNOWN, ACCEPT, NULL, EXIT },
	{ "into_pool", 0, DROP, "not an answer to a client", ALWAYS },

	{ "forward", SRC_POOLS, JUMP, "out_of_pool", ALWAYS },
	{ "forward", DST_POOLS, JUMP, "into_pool", ALWAYS },

	/* An explicit range keeps low ports off low ports; RANDOM_FULLY skips the reuse of another
	 * connection's binding; ICMP ids draw from the same range; a taken tuple is never shared
	 * (nf_nat_core.c: get_unique_tuple). Other protocols would keep theirs: no rule, no exit. */
	{ "nat", SRC_POOL | OUT_CLEAR | TCP, SNAT, NULL, EXIT },
	{ "nat", SRC_POOL | OUT_CLEAR | UDP, SNAT, NULL, EXIT },
	{ "nat", SRC_POOL | OUT_CLEAR | ICMP, SNAT, NULL, EXIT },

	{ "last", SRC_POOLS | OUT_CLEAR, DROP, "pool address in clear", ALWAYS },
	{ "last", DST_POOLS | OUT_CLEAR, DROP, "no circuit", ALWAYS },
};

static const struct {
	struct nft_chain chain;
	enum when when;
} chains[] = {
	{ { "exit", NULL, 0, 0 }, EXIT },
	{ { "raw_prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW }, ALWAYS },
	{ { "raw_output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW }, ALWAYS },
	{ { "pool_to_us", NULL, 0, 0 }, ALWAYS },
	{ { "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER }, ALWAYS },
	{ { "output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER }, ALWAYS },
	{ { "odd_head", NULL, 0, 0 }, EXIT },
	{ { "out_of_pool", NULL, 0, 0 }, ALWAYS },
	{ { "into_pool", NULL, 0, 0 }, ALWAYS },
	{ { "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER }, ALWAYS },
	{ { "nat", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC }, EXIT },
	/* behind NAT: what still bears a pool address goes into an SA or nowhere */
	{ { "last", "filter", NF_INET_POST_ROUTING, NF_IP_PRI_CONNTRACK_HELPER }, ALWAYS },
};

static const char never_set[] = "never";
static const char clients_set[] = "clients"; /* whose connections are counted */

/* Destinations no exit serves, host order, ascending, apart from each other; end excluded. */
static const struct {
	uint32_t start, end; /* end 0: to the last address */
} never[] = {
	{ 0x00000000, 0x01000000 }, /* 0.0.0.0/8 */
	{ 0x0a000000, 0x0b000000 }, /* 10.0.0.0/8 */
	{ 0x64400000, 0x64800000 }, /* 100.64.0.0/10 */
	{ 0x7f000000, 0x80000000 }, /* 127.0.0.0/8 */
	{ 0xa9fe0000, 0xa9ff0000 }, /* 169.254.0.0/16 */
	{ 0xac100000, 0xac200000 }, /* 172.16.0.0/12 */
	{ 0xc0000000, 0xc0000100 }, /* 192.0.0.0/24 */
	{ 0xc0586300, 0xc0586400 }, /* 192.88.99.0/24 */
	{ 0xc0a80000, 0xc0a90000 }, /* 192.168.0.0/16 */
	{ 0xc6120000, 0xc6140000 }, /* 198.18.0.0/15 */
	{ 0xe0000000, 0 },          /* 224.0.0.0/4, 240.0.0.0/4 */
};

static void push_table(struct nft_batch *b, uint16_t type, const char *name)
{
	struct nftnl_table *t = nftnl_table_alloc();
	union nft_message m;

	if (!t || nftnl_table_set_str(t, NFTNL_TABLE_NAME, name)) {
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

/* One end of an interval. OPEN: nothing follows, which nft wants to be told. */
static int add_element(struct nftnl_set *s, uint32_t address, uint32_t flags, bool open)
{
	/* nft's user data: type, length, a number in host order */
	uint8_t mark[] = { NFTNL_UDATA_SET_ELEM_FLAGS, 4, 0, 0, 0, 0 };
	uint32_t mark_value = NFTNL_SET_ELEM_F_INTERVAL_OPEN, be = htonl(address);
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	memcpy(mark + 2, &mark_value, sizeof(mark_value));
	if (!e || nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &be, sizeof(be)) ||
	    (open && nftnl_set_elem_set(e, NFTNL_SET_ELEM_USERDATA, mark, sizeof(mark)))) {
		if (e)
			nftnl_set_elem_free(e);
		return -ENOMEM;
	}
	if (flags)
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_FLAGS, flags);
	nftnl_set_elem_add(s, e);
	return 0;
}

static int add_elements(struct nftnl_set *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		bool open = never[i].end == 0;

		if (add_element(s, never[i].start, 0, open))
			return -ENOMEM;
		if (!open && add_element(s, never[i].end, NFT_SET_ELEM_INTERVAL_END, false))
			return -ENOMEM;
	}
	return 0;
}

/* Of IPv4 addresses. */
static int describe_set(struct nftnl_set *s, const char *table, const char *name, uint32_t id,
			uint32_t flags, uint32_t size)
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

static void push_never_set(struct nft_batch *b, const struct kern_firewall *fw)
{
	struct nftnl_set *s = nftnl_set_alloc();
	union nft_message m;

	if (!s || describe_set(s, fw->table, never_set, NEVER_SET_ID,
			       NFT_SET_CONSTANT | NFT_SET_INTERVAL, 2 * ARRAY_SIZE(never))) {
		b->err = -ENOMEM;
		goto out;
	}
	nftnl_set_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	nft_batch_push(b, &m);
	if (add_elements(s)) {
		b->err = -ENOMEM;
		goto out;
	}
	nftnl_set_elems_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWSETELEM, NLM_F_CREATE),
					    s);
	nft_batch_push(b, &m);
out:
	if (s)
		nftnl_set_free(s);
}

/* Room for every address of the pool: a full set would let the next client have any number. */
static void push_clients_set(struct nft_batch *b, const struct kern_firewall *fw)
{
	struct nftnl_set *s = nftnl_set_alloc();
	union nft_message m;

	if (!s || describe_set(s, fw->table, clients_set, CLIENTS_SET_ID, NFT_SET_EVAL,
			       1u << (32 - fw->pool.len))) {
		b->err = -ENOMEM;
		goto out;
	}
	nftnl_set_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	nft_batch_push(b, &m);
out:
	if (s)
		nftnl_set_free(s);
}

static void match_addresses(struct nft_rule *r, uint32_t match, const struct kern_firewall *fw)
{
	struct prefix own = prefix_host(&fw->address);

	if (match & SRC_POOLS)
		nft_match_prefix(r, NFT_SADDR, &fw->pools, false);
	if (match & (SRC_POOL | SRC_NOT_POOL))
		nft_match_prefix(r, NFT_SADDR, &fw->pool, match & SRC_NOT_POOL);
	if (match & DST_POOLS)
		nft_match_prefix(r, NFT_DADDR, &fw->pools, false);
	if (match & DST_NEVER)
		nft_match_set(r, NFT_DADDR, never_set, NEVER_SET_ID);
	if (match & DST_OWN)
		nft_match_prefix(r, NFT_DADDR, &own, false);
}

static void match_protocol(struct nft_rule *r, uint32_t match)
{
	if (match & ESP)
		nft_match_protocol(r, IPPROTO_ESP);
	if (match & (FROM_IKE | TO_IKE)) {
		nft_match_l4proto(r, IPPROTO_UDP);
		nft_match_ports(r, match & FROM_IKE ? NFT_SPORT : NFT_DPORT, IKE_PORT, IKE_PORT);
	}
	if (match & TCP)
		nft_match_l4proto(r, IPPROTO_TCP);
	if (match & UDP)
		nft_match_l4proto(r, IPPROTO_UDP);
	if (match & ICMP)
		nft_match_l4proto(r, IPPROTO_ICMP);
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

static void match_connection(struct nft_rule *r, uint32_t match, const struct kern_firewall *fw)
{
	if (match & CT_NEW)
		nft_match_ct_state(r, NF_CT_STATE_BIT(IP_CT_NEW));
	if (match & MANY)
		nft_match_many(r, clients_set, CLIENTS_SET_ID, fw->client_connections);
	if (match & CT_FOREIGN)
		nft_match_ct_state(r, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_BIT(IP_CT_RELATED) |
					      NF_CT_STATE_UNTRACKED_BIT);
	if (match & CT_REPLY)
		nft_match_ct_reply(r);
	if (match & CT_KNOWN)
		nft_match_ct_state(r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
					      NF_CT_STATE_BIT(IP_CT_RELATED));
}

static void push_row(struct nft_batch *b, const struct kern_firewall *fw, const struct row *row)
{
	struct nft_rule r = nft_rule_new(fw->table, row->chain);

	match_addresses(&r, row->match, fw);
	match_state(&r, row->match);
	match_protocol(&r, row->match);
	match_head(&r, row->match);
	match_connection(&r, row->match, fw);
	switch (row->action) {
	case ACCEPT:
		nft_accept(&r);
		break;
	case DROP:
		nft_drop(&r, row->text);
		break;
	case NOTRACK:
		nft_notrack(&r);
		nft_accept(&r);
		break;
	case JUMP:
		nft_jump(&r, row->text);
		break;
	case SNAT:
		nft_snat(&r, &fw->address, fw->nat_port_lo, fw->nat_port_hi);
		break;
	case CLEAR_TOS:
		nft_set_tos_zero(&r);
		break;
	case CLEAR_ID:
		nft_set_id_zero(&r);
		break;
	case SET_TTL:
		nft_set_ttl(&r, EXIT_TTL);
		break;
	case CLAMP_SYN:
		clamp_syn(&r, fw->mss);
		break;
	case CLAMP_MSS:
		nft_lower_mss(&r, fw->mss);
		break;
	}
	nft_batch_rule(b, &r);
}

static bool any_port(const struct kern_exit_rule *rule)
{
	return rule->port_lo == 0 && rule->port_hi == UINT16_MAX;
}

static void push_exit_rule(struct nft_batch *b, const struct kern_firewall *fw,
			   const struct kern_exit_rule *rule, enum kern_proto proto)
{
	struct nft_rule r = nft_rule_new(fw->table, "exit");

	nft_match_prefix(&r, NFT_DADDR, &rule->dst, false);
	if (proto != KERN_PROTO_ANY)
		nft_match_l4proto(&r, proto);
	if (!any_port(rule))
		nft_match_ports(&r, NFT_DPORT, rule->port_lo, rule->port_hi);
	if (rule->accept)
		nft_accept(&r);
	else
		nft_drop(&r, "exit policy");
	nft_batch_rule(b, &r);
}

static void push_exit_rules(struct nft_batch *b, const struct kern_firewall *fw)
{
	struct nft_rule end;

	for (size_t i = 0; i < fw->rule_count; i++) {
		const struct kern_exit_rule *rule = &fw->rules[i];

		if (rule->proto == KERN_PROTO_ANY && !any_port(rule)) {
			push_exit_rule(b, fw, rule, KERN_PROTO_TCP);
			push_exit_rule(b, fw, rule, KERN_PROTO_UDP);
		} else {
			push_exit_rule(b, fw, rule, rule->proto);
		}
	}
	end = nft_rule_new(fw->table, "exit");
	nft_drop(&end, "exit policy");
	nft_batch_rule(b, &end);
}

static bool wanted(const struct kern_firewall *fw, enum when when)
{
	return when == ALWAYS || (when == EXIT) == fw->exit;
}

static bool prefix_ok(const struct prefix *p)
{
	return p->addr.family == AF_INET && p->len <= 32 &&
	       (p->len == 32 || !(addr_to_v4(&p->addr) & UINT32_MAX >> p->len));
}

static bool name_ok(const char *name, size_t size)
{
	return *name && memchr(name, 0, size);
}

static bool rule_ok(const struct kern_exit_rule *rule)
{
	if (!prefix_ok(&rule->dst) || rule->port_lo > rule->port_hi)
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

static bool firewall_ok(const struct kern_firewall *fw)
{
	if (!name_ok(fw->table, sizeof(fw->table)) || fw->address.family != AF_INET ||
	    !prefix_ok(&fw->pool) || !prefix_ok(&fw->pools) || fw->pools.len == 0 ||
	    !prefix_within(&fw->pool, &fw->pools) || prefix_contains(&fw->pools, &fw->address) ||
	    fw->rule_count > KERN_EXIT_RULES)
		return false;
	if (fw->exit && (fw->nat_port_lo < NAT_PORT_MIN || fw->nat_port_lo > fw->nat_port_hi ||
			 fw->client_connections == 0 || fw->mss < MSS_MIN))
		return false;
	for (size_t i = 0; i < fw->rule_count; i++)
		if (!rule_ok(&fw->rules[i]))
			return false;
	return true;
}

int nft_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_firewall *fw,
		    size_t *len)
{
	struct nft_batch b;

	if (!firewall_ok(fw))
		return -EINVAL;
	b = nft_batch_begin(buf, size, seq);
	push_table(&b, NFT_MSG_NEWTABLE, fw->table);
	push_table(&b, NFT_MSG_DELTABLE, fw->table);
	push_table(&b, NFT_MSG_NEWTABLE, fw->table);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		if (wanted(fw, chains[i].when))
			nft_batch_chain(&b, fw->table, &chains[i].chain);
	if (fw->exit) {
		push_never_set(&b, fw);
		push_clients_set(&b, fw);
		push_exit_rules(&b, fw);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (wanted(fw, rows[i].when))
			push_row(&b, fw, &rows[i]);
	return nft_batch_end(&b, len);
}

int nft_msg_delete(void *buf, size_t size, uint32_t seq, const char *table, size_t *len)
{
	struct nft_batch b;

	if (!name_ok(table, sizeof(((struct kern_firewall *)0)->table)))
		return -EINVAL;
	b = nft_batch_begin(buf, size, seq);
	push_table(&b, NFT_MSG_DELTABLE, table);
	return nft_batch_end(&b, len);
}
