#pragma once
/*
 * Connection tracking's netlink messages: list and delete connections. Pure: builders write one
 * message with sequence number 0 into the caller's 4-byte aligned buffer, nothing is sent.
 *
 * Builders: 0 with *LEN bytes written, -ENOSPC when SIZE is below CT_MSG_ROOM, -EINVAL when the
 * value makes no sense.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

enum {
	CT_MSG_ROOM = 256,  /* bytes that hold any message built here */
	CT_MSG_TUPLE = 128, /* bytes that hold any tuple: an IPv6 one with ICMP and a zone has 88 */
};

/* A tracked connection, as much of it as names it. */
struct ct_msg_flow {
	struct addr src;  /* who began it, before any NAT */
	struct addr home; /* where its answers go, after any NAT */
	uint16_t zone;   /* host order, 0: the default */
	uint32_t id;     /* as the kernel gave it */
	size_t tuple_len;
	uint8_t tuple[CT_MSG_TUPLE]; /* of the original direction, as the kernel gave it */
};

/*
 * Asks for the connections that began at SRC. The kernel can compare one IPv4 address (Linux 5.8);
 * of one IPv6 address it lists those that bear the mark of nft_set_ct_mark_lease, of other prefixes all
 * of the family: the caller chooses.
 */
int ct_msg_dump(void *buf, size_t size, const struct prefix *src, size_t *len) _must_check_;
/*
 * Asks for the connections whose answers go to HOME: they began there or were translated to it. The
 * kernel can compare an IPv4 address; else it lists all of the family.
 */
int ct_msg_dump_home(void *buf, size_t size, const struct addr *home, size_t *len) _must_check_;
/* Deletes this connection and no later one with the same addresses; -ENOENT: it is gone. */
int ct_msg_del(void *buf, size_t size, const struct ct_msg_flow *flow, size_t *len) _must_check_;

/* 0 with *OUT filled, -EOPNOTSUPP: no connection, -EMSGSIZE: too short, -EBADMSG: malformed. */
int ct_msg_parse(const void *msg, size_t len, struct ct_msg_flow *out) _must_check_;
