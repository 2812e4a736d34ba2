#pragma once
/*
 * Closes descriptors that came from strangers. close() of such a one may wait for as long as they
 * like (a socket that lingers, a file of their own file system), so a thread does it: not one of
 * the loop's, which others need, and one that nobody waits for at the end.
 */
#include "common/base/cleanup.h"

struct ctl_closer;

int ctl_closer_new(struct ctl_closer **out) _must_check_;
/* What is queued is still closed, in its own time. NULL is fine. */
void ctl_closer_free(struct ctl_closer *closer);
/* Takes FD. Without memory or a thread it is closed at once, whatever that takes. */
void ctl_closer_put(struct ctl_closer *closer, int fd);
