#pragma once
/*
 * CREATE_CHILD_SA (RFC 7296 section 1.3), which here only renews what there is: the child SA or the
 * IKE SA itself, by either side and by both at once (2.8.1, 2.8.2, 2.25). Only for the files of
 * this folder.
 */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_build.h"

enum {
	IKE_REKEY_NONCE = 32,      /* bytes of ours */
	IKE_REKEY_BURST = 16,      /* rekeyings of the peer at once, then one for each period */
	IKE_REKEY_PERIOD = 1000,   /* milliseconds */
	IKE_NEW_LIFE = 60000,      /* the peer has so long to finish what it began, milliseconds */
	IKE_OLD_SHIFT = 3,         /* is asked over the old one each retransmit_first << this */
};

/* Our request that waits for its answer. */
struct ike_rekey {
	uint8_t nonce[IKE_REKEY_NONCE], dh_private[CRYPTO_DH];
	uint32_t old_in, new_in; /* of a child SA: inbound SPIs */
	uint64_t spi;            /* of an IKE SA: ours of the new one */
	/* The peer asked for the same meanwhile: the lower of the nonces then, and what we made. */
	uint8_t rival_nonce[IKE_NONCE_MAX];
	size_t rival_len;        /* 0: it did not */
	uint64_t rival_spi;      /* of an IKE SA: ours */
	bool lost;               /* of an IKE SA: the peer already uses what it asked for */
};

/* A request of CREATE_CHILD_SA. */
void ike_rekey_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p);
/* Makes SA->rekey, with fresh secrets. 0 or -ENOMEM. */
int ike_rekey_begin(struct ike_sa *sa) _must_check_;
void ike_rekey_free(struct ike_rekey *rekey);
/* Appends the nonce and the public value. */
void ike_rekey_build(struct ike_build *b, const uint8_t nonce[IKE_REKEY_NONCE],
		     const uint8_t dh_private[CRYPTO_DH], bool with_ke);
/* The shared secret with the peer's KE payload. 0, or -EBADMSG when there is no good one. */
int ike_rekey_shared(const uint8_t dh_private[CRYPTO_DH], const struct ike_payloads *p,
		     uint8_t out[CRYPTO_DH]) _must_check_;
/* The first error notify, or 0. */
uint16_t ike_rekey_error(const struct ike_payloads *p);
/* Takes down that the peer asked for the same, with NONCE; the answer to it bears OWN. */
void ike_rekey_crossed(struct ike_rekey *rekey, struct ike_view nonce,
		       const uint8_t own[IKE_REKEY_NONCE]);
/* Whether ours, which was answered with NONCE, has to give way (2.8.1: the lowest of four). */
bool ike_rekey_loses(const struct ike_rekey *rekey, struct ike_view nonce);

/* ike_rekey_child.c */
bool ike_rekey_child_ask(struct ike_sa *sa);
void ike_rekey_child_answered(struct ike_sa *sa, const struct ike_payloads *p);
/* N is the REKEY_SA notify. Sends the answer and returns 0, or the notify that refuses. */
uint16_t ike_rekey_child_request(struct ike_sa *sa, const struct ike_path *path,
				 const struct ike_payloads *p, const struct ike_notify *n);

/* ike_rekey_ike.c */
bool ike_rekey_ike_ask(struct ike_sa *sa);
void ike_rekey_ike_answered(struct ike_sa *sa, const struct ike_payloads *p);
uint16_t ike_rekey_ike_request(struct ike_sa *sa, const struct ike_path *path,
			       const struct ike_payloads *p);
/*
 * The peer asks something over SA, a candidate that both sides made while we were asking for
 * another one: it has decided, and SA takes its place.
 */
void ike_rekey_ike_claimed(struct ike_sa *sa);
/* The peer deletes SA: a candidate takes its place, if there is one, and the peer has it. */
void ike_rekey_ike_closed(struct ike_sa *sa);
/* Whether SA was replaced by one that the peer may not know. */
bool ike_rekey_ike_unheard(const struct ike_sa *sa);
/* SA is to be closed, and the peer may know its predecessor only: that is closed too. */
void ike_rekey_ike_closing(struct ike_sa *sa);
/* SA is dead: what took its place speaks for itself. */
void ike_rekey_ike_ended(struct ike_sa *sa);
