#pragma once
/*
 * The namespace of a command: nobody opens connections to it. One nftables table, family inet, whose
 * only rule drops what comes in new from any link but lo.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

enum { KERN_GUARD_MAX = 4096 }; /* bytes that hold the batch */

/* The batch, as those of nft_msg.h. Pure. 0 with *LEN, -ENOSPC or -ENOMEM. */
int kern_guard_batch(void *buf, size_t size, uint32_t seq, size_t *len) _must_check_;
/* Into the calling thread's network namespace, where there is none yet. 0 or -errno. */
int kern_guard_install(void) _must_check_;
