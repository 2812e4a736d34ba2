#pragma once
/* The prober as a child of ours, inside `ippriv run` or in the host's own namespace. */
#include <sys/types.h>

#include "ippriv-client/leak_plan.h"
#include "ippriv-client/leak_prober.h"

struct leak_child {
	pid_t pid;
	int in, out;      /* pipes: our lines, its lines */
	size_t len;       /* of what was read and is no whole line yet */
	char line[4096];
};

enum leak_word { LEAK_WORD_NONE, LEAK_WORD_PROBE, LEAK_WORD_PROBED, LEAK_WORD_STREAMED };

/* One line of the prober. */
struct leak_word_said {
	enum leak_word word;
	size_t probe; /* LEAK_WORD_PROBE, with OUTCOME and ERR */
	enum leak_outcome outcome;
	int err;
	uint64_t sent, answered; /* LEAK_WORD_STREAMED */
};

/*
 * Starts it, as user UID when that is not (uid_t)-1, with everything of that user's; INSIDE by
 * `ippriv --control CONTROL run`. It inherits PLAN's host_fd. 0 or -errno.
 */
int leak_child_start(struct leak_child *child, const char *control, bool inside, uid_t uid,
		     const struct leak_plan *plan) _must_check_;
int leak_child_tell(struct leak_child *child, const char *line) _must_check_;
/* Reads what is there: 1 with *OUT, 0 when there is no whole line yet, -ECONNRESET: it has ended. */
int leak_child_hear(struct leak_child *child, struct leak_word_said *out) _must_check_;
/* No more input. */
void leak_child_finish(struct leak_child *child);
/* Waits for its end; its exit status, or 128 and the number of its signal. */
int leak_child_wait(struct leak_child *child);

/* The meaning of one line. 0 or -EBADMSG. Pure. */
int leak_child_parse(const char *line, struct leak_word_said *out) _must_check_;
