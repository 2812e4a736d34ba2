#pragma once
/* From IKE's form of a child SA's keys to the data path's, with how long they may be used. */
#include "common/ike/ike_ops.h"
#include "ippriv-node/dp.h"

/*
 * Some tenth of it more, by chance, and the kernel tells: clients ask earlier, so that mostly they
 * begin. A half more than that, and the SA is gone.
 */
struct ctl_life {
	uint32_t seconds; /* 1 or more */
	uint64_t bytes;
};

/* Without ESN an SA ends at 2^32 packets: no such SA carries more bytes than that. */
enum { CTL_LIFE_SHORT = 0x7fffffff };

/* The caller wipes OUT. */
void ctl_keys_from_child(const struct ike_child *child, const struct ctl_life *life,
			 struct dp_keys *out);
