#include "common/dir/dir_pace.h"

enum { /* milliseconds */
	RETRY_FIRST = 1000,
	RETRY_MOST = 60000,
	IDLE_FIRST = 60000,
	WAIT_LEAST = 1000,
};

static uint32_t lesser(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

struct dir_pace dir_pace_start(uint32_t refresh)
{
	return (struct dir_pace){
		.refresh = refresh,
		.retry = RETRY_FIRST,
		.idle = lesser(IDLE_FIRST, refresh * 1000),
	};
}

uint32_t dir_pace_failed(struct dir_pace *pace)
{
	uint32_t wait = pace->retry;

	pace->retry = lesser(2 * (uint64_t)wait, RETRY_MOST);
	return wait;
}

/* MS or up to a quarter less. */
static uint32_t about(uint32_t ms)
{
	return ms - (ms >= 4 ? crypto_random_below(ms / 4) : 0);
}

uint32_t dir_pace_taken(struct dir_pace *pace, const struct dir_list *list, bool newer,
			uint64_t now)
{
	uint32_t most = pace->refresh * 1000, spread, wait;

	pace->retry = RETRY_FIRST;
	if (newer)
		pace->idle = lesser(IDLE_FIRST, most);
	if (list->fresh_until <= now) {
		wait = about(pace->idle);
		pace->idle = lesser(2 * (uint64_t)pace->idle, most);
	} else if (list->fresh_until - now >= pace->refresh) {
		wait = about(most);
	} else {
		spread = lesser((list->fresh_until - list->published) * 250, most);
		wait = (uint32_t)(list->fresh_until - now) * 1000;
		wait = lesser((uint64_t)wait + crypto_random_below(spread + 1), most);
	}
	return wait < WAIT_LEAST ? WAIT_LEAST : wait;
}
