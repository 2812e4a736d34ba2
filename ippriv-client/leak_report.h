#pragma once
/* What a leak test found, for people and for programs. Pure. */
#include <jansson.h>
#include <stdio.h>

#include "ippriv-client/leak_prober.h"
#include "ippriv-client/leak_tally.h"

enum leak_place {
	LEAK_IN_RUN,  /* the probes ran by `ippriv run` */
	LEAK_IN_HOST, /* in the host's own namespace, which is `up` */
	LEAK_OUTSIDE, /* without the tunnel, on purpose */
};

enum leak_verdict { LEAK_NONE = 0, LEAK_FOUND = 1, LEAK_UNTESTED = 2 }; /* exit statuses */

enum { LEAK_STEPS_MAX = 8, LEAK_WHY = 160 };

/* One thing that was done to the network while probes went on. */
struct leak_step {
	const char *name; /* for --json */
	const char *text; /* for people */
	bool done;
	char why[LEAK_WHY]; /* it was not done, or what is left to do; "" otherwise */
	uint64_t sent, answered, leaked; /* packets */
};

struct leak_result {
	enum leak_place place;
	char user[32]; /* as whom the probes ran */
	bool captured;
	char why[LEAK_WHY]; /* the probes did not end well; "" otherwise */
	uint64_t missed;    /* packets that the capture had no room for */
	struct leak_tally tally;
	struct {
		bool known;
		enum leak_outcome outcome;
		int err;
	} tried[LEAK_PROBES_MAX];
	size_t step_count;
	struct leak_step steps[LEAK_STEPS_MAX];
	uint64_t circuit_packets; /* that the circuit of the probes sent, as the daemon tells */
};

enum leak_verdict leak_report_verdict(const struct leak_result *result);
const char *leak_report_name(enum leak_verdict verdict);
void leak_report_print(FILE *out, const struct leak_result *result);
/* A new object; NULL without memory. */
json_t *leak_report_json(const struct leak_result *result);
