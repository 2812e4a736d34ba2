#pragma once
/* The time of day. Timers have the loop's clock, io_loop_now. */
#include <stdint.h>
#include <time.h>

/* Seconds since the epoch. */
static inline uint64_t clock_wall(void)
{
	return (uint64_t)time(NULL);
}
