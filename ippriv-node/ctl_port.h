#pragma once
/* A UDP port of the relay's IKE end: 500, or 4500 where ESP comes too and IKE has a marker. */
#include "common/base/addr.h"
#include "common/io/loop.h"

enum { CTL_PORT_MSG_MAX = 65535 }; /* bytes of a datagram */

/* What came last. All ports may use the same. */
struct ctl_port_room {
	uint8_t bytes[CTL_PORT_MSG_MAX];
};

struct ctl_port {
	int fd;
	struct endpoint local;
	bool floated;
	struct io_watch *watch; /* NULL: not open */
	struct ctl_port_room *room; /* borrowed */
};

struct ctl_port_conf {
	struct endpoint local;
	bool floated; /* RFC 3948: ESP in UDP goes to its SA, IKE comes and goes with the marker */
	bool early;   /* LOCAL becomes an address of ours only later */
	struct ctl_port_room *room;
};

/*
 * ON_READABLE with DATA: receive until there is no more. 0 or -errno: -EADDRINUSE, -EADDRNOTAVAIL,
 * -ENOPROTOOPT when the kernel cannot tell marks. Freed with ctl_port_close, opened or not.
 */
int ctl_port_open(struct ctl_port *port, struct io_loop *loop, const struct ctl_port_conf *conf,
		  io_cb on_readable, void *data) _must_check_;
/* What to do when AT, our address in the configuration, is none of this machine. */
const char *ctl_port_advice(const struct endpoint *at);
void ctl_port_close(struct ctl_port *port);
/*
 * One IKE message of *LEN bytes, *MSG points into the room; *MARK without foreign bits.
 * 0, -EAGAIN, -EBADMSG for what is none (try the next), or another -errno.
 */
int ctl_port_recv(struct ctl_port *port, const uint8_t **msg, size_t *len, struct endpoint *from,
		  uint32_t *mark) _must_check_;
/* 0 or -errno. */
int ctl_port_send(struct ctl_port *port, const uint8_t *msg, size_t len, const struct endpoint *to,
		  uint32_t mark);
/* One octet for the NAT on the way (RFC 3948 section 2.3). */
int ctl_port_keepalive(struct ctl_port *port, const struct endpoint *to);
