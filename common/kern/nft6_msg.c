#include "common/kern/nft6_msg.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv6.h>

#include "common/base/inner6.h"
#include "common/kern/nft_rows.h"

/*
 * Telescopes themselves are IPv4: here is only what comes out of the last layer, at an exit. Packets of
 * clients have no extension headers (fragments are put together before), and of ICMPv6 they may ask for
 * echoes; errors that concern their connections come in as answers do.
 */
static const struct nft_row rows[] = {
	{ "raw_prerouting", ESP, NOTRACK, NULL, ALWAYS },
	{ "raw_output", ESP, NOTRACK, NULL, ALWAYS },

	{ "input", SRC_POOLS, DROP, "client to the relay itself", ALWAYS },
	{ "output", DST_POOLS | OUT_CLEAR, DROP, "no circuit", ALWAYS },

	{ "out_of_pool", IN_CLEAR, DROP, "pool address in clear", ALWAYS },
	{ "out_of_pool", SRC_NOT_POOL, DROP, "pool address of another relay", ALWAYS },
	{ "out_of_pool", DST_POOLS, DROP, "client to client", ALWAYS },
	{ "out_of_pool", INTO_SA, DROP, "not tunnel traffic", ALWAYS },
	{ "out_of_pool", CT_FOREIGN, DROP, "no connection of its own", ALWAYS },
	{ "out_of_pool", EXTENDED, DROP, "extension headers", ALWAYS },
	/* What tells one client's system from another's. */
	{ "out_of_pool", 0, PLAIN_HEAD, NULL, ALWAYS },
	{ "out_of_pool", 0, SET_HOPS, NULL, ALWAYS },
	{ "out_of_pool", CT_KNOWN, ACCEPT, NULL, ALWAYS }, /* its first packet has passed the rest */
	{ "out_of_pool", DST_NOT_PUBLIC, DROP, "not a public address", ALWAYS },
	{ "out_of_pool", DST_ASSIGNED, DROP, "not a public address", ALWAYS },
	{ "out_of_pool", DST_6TO4, DROP, "not a public address", ALWAYS },
	{ "out_of_pool", CT_NEW | MANY, DROP, "too many connections", ALWAYS },
	/* By this it is found when the circuit ends: see kern.flows_del. */
	{ "out_of_pool", 0, MARK_LEASE, NULL, ALWAYS },
	{ "out_of_pool", TCP | TCP_SYN, CLAMP_SYN, NULL, ALWAYS },
	{ "out_of_pool", TCP, JUMP, "exit", ALWAYS },
	{ "out_of_pool", UDP, JUMP, "exit", ALWAYS },
	{ "out_of_pool", ECHO, JUMP, "exit", ALWAYS },
	{ "out_of_pool", 0, DROP, "protocol without NAPT", ALWAYS },

	{ "into_pool", OUT_CLEAR, DROP, "no circuit", ALWAYS },
	{ "into_pool", TCP | TCP_SYN_ANY, CLAMP_MSS, NULL, ALWAYS },
	{ "into_pool", CT_REPLY | CT_KNOWN, ACCEPT, NULL, ALWAYS },
	{ "into_pool", 0, DROP, "not an answer to a client", ALWAYS },

	{ "forward", SRC_POOLS, JUMP, "out_of_pool", ALWAYS },
	{ "forward", DST_POOLS, JUMP, "into_pool", ALWAYS },

	/* To the address that this host would use itself. As with IPv4, never to a port of one's choice. */
	{ "nat", SRC_POOL | OUT_CLEAR | TCP, MASQUERADE, NULL, ALWAYS },
	{ "nat", SRC_POOL | OUT_CLEAR | UDP, MASQUERADE, NULL, ALWAYS },
	{ "nat", SRC_POOL | OUT_CLEAR | ICMP, MASQUERADE, NULL, ALWAYS },

	{ "last", SRC_POOLS | OUT_CLEAR, DROP, "pool address in clear", ALWAYS },
	{ "last", DST_POOLS | OUT_CLEAR, DROP, "no circuit", ALWAYS },
};

static const struct nft_rows_chain chains[] = {
	{ { "exit", NULL, 0, 0 }, ALWAYS },
	{ { "raw_prerouting", "filter", NF_INET_PRE_ROUTING, NF_IP6_PRI_RAW }, ALWAYS },
	{ { "raw_output", "filter", NF_INET_LOCAL_OUT, NF_IP6_PRI_RAW }, ALWAYS },
	{ { "input", "filter", NF_INET_LOCAL_IN, NF_IP6_PRI_FILTER }, ALWAYS },
	{ { "output", "filter", NF_INET_LOCAL_OUT, NF_IP6_PRI_FILTER }, ALWAYS },
	{ { "out_of_pool", NULL, 0, 0 }, ALWAYS },
	{ { "into_pool", NULL, 0, 0 }, ALWAYS },
	{ { "forward", "filter", NF_INET_FORWARD, NF_IP6_PRI_FILTER }, ALWAYS },
	{ { "nat", "nat", NF_INET_POST_ROUTING, NF_IP6_PRI_NAT_SRC }, ALWAYS },
	{ { "last", "filter", NF_INET_POST_ROUTING, NF_IP6_PRI_CONNTRACK_HELPER }, ALWAYS },
};

static struct nft_batch begin(void *buf, size_t size, uint32_t seq)
{
	struct nft_batch b = nft_batch_begin(buf, size, seq);

	b.family = NFPROTO_IPV6;
	return b;
}

int nft6_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_firewall *fw, size_t *len)
{
	const struct nft_rows t = {
		.fw = fw, .family = AF_INET6, .pool = inner6_prefix(&fw->pool),
		.pools = inner6_prefix(&fw->pools), .mss = fw->mss - NFT6_MSG_HEADER_MORE,
		.clients_id = 1,
		.chains = chains, .chain_count = ARRAY_SIZE(chains),
		.rows = rows, .row_count = ARRAY_SIZE(rows),
	};
	struct nft_batch b;

	if (!nft_rows_ok(fw) || !fw->exit6)
		return -EINVAL;
	b = begin(buf, size, seq);
	nft_rows_table(&b, NFT_MSG_NEWTABLE, fw->table);
	nft_rows_table(&b, NFT_MSG_DELTABLE, fw->table);
	nft_rows_table(&b, NFT_MSG_NEWTABLE, fw->table);
	nft_rows_chains(&b, &t);
	nft_rows_clients(&b, &t);
	nft_rows_policy(&b, &t);
	nft_rows_push(&b, &t);
	return nft_batch_end(&b, len);
}

int nft6_msg_delete(void *buf, size_t size, uint32_t seq, const char *table, size_t *len)
{
	struct nft_batch b;

	if (!nft_rows_name_ok(table, sizeof(((struct kern_firewall *)0)->table)))
		return -EINVAL;
	b = begin(buf, size, seq);
	nft_rows_table(&b, NFT_MSG_DELTABLE, table);
	return nft_batch_end(&b, len);
}
