#pragma once
/* One hop of a circuit: its IKE SA, its channel, the child SAs that make its layer. */
#include "ippriv-client/ctl_circuit_priv.h"

void ctl_hop_start(struct ctl_hop *hop);
/* Says goodbye to the hop, or drops it when it is out of reach. False: its answer is to come. */
bool ctl_hop_leave(struct ctl_hop *hop);
/* Takes down its layer and those behind, and closes its channels. */
void ctl_hop_fini(struct ctl_hop *hop);
/* Looks at the counters: is somebody there, does the NAT want a keepalive? */
void ctl_hop_poll(struct ctl_hop *hop);
/* What the kernel tells of its layer. */
void ctl_hop_event(struct ctl_hop *hop, const struct dp_event *event);
/* Events are lost: rekeys its child SA if the kernel may have asked for it, others give us away. */
void ctl_hop_renew(struct ctl_hop *hop);
/* Where its ESP goes. */
struct dp_path ctl_hop_layer_path(const struct ike_sa *sa);

/* What ike_ops of the same names hand on. */
int ctl_hop_child_up(struct ike_sa *sa, const struct ike_child *child,
		     const struct ike_lease *lease);
int ctl_hop_child_add(struct ike_sa *sa, const struct ike_child *child, bool in_only);
int ctl_hop_child_switch(struct ike_sa *sa, const struct ike_child *child);
void ctl_hop_child_mute(struct ike_sa *sa, uint32_t spi_in);
void ctl_hop_child_del(struct ike_sa *sa, uint32_t spi_in);
void ctl_hop_replaced(struct ike_sa *sa);
