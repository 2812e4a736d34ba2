#pragma once
/* One leak test: prober, capture and what both have told so far. */
#include "ippriv-client/leak_capture.h"
#include "ippriv-client/leak_child.h"
#include "ippriv-client/leak_report.h"

struct leak_session {
	const char *control;
	struct leak_plan plan;
	struct leak_capture *capture; /* NULL: not allowed */
	struct leak_child child;
	bool ended; /* the prober has */
	struct leak_result result;
};

/*
 * Begins to capture where that is allowed, then starts the prober. RESULT's place is set and PLAN's
 * server, when it is given. 0, or -errno with one line logged; leak_session_end in any case.
 */
int leak_session_begin(struct leak_session *s, uid_t uid) _must_check_;
/* Whether the whole host uses the tunnel, as the daemon tells. */
bool leak_session_host_up(const char *control);
/* Entries and counters, as the daemon tells them now. It must not stand still. */
void leak_session_ask(struct leak_session *s);
/* MS milliseconds pass while packets are counted. */
void leak_session_pass(struct leak_session *s, int ms);
/* Until the prober has said WORD (*SAID, may be NULL) or has ended: -ECONNRESET, or -ETIMEDOUT. */
int leak_session_hear(struct leak_session *s, enum leak_word word, int ms,
		      struct leak_word_said *said) _must_check_;
/* Ends the prober, then the capture a moment later. */
void leak_session_end(struct leak_session *s);
