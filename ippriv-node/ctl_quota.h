#pragma once
/*
 * Who may have how many circuits, and how fast: each outer address so many at one time and a token
 * bucket, each overlay peer a share of all. An address behind a peer is not the same number behind
 * another one, or straight from the Internet.
 */
#include "common/base/addr.h"
#include "common/base/cleanup.h"

struct ctl_quota;

/* No keys in the configuration: nobody has needed other values yet. */
enum {
	CTL_QUOTA_ADDRESS = 256, /* circuits of an address at one time */
	CTL_QUOTA_BURST = 100,   /* new ones at once, then */
	CTL_QUOTA_RATE = 10,     /* a second */
};

/* MOST circuits there may be in all; an overlay peer may have half of them. 0 or -ENOMEM. */
int ctl_quota_new(uint32_t most, struct ctl_quota **out) _must_check_;
void ctl_quota_free(struct ctl_quota *q);
/*
 * One more circuit of OUTER behind overlay peer INDEX (0: straight from the client) at NOW, in
 * milliseconds; ctl_quota_give has to follow. 0, -EBUSY or -ENOMEM.
 */
int ctl_quota_take(struct ctl_quota *q, const struct addr *outer, uint32_t index,
		   uint64_t now) _must_check_;
void ctl_quota_give(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now);
/* Addresses that are remembered: those with circuits or with a bucket that is not full again. */
size_t ctl_quota_known(const struct ctl_quota *q);
