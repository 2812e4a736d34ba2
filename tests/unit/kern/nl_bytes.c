#include "kern/nl_bytes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OUT_MAX = 2048, UNTOUCHED = 0xa5 };

void nl_bytes_expect(const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len,
		     const char *name)
{
	for (size_t i = 0; i < got_len && i < want_len; i++)
		cr_assert(got[i] == want[i], "%s: byte %zu is %02x, wanted %02x", name, i, got[i],
			  want[i]);
	cr_assert(got_len == want_len, "%s: %zu bytes, wanted %zu", name, got_len, want_len);
}

/* PARSE on a copy of exactly LEN bytes, so that a sanitizer sees a read past the end. */
static int try_parse(const uint8_t *msg, size_t len,
		     int (*parse)(const void *msg, size_t len, void *out), size_t out_size)
{
	uint8_t *copy = malloc(len ? len : 1), out[OUT_MAX];
	int err;

	cr_assert(copy && out_size <= sizeof(out));
	memcpy(copy, msg, len);
	memset(out, UNTOUCHED, sizeof(out));
	err = parse(copy, len, out);
	free(copy);
	cr_assert(err == 0 || err == -EMSGSIZE || err == -EBADMSG || err == -EOPNOTSUPP,
		  "error %d", err);
	for (size_t i = err < 0 ? 0 : out_size; i < sizeof(out); i++)
		cr_assert(out[i] == UNTOUCHED, "byte %zu of the result written, error %d", i, err);
	return err;
}

static void set_length(uint8_t *msg, size_t len)
{
	uint32_t v = (uint32_t)len;

	memcpy(msg, &v, sizeof(v));
}

size_t nl_bytes_torture(const uint8_t *msg, size_t len,
			int (*parse)(const void *msg, size_t len, void *out), size_t out_size)
{
	static const uint8_t change[] = { 0x01, 0x04, 0x10, 0x80, 0xff };
	uint8_t *m = malloc(len);
	size_t taken = 0;

	cr_assert(m && try_parse(msg, len, parse, out_size) == 0);
	for (size_t cut = 0; cut < len; cut++) {
		cr_assert(try_parse(msg, cut, parse, out_size) == -EMSGSIZE, "cut to %zu", cut);
		memcpy(m, msg, len);
		set_length(m, cut);
		if (try_parse(m, cut, parse, out_size) == 0)
			taken++;
	}
	for (size_t i = 0; i < len; i++)
		for (size_t j = 0; j < sizeof(change); j++) {
			memcpy(m, msg, len);
			m[i] ^= change[j];
			(void)try_parse(m, len, parse, out_size);
		}
	for (size_t i = 16; i + 2 <= len; i += 2)
		for (unsigned int v = 0; v < 6; v++) {
			uint16_t extreme = (uint16_t[]){ 0, 1, 3, 4, 0x7fff, 0xffff }[v];

			memcpy(m, msg, len);
			memcpy(m + i, &extreme, sizeof(extreme));
			(void)try_parse(m, len, parse, out_size);
		}
	free(m);
	return taken;
}
