#pragma once
/* Whether the other end of a tunnel is there, judged by what the kernel counts. Pure. */
#include "ippriv-node/dp.h"

enum {
	CTL_ALIVE_EVERY = 5000,  /* milliseconds between looks */
	CTL_ALIVE_SILENCE = 10000, /* packets go out and none come in for so long: ask */
	CTL_ALIVE_TRIES = 4,     /* transmissions of the question: 7.5 s */
};

/* Of one tunnel; zeros at the start. */
struct ctl_alive {
	uint64_t in, out; /* packets at the last look */
	uint64_t waiting; /* since when something went out and nothing came in, 0: not */
};

enum ctl_alive_news { CTL_ALIVE_NOTHING, CTL_ALIVE_HEARD, CTL_ALIVE_ASK };

/* A look at time NOW, milliseconds and never 0. After ASK it waits anew before it says so again. */
enum ctl_alive_news ctl_alive_look(struct ctl_alive *a, const struct dp_stats *stats, uint64_t now);
