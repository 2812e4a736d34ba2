#include "common/kern/kern_guard.h"

#include <arpa/inet.h> /* before the kernel's own <linux/in.h> */
#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "common/kern/nft_expr.h"
#include "common/kern/nl_sock.h"

#define TABLE "ippriv"
#define CHAIN "input"

enum { LO = 1 /* the index of lo in every namespace */, MESSAGE_MAX = 2048 };

struct batch {
	char *buf; /* borrowed */
	size_t size, len;
	uint32_t seq;
};

/* One message before it is copied into the batch: libnftnl writes without a bound. */
union message {
	struct nlmsghdr hdr;
	char bytes[MESSAGE_MAX];
};

static int push(struct batch *b, const union message *m)
{
	size_t len = NLMSG_ALIGN(m->hdr.nlmsg_len);

	if (len > b->size - b->len)
		return -ENOSPC;
	memcpy(b->buf + b->len, m->bytes, len);
	b->len += len;
	return 0;
}

static struct nlmsghdr *start(const struct batch *b, union message *m, uint16_t type,
			      uint16_t flags)
{
	memset(m, 0, sizeof(*m));
	return nftnl_nlmsg_build_hdr(m->bytes, type, NFPROTO_IPV4, flags, b->seq);
}

static int push_table(struct batch *b)
{
	struct nftnl_table *t = nftnl_table_alloc();
	union message m;
	int err = -ENOMEM;

	if (t && nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE) == 0) {
		nftnl_table_nlmsg_build_payload(start(b, &m, NFT_MSG_NEWTABLE,
						      NLM_F_CREATE | NLM_F_EXCL), t);
		err = push(b, &m);
	}
	if (t)
		nftnl_table_free(t);
	return err;
}

static int push_chain(struct batch *b)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	union message m;
	int err = -ENOMEM;

	if (c && nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE) == 0 &&
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, CHAIN) == 0 &&
	    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter") == 0) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_INET_LOCAL_IN);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, NF_IP_PRI_FILTER);
		nftnl_chain_nlmsg_build_payload(start(b, &m, NFT_MSG_NEWCHAIN, NLM_F_CREATE), c);
		err = push(b, &m);
	}
	if (c)
		nftnl_chain_free(c);
	return err;
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

static int push_rule(struct batch *b)
{
	struct nft_rule r = nft_rule_new(TABLE, CHAIN);
	union message m;

	if (!r.err)
		match_not_lo(&r);
	nft_match_ct_state(&r, NF_CT_STATE_BIT(IP_CT_NEW));
	nft_drop(&r, "nobody connects to the command");
	if (!r.err) {
		nftnl_rule_nlmsg_build_payload(start(b, &m, NFT_MSG_NEWRULE,
						     NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK),
					       r.rule);
		r.err = push(b, &m);
	}
	nft_rule_free(&r);
	return r.err;
}

int kern_guard_batch(void *buf, size_t size, uint32_t seq, size_t *len)
{
	struct batch b = { .buf = buf, .size = size, .seq = seq };
	union message m = { 0 };
	int err;

	nftnl_batch_begin(m.bytes, seq);
	err = push(&b, &m);
	if (err == 0)
		err = push_table(&b);
	if (err == 0)
		err = push_chain(&b);
	if (err == 0)
		err = push_rule(&b);
	if (err < 0)
		return err;
	memset(&m, 0, sizeof(m));
	nftnl_batch_end(m.bytes, seq);
	err = push(&b, &m);
	*len = b.len;
	return err;
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
