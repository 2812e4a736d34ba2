#pragma once
/*
 * The client's IKE host with its clock and its sockets. A channel is a socket in some namespace,
 * or the socket that all first hops share.
 */
#include "common/ike/ike_host.h"
#include "common/io/loop.h"

struct ctl_ike;

/* LIVENESS in seconds. SAs belong to circuits: events go to ctl_circuit.h. */
int ctl_ike_new(struct io_loop *loop, uint32_t liveness, struct ctl_ike **out) _must_check_;
/* All channels have been closed before. */
void ctl_ike_free(struct ctl_ike *ike);
struct ike_host *ctl_ike_host(struct ctl_ike *ike);
/* For ctl_circuit_ops, see there. Port 500; for a shared channel any port when 500 is taken. */
int ctl_ike_open(struct ctl_ike *ike, int fd, struct ike_path *path) _must_check_;
void ctl_ike_close(struct ctl_ike *ike, uint32_t channel);
