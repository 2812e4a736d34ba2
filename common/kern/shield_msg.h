#pragma once
/*
 * The host's nftables table (kern_shield.h) as netlink batches, which are sent and answered like
 * those of nft_msg.h. Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/kern/kern_shield.h"

enum { SHIELD_MSG_DIRECT_MAX = 1024 }; /* bytes that hold the batch of shield_msg_direct */

/*
 * The batch that makes the tables (inet, arp) of that name, or puts all of its rules anew at once: at no moment
 * is there less of them. Which groups were let past it stays. NFT_BATCH_MAX bytes are enough. 0 with
 * *LEN, -ENOSPC, -ENOMEM, or -EINVAL for a prefix with host bits or an address that is not IPv4.
 */
int shield_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_shield *shield,
		       size_t *len) _must_check_;
int shield_msg_delete(void *buf, size_t size, uint32_t seq, size_t *len) _must_check_;
/* Lets a group past it, or (ADD false) no more. */
int shield_msg_direct(void *buf, size_t size, uint32_t seq, const struct kern_direct *direct,
		      bool add, size_t *len) _must_check_;
