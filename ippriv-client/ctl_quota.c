#include "ippriv-client/ctl_quota.h"

#include <stddef.h>

bool ctl_quota_take(struct ctl_quota *q, uid_t uid, uint64_t now)
{
	size_t at = 0;
	uint64_t clear;

	for (size_t i = 0; i < CTL_QUOTA_USERS; i++) {
		if (q->users[i].clear > now && q->users[i].uid == uid) {
			at = i;
			break;
		}
		if (q->users[i].clear < q->users[at].clear)
			at = i;
	}
	clear = now;
	if (q->users[at].uid == uid && q->users[at].clear > now)
		clear = q->users[at].clear;
	if (clear - now > (uint64_t)(CTL_QUOTA_BURST - 1) * CTL_QUOTA_EVERY_MS)
		return false;
	q->users[at].uid = uid;
	q->users[at].clear = clear + CTL_QUOTA_EVERY_MS;
	return true;
}
