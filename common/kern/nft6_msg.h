#pragma once
/*
 * The table of family ip6 of an exit that lets IPv6 out, as netlink batches: of the same name as the
 * one of family ip, and sent as that one is (nft_msg.h). Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"
#include "common/kern/kern_firewall.h"

enum { NFT6_MSG_HEADER_MORE = 20 }; /* bytes that a header of IPv6 has more: a segment is smaller */

/* As nft_msg_replace; -EINVAL also when FW lets no IPv6 out. */
int nft6_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_firewall *fw,
		     size_t *len) _must_check_;
/* As nft_msg_delete. */
int nft6_msg_delete(void *buf, size_t size, uint32_t seq, const char *table,
		    size_t *len) _must_check_;
