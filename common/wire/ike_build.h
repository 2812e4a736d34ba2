#pragma once
/*
 * Values to IKEv2 bytes (RFC 7296 section 3). Pure; writes into the caller's buffer. Start with
 * ike_build_init, add payloads in order, then ike_build_finish; an overflow shows there only.
 * For an encrypted message: ike_build_sk_begin after the header, add the inner payloads, then
 * ike_build_sk_end leaves room for padding length and ICV; the caller encrypts in place.
 */
#include "common/base/buf.h"
#include "common/wire/ike_parse.h"

struct ike_build {
	struct wbuf w;
	size_t next_at; /* where the type of the next payload is to be written */
	size_t sk_at;   /* offset of the SK or SKF payload's generic header, 0: none */
	size_t plain_at; /* offset of what is inside of it */
};

/* Writes HEADER (its next and length fields are filled in later). Version 2.0. */
void ike_build_init(struct ike_build *b, void *buf, size_t size, const struct ike_header *header);
/* One SA payload; proposals numbered as given. Key Length attribute when key_bits is not 0. */
void ike_build_sa(struct ike_build *b, const struct ike_proposal *proposals, size_t count);
void ike_build_ke(struct ike_build *b, uint16_t group, const void *data, size_t len);
void ike_build_nonce(struct ike_build *b, const void *data, size_t len);
/* PAYLOAD is IDi or IDr. */
void ike_build_id(struct ike_build *b, uint8_t payload, uint8_t type, const void *data, size_t len);
void ike_build_auth(struct ike_build *b, uint8_t method, const void *data, size_t len);
void ike_build_notify(struct ike_build *b, uint16_t type, const void *data, size_t len);
/* A notify about the ESP SA whose inbound SPI, at the side that sends this, is SPI (host order). */
void ike_build_notify_esp(struct ike_build *b, uint16_t type, uint32_t spi);
/* Deletes the IKE SA itself (ESP = false), or the ESP SA whose inbound SPI is SPI (host order). */
void ike_build_delete(struct ike_build *b, bool esp, uint32_t spi);
/* PAYLOAD is TSi or TSr; any protocol and port. */
void ike_build_ts(struct ike_build *b, uint8_t payload, const struct prefix *items, size_t count);
void ike_build_cp(struct ike_build *b, uint8_t cfg_type, const struct ike_cp_attr *attrs,
		  size_t count);
/* Opens SK with IV bytes (8) in clear; what follows goes inside. */
void ike_build_sk_begin(struct ike_build *b, const uint8_t iv[8]);
/*
 * Opens SKF for fragment NUMBER of TOTAL, whose content starts with a payload of type FIRST (0 in
 * all but the first one); add it with ike_build_bytes, then ike_build_sk_end.
 */
void ike_build_skf_begin(struct ike_build *b, uint8_t first, uint16_t number, uint16_t total,
			 const uint8_t iv[8]);
/* Bytes that are payloads, or part of them, already. */
void ike_build_bytes(struct ike_build *b, const void *data, size_t len);
/*
 * What is inside of an open SK so far: payloads, the first of type *FIRST. Borrowed; NULL after an
 * overflow.
 */
struct ike_view ike_build_inner(const struct ike_build *b, uint8_t *first);
/*
 * Closes SK or SKF: appends the pad length octet (no padding) and room for TAG bytes. Fills all length
 * fields. *PLAIN_OFFSET and *PLAIN_LEN say what to encrypt in place; the tag goes right behind it;
 * the AAD is everything before the IV. 0 with *LEN the message's bytes, -ENOSPC, or -EINVAL when
 * there is no SK.
 */
int ike_build_sk_end(struct ike_build *b, size_t tag, size_t *plain_offset, size_t *plain_len,
		     size_t *len) _must_check_;
/* Ends an unencrypted message. 0 with *LEN, -ENOSPC, or -EINVAL when there is an SK. */
int ike_build_finish(struct ike_build *b, size_t *len) _must_check_;
