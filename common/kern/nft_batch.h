#pragma once
/*
 * A batch of nftables messages in the caller's buffer, which the kernel takes as a whole
 * or not at all. What fails sets the error and makes all later calls do nothing. Pure.
 */
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/kern/nft_expr.h"

enum { NFT_BATCH_MESSAGE = 4096 }; /* the longest is a set's elements: under 1 KiB */

struct nft_batch {
	uint8_t *buf; /* borrowed */
	size_t size, len;
	size_t last; /* where the latest message starts */
	uint32_t seq;
	uint8_t family; /* of what the messages are about; NFPROTO_IPV4 at first */
	int err; /* 0, -ENOSPC or -ENOMEM */
};

/* One message before it is copied into the batch: libnftnl writes without a bound. */
union nft_message {
	struct nlmsghdr hdr;
	char bytes[NFT_BATCH_MESSAGE];
};

/* A chain with policy accept. */
struct nft_chain {
	const char *name;
	const char *type; /* NULL: no hook */
	uint32_t hook;
	int32_t priority;
};

struct nft_batch nft_batch_begin(void *buf, size_t size, uint32_t seq);
/* Empties M but for the header of a message; libnftnl appends the payload, then push. */
struct nlmsghdr *nft_batch_message(const struct nft_batch *b, union nft_message *m, uint16_t type,
				   uint16_t flags);
void nft_batch_push(struct nft_batch *b, const union nft_message *m);
/* Makes CHAIN in TABLE; appends RULE (freed) to its chain. */
void nft_batch_chain(struct nft_batch *b, const char *table, const struct nft_chain *chain);
void nft_batch_rule(struct nft_batch *b, struct nft_rule *rule);
/* Asks for an acknowledgement of the latest message and closes the batch. 0 with *LEN, or the error. */
int nft_batch_end(struct nft_batch *b, size_t *len) _must_check_;
