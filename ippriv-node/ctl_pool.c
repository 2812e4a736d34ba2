#include "ippriv-node/ctl_pool.h"

#include <errno.h>

struct ctl_pool {
	uint32_t base, size; /* addresses, first one in host order */
	uint32_t leased;
	uint64_t bits[];     /* one per address, 1: leased */
};

int ctl_pool_new(const struct prefix *prefix, struct ctl_pool **out)
{
	struct ctl_pool *pool;
	uint32_t size;

	if (prefix->addr.family != AF_INET || prefix->len < 10 || prefix->len > 30)
		return -EINVAL;
	size = 1u << (32 - prefix->len);
	pool = calloc(1, sizeof(*pool) + (size + 63) / 64 * sizeof(pool->bits[0]));
	if (!pool)
		return -ENOMEM;
	pool->base = addr_to_v4(&prefix->addr);
	pool->size = size;
	pool->leased = 2;
	pool->bits[0] |= 1;
	pool->bits[(size - 1) / 64] |= 1ull << (size - 1) % 64;
	*out = pool;
	return 0;
}

void ctl_pool_free(struct ctl_pool *pool)
{
	free(pool);
}

int ctl_pool_lease(struct ctl_pool *pool, uint32_t start, struct addr *out)
{
	uint32_t i = start % pool->size;

	if (pool->leased == pool->size)
		return -EADDRNOTAVAIL;
	while (pool->bits[i / 64] >> i % 64 & 1)
		i = (i + 1) % pool->size;
	pool->bits[i / 64] |= 1ull << i % 64;
	pool->leased++;
	*out = addr_v4(pool->base + i);
	return 0;
}

void ctl_pool_return(struct ctl_pool *pool, const struct addr *a)
{
	uint32_t i = addr_to_v4(a) - pool->base;

	if (i == 0 || i >= pool->size - 1 || !(pool->bits[i / 64] >> i % 64 & 1))
		return;
	pool->bits[i / 64] &= ~(1ull << i % 64);
	pool->leased--;
}
