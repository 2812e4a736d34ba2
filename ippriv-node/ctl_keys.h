#pragma once
/* From IKE's form of a child SA's keys to the data path's. */
#include "common/ike/ike_ops.h"
#include "ippriv-node/dp.h"

/* The caller wipes OUT. */
void ctl_keys_from_child(const struct ike_child *child, struct dp_keys *out);
