#pragma once
/* From IKE's form of a child SA's keys to the data path's, with how long they may be used. */
#include "common/ike/ike_ops.h"
#include "ippriv-node/dp.h"

/* Without ESN an SA ends at 2^32 packets: no such SA carries more bytes than that. */
enum { CTL_LIFE_SHORT = 0x7fffffff };

/* Told late (life.h): clients ask, mostly. The caller wipes OUT. */
void ctl_keys_from_child(const struct ike_child *child, const struct life_rule *life,
			 struct dp_keys *out);
