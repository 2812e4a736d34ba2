#pragma once
/*
 * One daemon of a kind in a network namespace, whoever it runs as: an empty nftables table (family ip)
 * that belongs to the socket it was made through (flag owner, Linux 5.12). Only who has CAP_NET_ADMIN
 * can be in the way, `nft flush ruleset` passes it by, and the kernel drops it with the process.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct nl_sock;

enum { KERN_LOCK_MAX = 512 }; /* bytes that hold the batch */

/* The batch, as those of nft_msg.h. Pure. 0 with *LEN, -ENOSPC or -ENOMEM. */
int kern_lock_batch(void *buf, size_t size, uint32_t seq, const char *table,
		    size_t *len) _must_check_;
/*
 * Takes TABLE in the calling thread's network namespace. 0 with *OUT, which holds it until
 * nl_sock_free; -EADDRINUSE when somebody has it (for EPERM and EEXIST), or -errno.
 */
int kern_lock_take(const char *table, struct nl_sock **out) _must_check_;
