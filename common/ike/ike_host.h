#pragma once
/*
 * A table of IKE SAs: bytes and their path in, the right SA called. Both daemons use it. Nothing
 * here blocks; the caller arms one timer at ike_host_deadline and calls ike_host_tick then.
 */
#include "common/ike/ike_ops.h"

struct ike_host;

struct ike_host_conf {
	const struct ike_ops *ops; /* borrowed, outlives the host */
	void *user;
	bool responder;                /* answer IKE_SA_INIT requests at all */
	struct crypto_sign_key key;    /* own identity; unused by a client; copied */
	/* Milliseconds; 0 takes the default in brackets. */
	uint32_t retransmit_first;     /* [500], doubled each time */
	uint32_t retransmit_tries;     /* [6] transmissions, then IKE_END_TIMEOUT */
	uint32_t half_open_life;       /* [30000] */
	uint32_t liveness;             /* [30000] without a message from the peer: probe it */
	uint32_t cookie_threshold;     /* [64] half-open SAs, then stateless cookies */
	/*
	 * [1024] Half of them for paths without a mark, an eighth for each mark. When there is no
	 * room the oldest goes, of the address that holds most behind the fullest mark.
	 */
	uint32_t half_open_max;
	uint32_t half_open_per_path;   /* [16] per remote address (IPv6: /64) and mark, then drop */
	uint32_t sa_max;               /* [65536] */
	/*
	 * An IKE SA that has lived so long is rekeyed by this side; up to an eighth less, drawn at
	 * random for each. 0: never by this side.
	 */
	uint32_t rekey_after;
	uint32_t child_linger;         /* [5000] a replaced child SA still takes late packets */
	uint32_t keepalive;            /* [20000] behind a NAT nothing was sent: send an octet */
	uint32_t fragment_size;        /* [1200] bytes of UDP payload, larger messages are split */
	enum ike_ciphers ciphers;      /* of ESP, in order of preference */
	bool first_layer;              /* responder: NAT detection and MOBIKE for paths without mark */
};

enum ike_state {
	IKE_STATE_INIT_SENT,   /* initiator: IKE_SA_INIT request out */
	IKE_STATE_AUTH_SENT,   /* initiator: IKE_AUTH request out */
	IKE_STATE_HALF_OPEN,   /* responder: IKE_SA_INIT answered */
	IKE_STATE_ESTABLISHED,
	IKE_STATE_CLOSING,     /* Delete sent */
	IKE_STATE_DEAD,
};

struct ike_sa_info {
	enum ike_state state;
	bool initiator;
	uint64_t spi_i, spi_r; /* host order */
	struct ike_path path;
	uint16_t notify;       /* error notify that ended it, 0: none */
	bool nat_local, nat_remote; /* there is a NAT in front of us, of the peer */
	bool encap;            /* ESP goes in UDP, with the ports of PATH */
	bool mobike;           /* both know it */
	uint32_t child_in, child_out; /* SPIs of the child SA in use, host order, 0: none */
	uint32_t rekeys, ike_rekeys; /* of children and the IKE SA since then; of the IKE SA alone */
	uint64_t established_at, last_heard; /* ike_ops.now, 0: not yet */
	uint32_t sent, received, retransmitted; /* messages */
};

int ike_host_new(const struct ike_host_conf *conf, struct ike_host **out) _must_check_;
/* Frees all SAs without a word to the peers; ended is called for each with IKE_END_LOCAL. */
void ike_host_free(struct ike_host *host);

/* Starts an IKE SA. *OUT stays valid until ended was called. DATA is for ike_sa_data. */
int ike_host_initiate(struct ike_host *host, const struct ike_init_conf *conf, void *data,
		      struct ike_sa **out) _must_check_;
/* One datagram from the network; LEN may be anything. Bad input is counted and dropped. */
void ike_host_input(struct ike_host *host, const struct ike_path *path, const uint8_t *msg,
		    size_t len);
/* Sends a Delete and waits for the answer (ended comes later); at once when not yet established. */
void ike_host_close(struct ike_host *host, struct ike_sa *sa);
/* Ends it without a word, for a path that is gone; ended is called before this returns. */
void ike_host_drop(struct ike_host *host, struct ike_sa *sa, enum ike_end why);
/* Sends a liveness probe now unless a request is out already. */
void ike_host_probe(struct ike_host *host, struct ike_sa *sa);
/*
 * Sends one with TRIES (1 or more) transmissions, fewer than usual: there is reason to think that
 * the peer is gone. A request that is out already gets no more of them than that.
 */
void ike_host_probe_briefly(struct ike_host *host, struct ike_sa *sa, uint32_t tries);
/* The same, and without an answer SA ends however long it may be silent: its room is wanted. */
void ike_host_probe_finally(struct ike_host *host, struct ike_sa *sa, uint32_t tries);
/*
 * How long SA may be silent: after IDLE ms without a message it is probed, and when no probe was
 * answered it ends no sooner than TOLERATE ms after the last message (0: when the tries are used
 * up; else the last transmission is repeated at growing intervals until then). Both may change at
 * any time; the defaults are ike_host_conf.liveness (for IDLE 0 too) and 0.
 */
void ike_host_set_patience(struct ike_host *host, struct ike_sa *sa, uint32_t idle,
			   uint32_t tolerate);
/* However long it was silent, SA is not probed for that before UNTIL (ike_ops.now). */
void ike_host_put_off(struct ike_host *host, struct ike_sa *sa, uint64_t until);
/*
 * The kernel says that the child SA with this inbound or outbound SPI is to be replaced soon.
 * Nothing happens when that is under way, when it was replaced or when there is no such child SA.
 */
void ike_host_rekey_child(struct ike_host *host, struct ike_sa *sa, uint32_t spi);
/* The same, but not before DELAY milliseconds have passed, and not when the peer was faster. */
void ike_host_rekey_child_later(struct ike_host *host, struct ike_sa *sa, uint32_t spi,
				uint32_t delay);
/* Rekeys the IKE SA itself, now or as soon as nothing else is under way. */
void ike_host_rekey(struct ike_host *host, struct ike_sa *sa);
/*
 * First layer, initiator: our address or socket is another one. Goes on along PATH: what waits for
 * its answer is sent again at once, then UPDATE_SA_ADDRESSES (RFC 4555 section 3.5). Calls `moved`
 * when the peer has agreed and something is new. The newest of several moves counts. On an error
 * nothing changed: -EOPNOTSUPP the peer knows no MOBIKE, -EAGAIN not yet established, -ENOTCONN not
 * any more, -EINVAL no first layer or a path that is not floated.
 */
int ike_host_move(struct ike_host *host, struct ike_sa *sa, const struct ike_path *path);
/*
 * First layer, ESP in UDP: the kernel saw authentic ESP of this SA come from REMOTE. The peer's NAT
 * may have changed its mapping: follows it (calls `moved`) when the peer answers from there.
 */
void ike_host_mapping(struct ike_host *host, struct ike_sa *sa, const struct endpoint *remote);
/* Tells that ESP was sent: the NAT needs no keepalive. */
void ike_host_spoke(struct ike_host *host, struct ike_sa *sa);
/* Tells that ESP traffic from the peer was seen: as good as a message for liveness. */
void ike_host_heard(struct ike_host *host, struct ike_sa *sa);
/* When tick wants to be called next, in ike_ops.now milliseconds; UINT64_MAX: never. */
uint64_t ike_host_deadline(const struct ike_host *host);
void ike_host_tick(struct ike_host *host);

struct ike_host_counters {
	uint64_t received, dropped, malformed, unauthenticated, cookies_sent, half_open, sas;
};
void ike_host_counters(const struct ike_host *host, struct ike_host_counters *out);

void *ike_sa_data(const struct ike_sa *sa);
void ike_sa_set_data(struct ike_sa *sa, void *data);
void ike_sa_info(const struct ike_sa *sa, struct ike_sa_info *out);
const char *ike_state_name(enum ike_state state);
const char *ike_end_name(enum ike_end why);
