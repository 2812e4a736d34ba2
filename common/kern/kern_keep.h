#pragma once
/*
 * The routes of a link, kept while it is down: with it they go, and who set them may not know. In the
 * calling thread's network namespace.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct kern_keep;

/* Those of IPv4 and IPv6 into link INDEX, of all tables, but the kernel's own. 0 or -errno. */
int kern_keep_routes(uint32_t index, struct kern_keep **out) _must_check_;
size_t kern_keep_count(const struct kern_keep *keep);
/* Adds those that are missing. 0, or the first error other than that it is there. */
int kern_keep_restore(const struct kern_keep *keep) _must_check_;
/* Takes NULL. */
void kern_keep_free(struct kern_keep *keep);

/* Whether MSG (one whole message) is such a route. Pure. */
bool kern_keep_wants(const void *msg, size_t len, uint32_t index);
