#include "common/kern/nft_batch.h"

#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

void nft_batch_push(struct nft_batch *b, const union nft_message *m)
{
	size_t len = NLMSG_ALIGN(m->hdr.nlmsg_len);

	if (b->err)
		return;
	if (len > b->size - b->len) {
		b->err = -ENOSPC;
		return;
	}
	memcpy(b->buf + b->len, m->bytes, len);
	b->last = b->len;
	b->len += len;
}

struct nlmsghdr *nft_batch_message(const struct nft_batch *b, union nft_message *m, uint16_t type,
				   uint16_t flags)
{
	memset(m, 0, sizeof(*m));
	return nftnl_nlmsg_build_hdr(m->bytes, type, b->family, flags, b->seq);
}

struct nft_batch nft_batch_begin(void *buf, size_t size, uint32_t seq)
{
	struct nft_batch b = { .buf = buf, .size = size, .seq = seq, .family = NFPROTO_IPV4 };
	union nft_message m = { 0 };

	nftnl_batch_begin(m.bytes, seq);
	nft_batch_push(&b, &m);
	return b;
}

void nft_batch_chain(struct nft_batch *b, const char *table, const struct nft_chain *chain)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	union nft_message m;

	if (!c || nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table) ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, chain->name) ||
	    (chain->type && nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, chain->type))) {
		b->err = -ENOMEM;
		goto out;
	}
	if (chain->type) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, chain->hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, chain->priority);
	}
	nftnl_chain_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWCHAIN, NLM_F_CREATE), c);
	nft_batch_push(b, &m);
out:
	if (c)
		nftnl_chain_free(c);
}

void nft_batch_rule(struct nft_batch *b, struct nft_rule *rule)
{
	union nft_message m;

	if (rule->err)
		b->err = rule->err;
	if (!b->err) {
		nftnl_rule_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWRULE,
								 NLM_F_CREATE | NLM_F_APPEND),
					       rule->rule);
		nft_batch_push(b, &m);
	}
	nft_rule_free(rule);
}

int nft_batch_end(struct nft_batch *b, size_t *len)
{
	union nft_message m = { 0 };
	struct nlmsghdr hdr;

	if (b->err)
		return b->err;
	memcpy(&hdr, b->buf + b->last, sizeof(hdr));
	hdr.nlmsg_flags |= NLM_F_ACK;
	memcpy(b->buf + b->last, &hdr, sizeof(hdr));
	nftnl_batch_end(m.bytes, b->seq);
	nft_batch_push(b, &m);
	if (b->err)
		return b->err;
	*len = b->len;
	return 0;
}
