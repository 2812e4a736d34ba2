#pragma once
/* The last lines of a log, each with a number of its own and who may read it beside root. */
#include <stdint.h>

#include "common/base/log.h"

enum { LOG_RING_LINES = 512 };

struct log_ring_line {
	uint64_t number; /* 1 for the first line ever */
	uint64_t time;   /* milliseconds since the epoch */
	uid_t reader;    /* as for log_write_for */
	enum log_level level;
	char *text;
};

/* All zero: empty. */
struct log_ring {
	uint64_t last; /* number of the newest line, 0: none yet */
	struct log_ring_line lines[LOG_RING_LINES];
};

/* Copies TEXT; the oldest line goes. Without memory the line is missing. */
void log_ring_add(struct log_ring *ring, uint64_t time, uid_t reader, enum log_level level,
		  const char *text);
/* The first line after number AFTER that user UID may read; NULL: none. Valid until the next add. */
const struct log_ring_line *log_ring_next(const struct log_ring *ring, uint64_t after, uid_t uid);
/* The number AFTER that leaves UID the COUNT newest lines that it may read. */
uint64_t log_ring_tail(const struct log_ring *ring, size_t count, uid_t uid);
void log_ring_fini(struct log_ring *ring);
