#pragma once
/* When to fetch the list next: soon after a newer one is due, rarely while none comes. */
#include "common/dir/dir_list.h"

struct dir_pace {
	uint32_t refresh; /* seconds between fetches at the most */
	uint32_t retry;   /* milliseconds to the next try after a failure */
	uint32_t idle;    /* milliseconds to the next look when a newer list is overdue */
};

/* REFRESH at most 86400. */
struct dir_pace dir_pace_start(uint32_t refresh);
/* A fetch has failed; milliseconds to wait, doubling from one second to a minute. */
uint32_t dir_pace_failed(struct dir_pace *pace);
/*
 * LIST was fetched, NEWER than the last or the same. Milliseconds to wait: while it is fresh until
 * shortly after it is not (at random, so that not all come at once); then a minute, doubling. Never
 * over refresh. NOW in seconds since the epoch.
 */
uint32_t dir_pace_taken(struct dir_pace *pace, const struct dir_list *list, bool newer,
			uint64_t now);
