#include "common/kern/kern_guard.h"

#include <arpa/inet.h> /* before the kernel's own <linux/in.h> */
#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "common/kern/nft_batch.h"
#include "common/kern/nl_sock.h"

#define TABLE "ippriv"
#define CHAIN "input"

enum { LO = 1 /* the index of lo in every namespace */ };

static void push_table(struct nft_batch *b)
{
	struct nftnl_table *t = nftnl_table_alloc();
	union nft_message m;

	if (t && nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE) == 0) {
		nftnl_table_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWTABLE,
								  NLM_F_CREATE | NLM_F_EXCL), t);
		nft_batch_push(b, &m);
	} else {
		b->err = -ENOMEM;
	}
	if (t)
		nftnl_table_free(t);
}

/* The packet has come in by another link than lo. */
static void match_not_lo(struct nft_rule *r)
{
	struct nftnl_expr *load = nftnl_expr_alloc("meta"), *cmp = nftnl_expr_alloc("cmp");
	uint32_t lo = LO;

	if (!load || !cmp || nftnl_expr_set(cmp, NFTNL_EXPR_CMP_DATA, &lo, sizeof(lo))) {
		if (load)
			nftnl_expr_free(load);
		if (cmp)
			nftnl_expr_free(cmp);
		r->err = -ENOMEM;
		return;
	}
	nftnl_expr_set_u32(load, NFTNL_EXPR_META_KEY, NFT_META_IIF);
	nftnl_expr_set_u32(load, NFTNL_EXPR_META_DREG, NFT_REG_1);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(cmp, NFTNL_EXPR_CMP_OP, NFT_CMP_NEQ);
	nftnl_rule_add_expr(r->rule, load);
	nftnl_rule_add_expr(r->rule, cmp);
}

int kern_guard_batch(void *buf, size_t size, uint32_t seq, size_t *len)
{
	static const struct nft_chain chain = { CHAIN, "filter", NF_INET_LOCAL_IN,
						NF_IP_PRI_FILTER };
	struct nft_batch b = nft_batch_begin(buf, size, seq);
	struct nft_rule r = nft_rule_new(TABLE, CHAIN);

	b.family = NFPROTO_INET;
	push_table(&b);
	nft_batch_chain(&b, TABLE, &chain);
	if (!r.err)
		match_not_lo(&r);
	nft_match_ct_state(&r, NF_CT_STATE_BIT(IP_CT_NEW));
	nft_drop(&r, "nobody connects to the command");
	nft_batch_rule(&b, &r);
	return nft_batch_end(&b, len);
}

int kern_guard_install(void)
{
	_Alignas(4) uint8_t buf[KERN_GUARD_MAX];
	struct nl_sock *sock = NULL;
	size_t len;
	int err = kern_guard_batch(buf, sizeof(buf), 0, &len);

	if (err == 0)
		err = nl_sock_new(NETLINK_NETFILTER, &sock);
	if (err == 0)
		err = nl_sock_talk(sock, buf, len, NULL, NULL);
	nl_sock_free(sock);
	return err;
}
