#pragma once
/* An IKE SA from the inside; only for the files of this folder. */
#include "common/ike/ike_child.h"
#include "common/ike/ike_crypt.h"
#include "common/ike/ike_frag.h"
#include "common/ike/ike_host_priv.h"
#include "common/ike/ike_keys.h"
#include "common/ike/ike_path.h"
#include "common/ike/ike_proof.h"
#include "common/ike/ike_stray.h"
#include "common/ike/ike_rekey.h"
#include "common/ike/ike_task.h"

enum {
	IKE_BUILD_MAX = 1024,   /* bytes of the longest message that we make */
	IKE_NONCE_SIZE = 32,    /* of ours */
	IKE_CLOSE_TRIES = 4,    /* transmissions of a Delete */
	IKE_COOKIE_ROUNDS = 4,  /* cookies an initiator follows */
	IKE_INTERVAL_MAX = 60000, /* milliseconds between retransmissions */
	IKE_LINGER_SHIFT = 4,   /* a dead SA answers duplicates for retransmit_first << this */
};

/* One IKE_SA_INIT message as it was on the wire, and the nonce in it. */
struct ike_half {
	uint8_t message[IKE_MESSAGE_MAX], nonce[IKE_NONCE_MAX];
	size_t message_len, nonce_len;
};

/* What is needed until both sides have authenticated. */
struct ike_handshake {
	struct ike_init_conf conf; /* initiator */
	struct ike_half i, r;
	uint8_t dh_private[CRYPTO_DH], dh_peer[CRYPTO_DH];
	uint8_t cookie[IKE_COOKIE_MAX];
	size_t cookie_len;
	unsigned int cookie_rounds;
	struct ike_keys keys;
	bool derived; /* keys are there */
};

/* Our request that waits for its answer; data NULL: none. */
struct ike_request {
	uint8_t *data;
	size_t len;
	uint8_t exchange;
	enum ike_task task; /* who wants the answer */
	uint32_t id, interval;
	uint64_t next_at;
	uint32_t tries_left;
	bool forgotten;     /* somebody says that the peer has lost this SA */
	bool final;         /* without an answer it ends, whatever is tolerated */
};

struct ike_sa {
	struct ike_host *host;
	enum ike_state state;
	bool initiator;
	bool known;                 /* the outside knows it: ended has to be called */
	enum ike_end why;           /* of a closing one */
	uint16_t notify;
	uint64_t spi_i, spi_r, spi_local;
	struct ike_path path;
	struct ike_path_state paths;
	void *data;
	uint64_t established_at, last_heard;
	uint64_t expires_at;        /* half-open or dead */
	uint32_t idle, tolerate;    /* ike_host_set_patience */
	uint64_t unasked_until;     /* ike_host_put_off */
	uint32_t sent, received, retransmitted;
	struct ike_crypt out, in;
	struct ike_handshake *hs;   /* owned; NULL once established */
	uint8_t sk_d[CRYPTO_PRF];   /* once established */
	struct ike_children *children; /* owned, NULL: none yet */
	uint32_t wanted;            /* tasks that wait, a bit for each */
	enum ike_task asking;       /* whose request is being made */
	struct ike_retry retry[IKE_TASK_COUNT];
	struct ike_rekey *rekey;    /* owned: our CREATE_CHILD_SA request, NULL: none is out */
	struct bucket peer_rekeys;  /* how often the peer may have us rekey */
	uint64_t rekey_at;          /* this IKE SA is old then, 0: never */
	uint64_t replaces;          /* a candidate: SPI of the one whose place it may take, else 0 */
	uint64_t predecessor, successor; /* SPIs of whose place it took, and who took its own */
	bool quiet;                 /* the peer may not know it yet: its predecessor asks instead */
	uint32_t rekeys, ike_rekeys;
	uint32_t next_id;           /* of our next request */
	uint32_t peer_id;           /* of the peer's next request */
	bool ids_low;               /* a new IKE SA is wanted for that */
	struct ike_request request;
	uint8_t *response;          /* owned: our answer to request peer_id - 1, NULL: none */
	size_t response_len;
	bool fragments;             /* both know RFC 7383 */
	struct ike_frag *frags[2];  /* owned: the peer's next request, its response, in part */
	struct ike_heap_item timer;
	uint8_t digest[CRYPTO_PRF]; /* of the IKE_SA_INIT request */
	UT_hash_handle hh, hh_digest;
	struct ike_limit_item limit; /* counts a half-open responder's */
	struct ike_sa *next_garbage;
};

/* A message in the making. */
struct ike_out {
	uint8_t buf[IKE_BUILD_MAX];
	struct ike_build b;
};

/* ike_sa.c: life. New SAs are in by_spi; NULL when there are too many or no memory. */
struct ike_sa *ike_sa_new(struct ike_host *host, bool initiator, const struct ike_path *path);
/* One that may take OLD's place, established, a candidate; its SPIs are agreed. */
struct ike_sa *ike_sa_successor(const struct ike_sa *old, bool initiator, uint64_t spi_i,
				uint64_t spi_r);
/* SA is what OLD was, from the outside and to its children; OLD has nothing left. */
void ike_sa_inherit(struct ike_sa *sa, struct ike_sa *old);
uint64_t ike_sa_choose_spi(const struct ike_host *host);
/* By our SPI; NULL: none. */
struct ike_sa *ike_sa_find(const struct ike_host *host, uint64_t spi);
/*
 * Whether a message came the way of its SA. Another way gets no answer, however well the message
 * is encrypted: a hop that knows the keys could send it to every address of the Internet, and the
 * client would answer from its own.
 */
bool ike_sa_path_fits(const struct ike_sa *sa, const struct ike_path *path);
/* The only place where a state changes. False: no such transition, nothing changed. */
bool ike_sa_set_state(struct ike_sa *sa, enum ike_state to);
/* Everything agreed: forgets the handshake. False when the SA died in between. */
bool ike_sa_establish(struct ike_sa *sa);
/* Dead at once and without a word. */
void ike_sa_end(struct ike_sa *sa, enum ike_end why);
/* Dead, but duplicates of the peer's last request are answered for a while. */
void ike_sa_end_answered(struct ike_sa *sa, enum ike_end why);
/* Dead, and the peer is told: by NOTIFY, or by a Delete when it is 0. */
void ike_sa_fail(struct ike_sa *sa, enum ike_end why, uint16_t notify);
void ike_sa_close(struct ike_sa *sa, enum ike_end why);
/* Out of all tables and onto the garbage list. */
void ike_sa_release(struct ike_sa *sa);
void ike_sa_free(struct ike_sa *sa);

/* ike_send.c: messages out, and time. */
/* Header of a message of SA; the ID is the next request's, or that of the request answered. */
struct ike_header ike_send_header(const struct ike_sa *sa, uint8_t exchange, bool response);
void ike_send_begin(struct ike_sa *sa, struct ike_out *out, uint8_t exchange, bool response);
/* Encrypts and sends; kept for retransmission. */
void ike_send_request(struct ike_sa *sa, struct ike_out *out);
/* Sends a finished message as the outstanding request. */
void ike_send_plain_request(struct ike_sa *sa, uint8_t exchange, const uint8_t *msg, size_t len);
/* Encrypts and sends along PATH; kept for duplicates of the request, which is now done. */
void ike_send_response(struct ike_sa *sa, const struct ike_path *path, struct ike_out *out);
/* A response of one notify, whose data are LEN bytes. */
void ike_send_notify(struct ike_sa *sa, const struct ike_path *path, uint8_t exchange,
		     uint16_t notify, const void *data, size_t len);
void ike_send_again(struct ike_sa *sa, const struct ike_path *path, const uint8_t *msg, size_t len);
/* Sends the outstanding request, if there is one, again at once and with all its tries. */
void ike_send_hurry(struct ike_sa *sa);
void ike_send_forget(struct ike_sa *sa); /* the outstanding request */
void ike_send_arm(struct ike_sa *sa);    /* puts the timer where it belongs now */
void ike_send_tick(struct ike_sa *sa);   /* the timer is due */

/* ike_init.c */
int ike_init_start(struct ike_sa *sa) _must_check_;
void ike_init_request(struct ike_host *host, const struct ike_path *path,
		      const struct ike_header *h, const uint8_t *msg, size_t len);
void ike_init_response(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
		       const uint8_t *msg, size_t len);
/* Derives the keys unless they are there. 0, or -EBADMSG when the peer's D-H value is no good. */
int ike_init_derive(struct ike_sa *sa) _must_check_;

/* ike_auth.c */
void ike_auth_start(struct ike_sa *sa);
void ike_auth_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p);
void ike_auth_response(struct ike_sa *sa, const struct ike_payloads *p);

/* ike_info.c */
void ike_info_probe(struct ike_sa *sa);
bool ike_info_deletes(const struct ike_payloads *p); /* the IKE SA */
/* The last request: NOTIFY, or a Delete of the IKE SA when it is 0. */
void ike_info_farewell(struct ike_sa *sa, uint16_t notify);
void ike_info_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p);
void ike_info_response(struct ike_sa *sa, const struct ike_payloads *p);

/* ike_input.c: a message of an SA that should be encrypted. */
void ike_input(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	       const uint8_t *msg, size_t len);
