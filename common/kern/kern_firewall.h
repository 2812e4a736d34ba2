#pragma once
/*
 * The relay's nftables table as a value: what may enter from and leave to pool addresses.
 * nft_msg.c turns it into one batch.
 */
#include "common/kern/kern_ops.h"

enum kern_proto { KERN_PROTO_ANY = 0, KERN_PROTO_ICMP = 1, KERN_PROTO_TCP = 6, KERN_PROTO_UDP = 17 };

/* One line of an exit policy; the first that matches decides, after the last one: reject. */
struct kern_exit_rule {
	bool accept;
	enum kern_proto proto;
	struct prefix dst;        /* family 0: any, of IPv4 and of IPv6 */
	uint16_t port_lo, port_hi; /* host order, 0..65535: any */
};

enum { KERN_EXIT_RULES = 64 };

struct kern_firewall {
	char table[KERN_NAME + 16]; /* "ippriv_node" */
	struct prefix pool;         /* what this relay assigns */
	struct prefix pools;        /* what any relay may assign: 100.64.0.0/10 */
	struct addr address;        /* the relay's own; NAPT maps to it */
	bool exit;                  /* false: nothing from the pool leaves in clear */
	bool exit6;                 /* and IPv6 leaves as well, of the addresses of inner6.h; an exit alone */
	uint16_t nat_port_lo, nat_port_hi; /* NAPT ports, fully random, host order */
	uint32_t client_connections; /* that one assigned address may have at a time, above 0 */
	uint16_t mss; /* an exit's: the largest TCP segment, both ways, that clients' tunnels carry whole */
	size_t rule_count;
	struct kern_exit_rule rules[KERN_EXIT_RULES];
};
