#pragma once
/*
 * XFRM netlink messages. Pure: builders write one message with sequence number 0 into the caller's
 * buffer, parsers read one message; nothing is sent. The buffer is 4-byte aligned and holds a key
 * after xfrm_msg_add_sa: the caller wipes it.
 */
#include "common/kern/kern_ops.h"

enum {
	XFRM_MSG_ROOM = 512,        /* bytes that hold any message built here, but for */
	XFRM_MSG_AGAIN_ROOM = 1536, /* xfrm_msg_again */
	XFRM_MSG_WINDOW_MAX = 4096, /* packets, the largest replay window there is */
	XFRM_MSG_TEMPLATES = 6,     /* the most that a policy in the kernel has */
};

/*
 * All builders: 0 with *LEN bytes written, -ENOSPC when SIZE is below XFRM_MSG_ROOM, -EINVAL when
 * the value makes no sense (families that differ, a key of another size, a window above the most).
 *
 * add_sa asks for an ESN bitmap of the window's size, rounded up to 32 packets; an SA with ESN and
 * window 0 gets 32, as the kernel knows no ESN without a window.
 */
int xfrm_msg_add_sa(void *buf, size_t size, const struct kern_sa *sa, size_t *len) _must_check_;
/* MARK: what packets must bear for it, as a larval SA of a policy with a mark has; NULL: none. */
int xfrm_msg_del_sa(void *buf, size_t size, const struct addr *dst, uint32_t spi,
		    const struct kern_mark *mark, size_t *len) _must_check_;
/* The kernel answers with an SA message for xfrm_msg_parse_sa, then the acknowledgement. */
int xfrm_msg_get_sa(void *buf, size_t size, const struct addr *dst, uint32_t spi,
		    size_t *len) _must_check_;
int xfrm_msg_add_policy(void *buf, size_t size, const struct kern_policy *policy,
			size_t *len) _must_check_;
/* Puts POLICY in the place of the one with its direction, selector, mark and if_id, if any. */
int xfrm_msg_set_policy(void *buf, size_t size, const struct kern_policy *policy,
			size_t *len) _must_check_;
/* By direction, selector, mark and if_id; templates and priority do not count. */
int xfrm_msg_del_policy(void *buf, size_t size, const struct kern_policy *policy,
			size_t *len) _must_check_;
int xfrm_msg_set_spd_hash(void *buf, size_t size, const struct kern_spd_hash *hash,
			  size_t *len) _must_check_;
/* All SAs, all policies: messages for xfrm_msg_parse_sa, xfrm_msg_parse_policy. */
int xfrm_msg_dump_sas(void *buf, size_t size, size_t *len) _must_check_;
int xfrm_msg_dump_policies(void *buf, size_t size, size_t *len) _must_check_;

/* An SA of anybody's, as the kernel tells it; the key is left out. */
struct xfrm_msg_sa {
	struct addr src, dst;
	uint8_t proto; /* IPPROTO_ESP, ... */
	uint32_t spi;  /* host order, 0: larval */
	uint32_t reqid, if_id;
	bool esn;
	uint32_t replay_window;
	struct kern_mark mark, set_mark;
	struct kern_encap encap;
	struct life life;
	struct kern_sa_stats stats;
};

/* A policy of anybody's. */
struct xfrm_msg_policy {
	uint32_t index; /* the kernel's number for it */
	enum kern_dir dir;
	struct kern_selector sel;
	uint32_t if_id, priority;
	struct kern_mark mark;
	size_t template_count;
	struct kern_template templates[XFRM_MSG_TEMPLATES];
};

/* Deletes POLICY, as a dump showed it, by the kernel's number. */
int xfrm_msg_del_policy_index(void *buf, size_t size, const struct xfrm_msg_policy *policy,
			      size_t *len) _must_check_;
/*
 * Gives LARVAL the SPI: the SA without SPI and key that waits, after an acquire, for the real one.
 * Only so can it be deleted before its time (30 seconds) is over. The answer is an SA message.
 */
int xfrm_msg_name_larval(void *buf, size_t size, const struct xfrm_msg_sa *larval, uint32_t spi,
			 size_t *len) _must_check_;

/*
 * Moves POLICY, its one template, and an SA with the template's addresses and reqid (if there is
 * one) to the addresses of TO, and gives the SA ENCAP; the SA keeps its own when that is none. The
 * kernel pays no heed to marks and SPIs.
 */
int xfrm_msg_migrate(void *buf, size_t size, const struct kern_policy *policy,
		     const struct kern_template *to, const struct kern_encap *encap,
		     size_t *len) _must_check_;

/* How an SA that is there is to be. */
struct xfrm_msg_again {
	bool update; /* in place: only the ports can differ; else it is added, like */
	struct addr src, dst;
	struct kern_encap encap;
	uint32_t ahead; /* packets that its outbound sequence skips */
};
/*
 * The SA in MSG, the kernel's answer to xfrm_msg_get_sa, once more, with its key, counters, limits,
 * sequence numbers and replay window. SIZE: XFRM_MSG_AGAIN_ROOM. Besides -EINVAL and -ENOSPC what
 * parsers return, and -EOVERFLOW: sequence numbers are used up.
 */
int xfrm_msg_again(void *buf, size_t size, const void *msg, size_t msg_len,
		   const struct xfrm_msg_again *again, size_t *len) _must_check_;
/*
 * The SA in MSG, which is at DST now, has the sequence numbers and window that it had, but for
 * AHEAD packets that its outbound sequence skips. SIZE and errors as above.
 */
int xfrm_msg_ahead(void *buf, size_t size, const void *msg, size_t msg_len, const struct addr *dst,
		   uint32_t ahead, size_t *len) _must_check_;

/*
 * All parsers: 0 with *OUT filled, -EOPNOTSUPP when MSG is of another type, -EMSGSIZE when it is
 * too short, -EBADMSG when it is malformed; *OUT is then untouched.
 */
int xfrm_msg_parse_sa(const void *msg, size_t len, struct xfrm_msg_sa *out) _must_check_;
int xfrm_msg_parse_policy(const void *msg, size_t len, struct xfrm_msg_policy *out) _must_check_;
/*
 * ACQUIRE, EXPIRE or MAPPING. reqid 0: of no use, as the policy has no template with the wanted
 * SA's addresses, or the SA is not ESP or larval.
 */
int xfrm_msg_parse_event(const void *msg, size_t len, struct kern_event *out) _must_check_;
