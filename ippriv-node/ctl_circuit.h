#pragma once
/* One circuit of a client: its lease, its SA pairs and the way they go. ctl_circuits.c keeps them. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_pairs.h"

struct ctl_circuit;

/* What circuits have in common. */
struct ctl_circuit_env {
	struct ctl_pairs_env pairs;
	struct ctl_ike *ike; /* borrowed */
	struct prefix pools; /* no client has such an address itself */
	uint32_t idle, silence; /* milliseconds without a message: ask; nobody is there any more */
	/* It comes from OUTER now, straight. */
	void (*roamed)(void *user, struct ctl_circuit *circuit, const struct addr *outer);
	/* It is over; frees it. CLEAN: nothing of it is left, its address may be given again. */
	void (*over)(void *user, struct ctl_circuit *circuit, bool clean);
	void *user;
};

struct ctl_circuit {
	struct ctl_session session; /* first: a session is its circuit */
	const struct ctl_circuit_env *env;
	struct dp_circuit dp;
	struct ctl_pairs pairs;
	bool up, established;
	struct addr counted; /* the outer address whose quota it is in */
	uint64_t since;
	uint64_t packets_seen; /* when it was asked last whether the client is alive */
	uint64_t asked_at; /* when it had to answer, for its place was wanted; 0: never */
	UT_hash_handle hh; /* by dp.way.number */
};

/* The way of a circuit that IKE speaks with along PATH; ENCAP: ESP goes in UDP with its ports. */
struct dp_way ctl_circuit_way(uint32_t number, const struct ike_path *path, bool encap);
/* All of it but the lease, the number and its place. The caller frees it until it is a session. */
struct ctl_circuit *ctl_circuit_new(const struct ctl_circuit_env *env, const struct dp_peer *via,
				    const struct dp_way *way);
/* The kernel: a limit of the SA with this SPI is reached; HARD: it is gone. */
void ctl_circuit_expire(struct ctl_circuit *c, uint32_t spi, bool hard);
/* The kernel may have told something that nobody heard. */
void ctl_circuit_lost(struct ctl_circuit *c);
/* The kernel: authentic ESP in UDP came from REMOTE. */
void ctl_circuit_mapping(struct ctl_circuit *c, const struct endpoint *remote);
