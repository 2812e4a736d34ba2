#pragma once
/*
 * The child SAs of an IKE SA: the one in use, and those that come and go around a rekeying. Only
 * for the files of this folder.
 */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

struct ike_host;

enum { IKE_CHILDREN_MAX = 6 }; /* of one IKE SA at a time */

enum ike_child_state {
	IKE_CHILD_FREE,
	IKE_CHILD_LARVAL,    /* its SPI is chosen, nothing is agreed */
	IKE_CHILD_NEW,       /* the peer's rekeying: inbound half installed, the old one in use */
	IKE_CHILD_CURRENT,   /* what goes out goes through it; at most one */
	IKE_CHILD_REPLACED,  /* ours to delete, inbound half still takes packets */
	IKE_CHILD_REFUSED,   /* ours to delete, never installed here */
	IKE_CHILD_LINGERING, /* deleted; still takes late packets */
};

struct ike_slot {
	enum ike_child_state state;
	uint32_t spi_in, spi_out;   /* host order */
	uint32_t replaces;          /* NEW: inbound SPI of the one whose place it takes */
	bool due;                   /* CURRENT: to be replaced soon */
	bool delete_out;            /* our Delete of it waits for its answer */
	uint64_t over_at;           /* LINGERING and NEW: when that ends */
	uint64_t mute_at;           /* replaced: when its outbound half goes, 0: it has gone */
	struct ike_child *values;   /* NEW: owned, for child_switch */
	UT_hash_handle hh;
};

/* All of one IKE SA; goes with it when it is rekeyed. */
struct ike_children {
	struct ike_ts_list ts_local, ts_remote; /* the same for each */
	struct ike_slot slots[IKE_CHILDREN_MAX];
};

/* A LARVAL one with an inbound SPI unique in this host, into *OUT. 0, -ENOSPC or -ENOMEM. */
int ike_child_choose(struct ike_sa *sa, struct ike_slot **out) _must_check_;
/* The first child SA is installed: it is CURRENT. */
void ike_child_first(struct ike_sa *sa, const struct ike_child *child);
/* NULL: none. */
struct ike_slot *ike_child_in_state(const struct ike_sa *sa, enum ike_child_state state);
struct ike_slot *ike_child_current(const struct ike_sa *sa);
struct ike_slot *ike_child_by_in(const struct ike_sa *sa, uint32_t spi_in);
struct ike_slot *ike_child_by_out(const struct ike_sa *sa, uint32_t spi_out);
/* The NEW one that is to take the place of OLD; NULL: none. */
struct ike_slot *ike_child_replacement(const struct ike_sa *sa, const struct ike_slot *old);
/* Another one is CURRENT now: OLD, which was, is REPLACED. */
void ike_child_retire(struct ike_sa *sa, struct ike_slot *old);
/* Forgets one, without a word to the outside. */
void ike_child_free(struct ike_sa *sa, struct ike_slot *slot);
/*
 * The peer deletes SLOT. *ANSWER: the response has to name ours. 0; -ENOENT when the last one goes
 * that traffic could use; -errno of child_switch.
 */
int ike_child_deleted(struct ike_sa *sa, struct ike_slot *slot, bool *answer) _must_check_;
/* Our own Deletes: see ike_task.c. */
bool ike_child_ask_delete(struct ike_sa *sa);
void ike_child_delete_answered(struct ike_sa *sa, const struct ike_payloads *p);
/* SA has the children of another IKE SA: what that one had asked is asked again. */
void ike_child_inherited(struct ike_sa *sa);
/* When the time of one is over; UINT64_MAX: never. */
uint64_t ike_child_deadline(const struct ike_sa *sa);
void ike_child_tick(struct ike_sa *sa, uint64_t now);
void ike_child_free_all(struct ike_sa *sa);
