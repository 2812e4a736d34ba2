#include "common/kern/nft_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <string.h>

#include "common/kern/nft_rows.h"

/*
 * The firewall. Clients of different entries bear the same numbers, so conntrack never sees tunnel
 * traffic. Chains without a hook are reached from pool matches only. A packet of a telescope passes
 * some chains ten times at each relay: what nearly all packets match comes first.
 */
static const struct nft_row rows[] = {
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

static const struct nft_rows_chain chains[] = {
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

static void push_never_set(struct nft_batch *b, const struct kern_firewall *fw)
{
	struct nftnl_set *s = nftnl_set_alloc();
	union nft_message m;

	if (!s || nft_rows_set(s, fw->table, NFT_ROWS_NEVER, NFT_ROWS_NEVER_ID,
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

int nft_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_firewall *fw,
		    size_t *len)
{
	const struct nft_rows t = {
		.fw = fw, .family = AF_INET, .pool = fw->pool, .pools = fw->pools, .mss = fw->mss,
		.clients_id = NFT_ROWS_NEVER_ID + 1,
		.chains = chains, .chain_count = ARRAY_SIZE(chains),
		.rows = rows, .row_count = ARRAY_SIZE(rows),
	};
	struct nft_batch b;

	if (!nft_rows_ok(fw))
		return -EINVAL;
	b = nft_batch_begin(buf, size, seq);
	nft_rows_table(&b, NFT_MSG_NEWTABLE, fw->table);
	nft_rows_table(&b, NFT_MSG_DELTABLE, fw->table);
	nft_rows_table(&b, NFT_MSG_NEWTABLE, fw->table);
	nft_rows_chains(&b, &t);
	if (fw->exit) {
		push_never_set(&b, fw);
		nft_rows_clients(&b, &t);
		nft_rows_policy(&b, &t);
	}
	nft_rows_push(&b, &t);
	return nft_batch_end(&b, len);
}

int nft_msg_delete(void *buf, size_t size, uint32_t seq, const char *table, size_t *len)
{
	struct nft_batch b;

	if (!nft_rows_name_ok(table, sizeof(((struct kern_firewall *)0)->table)))
		return -EINVAL;
	b = nft_batch_begin(buf, size, seq);
	nft_rows_table(&b, NFT_MSG_DELTABLE, table);
	return nft_batch_end(&b, len);
}
