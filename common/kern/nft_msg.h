#pragma once
/*
 * The relay's nftables table as netlink batches. Pure: writes bytes, sends nothing.
 *
 * A batch goes as it is, in one send, to a NETLINK_NETFILTER socket; the kernel takes all of it or
 * nothing. Every message in it bears the sequence number SEQ and the last one asks for an
 * acknowledgement, so the first NLMSG_ERROR with SEQ is the answer: 0, or the error. After an error
 * more of the same sequence number may follow; they say nothing new.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/kern/kern_firewall.h"

enum { NFT_BATCH_MAX = 128 * 1024 }; /* bytes that hold any batch of this file */

/*
 * The batch that makes table FW->table (family ip), or replaces it whole at once when it is there.
 * 0 with *LEN bytes written, -ENOSPC when SIZE is too small, -ENOMEM, or -EINVAL when FW makes no
 * sense: no table name, an address or prefix that is not IPv4 or has host bits, pool outside
 * pools, address inside pools, an exit's NAPT ports empty or below 1024, no connections for its
 * clients, an MSS below 536, too many rules, a rule with low port above high or with ports for ICMP.
 */
int nft_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_firewall *fw,
		    size_t *len) _must_check_;

/* The batch that deletes TABLE; the kernel answers -ENOENT when there is none. Errors as above. */
int nft_msg_delete(void *buf, size_t size, uint32_t seq, const char *table,
		   size_t *len) _must_check_;
