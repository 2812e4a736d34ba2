#pragma once
/*
 * What stands around a relay's control path in a test: a kernel that keeps books and refuses what
 * the real one would, and in place of ctl_ike.c one that remembers what it was asked for.
 */
#include "common/kern/kern_firewall.h"
#include "common/kern/kern_ops.h"
#include "ippriv-node/ctl_ike.h"
#include "ippriv-node/ctl_keys.h"
#include "ippriv-node/dp.h"

enum { FAKE_OPS = 128, FAKE_CALLS = 16 };

struct fake_kern {
	struct kern ops;
	size_t count; /* things that stand */
	struct kern_op standing[FAKE_OPS];
	unsigned int adds, fail_at; /* the fail_at-th add fails, 0: none does */
	unsigned int wrong;         /* things added twice, or deleted that are not there */
	uint64_t packets;           /* what every SA counts, */
	uint64_t sent;              /* but those to FAR when this is not 0 */
	struct addr far;
	unsigned int forgets;       /* calls of flows_del; the last one: */
	struct prefix forgot;
	size_t forgot_at;           /* things that stood then */
	int flows_error;            /* what flows_del answers */
	unsigned int moves, fail_move_at; /* calls of move; that one fails, 0: none does */
};

void fake_kern_init(struct fake_kern *k);
/* Things of TYPE that stand. */
size_t fake_kern_count(const struct fake_kern *k, enum kern_op_type type);
/* The standing SA with that SPI, or NULL. */
const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi);
/* The policy of DIR with that selector, or NULL. */
const struct kern_policy *fake_kern_policy(const struct fake_kern *k, enum kern_dir dir,
					   const char *src, const char *dst, uint32_t mark);

struct ctl_ike {
	int refuse; /* what initiate answers */
	size_t initiated, closed, heard, probed, rekeyed, mapped;
	uint32_t rekeying, idle, tolerate; /* of the last rekey_child and patience */
	struct endpoint mapping;
	struct ike_sa_info info; /* of all sessions, but that of */
	struct ctl_session *quiet; /* was last heard then: */
	uint64_t quiet_since;
	size_t asked; /* calls of probe_finally; */
	struct ctl_session *asking; /* the last one */
	struct ike_init_conf confs[FAKE_CALLS];
	struct ctl_session *sessions[FAKE_CALLS]; /* of initiate */
	struct ctl_session *closing[FAKE_CALLS];
	struct ctl_session *probing; /* of the last probe */
};

/* An exit B at 203.0.113.2 that assigns 100.65.0.0/16, its data path on the fake kernel. */
struct fake_relay {
	struct fake_kern kern;
	struct ctl_ike ike;
	struct dp_self self;
	struct kern_firewall firewall;
	struct dp *dp;
	struct io_loop *loop;
	struct life_rule life;
	size_t base; /* things that stand without peers and circuits */
};

void fake_relay_init(struct fake_relay *r);
/* Nothing may stand then. */
void fake_relay_fini(struct fake_relay *r);
/* Lets the loop run that long. */
void fake_relay_run(struct fake_relay *r, uint64_t ms);

struct addr fake_addr(const char *text);
struct prefix fake_prefix(const char *text);
/* A child SA whose remote side is HOST and POOL (NULL: a client's, any). */
struct ike_child fake_child(uint32_t spi, const char *host, const char *pool);
