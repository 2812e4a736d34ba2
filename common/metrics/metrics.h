#pragma once
/*
 * Numbers for Prometheus as text (exposition format 0.0.4), coarse on purpose: SECURITY.md says why.
 * Pure but for memory.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE };

/* The only labels there are; NULL: without. Static texts, nothing that belongs to one client. */
struct metrics_labels {
	const char *role, *dir, *reason;
};

/* Zeros at the start. Once memory was missing nothing is added. */
struct metrics_text {
	char *text; /* malloc'ed */
	size_t len, size;
	int err;    /* 0 or -ENOMEM */
};

/* Begins NAME: values of it follow, and no others. HELP: one line. */
void metrics_family(struct metrics_text *t, enum metrics_kind kind, const char *name,
		    const char *help);
void metrics_value(struct metrics_text *t, const char *name, const struct metrics_labels *labels,
		   uint64_t value);
/* A family of that one value, without labels. */
void metrics_one(struct metrics_text *t, enum metrics_kind kind, const char *name, const char *help,
		 uint64_t value);
void metrics_fini(struct metrics_text *t);

/* Bytes, down to whole MiB. Counters stay monotonic through it. */
uint64_t metrics_round_bytes(uint64_t bytes);
/* Events, down to a multiple of eight. */
uint64_t metrics_round_events(uint64_t events);
/* How many there are now, up to a multiple of eight. */
uint64_t metrics_round_crowd(uint64_t count);
