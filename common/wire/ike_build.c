#include "common/wire/ike_build.h"

#include <errno.h>

void ike_build_init(struct ike_build *b, void *buf, size_t size, const struct ike_header *header)
{
	*b = (struct ike_build){ .w = wbuf_init(buf, size), .next_at = IKE_HEADER_NEXT_AT };
	wbuf_u64(&b->w, header->spi_i);
	wbuf_u64(&b->w, header->spi_r);
	wbuf_u8(&b->w, IKE_PAYLOAD_NONE);
	wbuf_u8(&b->w, IKE_VERSION_2_0);
	wbuf_u8(&b->w, header->exchange);
	wbuf_u8(&b->w, header->flags);
	wbuf_u32(&b->w, header->message_id);
	wbuf_u32(&b->w, 0);
}

/* The generic header; returns its offset for payload_end. */
static size_t payload_begin(struct ike_build *b, uint8_t type)
{
	size_t at = b->w.len;

	if (b->w.err)
		return at;
	b->w.start[b->next_at] = type;
	b->next_at = at;
	wbuf_u8(&b->w, IKE_PAYLOAD_NONE);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, 0);
	return at;
}

/* Fills the 16-bit length of a payload or substructure that starts at AT and ends here. */
static void length_at(struct ike_build *b, size_t at, size_t length_offset)
{
	size_t len = b->w.len - at;

	if (len > UINT16_MAX && !b->w.err)
		b->w.err = -ENOSPC;
	wbuf_patch_u16(&b->w, at + length_offset, (uint16_t)len);
}

static void payload_end(struct ike_build *b, size_t at)
{
	length_at(b, at, 2);
}

static void build_transform(struct ike_build *b, const struct ike_transform *t, bool last)
{
	size_t at = b->w.len;

	wbuf_u8(&b->w, last ? 0 : IKE_TRANSFORM_MORE);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, 0);
	wbuf_u8(&b->w, t->type);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, t->id);
	if (t->key_bits != 0) {
		wbuf_u16(&b->w, IKE_ATTR_FIXED | IKE_ATTR_KEY_LENGTH);
		wbuf_u16(&b->w, t->key_bits);
	}
	length_at(b, at, 2);
}

static void build_proposal(struct ike_build *b, const struct ike_proposal *p, bool last)
{
	size_t at = b->w.len;

	wbuf_u8(&b->w, last ? 0 : IKE_PROPOSAL_MORE);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, 0);
	wbuf_u8(&b->w, p->number);
	wbuf_u8(&b->w, p->protocol);
	wbuf_u8(&b->w, (uint8_t)p->spi.len);
	wbuf_u8(&b->w, (uint8_t)p->transform_count);
	wbuf_bytes(&b->w, p->spi.data, p->spi.len);
	for (size_t i = 0; i < p->transform_count; i++)
		build_transform(b, &p->transforms[i], i + 1 == p->transform_count);
	length_at(b, at, 2);
}

void ike_build_sa(struct ike_build *b, const struct ike_proposal *proposals, size_t count)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_SA);

	for (size_t i = 0; i < count; i++)
		build_proposal(b, &proposals[i], i + 1 == count);
	payload_end(b, at);
}

void ike_build_ke(struct ike_build *b, uint16_t group, const void *data, size_t len)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_KE);

	wbuf_u16(&b->w, group);
	wbuf_u16(&b->w, 0);
	wbuf_bytes(&b->w, data, len);
	payload_end(b, at);
}

void ike_build_nonce(struct ike_build *b, const void *data, size_t len)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_NONCE);

	wbuf_bytes(&b->w, data, len);
	payload_end(b, at);
}

/* The shape of ID, AUTH and CP: one octet, three reserved, data. */
static size_t tagged_begin(struct ike_build *b, uint8_t payload, uint8_t tag)
{
	size_t at = payload_begin(b, payload);

	wbuf_u8(&b->w, tag);
	wbuf_reserve(&b->w, 3);
	return at;
}

void ike_build_id(struct ike_build *b, uint8_t payload, uint8_t type, const void *data, size_t len)
{
	size_t at = tagged_begin(b, payload, type);

	wbuf_bytes(&b->w, data, len);
	payload_end(b, at);
}

void ike_build_auth(struct ike_build *b, uint8_t method, const void *data, size_t len)
{
	size_t at = tagged_begin(b, IKE_PAYLOAD_AUTH, method);

	wbuf_bytes(&b->w, data, len);
	payload_end(b, at);
}

void ike_build_notify(struct ike_build *b, uint16_t type, const void *data, size_t len)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_NOTIFY);

	wbuf_u8(&b->w, IKE_PROTOCOL_NONE);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, type);
	wbuf_bytes(&b->w, data, len);
	payload_end(b, at);
}

void ike_build_notify_esp(struct ike_build *b, uint16_t type, uint32_t spi)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_NOTIFY);

	wbuf_u8(&b->w, IKE_PROTOCOL_ESP);
	wbuf_u8(&b->w, IKE_ESP_SPI_SIZE);
	wbuf_u16(&b->w, type);
	wbuf_u32(&b->w, spi);
	payload_end(b, at);
}

void ike_build_delete(struct ike_build *b, bool esp, uint32_t spi)
{
	size_t at = payload_begin(b, IKE_PAYLOAD_DELETE);

	wbuf_u8(&b->w, esp ? IKE_PROTOCOL_ESP : IKE_PROTOCOL_IKE);
	wbuf_u8(&b->w, esp ? IKE_ESP_SPI_SIZE : 0);
	wbuf_u16(&b->w, esp ? 1 : 0);
	if (esp)
		wbuf_u32(&b->w, spi);
	payload_end(b, at);
}

static void build_selector(struct ike_build *b, const struct prefix *p)
{
	bool v4 = p->addr.family == AF_INET;
	struct addr hi = prefix_last(p);

	wbuf_u8(&b->w, v4 ? IKE_TS_TYPE_IPV4_RANGE : IKE_TS_TYPE_IPV6_RANGE);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, v4 ? IKE_TS_IPV4_SIZE : IKE_TS_IPV6_SIZE);
	wbuf_u16(&b->w, 0);
	wbuf_u16(&b->w, 65535);
	wbuf_bytes(&b->w, p->addr.bytes, addr_size(&p->addr));
	wbuf_bytes(&b->w, hi.bytes, addr_size(&hi));
}

void ike_build_ts(struct ike_build *b, uint8_t payload, const struct prefix *items, size_t count)
{
	size_t at = tagged_begin(b, payload, (uint8_t)count);

	for (size_t i = 0; i < count; i++)
		build_selector(b, &items[i]);
	payload_end(b, at);
}

void ike_build_cp(struct ike_build *b, uint8_t cfg_type, const struct ike_cp_attr *attrs,
		  size_t count)
{
	size_t at = tagged_begin(b, IKE_PAYLOAD_CP, cfg_type);

	for (size_t i = 0; i < count; i++) {
		wbuf_u16(&b->w, attrs[i].type);
		wbuf_u16(&b->w, (uint16_t)attrs[i].value.len);
		wbuf_bytes(&b->w, attrs[i].value.data, attrs[i].value.len);
	}
	payload_end(b, at);
}

static void fail(struct ike_build *b, int err)
{
	if (!b->w.err)
		b->w.err = err;
}

/* Content that is encrypted starts behind the IV; there is one SK or SKF in a message. */
static void sk_begin(struct ike_build *b, size_t at, const uint8_t iv[8])
{
	if (b->sk_at != 0)
		fail(b, -EINVAL);
	b->sk_at = at;
	wbuf_bytes(&b->w, iv, IKE_SK_IV_SIZE);
	b->plain_at = b->w.len;
}

void ike_build_sk_begin(struct ike_build *b, const uint8_t iv[8])
{
	sk_begin(b, payload_begin(b, IKE_PAYLOAD_SK), iv);
}

void ike_build_skf_begin(struct ike_build *b, uint8_t first, uint16_t number, uint16_t total,
			 const uint8_t iv[8])
{
	size_t at = payload_begin(b, IKE_PAYLOAD_SKF);

	wbuf_u16(&b->w, number);
	wbuf_u16(&b->w, total);
	sk_begin(b, at, iv);
	if (!b->w.err)
		b->w.start[at] = first;
}

void ike_build_bytes(struct ike_build *b, const void *data, size_t len)
{
	wbuf_bytes(&b->w, data, len);
}

struct ike_view ike_build_inner(const struct ike_build *b, uint8_t *first)
{
	if (b->w.err || b->sk_at == 0)
		return (struct ike_view){ 0 };
	*first = b->w.start[b->sk_at];
	return (struct ike_view){ b->w.start + b->plain_at, b->w.len - b->plain_at };
}

static int finish(struct ike_build *b, size_t *len)
{
	if (b->w.err)
		return b->w.err;
	wbuf_patch_u16(&b->w, IKE_HEADER_LENGTH_AT, (uint16_t)(b->w.len >> 16));
	wbuf_patch_u16(&b->w, IKE_HEADER_LENGTH_AT + 2, (uint16_t)b->w.len);
	*len = b->w.len;
	return 0;
}

int ike_build_sk_end(struct ike_build *b, size_t tag, size_t *plain_offset, size_t *plain_len,
		     size_t *len)
{
	size_t plain;
	int err;

	if (b->sk_at == 0)
		fail(b, -EINVAL);
	wbuf_u8(&b->w, 0);
	plain = b->w.len - b->plain_at;
	wbuf_reserve(&b->w, tag);
	payload_end(b, b->sk_at);
	err = finish(b, len);
	if (err)
		return err;
	*plain_offset = b->plain_at;
	*plain_len = plain;
	return 0;
}

int ike_build_finish(struct ike_build *b, size_t *len)
{
	if (b->sk_at != 0)
		fail(b, -EINVAL);
	return finish(b, len);
}
