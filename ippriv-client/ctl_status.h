#pragma once
/* Circuits and list as JSON, for the control socket. */
#include <jansson.h>
#include <sys/types.h>

#include "ippriv-client/ctl_stock.h"

/*
 * {"ok", "list": {"relays", "published", "fresh_until", "valid_until"} or null, "circuits": [{"id",
 * "state", "attached", "age" s, "address", "mtu", "dns": [], "away", "holder" (uid of the user whom it
 * serves or has served; a free one has none), "hops": [{"role", "up",
 * "nickname", "address", "rekeys", "ike_rekeys" (of those, the IKE SA's), "in"/"out": {"bytes",
 * "packets"}}]}]}; the first hop has "nat", "encap", "local" and "remote" (address:port), too.
 * "away": the host has no way to the entry. From "address" on they are for root (UID 0) and for the
 * user whom the circuit serves or has served; of others' and of free circuits everybody else learns
 * that they are there. NOW as in ctl_circuit_info.
 */
json_t *ctl_status_build(struct ctl_stock *stock, const struct dir_list *list, uint64_t now,
			 uid_t uid);
/* {"ok", "time" ms of a clock that only runs forward, "circuits": as above}. */
json_t *ctl_status_circuits(struct ctl_stock *stock, uint64_t now, uid_t uid);
/* One of "circuits". Takes nothing, gives a new reference. */
json_t *ctl_status_circuit(struct ctl_circuit *c, const struct ctl_stock_holder *holder,
			   uint64_t now, uid_t uid);
/* The lease of a circuit: {"address", "mtu", "dns"}, put into OBJECT. */
void ctl_status_lease(json_t *object, const struct ike_lease *lease);
