#pragma once
/*
 * A fuzzer's bytes as an attack on one host of a pair. The first three bytes are settings; then come
 * records, each an operation in three bits of one byte with five bits of options, then what the
 * operation wants. Numbers are in network order, as the repository's rbuf reads them.
 *
 *   RAW     size 2, datagram                 as it stands
 *   MENDED  size 2, datagram                 with the SA's SPIs and the right Length in its header
 *   SEALED  exchange 1, size 2, payloads     a message of the peer's, encrypted with the real keys
 *   PIECE   number 2, total 2, exchange 1, first payload 1, size 2, bytes
 *                                            one fragment of such a message (RFC 7383);
 *                                            the last byte is its Pad Length
 *   DELIVER                                  lets some of what is under way arrive
 *   WAIT    ticks 2                          lets time go by, 16 ms a tick
 *   ACT                                      something the daemon does with the SA
 *   SETTLE                                   everything under way arrives
 *
 * Payloads of SEALED: { type 1, options 1, size 2, body }*; their generic headers are made here, so
 * that a change of the body leaves the chain in order.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ike_pair.h"

enum script_op {
	SCRIPT_RAW, SCRIPT_MENDED, SCRIPT_SEALED, SCRIPT_PIECE, SCRIPT_DELIVER, SCRIPT_WAIT,
	SCRIPT_ACT, SCRIPT_SETTLE,
};

/* Options of a record, in its first byte above the operation. */
enum script_option {
	SCRIPT_NEWEST = 1 << 3,   /* the newest SA of the host, not the oldest */
	SCRIPT_RESPONSE = 1 << 4, /* an answer to the outstanding request */
	SCRIPT_OTHER_ID = 1 << 5, /* SEALED, PIECE: the message ID before */
	SCRIPT_CHAIN = 1 << 6,    /* SEALED: first payload 1, the chain as it stands, Pad Length 1 */
	SCRIPT_MARK = 1 << 6,     /* RAW: through an overlay tunnel */
	SCRIPT_ELSEWHERE = 1 << 7, /* from another address */
};

/* Options of a payload of SEALED. */
enum script_payload {
	SCRIPT_PROVE = 1 << 0,    /* AUTH: put the right proof for the ID before it */
	SCRIPT_CHILD = 1 << 1,    /* N, D: put the SPI of the peer's child SA where theirs stands */
	SCRIPT_CRITICAL = 1 << 7,
};

/* What ACT does, in the upper four bits of its first byte. */
enum script_act {
	SCRIPT_ACT_PROBE, SCRIPT_ACT_CLOSE, SCRIPT_ACT_DROP, SCRIPT_ACT_HEARD,
	SCRIPT_ACT_PROBE_BRIEFLY, SCRIPT_ACT_PATIENCE, SCRIPT_ACT_MOVE, SCRIPT_ACT_MAPPING,
	SCRIPT_ACT_SPOKE, SCRIPT_ACT_REKEY_CHILD, SCRIPT_ACT_REKEY, SCRIPT_ACT_INITIATE,
	SCRIPT_ACT_COUNT,
};

/* First byte of the settings. */
enum script_setting {
	SCRIPT_RESPONDER = 1 << 0, /* the attacked host is the responder */
	SCRIPT_PHASE = 1 << 1,     /* two bits: enum pair_phase */
	SCRIPT_ED25519 = 1 << 3,
	SCRIPT_NO_LEASE = 1 << 4,
	SCRIPT_COOKIES = 1 << 5,
	SCRIPT_FIRST_LAYER = 1 << 6,
	SCRIPT_REFUSE = 1 << 7,
};

/* The second. */
enum script_more {
	SCRIPT_INITIAL_CONTACT = 1 << 0,
	SCRIPT_ENCAP = 1 << 1,
	SCRIPT_CHACHA = 1 << 2,
	SCRIPT_SMALL_FRAGMENTS = 1 << 3,
	SCRIPT_REKEYING = 1 << 4,
	SCRIPT_PSK = 1 << 5,
	SCRIPT_FEW = 1 << 6,
	SCRIPT_ADDRESS6 = 1 << 7,
};

/* The third: what the outside does, enum pair_meddle, and in which call of struct ike_ops. */
enum { SCRIPT_MEDDLE = 1 << 6 /* two bits; those below are the number of calls */ };

/*
 * Does ACT with the newest or the oldest SA of SIDE, if there is one that lives. INITIATE: the
 * initiator starts one more, whichever side is attacked.
 */
void script_act(struct pair_side *side, enum script_act act, bool newest);
struct pair_conf script_settings(uint8_t one, uint8_t two);
/* SEALED: may the attacker use the keys? Without, SEALED and PIECE do nothing. */
void script_run(const uint8_t *data, size_t len, bool sealed);
