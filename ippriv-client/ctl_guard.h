#pragma once
/*
 * Paths whose entry is one of few that the client keeps to: two of them, so that it goes on when one is gone,
 * and others only while these cannot be had. Pure but for GUARDS, which grow: randomness and time come in.
 */
#include "ippriv-client/ctl_path.h"
#include "ippriv-client/guards.h"

enum { CTL_GUARD_DAYS = 60 }; /* that one is kept at least; twice that at most, drawn for each */

/* As ctl_path_choose has them. */
struct ctl_guard_from {
	const struct dir_list *list;
	const struct ctl_avoid *avoid;
	const struct pins *pins; /* entry, middle, exit */
	random_source random;
	void *ctx;
	uint64_t now; /* wall clock, seconds */
};

/*
 * As ctl_path_choose, with an entry out of the first USED of GUARDS that are listed and have not failed as
 * entries. Where there are fewer another one is drawn and added, up to GUARDS_MOST, then in the place of one
 * that is not listed; then those that failed do. Where no path goes through these, or only one in a net that
 * others would not share, through more of them, and at last through any relay. Pins of the entry go before all
 * that. *CHANGED: GUARDS are to be saved.
 */
int ctl_guard_choose(struct guards *guards, size_t used, const struct ctl_guard_from *from,
		     struct ctl_path *out, bool *changed) _must_check_;
