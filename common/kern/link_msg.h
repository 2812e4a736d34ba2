#pragma once
/*
 * Routing netlink messages: links, addresses, routes. Pure: builders write one message with
 * sequence number 0 into the caller's 4-byte aligned buffer, nothing is sent.
 *
 * All builders: 0 with *LEN bytes written, -ENOSPC when SIZE is below LINK_MSG_ROOM, -EINVAL when
 * the value makes no sense (no name, a name that is not ended, a bad prefix).
 */
#include "common/kern/kern_ops.h"

enum { LINK_MSG_ROOM = 256 }; /* bytes that hold any message built here */

/* Makes the link in the socket's namespace, down; an xfrm interface gets the lower link lo. */
int link_msg_add(void *buf, size_t size, const struct kern_link *link, size_t *len) _must_check_;
/* Moves link NAME to the namespace of descriptor FD, under the same name. */
int link_msg_move(void *buf, size_t size, const char *name, int fd, size_t *len) _must_check_;
/* Brings link NAME up, with MTU in bytes when it is not 0. */
int link_msg_up(void *buf, size_t size, const char *name, uint32_t mtu, size_t *len) _must_check_;
int link_msg_del(void *buf, size_t size, const char *name, size_t *len) _must_check_;
int link_msg_del_index(void *buf, size_t size, uint32_t index, size_t *len) _must_check_;
/* The kernel answers with a message for link_msg_parse, then the acknowledgement. */
int link_msg_get(void *buf, size_t size, const char *name, size_t *len) _must_check_;
int link_msg_dump(void *buf, size_t size, size_t *len) _must_check_;

/* An address on, a route into the link with number INDEX (0: unreachable); no next hop. */
int link_msg_add_address(void *buf, size_t size, uint32_t index, const struct kern_address *a,
			 size_t *len) _must_check_;
int link_msg_del_address(void *buf, size_t size, uint32_t index, const struct kern_address *a,
			 size_t *len) _must_check_;
int link_msg_add_route(void *buf, size_t size, uint32_t index, const struct kern_route *r,
		       size_t *len) _must_check_;
int link_msg_del_route(void *buf, size_t size, uint32_t index, const struct kern_route *r,
		       size_t *len) _must_check_;

/* A link of anybody's. */
struct link_msg_link {
	uint32_t index;
	char name[KERN_NAME];
	char kind[64]; /* "xfrm", "dummy", ...; empty for hardware and lo */
	uint32_t mtu;
	uint32_t if_id; /* of an xfrm interface */
	bool up;
};

/* 0 with *OUT filled, -EOPNOTSUPP: no link message, -EMSGSIZE: too short, -EBADMSG: malformed. */
int link_msg_parse(const void *msg, size_t len, struct link_msg_link *out) _must_check_;
