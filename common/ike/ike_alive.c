#include "common/ike/ike_alive.h"

enum ike_alive_news ike_alive_look(struct ike_alive *a, uint64_t in, uint64_t out, uint64_t now,
				   uint64_t silence)
{
	bool came = in != a->in, went = out != a->out;

	a->in = in;
	a->out = out;
	if (came) {
		a->waiting = 0;
		return IKE_ALIVE_HEARD;
	}
	if (went && a->waiting == 0)
		a->waiting = now;
	if (!went || now - a->waiting < silence)
		return IKE_ALIVE_NOTHING;
	a->waiting = now;
	return IKE_ALIVE_ASK;
}
