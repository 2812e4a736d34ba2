#pragma once
/* A UDP socket for IKE: tells the mark a datagram came with, sends with a mark. */
#include <sys/types.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

/*
 * FD is a UDP socket (made in whatever namespace). Binds LOCAL, an IPv6 address for IPv6 only, DF
 * clear; SO_RCVMARK when MARKS: -ENOPROTOOPT when the kernel is older than 5.19. 0 or -errno.
 */
int udp_bind(int fd, const struct endpoint *local, bool marks) _must_check_;
/*
 * Makes the kernel take ESP in UDP (RFC 3948) out of what arrives, for SAs with such ports, and eat
 * keepalives; the rest, IKE behind its marker, is received as ever. 0 or -errno.
 */
int udp_encap(int fd) _must_check_;
/* The address a socket is bound to. */
int udp_local(int fd, struct endpoint *out) _must_check_;
/*
 * Bytes received (never blocks: -EAGAIN), with the sender and the mark (0 without MARKS). -EMSGSIZE
 * for a datagram larger than SIZE, which is lost.
 */
ssize_t udp_recv(int fd, void *buf, size_t size, struct endpoint *from,
		 uint32_t *mark) _must_check_;
/* Bytes sent or -errno (never blocks: -EAGAIN). MARK 0: none; others need CAP_NET_ADMIN. */
ssize_t udp_send(int fd, const void *buf, size_t len, const struct endpoint *to, uint32_t mark);

/* For a socket with udp_encap. IKE behind the marker of what came, then *LEN bytes; NULL: none. */
const uint8_t *udp_encap_strip(const uint8_t *datagram, size_t *len);
/* Like udp_send, with a marker in front. */
ssize_t udp_encap_send(int fd, const void *msg, size_t len, const struct endpoint *to,
		       uint32_t mark);
ssize_t udp_encap_keepalive(int fd, const struct endpoint *to);
