#pragma once
/*
 * The process that tries to leak. On standard input it gets the plan as a line of JSON, then a line for each
 * thing to do; its standard output is a line of JSON for each outcome:
 *   {"probe": I, "outcome": NAME, "errno": N}, then {"probed": true}
 *   after a line "stream", from then until the next line, all probes that need not wait, over and
 *   over; then {"streamed": N, "answered": M}, in packets
 * It ends when its input does.
 */

enum leak_outcome {
	LEAK_ANSWERED, /* an answer came, or an ICMP error from where it went */
	LEAK_SENT,     /* the kernel took it, no answer came */
	LEAK_REFUSED,  /* the kernel did not take it: "errno" says why */
	LEAK_NOTHING,  /* there was nothing to try it on */
	LEAK_OUTCOMES
};

const char *leak_outcome_name(enum leak_outcome outcome);

/* The exit status: 0, or 2 when the plan makes no sense or names no server and resolv.conf neither. */
int leak_prober(void);
