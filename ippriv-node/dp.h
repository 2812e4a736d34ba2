#pragma once
/*
 * The relay's data path, whole surface: overlay tunnels and circuits as plain values, put into the
 * kernel and taken out. Knows nothing of IKE. All return 0 or -errno with the reason logged.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/base/life.h"
#include "common/base/secret.h"

struct kern;
struct kern_firewall;

enum {
	DP_PEER_MAX = 4095,       /* peer indexes 1..4095: also mark and reqid of the overlay */
	DP_CIRCUIT_FIRST = 4096,  /* circuit numbers: reqid of the circuit */
	DP_CIRCUIT_LAST = 0xfffff,
	DP_REPLAY_WINDOW = 1024,  /* packets */
};

struct dp_self {
	struct addr address; /* what others know us by */
	struct addr listen;  /* what we have on the wire: another one behind a 1:1 NAT */
	struct prefix pool;  /* what we assign */
	struct prefix pools; /* what any relay may assign */
};

struct dp_peer {
	uint32_t index;
	struct addr address;
	struct prefix pool; /* what it assigns; for dp_link_* only */
};

/* One child SA: our inbound and outbound half. */
struct dp_keys {
	uint32_t spi_in, spi_out; /* host order */
	bool aes;                 /* AES-GCM-256, else ChaCha20-Poly1305 */
	bool esn;
	struct secret in, out;
	struct life life;
};

/* The halves of an SA pair, by themselves or together. */
enum dp_half { DP_HALF_IN = 1, DP_HALF_OUT = 2, DP_HALF_BOTH = 3 };

/* How the SA pairs of one tunnel or circuit go, all of them the same way. */
struct dp_way {
	uint32_t number;         /* of the circuit, or index of the overlay peer */
	struct addr local, far;  /* outer addresses */
	uint16_t local_port, far_port; /* of the UDP around ESP, host order, 0: plain ESP */
};

struct dp_circuit {
	struct dp_way way;    /* far: the client itself, or what the hop before assigned to it */
	struct addr assigned; /* the address we gave it, */
	bool six;             /* and the IPv6 address that goes with it (inner6.h) */
	struct dp_peer via;   /* the overlay peer it comes through; index 0: straight from the client */
};

struct dp_stats {
	uint64_t bytes_in, packets_in, bytes_out, packets_out;
};

struct dp;

/*
 * KERN and FIREWALL are borrowed. Installs the base; an exit also forgets the connections that its
 * pool has from a killed run. Logs nothing: KERN tells what was wrong.
 */
int dp_new(const struct kern *kern, const struct dp_self *self,
	   const struct kern_firewall *firewall, struct dp **out) _must_check_;
/* No circuit comes up any more: those that end leave their connections to dp_free, all at once. */
void dp_closing(struct dp *dp);
/* Takes the base down; tunnels, links, traps and circuits must be gone. */
void dp_free(struct dp *dp);

int dp_trap_add(struct dp *dp, const struct dp_peer *peer) _must_check_;
void dp_trap_del(struct dp *dp, const struct dp_peer *peer);
int dp_link_add(struct dp *dp, const struct dp_peer *peer) _must_check_;
void dp_link_del(struct dp *dp, const struct dp_peer *peer);
struct dp_way dp_tunnel_way(const struct dp *dp, const struct dp_peer *peer);

/*
 * HALVES of an SA pair. What is sent goes out through the newest outbound SA of a way. Of a pair
 * that is taken out, halves that have expired are no error.
 */
int dp_pair_add(struct dp *dp, const struct dp_way *way, const struct dp_keys *keys,
		unsigned int halves) _must_check_;
int dp_pair_del(struct dp *dp, const struct dp_way *way, uint32_t spi_in, uint32_t spi_out,
		unsigned int halves);
/* Counters of HALVES; those of a half that is not there are 0. */
int dp_pair_stats(struct dp *dp, const struct dp_way *way, uint32_t spi_in, uint32_t spi_out,
		  unsigned int halves, struct dp_stats *out);

/* What leads to the circuit's SA pairs: after the first of them comes, before the last one goes. */
int dp_circuit_up(struct dp *dp, const struct dp_circuit *circuit) _must_check_;
/*
 * Also makes an exit forget the connections of the assigned address. After an error something of
 * this circuit may be left: nobody else can have its address.
 */
int dp_circuit_down(struct dp *dp, const struct dp_circuit *circuit) _must_check_;
/*
 * A client that comes straight goes another way: TO, with the same number. There is one SA left in
 * each direction, SPI_IN and SPI_OUT. After an error they and what leads to them are out.
 */
int dp_circuit_move(struct dp *dp, const struct dp_circuit *circuit, const struct dp_way *to,
		    uint32_t spi_in, uint32_t spi_out) _must_check_;

/* The overlay peer's index in a packet mark, 0: none; and back. */
uint32_t dp_mark_to_index(uint32_t mark);
uint32_t dp_index_to_mark(uint32_t index);
/* MARK without the bits that somebody else has put there. */
uint32_t dp_mark_of_ours(uint32_t mark);
/* The overlay peer whose tunnel has this reqid, the circuit that has it; 0: none. */
uint32_t dp_reqid_to_index(uint32_t reqid);
uint32_t dp_reqid_to_circuit(uint32_t reqid);
