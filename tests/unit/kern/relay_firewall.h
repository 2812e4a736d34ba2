#pragma once
/* The relay of firewall.nft as a value. */
#include <stdlib.h>

#include "common/kern/kern_firewall.h"

static inline struct prefix relay_prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p))
		abort();
	return p;
}

static inline void relay_add_rule(struct kern_firewall *fw, bool accept, enum kern_proto proto,
				  const char *dst, uint16_t lo, uint16_t hi)
{
	fw->rules[fw->rule_count++] = (struct kern_exit_rule){
		.accept = accept,
		.proto = proto,
		.dst = relay_prefix(dst),
		.port_lo = lo,
		.port_hi = hi,
	};
}

static inline struct kern_firewall relay_firewall(void)
{
	struct kern_firewall fw = {
		.table = "ippriv_node",
		.pool = relay_prefix("100.64.0.0/16"),
		.pools = relay_prefix("100.64.0.0/10"),
		.address = addr_v4(0xc0000201), /* 192.0.2.1 */
		.exit = true,
		.nat_port_lo = 16384,
		.nat_port_hi = 65535,
		.client_connections = 1024,
		.mss = 1266,
	};

	relay_add_rule(&fw, false, KERN_PROTO_ANY, "198.51.100.0/24", 0, 65535);
	relay_add_rule(&fw, false, KERN_PROTO_TCP, "0.0.0.0/0", 25, 25);
	relay_add_rule(&fw, true, KERN_PROTO_TCP, "0.0.0.0/0", 80, 443);
	relay_add_rule(&fw, true, KERN_PROTO_UDP, "203.0.113.7/32", 0, 65535);
	relay_add_rule(&fw, true, KERN_PROTO_ANY, "203.0.112.0/23", 0, 1023);
	relay_add_rule(&fw, true, KERN_PROTO_ICMP, "0.0.0.0/0", 0, 65535);
	relay_add_rule(&fw, true, KERN_PROTO_ANY, "0.0.0.0/0", 0, 65535);
	return fw;
}

/* Of firewall6.nft. */
static inline struct kern_firewall relay_firewall6(void)
{
	struct kern_firewall fw = relay_firewall();

	fw.exit6 = true;
	fw.rule_count = 0;
	relay_add_rule(&fw, false, KERN_PROTO_ANY, "198.51.100.0/24", 0, 65535);
	relay_add_rule(&fw, false, KERN_PROTO_TCP, "::/0", 25, 25);
	relay_add_rule(&fw, true, KERN_PROTO_TCP, "::/0", 80, 443);
	relay_add_rule(&fw, true, KERN_PROTO_UDP, "2001:db8:7::/48", 0, 65535);
	relay_add_rule(&fw, true, KERN_PROTO_ICMP, "::/0", 0, 65535);
	relay_add_rule(&fw, true, KERN_PROTO_ANY, "::/0", 0, 65535);
	fw.rules[1].dst = fw.rules[4].dst = (struct prefix){ 0 }; /* of both families */
	return fw;
}
