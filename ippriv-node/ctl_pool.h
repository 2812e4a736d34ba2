#pragma once
/* The pool of addresses a relay assigns: which are out on lease. */
#include "common/base/addr.h"
#include "common/base/cleanup.h"

struct ctl_pool;

/* POOL is an IPv4 prefix of /10 to /30. 0, -EINVAL or -ENOMEM. */
int ctl_pool_new(const struct prefix *pool, struct ctl_pool **out) _must_check_;
void ctl_pool_free(struct ctl_pool *pool);
/*
 * Leases a free address near START (any number: its choice decides, so pass a random one); never
 * the first or the last of the prefix. 0 or -EADDRNOTAVAIL.
 */
int ctl_pool_lease(struct ctl_pool *pool, uint32_t start, struct addr *out) _must_check_;
void ctl_pool_return(struct ctl_pool *pool, const struct addr *a);
