#pragma once
/*
 * The relay's IKE end: UDP ports 500 and 4500, the table of IKE SAs, and who each of them is for.
 */
#include "common/ike/ike_host.h"
#include "common/io/loop.h"

struct ctl_ike;
struct ctl_session;

/*
 * What an IKE SA is for: ike_sa_data is a struct ctl_session inside a circuit or a tunnel. Called as
 * the functions of struct ike_ops with these names.
 */
struct ctl_session_ops {
	int (*child_up)(struct ctl_session *session, const struct ike_child *child);
	int (*child_add)(struct ctl_session *session, const struct ike_child *child, bool in_only);
	int (*child_switch)(struct ctl_session *session, const struct ike_child *child);
	void (*child_mute)(struct ctl_session *session, uint32_t spi_in);
	void (*child_del)(struct ctl_session *session, uint32_t spi_in);
	/* NULL: it never moves. */
	int (*moved)(struct ctl_session *session, const struct ike_path *path, bool encap);
	bool (*alive)(struct ctl_session *session); /* as in ike_ops; NULL: nobody knows */
	void (*established)(struct ctl_session *session);
	void (*ended)(struct ctl_session *session, enum ike_end why); /* frees the session */
};

struct ctl_session {
	const struct ctl_session_ops *ops;
	struct ike_sa *sa; /* another one after it was rekeyed */
};

/* Who decides about authenticated initiators. Errors as ike_ops.admit; *SESSION on success. */
struct ctl_admit {
	/* ENCAP: its ESP goes in UDP, with the ports of PATH. */
	int (*client)(void *user, const struct ike_path *path, bool encap, struct ike_lease *lease,
		      struct ctl_session **session);
	int (*relay)(void *user, const struct ike_path *path, bool encap,
		     const struct ike_peer *peer, struct ike_ts_list *local,
		     struct ctl_session **session);
};

struct ctl_ike_conf {
	struct addr listen;  /* what we have on the wire */
	struct addr address; /* what others know us by; another one may become ours only later */
	struct addr address6; /* family 0: none */
	struct crypto_sign_key key;
	uint32_t liveness; /* milliseconds */
	uint32_t life;     /* seconds until an IKE SA is rekeyed, by us somewhat later */
	uint32_t sa_max;
	const struct ctl_admit *admit; /* borrowed, with USER */
	void *user;
};

/*
 * -EADDRINUSE: the port is taken; -EADDRNOTAVAIL: the address is not ours. *AT is what it was about
 * then, family 0: no port.
 */
int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *conf, struct ctl_ike **out,
		struct endpoint *at) _must_check_;
void ctl_ike_free(struct ctl_ike *ike); /* ends all SAs without a word */
/* Starts an IKE SA for SESSION (taken on success; given back through ops->ended). */
int ctl_ike_initiate(struct ctl_ike *ike, const struct ike_init_conf *conf,
		     struct ctl_session *session) _must_check_;
/* Sends a Delete; ended follows. */
void ctl_ike_close(struct ctl_ike *ike, struct ctl_session *session);
/* Without a word; ended is called before this returns. */
void ctl_ike_drop(struct ctl_ike *ike, struct ctl_session *session);
/* ESP came from the peer: as good as a message. */
void ctl_ike_heard(struct ctl_ike *ike, struct ctl_session *session);
/* Is the peer there? With TRIES transmissions; without an answer ended follows. */
void ctl_ike_probe(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries);
/* The same, and however long it may be silent. */
void ctl_ike_probe_finally(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries);
/* As ike_host_set_patience, milliseconds. */
void ctl_ike_patience(struct ctl_ike *ike, struct ctl_session *session, uint32_t idle,
		      uint32_t tolerate);
/* The kernel says that the child SA with this SPI is to be replaced. */
void ctl_ike_rekey_child(struct ctl_ike *ike, struct ctl_session *session, uint32_t spi);
/* The kernel saw authentic ESP in UDP come from REMOTE. */
void ctl_ike_mapping(struct ctl_ike *ike, struct ctl_session *session,
		     const struct endpoint *remote);
void ctl_ike_info(const struct ctl_ike *ike, const struct ctl_session *session,
		  struct ike_sa_info *out);
void ctl_ike_counters(const struct ctl_ike *ike, struct ike_host_counters *out);
