#pragma once
/*
 * One rule of an nftables chain under construction: each function appends one match or statement,
 * the expressions nft(8) itself uses for it. An allocation that fails sets the error and makes all
 * later calls do nothing. Pure; knows no table of ours.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/base/addr.h"

struct nftnl_rule;

struct nft_rule {
	struct nftnl_rule *rule;
	int err; /* 0 or -ENOMEM */
};

/* NFT_SADDR, NFT_DADDR of the IPv4 header; NFT_SPORT, NFT_DPORT of TCP or UDP. */
enum nft_field { NFT_SADDR, NFT_DADDR, NFT_SPORT, NFT_DPORT };

/* Appends to chain CHAIN of TABLE (of the batch's family). The caller frees with nft_rule_free. */
struct nft_rule nft_rule_new(const char *table, const char *chain);
void nft_rule_free(struct nft_rule *r);

/* The address is in P, or is not when NOT; a prefix of length 0 adds nothing. */
void nft_match_prefix(struct nft_rule *r, enum nft_field field, const struct prefix *p, bool not);
/* The address is in the set SET, made in the same batch with the number SET_ID. */
void nft_match_set(struct nft_rule *r, enum nft_field field, const char *set, uint32_t set_id);
/* LO <= port <= HI, host order. Only behind nft_match_l4proto(TCP or UDP). */
void nft_match_ports(struct nft_rule *r, enum nft_field field, uint16_t lo, uint16_t hi);
/* The protocol field of the IPv4 header; SIX: what follows the IPv6 header. */
void nft_match_protocol(struct nft_rule *r, bool six, uint8_t protocol);
/* Something else than TCP, UDP or ICMPv6 follows the IPv6 header. */
void nft_match_extended(struct nft_rule *r);
/* The protocol as the stack has parsed it; what makes port matches valid. */
void nft_match_l4proto(struct nft_rule *r, uint8_t protocol);
/* The packet has come out of an SA, or has not. Hooks prerouting, input, forward. */
void nft_match_secpath(struct nft_rule *r, bool exists);
/* The packet is about to go into an SA, or is not. Hooks forward, output, postrouting. */
void nft_match_encap(struct nft_rule *r, bool exists);
/* The connection's state is one of STATES (NF_CT_STATE_BIT and its like). */
void nft_match_ct_state(struct nft_rule *r, uint32_t states);
/* The packet goes against the direction of its connection's first one. */
void nft_match_ct_reply(struct nft_rule *r);
/*
 * The packet's source address (SIX: the IPv4 address at its end) has more than MOST connections. Counts them, in the elements of the
 * dynamic set SET, made in the same batch with the number SET_ID: for new connections only.
 */
void nft_match_many(struct nft_rule *r, bool six, const char *set, uint32_t set_id, uint32_t most);

/* The IPv4 header has options or a type of service that is not 0. */
void nft_match_head_odd(struct nft_rule *r);
void nft_match_ip_options(struct nft_rule *r);
/* DF is set and it is no fragment: nobody needs its identification (RFC 6864 section 4). */
void nft_match_atomic(struct nft_rule *r);
/* Of the TCP flags in MASK exactly FLAGS are set. Only behind nft_match_l4proto(TCP). */
void nft_match_tcp_flags(struct nft_rule *r, uint8_t mask, uint8_t flags);

/* DSCP and ECN. */
void nft_set_tos_zero(struct nft_rule *r);
void nft_set_id_zero(struct nft_rule *r);
void nft_set_ttl(struct nft_rule *r, uint8_t ttl);
/* Of IPv6: no traffic class, no flow label. */
void nft_set_head6_plain(struct nft_rule *r);
void nft_set_hops(struct nft_rule *r, uint8_t hops);
/* Exactly these. Of TCP, as the two below. */
void nft_set_tcp_flags(struct nft_rule *r, uint8_t flags);
/* To MSS bytes where it is more; the rule ends here when there is no such option. */
void nft_lower_mss(struct nft_rule *r, uint16_t mss);
/* Puts no-operations in place of the timestamp option. */
void nft_blank_timestamp(struct nft_rule *r);

/* The same for rules of family inet, which say themselves what they need to be true before. */

/* A packet of family NFPROTO_IPV4 or NFPROTO_IPV6. */
void nft_match_family(struct nft_rule *r, uint8_t family);
/* The address (FIELD: NFT_SADDR or NFT_DADDR) is in P, IPv4 or IPv6, or is of its family and not in it. */
void nft_match_net(struct nft_rule *r, enum nft_field field, const struct prefix *p, bool not);
/* Comes in, or goes out, by lo, or by the link NAME, which need not be there. */
void nft_match_lo(struct nft_rule *r, bool out);
void nft_match_link(struct nft_rule *r, bool out, const char *name);
/* The bits MASK of the packet's mark, or of the socket's to which it goes, are VALUE. */
void nft_match_mark(struct nft_rule *r, uint32_t value, uint32_t mask);
void nft_match_socket_mark(struct nft_rule *r, uint32_t value, uint32_t mask);
/* The connection's mark is VALUE. */
void nft_match_ct_mark(struct nft_rule *r, uint32_t value);
/* The connection's answers go to ADDRESS, IPv4: it began there or was translated to it. */
void nft_match_ct_home(struct nft_rule *r, const struct addr *address);
/* The control group one below the root that the socket is in is in SET. */
void nft_match_cgroup(struct nft_rule *r, const char *set, uint32_t set_id);
/* Both ports at once, host order. Only behind nft_match_l4proto(TCP or UDP). */
void nft_match_port_pair(struct nft_rule *r, uint16_t sport, uint16_t dport);
/* The first byte of ICMP or ICMPv6. Only behind nft_match_l4proto. */
void nft_match_icmp_type(struct nft_rule *r, uint8_t type);
/* Family arp: who is looked for is ADDRESS, IPv4. */
void nft_match_arp_target(struct nft_rule *r, const struct addr *address);

void nft_set_mark(struct nft_rule *r, uint32_t value);
void nft_set_ct_mark(struct nft_rule *r, uint32_t value);
/* To the last four bytes of the IPv6 source address, in memory as they are in the packet. */
void nft_set_ct_mark_lease(struct nft_rule *r);
/* Destination NAT to ADDRESS, IPv4. Matches IPv4 only. */
void nft_dnat(struct nft_rule *r, const struct addr *address);
void nft_masquerade(struct nft_rule *r);
/* To a random port in PORT_LO..PORT_HI (host order), never the own one. */
void nft_masquerade_ports(struct nft_rule *r, uint16_t port_lo, uint16_t port_hi);

void nft_notrack(struct nft_rule *r);
void nft_accept(struct nft_rule *r);
/* Counts and drops; WHY is the rule's comment in `nft list`. */
void nft_drop(struct nft_rule *r, const char *why);
void nft_jump(struct nft_rule *r, const char *chain);
/* Source NAPT to ADDRESS and a random port in PORT_LO..PORT_HI (host order), never the own one. */
void nft_snat(struct nft_rule *r, const struct addr *address, uint16_t port_lo, uint16_t port_hi);
