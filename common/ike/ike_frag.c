#include "common/ike/ike_frag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- out ---- */

enum {
	/* What a fragment is longer than its part of the payloads: pad length and tag at the end. */
	SEALED_BY = 1 + CRYPTO_AEAD_TAG,
	OVERHEAD = IKE_HEADER_SIZE + IKE_PAYLOAD_HEADER_SIZE + IKE_SKF_SIZE + IKE_SK_IV_SIZE +
		   SEALED_BY,
};

static struct ike_header header_of(const struct ike_build *b)
{
	struct rbuf r = rbuf_init(b->w.start, b->w.len);
	struct ike_header h = { .spi_i = rbuf_u64(&r), .spi_r = rbuf_u64(&r) };

	rbuf_u16(&r); /* next payload, version */
	h.exchange = rbuf_u8(&r);
	h.flags = rbuf_u8(&r);
	h.message_id = rbuf_u32(&r);
	return h;
}

/* One message, encrypted in place, then where it is wanted. */
static int seal_whole(struct ike_crypt *c, struct ike_build *b, uint8_t *out, size_t room,
		      size_t *len)
{
	int r = ike_crypt_seal(c, b, len);

	if (r < 0)
		return r;
	if (*len > room)
		return -ENOSPC;
	memcpy(out, b->w.start, *len);
	return 0;
}

int ike_frag_seal(struct ike_crypt *c, struct ike_build *b, size_t size, uint8_t *out, size_t room,
		  size_t *len)
{
	uint8_t first = IKE_PAYLOAD_NONE;
	struct ike_view left = ike_build_inner(b, &first);
	struct ike_header h;
	size_t part, total;

	if (size > 0 && size < IKE_FRAGMENT_SIZE_MIN)
		size = IKE_FRAGMENT_SIZE_MIN;
	if (!left.data || size == 0 || b->w.len + SEALED_BY <= size)
		return seal_whole(c, b, out, room, len);
	h = header_of(b);
	part = size - OVERHEAD;
	total = (left.len + part - 1) / part;
	if (total > IKE_FRAGMENTS_MAX)
		return -ENOSPC;
	*len = 0;
	for (size_t number = 1; number <= total; number++) {
		size_t take = left.len < part ? left.len : part, made;
		struct ike_build f;
		int r;

		ike_build_init(&f, out + *len, room - *len, &h);
		ike_crypt_begin_fragment(c, &f, number == 1 ? first : IKE_PAYLOAD_NONE,
					 (uint16_t)number, (uint16_t)total);
		ike_build_bytes(&f, left.data, take);
		r = ike_crypt_seal(c, &f, &made);
		if (r < 0)
			return r;
		left = (struct ike_view){ left.data + take, left.len - take };
		*len += made;
	}
	return 0;
}

size_t ike_frag_first(const uint8_t *msgs, size_t len)
{
	struct rbuf r = rbuf_init(msgs, len);
	size_t size;

	rbuf_bytes(&r, IKE_HEADER_LENGTH_AT);
	size = rbuf_u32(&r);
	return size >= IKE_HEADER_SIZE && size < len ? size : len;
}

/* ---- in ---- */

struct piece {
	bool here;
	uint16_t at, len; /* in bytes */
};

struct ike_frag {
	uint32_t id;
	uint16_t total, count;
	uint8_t first;       /* type of the first payload, once fragment 1 is there */
	uint64_t since;      /* when the first one came */
	size_t used;
	struct piece pieces[IKE_FRAGMENTS_MAX];
	uint8_t bytes[IKE_FRAGMENT_BYTES_MAX]; /* in order of arrival */
};

static bool is_of(const struct ike_frag *frag, uint32_t id, uint64_t now)
{
	return frag && frag->id == id && now - frag->since < IKE_FRAGMENT_LIFE;
}

bool ike_frag_wants(const struct ike_frag *frag, uint32_t id, const struct ike_payloads *outer,
		    uint64_t now)
{
	if (outer->fragment == 0 || outer->fragment > outer->fragment_total ||
	    outer->fragment_total > IKE_FRAGMENTS_MAX)
		return false;
	if (!is_of(frag, id, now) || outer->fragment_total > frag->total)
		return true;
	return outer->fragment_total == frag->total && !frag->pieces[outer->fragment - 1].here;
}

/* An empty one for message ID, in place of what is there. */
static int begin(struct ike_frag **frag, uint32_t id, uint16_t total, uint64_t now)
{
	if (!*frag)
		*frag = malloc(sizeof(**frag));
	if (!*frag)
		return -ENOMEM;
	crypto_wipe(*frag, sizeof(**frag));
	(*frag)->id = id;
	(*frag)->total = total;
	(*frag)->since = now;
	return 0;
}

int ike_frag_keep(struct ike_frag **frag, uint32_t id, const struct ike_payloads *outer,
		  const uint8_t *part, size_t len, uint64_t now)
{
	struct ike_frag *f = *frag;
	int r;

	if (len == 0 && outer->fragment_total > 1)
		return -EBADMSG;
	if (!is_of(f, id, now) || f->total != outer->fragment_total) {
		r = begin(frag, id, outer->fragment_total, now);
		if (r < 0)
			return r;
		f = *frag;
	}
	if (len > sizeof(f->bytes) - f->used) {
		ike_frag_free(frag);
		return -EMSGSIZE;
	}
	memcpy(f->bytes + f->used, part, len);
	f->pieces[outer->fragment - 1] = (struct piece){ .here = true, .at = (uint16_t)f->used,
							 .len = (uint16_t)len };
	f->used += len;
	if (outer->fragment == 1)
		f->first = outer->sk_next;
	return ++f->count == f->total ? 0 : -EAGAIN;
}

size_t ike_frag_join(struct ike_frag **frag, uint8_t *out, uint8_t *first)
{
	const struct ike_frag *f = *frag;
	size_t len = 0;

	for (size_t i = 0; i < f->total; i++) {
		memcpy(out + len, f->bytes + f->pieces[i].at, f->pieces[i].len);
		len += f->pieces[i].len;
	}
	*first = f->first;
	ike_frag_free(frag);
	return len;
}

void ike_frag_expire(struct ike_frag **frag, uint64_t now)
{
	if (*frag && !is_of(*frag, (*frag)->id, now))
		ike_frag_free(frag);
}

void ike_frag_free(struct ike_frag **frag)
{
	if (*frag)
		crypto_wipe(*frag, sizeof(**frag));
	free(*frag);
	*frag = NULL;
}
