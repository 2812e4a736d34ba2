#pragma once
/*
 * The rules of the relay's tables as rows: a chain, what is matched, what happens. One row makes one
 * rule, in the family of the batch. Pure.
 */
#include "common/kern/kern_firewall.h"
#include "common/kern/nft_batch.h"

enum { NFT_ROWS_NEVER_ID = 1 }; /* of that set, within the batch */

/* What is matched, in this order. SRC, DST: the addresses. IKE: UDP port 500. */
enum nft_rows_match {
	SRC_POOLS = 1 << 0,
	SRC_POOL = 1 << 1,
	SRC_NOT_POOL = 1 << 2,
	DST_POOLS = 1 << 3,
	DST_NEVER = 1 << 4,    /* in the set of that name, IPv4 */
	DST_OWN = 1 << 5,
	IN_CLEAR = 1 << 6,     /* has not come out of an SA */
	FROM_SA = 1 << 7,
	OUT_CLEAR = 1 << 8,    /* is not going into an SA */
	INTO_SA = 1 << 9,
	ESP = 1 << 10,
	FROM_IKE = 1 << 11,
	TO_IKE = 1 << 12,
	TCP = 1 << 13,
	UDP = 1 << 14,
	ICMP = 1 << 15,
	CT_FOREIGN = 1 << 16,  /* not new, not established: also ICMP errors, made up or not */
	CT_REPLY = 1 << 17,
	CT_KNOWN = 1 << 18,
	CT_NEW = 1 << 19,
	MANY = 1 << 20,        /* more connections than one client may have */
	ODD_HEAD = 1 << 21,    /* IP options, or a type of service */
	OPTIONS = 1 << 22,     /* of IP */
	ATOMIC = 1 << 23,      /* no fragment and never will be one */
	TCP_SYN = 1 << 24,     /* SYN without ACK */
	TCP_SYN_ANY = 1 << 25, /* SYN, with ACK or without */
	/* IPv6 */
	EXTENDED = 1 << 26,    /* something stands between the header and what is carried */
	DST_NOT_PUBLIC = 1 << 27,
	DST_ASSIGNED = 1 << 28, /* for protocols: 2001::/23 */
	DST_6TO4 = 1 << 29,
	ECHO = 1 << 30,        /* request, of ICMPv6 */
};

/* NOTRACK accepts, too. Those in the other lines only change the packet. */
enum nft_rows_action { ACCEPT, DROP, NOTRACK, JUMP, SNAT, MASQUERADE,
		       CLEAR_TOS, CLEAR_ID, SET_TTL, CLAMP_SYN, CLAMP_MSS,
		       PLAIN_HEAD, SET_HOPS, MARK_LEASE };

enum nft_rows_when { ALWAYS, EXIT, NO_EXIT };

/* TEXT: why it drops, or the chain to jump to. */
struct nft_row {
	const char *chain;
	uint32_t match;
	enum nft_rows_action action;
	const char *text;
	enum nft_rows_when when;
};

struct nft_rows_chain {
	struct nft_chain chain;
	enum nft_rows_when when;
};

/* A table of one family. */
struct nft_rows {
	const struct kern_firewall *fw;
	uint8_t family; /* AF_INET or AF_INET6 */
	struct prefix pool, pools; /* of that family */
	uint16_t mss;
	uint32_t clients_id; /* of the set of clients */
	const struct nft_rows_chain *chains;
	size_t chain_count;
	const struct nft_row *rows;
	size_t row_count;
};

/* Whether FW makes sense: nft_msg.h says what does. */
bool nft_rows_ok(const struct kern_firewall *fw);
bool nft_rows_name_ok(const char *name, size_t size);
/* TABLE, made or deleted: NFT_MSG_NEWTABLE or NFT_MSG_DELTABLE. */
void nft_rows_table(struct nft_batch *b, uint16_t type, const char *table);
/* The chains. */
void nft_rows_chains(struct nft_batch *b, const struct nft_rows *t);
/* The set of clients, whose connections are counted: by the IPv4 address that they have. */
void nft_rows_clients(struct nft_batch *b, const struct nft_rows *t);
struct nftnl_set;
/* A set of IPv4 addresses, without elements. 0 or -ENOMEM. */
int nft_rows_set(struct nftnl_set *s, const char *table, const char *name, uint32_t id, uint32_t flags,
		 uint32_t size);
/* The exit policy: chain "exit". Rules about destinations of the other family are left out. */
void nft_rows_policy(struct nft_batch *b, const struct nft_rows *t);
/* All rows that a relay such as this has. */
void nft_rows_push(struct nft_batch *b, const struct nft_rows *t);

/* The name of the set of DST_NEVER. */
#define NFT_ROWS_NEVER "never"
