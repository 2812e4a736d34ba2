#pragma once
/*
 * IKEv2 bytes to values (RFC 7296 section 3). Pure: no SA, no clock, no allocation. Values borrow
 * from the message (const uint8_t * into it). What is too much for the fixed arrays is -E2BIG.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/wire/ike_wire.h"

enum {
	IKE_PROPOSALS_MAX = 8,
	IKE_TRANSFORMS_MAX = 32,
	IKE_NOTIFIES_MAX = 24,
	IKE_DELETES_MAX = 4,
	IKE_SELECTORS_MAX = 8,
	IKE_CP_ATTRS_MAX = 16,
};

struct ike_view {
	const uint8_t *data; /* borrowed; NULL: absent */
	size_t len;
};

struct ike_header {
	uint64_t spi_i, spi_r; /* host order */
	uint8_t next, exchange, flags;
	uint32_t message_id, length;
};

struct ike_transform {
	uint8_t type;   /* enum ike_transform_type */
	uint16_t id;
	uint16_t key_bits; /* Key Length attribute, 0: none */
	bool unknown_attr; /* carries an attribute that we do not know: never choose it */
};

struct ike_proposal {
	uint8_t number, protocol; /* enum ike_protocol */
	struct ike_view spi;
	size_t transform_count;
	struct ike_transform transforms[IKE_TRANSFORMS_MAX];
};

struct ike_id {
	uint8_t type; /* enum ike_id_type */
	struct ike_view data;
	struct ike_view body; /* type, reserved, data: what AUTH signs */
};

struct ike_notify {
	uint8_t protocol;
	uint16_t type;
	struct ike_view spi, data;
};

struct ike_delete {
	uint8_t protocol;
	uint8_t spi_size;
	uint16_t count;
	struct ike_view spis;
};

struct ike_selector {
	uint8_t type; /* enum ike_ts_type; of any other lo and hi have no family */
	uint8_t proto;
	uint16_t port_lo, port_hi;
	struct addr lo, hi;
};

struct ike_selectors {
	bool present;
	size_t count;
	struct ike_selector items[IKE_SELECTORS_MAX];
};

struct ike_cp_attr {
	uint16_t type;
	struct ike_view value;
};

struct ike_cp {
	uint8_t type; /* enum ike_cfg_type, 0: absent */
	size_t count;
	struct ike_cp_attr attrs[IKE_CP_ATTRS_MAX];
};

/* All payloads of one chain. A payload that may stand once and stands twice is -EBADMSG. */
struct ike_payloads {
	size_t proposal_count; /* 0: no SA payload */
	struct ike_proposal proposals[IKE_PROPOSALS_MAX];
	uint16_t ke_group;     /* with ke.data */
	struct ike_view ke, nonce, vendor /* the last one */;
	struct ike_id id_i, id_r;
	uint8_t auth_method;   /* with auth.data */
	struct ike_view auth;
	size_t notify_count;
	struct ike_notify notifies[IKE_NOTIFIES_MAX];
	size_t delete_count;
	struct ike_delete deletes[IKE_DELETES_MAX];
	struct ike_selectors ts_i, ts_r;
	struct ike_cp cp;
	bool first_is_cookie;  /* the chain starts with N(COOKIE) */
	uint8_t critical_unknown; /* type of a critical payload we do not know, else 0 */
	/*
	 * SK (46) or SKF (53, RFC 7383 section 2.5): always last. sk_next is the type of its first
	 * inner payload. Of an SKF: 1 <= fragment <= fragment_total, and sk_next is 0 in all
	 * fragments but the first. Of an SK both are 0.
	 */
	uint8_t sk_next;
	uint16_t fragment, fragment_total;
	struct ike_view sk;    /* IV | ciphertext | ICV */
};

/*
 * The 28-byte header. Checks: LEN at least 28, Length field equals LEN, version 2.x, SPIi not 0.
 * -EMSGSIZE too short or Length wrong, -EPROTONOSUPPORT other major version, -EBADMSG else.
 */
int ike_parse_header(const uint8_t *msg, size_t len, struct ike_header *out) _must_check_;
/*
 * A payload chain whose first payload has type FIRST. After SK or SKF nothing may follow. On
 * -EPROTO a critical payload is unknown: OUT->critical_unknown says which. -EMSGSIZE, -EBADMSG,
 * -E2BIG as above. OUT is meaningful only on 0 (and critical_unknown on -EPROTO).
 */
int ike_parse_payloads(uint8_t first, const uint8_t *data, size_t len,
		       struct ike_payloads *out) _must_check_;
/* The first notify of TYPE, or NULL. */
const struct ike_notify *ike_find_notify(const struct ike_payloads *p, uint16_t type);
/* A range that is a prefix to that prefix: 0, or -ERANGE. */
int ike_selector_prefix(const struct ike_selector *s, struct prefix *out) _must_check_;
