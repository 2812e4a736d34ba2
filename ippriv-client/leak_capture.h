#pragma once
/* Every packet that leaves this network namespace, by whatever link, also by one that comes later. */
#include "ippriv-client/leak_tally.h"

struct leak_capture;

/* In the calling thread's network namespace; needs CAP_NET_RAW. 0 or -errno. */
int leak_capture_new(struct leak_capture **out) _must_check_;
void leak_capture_free(struct leak_capture *capture);
int leak_capture_fd(const struct leak_capture *capture);
/* Counts into TALLY what has been captured since, but what lo and tunnels of ours carry. */
void leak_capture_drain(struct leak_capture *capture, struct leak_tally *tally);
/* Packets that the kernel had no room for, all together. */
uint64_t leak_capture_missed(struct leak_capture *capture);
