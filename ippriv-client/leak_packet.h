#pragma once
/* What a captured packet is, and whose. Pure: bytes come in, from the network header on. */
#include "common/base/addr.h"
#include "common/base/cleanup.h"

struct leak_packet {
	struct addr src, dst;
	uint8_t proto;          /* of IP, behind IPv6's extension headers */
	bool later_fragment;    /* no header of PROTO in it */
	uint16_t sport, dport;  /* TCP and UDP, host order */
	uint8_t icmp_type;      /* ICMP and ICMPv6 */
	const uint8_t *payload; /* behind ports and checksum of UDP; borrowed */
	size_t payload_len;
};

/*
 * Reads a packet of ETHERTYPE (host order). LEN may be less than the packet had. 0 with *OUT,
 * -EOPNOTSUPP: no IP, -EMSGSIZE: too short for its headers, -EBADMSG: malformed.
 */
int leak_packet_read(uint16_t ethertype, const void *data, size_t len,
		     struct leak_packet *out) _must_check_;

enum { LEAK_PEERS_MAX = 64 };

/* Entries that this host has tunnels with. */
struct leak_peers {
	size_t count;
	struct addr addr[LEAK_PEERS_MAX];
};

/* A is one of them from now on; one too many is left out. */
void leak_peers_add(struct leak_peers *peers, const struct addr *a);

enum leak_kind {
	LEAK_TUNNEL,    /* ESP, ESP in UDP, a keepalive or IKE to an entry */
	LEAK_ENCRYPTED, /* the same to somebody else */
	LEAK_LINK,      /* what a link needs: ARP, neighbours, multicast groups, DHCP, 802.1X */
	LEAK_PLAIN,     /* everything else */
};

/* Of a packet that leaves this host. What cannot be read is plain. */
enum leak_kind leak_packet_kind(uint16_t ethertype, const void *data, size_t len,
				const struct leak_peers *peers);

enum { LEAK_TOKEN_LEN = 16, LEAK_PROBES_MAX = 64 };

/*
 * How probe I is recognised: TOKEN and I in two hexadecimal digits somewhere in the packet, or TCP
 * from port TCP_SPORT + I to TCP_DPORT[I] (0: the probe sends no TCP).
 */
struct leak_marks {
	char token[LEAK_TOKEN_LEN + 1]; /* lower case hexadecimal digits */
	uint16_t tcp_sport;
	uint16_t tcp_dport[LEAK_PROBES_MAX];
};

/* The probe that a packet is of, or -1. Resolvers may change the case of names. */
int leak_packet_probe(uint16_t ethertype, const void *data, size_t len,
		      const struct leak_marks *marks);
