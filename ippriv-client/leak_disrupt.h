#pragma once
/* `ippriv leaktest --disrupt`: probes go on while the network and the daemon are ill-treated. */
#include "ippriv-client/leak_session.h"

/*
 * Each step is undone before the next and is in S's result. KILL: also a daemon that nobody would
 * start again. Signals that would end this process wait until all is undone.
 */
void leak_disrupt(struct leak_session *s, bool kill);
