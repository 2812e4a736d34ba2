#pragma once
/*
 * Who may have how many circuits, and how fast: the relay as a whole, each overlay peer (behind
 * which an address says little), each outer address. An address behind a peer is not the same
 * number behind another one, or straight from the Internet.
 */
#include <stddef.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

struct ctl_quota;

/* Of an address. No keys in the configuration: nobody has needed other values yet. */
enum {
	CTL_QUOTA_ADDRESS = 256, /* circuits at one time */
	CTL_QUOTA_BURST = 100,   /* new ones at once, then */
	CTL_QUOTA_RATE = 10,     /* a second */
};

enum { CTL_QUOTA_AHEAD = 10 }; /* seconds for which a peer and the relay may run ahead of a rate */

struct ctl_quota_conf {
	uint32_t most;      /* circuits at one time */
	uint32_t rate;      /* new ones a second */
	uint32_t peer_most; /* of those, through one overlay peer */
	uint32_t peer_rate;
};

/* 0 or -ENOMEM. */
int ctl_quota_new(const struct ctl_quota_conf *conf, struct ctl_quota **out) _must_check_;
void ctl_quota_free(struct ctl_quota *q);
/*
 * One more circuit of OUTER behind overlay peer INDEX (0: straight from the client) at NOW, in
 * milliseconds; ctl_quota_give has to follow. 0, -EBUSY or -ENOMEM.
 */
int ctl_quota_take(struct ctl_quota *q, const struct addr *outer, uint32_t index,
		   uint64_t now) _must_check_;
/* Which share has no place left for that, whatever the rates are. */
enum ctl_quota_full { CTL_QUOTA_ROOM, CTL_QUOTA_FULL_RELAY, CTL_QUOTA_FULL_PEER,
		      CTL_QUOTA_FULL_ADDRESS, CTL_QUOTA_FULLS };
enum ctl_quota_full ctl_quota_full(const struct ctl_quota *q, const struct addr *outer,
				   uint32_t index);
/* Whether both are one address for a quota. */
bool ctl_quota_same(const struct addr *a, const struct addr *b);
void ctl_quota_give(struct ctl_quota *q, const struct addr *outer, uint32_t index, uint64_t now);
/*
 * A circuit straight from a client has gone with it. -EBUSY: TO has as many as it may, so it stays
 * in FROM's: else two addresses were good for any number. 0, -EBUSY or -ENOMEM.
 */
int ctl_quota_move(struct ctl_quota *q, const struct addr *from, const struct addr *to,
		   uint64_t now) _must_check_;
/* Addresses that are remembered: those with circuits or with a bucket that is not full again. */
size_t ctl_quota_known(const struct ctl_quota *q);
