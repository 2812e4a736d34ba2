#pragma once
/* The time of day. Timers have the loop's clock, io_loop_now. */
#include <stdint.h>
#include <time.h>

/* Seconds since the epoch. */
static inline uint64_t clock_wall(void)
{
	return (uint64_t)time(NULL);
}

/* Milliseconds since the epoch. */
static inline uint64_t clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
