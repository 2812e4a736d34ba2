#pragma once
/*
 * Socket diagnosis: list the connected sockets of a namespace, end one. Pure: builders write one
 * message with sequence number 0 into the caller's 4-byte aligned buffer, nothing is sent.
 *
 * Builders: 0 with *LEN bytes written, -ENOSPC when SIZE is below SOCK_MSG_ROOM, -EINVAL when the
 * family is neither IPv4 nor IPv6.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

enum { SOCK_MSG_ROOM = 128 /* bytes that hold any message built here */, SOCK_MSG_ID = 48 };

/* A socket as the kernel names it. */
struct sock_msg_socket {
	uint8_t family;
	struct addr src;         /* its own address; IPv4 also when an IPv6 socket speaks IPv4 */
	uint8_t id[SOCK_MSG_ID]; /* ports, addresses, the kernel's cookie */
};

/* PROTO: IPPROTO_TCP or IPPROTO_UDP. Those that are connected, or nearly. */
int sock_msg_dump(void *buf, size_t size, uint8_t family, uint8_t proto,
		  size_t *len) _must_check_;
/* Its owner reads ECONNABORTED. -ENOENT of the kernel: it is gone. */
int sock_msg_destroy(void *buf, size_t size, const struct sock_msg_socket *s, uint8_t proto,
		     size_t *len) _must_check_;
/* 0 with *OUT filled, -EOPNOTSUPP: no socket, -EMSGSIZE: too short, -EBADMSG: malformed. */
int sock_msg_parse(const void *msg, size_t len, struct sock_msg_socket *out) _must_check_;
