#include "common/base/buf.h"

#include <errno.h>
#include <string.h>

struct rbuf rbuf_init(const void *data, size_t len)
{
	return (struct rbuf){ .p = data, .left = len };
}

const uint8_t *rbuf_bytes(struct rbuf *r, size_t len)
{
	const uint8_t *p = r->p;

	if (r->err)
		return NULL;
	if (len > r->left) {
		r->err = -EMSGSIZE;
		return NULL;
	}
	if (len > 0)
		r->p += len;
	r->left -= len;
	return p;
}

static uint64_t read_be(struct rbuf *r, size_t width)
{
	const uint8_t *p = rbuf_bytes(r, width);
	uint64_t v = 0;

	for (size_t i = 0; p && i < width; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t rbuf_u8(struct rbuf *r)
{
	return (uint8_t)read_be(r, 1);
}

uint16_t rbuf_u16(struct rbuf *r)
{
	return (uint16_t)read_be(r, 2);
}

uint32_t rbuf_u32(struct rbuf *r)
{
	return (uint32_t)read_be(r, 4);
}

uint64_t rbuf_u64(struct rbuf *r)
{
	return read_be(r, 8);
}

void rbuf_copy(struct rbuf *r, void *out, size_t len)
{
	const uint8_t *p = rbuf_bytes(r, len);

	if (p && len > 0)
		memcpy(out, p, len);
	else if (len > 0)
		memset(out, 0, len);
}

struct rbuf rbuf_sub(struct rbuf *r, size_t len)
{
	const uint8_t *p = rbuf_bytes(r, len);

	if (r->err)
		return (struct rbuf){ .err = r->err };
	return rbuf_init(p, len);
}

struct wbuf wbuf_init(void *data, size_t size)
{
	return (struct wbuf){ .start = data, .size = size };
}

uint8_t *wbuf_reserve(struct wbuf *w, size_t len)
{
	uint8_t *p;

	if (w->err)
		return NULL;
	if (len > w->size - w->len) {
		w->err = -ENOSPC;
		return NULL;
	}
	if (!w->start) /* nothing of an empty buffer */
		return NULL;
	p = w->start + w->len;
	memset(p, 0, len);
	w->len += len;
	return p;
}

static void write_be(struct wbuf *w, uint64_t v, size_t width)
{
	uint8_t *p = wbuf_reserve(w, width);

	for (size_t i = width; p && i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

void wbuf_u8(struct wbuf *w, uint8_t v)
{
	write_be(w, v, 1);
}

void wbuf_u16(struct wbuf *w, uint16_t v)
{
	write_be(w, v, 2);
}

void wbuf_u32(struct wbuf *w, uint32_t v)
{
	write_be(w, v, 4);
}

void wbuf_u64(struct wbuf *w, uint64_t v)
{
	write_be(w, v, 8);
}

void wbuf_bytes(struct wbuf *w, const void *data, size_t len)
{
	uint8_t *p = len > 0 ? wbuf_reserve(w, len) : NULL;

	if (p)
		memcpy(p, data, len);
}

void wbuf_patch_u16(struct wbuf *w, size_t offset, uint16_t v)
{
	if (w->err)
		return;
	if (w->len < 2 || offset > w->len - 2) {
		w->err = -ENOSPC;
		return;
	}
	w->start[offset] = (uint8_t)(v >> 8);
	w->start[offset + 1] = (uint8_t)v;
}
