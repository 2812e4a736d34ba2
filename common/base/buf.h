#pragma once
/*
 * Bounded reader and writer over somebody else's bytes (borrowed). An access past the end sets the
 * error and all later accesses do nothing, so a sequence is checked once, at its end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rbuf {
	const uint8_t *p;
	size_t left;
	int err; /* 0, or -EMSGSIZE after the first read past the end */
};

struct wbuf {
	uint8_t *start;
	size_t len, size;
	int err; /* 0, or -ENOSPC after the first write past the end */
};

struct rbuf rbuf_init(const void *data, size_t len);
/* Integers are read in network order; 0 after an error. */
uint8_t rbuf_u8(struct rbuf *r);
uint16_t rbuf_u16(struct rbuf *r);
uint32_t rbuf_u32(struct rbuf *r);
uint64_t rbuf_u64(struct rbuf *r);
/* Returns the next LEN bytes in place and steps over them, or NULL when there are fewer. */
const uint8_t *rbuf_bytes(struct rbuf *r, size_t len);
/* Copies the next LEN bytes to OUT; OUT is zeroed when there are fewer. */
void rbuf_copy(struct rbuf *r, void *out, size_t len);
/* Splits off a reader over the next LEN bytes. Has the error set when there are fewer. */
struct rbuf rbuf_sub(struct rbuf *r, size_t len);

struct wbuf wbuf_init(void *data, size_t size);
void wbuf_u8(struct wbuf *w, uint8_t v);
void wbuf_u16(struct wbuf *w, uint16_t v);
void wbuf_u32(struct wbuf *w, uint32_t v);
void wbuf_u64(struct wbuf *w, uint64_t v);
void wbuf_bytes(struct wbuf *w, const void *data, size_t len);
/* Overwrites two bytes at OFFSET that were written before (for length fields). */
void wbuf_patch_u16(struct wbuf *w, size_t offset, uint16_t v);
/* Reserves LEN zeroed bytes and returns them, or NULL when they do not fit. */
uint8_t *wbuf_reserve(struct wbuf *w, size_t len);
