#pragma once
/*
 * How fast users may have circuits built: CTL_QUOTA_BURST at once, then one every
 * CTL_QUOTA_EVERY_MS. Each circuit meets another entry and costs three relays three key exchanges.
 * Pure: the clock comes in.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CTL_QUOTA_BURST = 10, CTL_QUOTA_EVERY_MS = 6000, CTL_QUOTA_USERS = 64 };

/* All zero: nobody has had one. */
struct ctl_quota {
	struct {
		uid_t uid;
		uint64_t clear; /* milliseconds: when the user will have all of its burst again */
	} users[CTL_QUOTA_USERS]; /* of more users, those are forgotten who have most left */
};

/* How many UID may have at NOW. */
unsigned int ctl_quota_left(const struct ctl_quota *q, uid_t uid, uint64_t now);
/* Whether UID may have one more at NOW (milliseconds, not falling); if so, it is counted. */
bool ctl_quota_take(struct ctl_quota *q, uid_t uid, uint64_t now);
