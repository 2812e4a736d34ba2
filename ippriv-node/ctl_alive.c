#include "ippriv-node/ctl_alive.h"

enum ctl_alive_news ctl_alive_look(struct ctl_alive *a, const struct dp_stats *stats, uint64_t now)
{
	bool came = stats->packets_in != a->in, went = stats->packets_out != a->out;

	a->in = stats->packets_in;
	a->out = stats->packets_out;
	if (came) {
		a->waiting = 0;
		return CTL_ALIVE_HEARD;
	}
	if (went && a->waiting == 0)
		a->waiting = now;
	if (!went || now - a->waiting < CTL_ALIVE_SILENCE)
		return CTL_ALIVE_NOTHING;
	a->waiting = now;
	return CTL_ALIVE_ASK;
}
