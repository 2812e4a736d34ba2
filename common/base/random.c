#include "common/base/random.h"

uint64_t random_below(random_source source, void *ctx, uint64_t bound)
{
	uint64_t most = UINT64_MAX - UINT64_MAX % bound;
	uint64_t v;

	do
		source(ctx, &v, sizeof(v));
	while (v >= most);
	return v % bound;
}
