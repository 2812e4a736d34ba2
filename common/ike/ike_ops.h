#pragma once
/*
 * IKEv2 (RFC 7296) without sockets, clocks or kernel: what the protocol asks of the outside comes
 * in as struct ike_ops, what happens outside goes in through ike_host.h.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/base/secret.h"
#include "common/crypto/crypto.h"

struct ike_sa; /* one IKE SA and its child SAs; owned by its ike_host */

/* Where a datagram came from or goes to. */
struct ike_path {
	struct endpoint local, remote;
	uint32_t mark;    /* overlay tunnel it came through (relay), 0: none */
	uint32_t channel; /* the caller's number of the socket */
	bool floated;     /* port 4500: the caller adds and strips the non-ESP marker (RFC 3948) */
};

/* What we offer and take for ESP. The responder's order decides. */
enum ike_ciphers { IKE_CIPHERS_AES_FIRST, IKE_CIPHERS_CHACHA_FIRST, IKE_CIPHERS_CHACHA_ONLY };

enum ike_encr { IKE_ENCR_AES_GCM_16 = 20, IKE_ENCR_CHACHA20_POLY1305 = 28 };

enum { IKE_TS_MAX = 4, IKE_DNS_MAX = 2 };

struct ike_ts_list {
	size_t count;
	struct prefix items[IKE_TS_MAX]; /* any protocol, any port */
};

/* A child SA as values, ready for the data path. Keys are 36 bytes: key then salt. */
struct ike_child {
	uint32_t spi_in, spi_out; /* host order; ours and the peer's */
	enum ike_encr encr;       /* AES-GCM is always the 256-bit one */
	bool esn;
	struct secret key_in, key_out;
	struct ike_ts_list ts_local, ts_remote;
};

/* What a responder assigns by configuration payload, and an initiator gets. */
struct ike_lease {
	struct addr address;
	struct addr address6; /* family 0: none */
	size_t dns_count;
	struct addr dns[IKE_DNS_MAX];
};

/*
 * How an initiator proves who it is. PSK is for responders that know no NULL authentication: the
 * key is public (IKE_PROOF_PSK), so it proves as little, and with a random ID it tells as little.
 */
enum ike_auth { IKE_AUTH_NULL, IKE_AUTH_PSK, IKE_AUTH_ED25519 };

/* How an initiator starts. */
struct ike_init_conf {
	struct ike_path path;
	enum ike_auth auth;      /* ours; Ed25519 with ID_KEY_ID = public key */
	struct crypto_pub peer;  /* the only responder key accepted (pinned to the directory's) */
	bool want_lease;         /* ask for address and DNS by CFG_REQUEST, */
	bool want_address6;      /* and for an IPv6 address, which the responder need not give */
	bool initial_contact;    /* INITIAL_CONTACT; only between relays, never from a client */
	struct ike_ts_list ts_local, ts_remote; /* offered; a client offers 0.0.0.0/0 both ways */
	/*
	 * The first layer only: NAT detection, port 4500 and MOBIKE (RFC 4555). Further hops see
	 * addresses that nobody translates and that never change, and learn nothing of the first.
	 */
	bool first_layer;
	bool force_encap; /* first layer: ESP in UDP even where there is no NAT */
};

/* Who authenticated to us as a responder. */
struct ike_peer {
	enum ike_auth auth;
	struct crypto_pub key; /* IKE_AUTH_ED25519 */
	bool initial_contact;
};

/* Why an IKE SA ended. */
enum ike_end {
	IKE_END_LOCAL,    /* ike_host_close */
	IKE_END_PEER,     /* Delete from the peer */
	IKE_END_TIMEOUT,  /* no answer, or half-open too long */
	IKE_END_AUTH,     /* authentication failed, or the wrong key answered */
	IKE_END_REFUSED,  /* error notify from the peer: ike_sa_info.notify */
	IKE_END_PROTOCOL, /* the peer broke the protocol, or the outside refused (child_up) */
};

/*
 * The outside. USER is ike_host's. All calls are made from within an ike_host_* call; the callee
 * may start, close or drop any SA, this one included: the host defers what it cannot do at once.
 */
struct ike_ops {
	/* Sends one datagram; losing it is no error. MSG is borrowed. */
	void (*send)(void *user, const struct ike_path *path, const uint8_t *msg, size_t len);
	uint64_t (*now)(void *user); /* monotonic milliseconds */
	void (*random)(void *user, void *out, size_t len);
	/*
	 * Responder, peer authenticated, before the answer: 0 to go on, with *LOCAL = what this
	 * side narrows its traffic selectors to and, when the peer asked (WANT_LEASE), *LEASE. An IPv6
	 * address in it is left out again when the peer has not asked for one.
	 * -EACCES: AUTHENTICATION_FAILED. -EADDRNOTAVAIL: INTERNAL_ADDRESS_FAILURE.
	 * -EBUSY: NO_ADDITIONAL_SAS. -ENOTSUP: FAILED_CP_REQUIRED (a client that asked for none).
	 */
	int (*admit)(void *user, struct ike_sa *sa, const struct ike_peer *peer, bool want_lease,
		     struct ike_lease *lease, struct ike_ts_list *local);
	/*
	 * Installs the first child SA; LEASE is what was assigned (NULL: none), and the selectors of
	 * its owner's side are these addresses. Called before the
	 * responder answers, and when the initiator has verified the answer. An error ends the SA
	 * (responder: with a notify). The callee copies keys; CHILD is wiped afterwards.
	 */
	int (*child_up)(void *user, struct ike_sa *sa, const struct ike_child *child,
			const struct ike_lease *lease);
	/*
	 * A rekeying (RFC 7296 section 2.8): CHILD is to take the place of the child SA whose
	 * inbound SPI is REPLACES, with the same selectors. IN_ONLY: the responder's side, which
	 * goes on sending through the old one until child_switch. An error refuses the new one
	 * and leaves the old one as it was.
	 */
	int (*child_add)(void *user, struct ike_sa *sa, const struct ike_child *child,
			 uint32_t replaces, bool in_only);
	/*
	 * Installs the outbound half of CHILD too; of several the kernel sends through the newest.
	 * An error ends the SA.
	 */
	int (*child_switch)(void *user, struct ike_sa *sa, const struct ike_child *child);
	/*
	 * The outbound half of the replaced child SA whose inbound SPI is SPI_IN goes; the inbound
	 * one stays for late packets. A moment after the switch: a packet that was on its way
	 * through it on another processor would be lost.
	 */
	void (*child_mute)(void *user, struct ike_sa *sa, uint32_t spi_in);
	/*
	 * The child SA whose inbound SPI is SPI_IN is over, whatever is left of it: replaced by
	 * another, or refused after child_add. Not called for those that `ended` takes down.
	 */
	void (*child_del)(void *user, struct ike_sa *sa, uint32_t spi_in);
	/*
	 * The IKE SA was rekeyed: SA, with the same peer, path and children, stands in the place of
	 * OLD. Data of OLD is SA's now; OLD is valid for this call only and has no `ended`.
	 */
	void (*replaced)(void *user, struct ike_sa *old, struct ike_sa *sa);
	/*
	 * First layer, before IKE_AUTH: *PATH is to be the one from our port 4500 (or another port
	 * with ESP in UDP) to the peer's 4500, FLOATED. 0, or -errno to stay where we are. NULL:
	 * never.
	 */
	int (*float_path)(void *user, struct ike_sa *sa, struct ike_path *path);
	/* First layer behind a NAT: one octet 0xff and no marker along PATH (RFC 3948 section 2.3). */
	void (*keepalive)(void *user, const struct ike_path *path);
	/*
	 * First layer: IKE and ESP of SA go along another path now (ike_sa_info), or with another
	 * ENCAP; FROM and FROM_ENCAP are how it was. All children that were added have to follow.
	 * An error ends the SA.
	 */
	int (*moved)(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap);
	/*
	 * SA has been silent for so long that it is to be probed: whether ESP came from the peer
	 * since this was asked last, which will do. NULL: nobody knows.
	 */
	bool (*alive)(void *user, struct ike_sa *sa);
	/* The IKE SA is up. The peer has proved to be who it is. */
	void (*established)(void *user, struct ike_sa *sa);
	/* The IKE SA is gone; the SA pointer is valid for this call only. Called exactly once for
	 * every SA that admit, child_up or ike_host_initiate saw. Take the child SA down here. */
	void (*ended)(void *user, struct ike_sa *sa, enum ike_end why);
};
