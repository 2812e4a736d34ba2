#pragma once
/*
 * How the first hop is reached: the host's address, family and port, and how a circuit follows when
 * they change (MOBIKE). While there is no way at all, its hops may be silent for ever.
 */
#include "ippriv-client/ctl_circuit_priv.h"

/*
 * After a move hops may be silent for so long (milliseconds), after an absence for as much longer as
 * it lasted, but not for longer than MOST. Then they are judged as ever.
 */
enum { CTL_ROAM_GRACE_MS = 15000, CTL_ROAM_GRACE_MOST = 75000 };

/*
 * Fills addresses and remote port of PATH; its FLOATED and, when it has a remote, its family and
 * port are kept where possible. -errno: no route to the entry.
 */
int ctl_roam_way(const struct ctl_circuit *c, struct ike_path *path) _must_check_;
/* Addresses or routes of the host have changed, perhaps. */
void ctl_roam_follow(struct ctl_circuit *c);
/* Ends the patience when its time is over. */
void ctl_roam_poll(struct ctl_circuit *c);

/* What ike_ops of the same names hand on. */
int ctl_roam_float(struct ike_sa *sa, struct ike_path *path);
int ctl_roam_moved(struct ike_sa *sa);
