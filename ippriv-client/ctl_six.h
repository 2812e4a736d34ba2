#pragma once
/* IPv6 through a circuit: the exit is asked for it, and it goes where the way is too narrow. */
#include "ippriv-client/ctl_circuit_priv.h"

/* HOP is about to begin: INIT asks for an IPv6 address when it is to be had and of use. */
void ctl_six_ask(const struct ctl_hop *hop, struct ike_init_conf *init);
/*
 * Whether what the hop granted makes sense: 0, with the IPv6 address left out of LEASE where it would be
 * of no use. -EADDRNOTAVAIL: it is not the one that goes with the IPv4 address.
 */
int ctl_six_judge(const struct ike_child *child, struct ike_lease *lease) _must_check_;
/* The way to the entry may have become too narrow. */
void ctl_six_poll(struct ctl_circuit *c);
