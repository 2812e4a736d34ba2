#pragma once
/*
 * The first layer's paths: NATs on them, and another one in the place of one. Only for the files
 * of this folder. All else (IKE within the telescope, between relays) has one path for life.
 *
 * Who began the first IKE SA moves (RFC 4555), the other side follows: it answers each request to
 * where it came from, but all that it says by itself, and ESP, goes along the old path until the
 * peer has shown that it receives at the new one (return routability, RFC 4555 section 3.7). So
 * who forges or copies a datagram cannot send a client's traffic to somebody else. A client that
 * moves has waited for two round trips then: UPDATE_SA_ADDRESSES arrives at 0.5, its answer and
 * our check at 1, the answer to that at 1.5, and the first packet along the new path at 2. When a
 * request of its own was out, that arrives at 0.5 and is reason enough for the check, so that
 * UPDATE_SA_ADDRESSES at 1.5 finds it passed. When one of ours was out, it takes a round trip more,
 * for there is one request at a time: who follows should not probe the silent without need.
 *
 * A move costs the follower a check and changes in the kernel, so there is only a number of them.
 * The peer's requests are answered in any case; where it is by then is tried when that may be.
 */
#include "common/base/bucket.h"
#include "common/ike/ike_nat.h"

enum {
	IKE_PATH_COOKIE = 16,     /* bytes of COOKIE2, RFC 4555 section 4.2.5 */
	IKE_PATH_CHECK_TRIES = 4, /* transmissions along a path, then the peer is not there */
	IKE_PATH_BURST = 6,       /* moves at once, then one for each period */
	IKE_PATH_PERIOD = 1000,   /* milliseconds */
};

/* Following side: the path where the peer seems to be. */
struct ike_path_check {
	bool on;
	bool go;                 /* the peer wants to go there, or cannot know that it did */
	bool passed;             /* waits for that */
	bool asked;              /* the request that waits for its answer is that for PATH */
	bool there;              /* the answer being handled came along PATH */
	unsigned int tries_left;
	struct ike_path path;
	struct ike_nat nat;
	uint8_t cookie[IKE_PATH_COOKIE];
};

/* Following side: where the peer was seen when there had been too many moves. */
struct ike_path_late {
	bool on, go; /* as of a check */
	struct ike_path path;
	struct ike_nat nat;
};

/* Stays the same when the IKE SA is rekeyed: see ike_path_inherit. */
struct ike_path_state {
	bool first_layer;
	bool moves;              /* we began the first IKE SA */
	bool force_encap;
	bool mobike, encap;
	struct ike_nat nat;
	uint64_t spoke_at;       /* when a datagram of any kind was sent */
	bool moving;             /* the peer has not agreed to the IKE SA's path yet */
	struct ike_path used;    /* moving: the path that ESP still goes */
	bool lost;               /* the peer was not found where it wanted to go */
	struct ike_path_check check;
	struct bucket tries;     /* checks and changes that may be */
	struct ike_path_late late;
};

/* A new IKE SA whose path, and of an initiator its conf, is set. */
void ike_path_start(struct ike_sa *sa);
/* For SA that may take the place of OLD: what is known, but nothing that is under way. */
void ike_path_copy(struct ike_sa *sa, const struct ike_sa *old);
/* For SA that stands in the place of OLD; what was under way goes on. */
void ike_path_inherit(struct ike_sa *sa, const struct ike_sa *old);
/* Whether a message that came along PATH is worth decrypting: its way, or one that may be next. */
bool ike_path_may_come(const struct ike_sa *sa, const struct ike_path *path);
/* Where our requests go. */
const struct ike_path *ike_path_out(const struct ike_sa *sa);
/* Initiator, IKE_SA_INIT is answered by P along the SA's path: looks for NATs, goes to port 4500. */
void ike_path_float(struct ike_sa *sa, const struct ike_payloads *p);
/* Responder: the first message that decrypted came along PATH. The only change without a check. */
void ike_path_decrypted(struct ike_sa *sa, const struct ike_path *path);
/* A new request, authenticated, came along PATH, and it was not UPDATE_SA_ADDRESSES. */
void ike_path_follow(struct ike_sa *sa, const struct ike_path *path);
/* Checks that the peer is at PATH, whose NATs are NAT, now or later. GO: then ESP goes there. */
void ike_path_try(struct ike_sa *sa, const struct ike_path *path, const struct ike_nat *nat,
		  bool go);
/* The peer has shown that it is where it seemed to be. */
void ike_path_pass(struct ike_sa *sa);
/* ESP goes along the SA's path now, no longer along FROM; tells the outside when that is news. */
void ike_path_changed(struct ike_sa *sa, const struct ike_path *from, const struct ike_nat *nat);
/* Our request has waited in vain once more. False: it is on its way along another path. */
bool ike_path_wait(struct ike_sa *sa);
/* The peer is not where it seemed to be. */
void ike_path_stay(struct ike_sa *sa);
/* Keepalives and late tries: when the next is due, UINT64_MAX: never. */
uint64_t ike_path_deadline(const struct ike_sa *sa);
void ike_path_tick(struct ike_sa *sa, uint64_t now);
bool ike_path_equal(const struct ike_path *a, const struct ike_path *b);

/* ike_mobike.c: RFC 4555, and what is sent for the checks. */
/* ike_host_move */
int ike_mobike_move(struct ike_sa *sa, const struct ike_path *path) _must_check_;
/* ike_host_mapping */
void ike_mobike_mapping(struct ike_sa *sa, const struct endpoint *remote);
/* What the answer to an INFORMATIONAL request has to say of addresses. */
void ike_mobike_answer(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p,
		       struct ike_build *b);
/* A new request, authenticated, was answered. */
void ike_mobike_heard(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p);
/* Our requests, as ike_task has them. */
bool ike_mobike_ask_update(struct ike_sa *sa);
void ike_mobike_updated(struct ike_sa *sa, const struct ike_payloads *p);
bool ike_mobike_ask_check(struct ike_sa *sa);
void ike_mobike_checked(struct ike_sa *sa, const struct ike_payloads *p);
