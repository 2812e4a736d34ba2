#pragma once
/* The circuits of clients on this relay: their leases, numbers and what the kernel holds of each. */
#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_keys.h"
#include "ippriv-node/ctl_quota.h"
#include "ippriv-node/dp.h"

struct ctl_circuits;
struct ctl_peers;

struct ctl_circuits_conf {
	struct dp_self self;
	struct addr dns;      /* given to clients, family 0: none */
	bool six;             /* those who come through a relay may have an IPv6 address, too */
	struct ctl_quota_conf quota;
	struct life_rule life; /* of a child SA */
	uint32_t idle;        /* milliseconds without a message from a client: ask */
	uint32_t silence;     /* and for so long it may be asleep */
	struct dp *dp;        /* borrowed, all four */
	struct ctl_ike *ike;
	struct ctl_peers *peers;
	struct io_loop *loop;
};

int ctl_circuits_new(const struct ctl_circuits_conf *conf, struct ctl_circuits **out) _must_check_;
void ctl_circuits_free(struct ctl_circuits *circuits); /* none may be left */
/*
 * ctl_admit.client. -EBUSY also when the client's address or its entry has its share. Then the one
 * of these that was silent longest, longer than IDLE, has to answer within seconds or it ends.
 */
int ctl_circuits_admit(struct ctl_circuits *circuits, const struct ike_path *path, bool encap,
		       struct ike_lease *lease, struct ctl_session **session);
/* Sends Deletes: for those that come through overlay peer INDEX, or all when it is 0. */
void ctl_circuits_close(struct ctl_circuits *circuits, uint32_t index);
/*
 * Ends, without a word, those that come through overlay peer INDEX from an address outside of POOL
 * (NULL: from any): nothing comes from there any more.
 */
void ctl_circuits_drop(struct ctl_circuits *circuits, uint32_t index, const struct prefix *pool);
/* The kernel's news of an SA of circuit NUMBER, if there is such a circuit. */
void ctl_circuits_expire(struct ctl_circuits *circuits, uint32_t number, uint32_t spi, bool hard);
void ctl_circuits_mapping(struct ctl_circuits *circuits, uint32_t number,
			  const struct endpoint *remote);
/* Some news of the kernel were lost: looks whose SAs are too old. */
void ctl_circuits_lost(struct ctl_circuits *circuits);
size_t ctl_circuits_count(const struct ctl_circuits *circuits);

/* Of clients' circuits: here now, straight from clients or through another relay; since the start. */
struct ctl_circuits_counts {
	size_t entry, inner;
	uint64_t admitted, refused;
};
struct ctl_circuits_counts ctl_circuits_counts(const struct ctl_circuits *circuits);

/* One circuit as an operator may see it; OUTER only for the eyes of root. */
struct ctl_circuit_info {
	uint32_t number;
	struct addr assigned, outer;
	struct addr assigned6; /* family 0: none */
	const char *via; /* nickname of the relay it comes through, NULL: straight from a client */
	bool established;
	uint64_t age; /* milliseconds */
	struct ike_sa_info ike;
	struct dp_stats stats;
};
void ctl_circuits_each(struct ctl_circuits *circuits,
		       void (*cb)(void *data, const struct ctl_circuit_info *info), void *data);
