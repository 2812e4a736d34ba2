#pragma once
/*
 * Two IKE hosts in one process, A the initiator and B the responder, with a queue between them, a
 * clock and random numbers that are the same in every run. What the outside is told is checked
 * against the rules of struct ike_ops; a broken rule aborts, which libFuzzer reports.
 */
#include "common/ike/ike_sa_priv.h"

enum {
	PAIR_QUEUE = 64,
	PAIR_MESSAGE_MAX = 4096,
	PAIR_RECORDS = 64,
	PAIR_CHILDREN = 8,
};

/* How far the handshake is when the attack begins. */
enum pair_phase {
	PAIR_PHASE_FRESH,       /* no SA yet */
	PAIR_PHASE_INIT,        /* A has sent IKE_SA_INIT */
	PAIR_PHASE_AUTH,        /* A has sent IKE_AUTH, B waits for it */
	PAIR_PHASE_ESTABLISHED,
};

/* What the outside does from within a call of struct ike_ops. */
enum pair_meddle { PAIR_MEDDLE_NOT, PAIR_MEDDLE_DROP, PAIR_MEDDLE_CLOSE, PAIR_MEDDLE_DROP_OLDEST };

struct pair_conf {
	enum pair_phase phase;
	enum ike_auth auth;
	bool want_lease, initial_contact, cookies, first_layer, force_encap, prefer_chacha;
	bool small_fragments, rekeying, address6;
	bool few; /* there is room for a few half-open SAs only */
	int refusal; /* what admit and child_add answer, 0: they agree */
};

struct pair_child {
	uint32_t spi_in;
	bool in_only;
};

/* One SA that the outside knows. */
struct pair_record {
	struct pair_side *side;
	struct ike_sa *sa; /* NULL: it has ended */
	size_t child_count;
	struct pair_child children[PAIR_CHILDREN];
};

struct pair_side {
	struct pair *pair;
	struct ike_host *host;
	struct crypto_sign_key key;
	size_t count;
	struct pair_record records[PAIR_RECORDS]; /* further SAs are refused */
};

struct pair_datagram {
	struct pair_side *to;
	struct ike_path path; /* as the receiver sees it */
	size_t len;
	uint8_t msg[PAIR_MESSAGE_MAX];
};

struct pair {
	struct pair_side a, b;
	struct pair_conf conf;
	uint64_t now, seed;
	enum pair_meddle meddle;
	unsigned int meddle_in; /* calls until then */
	size_t head, count; /* of the queue, a ring; what does not fit is lost */
	struct pair_datagram queue[PAIR_QUEUE];
	/* Sees every datagram that is sent; NULL: nobody does. */
	void (*tap)(void *tap_data, struct pair_side *to, const uint8_t *msg, size_t len);
	void *tap_data;
};

/* Makes both hosts and brings them to CONF's phase. PAIR is large: not on the stack. */
void pair_start(struct pair *pair, const struct pair_conf *conf,
		void (*tap)(void *, struct pair_side *, const uint8_t *, size_t), void *tap_data);
/* A starts one more IKE SA, while there is room for its record. */
void pair_initiate(struct pair *pair);
/* Frees all; checks that every SA has ended. */
void pair_end(struct pair *pair);
/* Delivers the oldest datagram. False: there is none. */
bool pair_deliver(struct pair *pair);
/* Delivers all that is under way and what comes of it. */
void pair_settle(struct pair *pair);
/* Lets MS go by; timers run at the end of it. */
void pair_wait(struct pair *pair, uint32_t ms);
struct pair_side *pair_other(struct pair_side *side);
/* The path as SIDE sees it. */
struct ike_path pair_path(const struct pair_side *side);
/* An SA of SIDE, the newest or the oldest, or NULL. */
struct ike_sa *pair_sa(const struct pair_side *side, bool newest);
/* The other end of SA, or NULL. */
struct ike_sa *pair_peer(struct pair_side *side, const struct ike_sa *sa);
