#pragma once
/* Choosing entry, middle and exit from the list. Pure: randomness comes in. */
#include "common/base/random.h"
#include "ippriv-client/ctl_avoid.h"
#include "ippriv-client/pins.h"

enum { CTL_PATH_HOPS = PINS_HOPS };

struct ctl_path {
	struct dir_entry hops[CTL_PATH_HOPS]; /* entry, middle, exit */
	bool shares_net; /* two hops stand in one /16: the list allowed no better */
};

/*
 * Three different relays (by key and by address), the last with DIR_FLAG_EXIT, each one that PINS
 * (entry, middle, exit; NULL: any relay) allow there, drawn with a chance in proportion to its
 * bandwidth. Wishes, given up from the first to the last when there are too few relays for them:
 * no suspect, an exit that lets TCP 80 and 443 and UDP 53 out, none that failed (the one that failed
 * longest ago is taken back first), no two in one /16.
 * -ENOENT: fewer than three relays. -ESRCH: no exit among them. -ENXIO: not with these pins.
 */
int ctl_path_choose(const struct dir_list *list, const struct ctl_avoid *avoid,
		    const struct pins pins[CTL_PATH_HOPS], random_source random, void *ctx,
		    struct ctl_path *out) _must_check_;
/* After -ENXIO: what a person reads behind "no path: ". */
const char *ctl_path_why(const struct dir_list *list, const struct pins pins[CTL_PATH_HOPS]);
