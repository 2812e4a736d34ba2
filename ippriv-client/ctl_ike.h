#pragma once
/*
 * The client's IKE host with its clock and its sockets. A channel is a socket in some namespace,
 * or the socket that all first hops share.
 */
#include "common/ike/ike_host.h"
#include "common/io/loop.h"

struct ctl_ike;

/* Times in seconds. */
struct ctl_ike_conf {
	uint32_t liveness;    /* silence of a hop before it is probed */
	uint32_t rekey_after; /* life of an IKE SA */
	uint32_t keepalive;   /* behind a NAT */
	enum ike_ciphers ciphers;
};

/* SAs belong to circuits: events go to ctl_circuit.h, ctl_hop.h and ctl_roam.h. */
int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *conf,
		struct ctl_ike **out) _must_check_;
/* All channels have been closed before. */
void ctl_ike_free(struct ctl_ike *ike);
struct ike_host *ctl_ike_host(struct ctl_ike *ike);
/* For ctl_circuit_ops, see there. */
int ctl_ike_open(struct ctl_ike *ike, int fd, struct ike_path *path) _must_check_;
void ctl_ike_close(struct ctl_ike *ike, uint32_t channel);
/* The address that the host's packets to REMOTE have as their source. -errno: no route. */
int ctl_ike_source(const struct addr *remote, struct addr *out) _must_check_;
/* Bytes of the largest packet that gets there, as the kernel knows; 0: it does not. */
uint32_t ctl_ike_path_mtu(const struct addr *remote);
