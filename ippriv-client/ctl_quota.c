#include "ippriv-client/ctl_quota.h"

#include <stddef.h>

/* Where UID stands, or the place of the user who has most left. */
static size_t place_of(const struct ctl_quota *q, uid_t uid, uint64_t now)
{
	size_t at = 0;

	for (size_t i = 0; i < CTL_QUOTA_USERS; i++) {
		if (q->users[i].clear > now && q->users[i].uid == uid)
			return i;
		if (q->users[i].clear < q->users[at].clear)
			at = i;
	}
	return at;
}

static uint64_t clear_at(const struct ctl_quota *q, size_t at, uid_t uid, uint64_t now)
{
	return q->users[at].uid == uid && q->users[at].clear > now ? q->users[at].clear : now;
}

unsigned int ctl_quota_left(const struct ctl_quota *q, uid_t uid, uint64_t now)
{
	uint64_t owed = clear_at(q, place_of(q, uid, now), uid, now) - now;
	uint64_t used = (owed + CTL_QUOTA_EVERY_MS - 1) / CTL_QUOTA_EVERY_MS;

	return used < CTL_QUOTA_BURST ? (unsigned int)(CTL_QUOTA_BURST - used) : 0;
}

bool ctl_quota_take(struct ctl_quota *q, uid_t uid, uint64_t now)
{
	size_t at = place_of(q, uid, now);
	uint64_t clear = clear_at(q, at, uid, now);

	if (ctl_quota_left(q, uid, now) == 0)
		return false;
	q->users[at].uid = uid;
	q->users[at].clear = clear + CTL_QUOTA_EVERY_MS;
	return true;
}
