#pragma once
/* Circuits and list as JSON, for the control socket. */
#include <jansson.h>
#include <sys/types.h>

#include "ippriv-client/ctl_stock.h"

/*
 * {"ok", "list": {"relays", "published", "fresh_until", "valid_until"} or null, "circuits": [{"id",
 * "state", "attached", "age" s, "address", "mtu", "dns": [], "hops": [{"role", "nickname",
 * "address", "in"/"out": {"bytes", "packets"}}]}]}. The relays of a circuit that another user has
 * are left out, except for root (UID 0). OWNER tells the user of a taker. NOW as in ctl_circuit_info.
 */
json_t *ctl_status_build(struct ctl_stock *stock, const struct dir_list *list, uint64_t now,
			 uid_t uid, uid_t (*owner)(const void *taker));
/* The lease of a circuit: {"address", "mtu", "dns"}, put into OBJECT. */
void ctl_status_lease(json_t *object, const struct ike_lease *lease);
