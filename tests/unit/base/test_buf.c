#include "common/base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

Test(buf, reads_in_network_order)
{
	static const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
					 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff };
	struct rbuf r = rbuf_init(bytes, sizeof(bytes));

	cr_assert_eq(rbuf_u8(&r), 0x01);
	cr_assert_eq(rbuf_u16(&r), 0x0203);
	cr_assert_eq(rbuf_u32(&r), 0x04050607u);
	cr_assert_eq(rbuf_u64(&r) >> 8, 0x08090a0b0c0d0eu);
	cr_assert_eq(r.left, 0u);
	cr_assert_eq(r.err, 0);
}

/* Every read at every distance from the end: enough, or the error and nothing consumed. */
Test(buf, reads_stop_at_the_end)
{
	static const size_t widths[] = { 1, 2, 4, 8, 5 };

	for (size_t size = 0; size <= 9; size++) {
		/* on the heap, so that ASan sees one byte too many */
		uint8_t *bytes = malloc(size ? size : 1), out[8];

		memset(bytes, 0xab, size);
		for (size_t w = 0; w < 5; w++) {
			struct rbuf r = rbuf_init(bytes, size);
			bool fits = size >= widths[w];
			uint64_t v = 0;

			memset(out, 0x55, sizeof(out));
			switch (w) {
			case 0: v = rbuf_u8(&r); break;
			case 1: v = rbuf_u16(&r); break;
			case 2: v = rbuf_u32(&r); break;
			case 3: v = rbuf_u64(&r); break;
			default: rbuf_copy(&r, out, widths[w]); v = out[4]; break;
			}
			cr_assert_eq(r.err, fits ? 0 : -EMSGSIZE);
			cr_assert_eq(r.left, fits ? size - widths[w] : size);
			cr_assert_eq(v & 0xff, fits ? 0xab : 0);
			cr_assert_eq(out[5], 0x55, "nothing past the copy");
		}
		free(bytes);
	}
}

Test(buf, a_read_error_sticks)
{
	static const uint8_t bytes[4] = { 1, 2, 3, 4 };
	struct rbuf r = rbuf_init(bytes, sizeof(bytes)), sub;
	uint8_t out[2] = { 9, 9 };

	cr_assert_eq(rbuf_u64(&r), 0u);
	cr_assert_eq(r.err, -EMSGSIZE);
	cr_assert_eq(rbuf_u8(&r), 0, "though a byte is there");
	cr_assert_null(rbuf_bytes(&r, 1));
	cr_assert_null(rbuf_bytes(&r, 0));
	rbuf_copy(&r, out, 2);
	cr_assert_eq(out[0] | out[1], 0);
	sub = rbuf_sub(&r, 1);
	cr_assert_eq(sub.err, -EMSGSIZE);
	cr_assert_eq(rbuf_u8(&sub), 0);
}

Test(buf, sub_readers_end_where_they_should)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5 };
	struct rbuf r = rbuf_init(bytes, sizeof(bytes)), sub = rbuf_sub(&r, 3), empty, over;

	cr_assert_eq(rbuf_u16(&sub), 0x0102);
	cr_assert_eq(rbuf_u8(&sub), 3);
	cr_assert_eq(rbuf_u8(&sub), 0);
	cr_assert_eq(sub.err, -EMSGSIZE);
	cr_assert_eq(r.err, 0, "the outer reader knows nothing of it");
	cr_assert_eq(rbuf_u8(&r), 4);
	empty = rbuf_sub(&r, 0);
	cr_assert_eq(empty.left, 0u);
	cr_assert_eq(empty.err, 0);
	over = rbuf_sub(&r, 2);
	cr_assert_eq(over.err, -EMSGSIZE);
	cr_assert_eq(over.left, 0u);
	cr_assert_null(over.p);
	cr_assert_eq(r.err, -EMSGSIZE);
}

Test(buf, lengths_do_not_wrap)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct rbuf r = rbuf_init(bytes, sizeof(bytes));
	uint8_t space[4];
	struct wbuf w = wbuf_init(space, sizeof(space));

	cr_assert_eq(rbuf_u8(&r), 1);
	cr_assert_null(rbuf_bytes(&r, SIZE_MAX));
	cr_assert_eq(r.err, -EMSGSIZE);
	wbuf_u8(&w, 1);
	cr_assert_null(wbuf_reserve(&w, SIZE_MAX));
	cr_assert_eq(w.err, -ENOSPC);
	w = wbuf_init(space, sizeof(space));
	wbuf_u32(&w, 0);
	wbuf_patch_u16(&w, SIZE_MAX, 1);
	cr_assert_eq(w.err, -ENOSPC);
	w = wbuf_init(space, sizeof(space));
	wbuf_u32(&w, 0);
	wbuf_patch_u16(&w, SIZE_MAX - 1, 1);
	cr_assert_eq(w.err, -ENOSPC);
}

Test(buf, empty_without_memory)
{
	struct rbuf r = rbuf_init(NULL, 0);
	struct wbuf w = wbuf_init(NULL, 0);
	uint8_t byte = 7;

	rbuf_copy(&r, &byte, 0);
	cr_assert_eq(byte, 7);
	cr_assert_eq(rbuf_sub(&r, 0).err, 0);
	cr_assert_eq(r.err, 0);
	cr_assert_eq(rbuf_u8(&r), 0);
	cr_assert_eq(r.err, -EMSGSIZE);
	wbuf_bytes(&w, NULL, 0);
	wbuf_reserve(&w, 0);
	cr_assert_eq(w.err, 0);
	wbuf_u8(&w, 1);
	cr_assert_eq(w.err, -ENOSPC);
}

Test(buf, writes_in_network_order)
{
	static const uint8_t expected[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
					    'a', 'b', 0, 0, 0 };
	uint8_t space[sizeof(expected)], *reserved;
	struct wbuf w = wbuf_init(space, sizeof(space));

	memset(space, 0xee, sizeof(space));
	wbuf_u8(&w, 1);
	wbuf_u16(&w, 0xffff);
	wbuf_u32(&w, 0x04050607);
	wbuf_u64(&w, 0x08090a0b0c0d0e0f);
	wbuf_bytes(&w, "ab", 2);
	reserved = wbuf_reserve(&w, 3);
	wbuf_patch_u16(&w, 1, 0x0203);
	cr_assert_eq(w.err, 0);
	cr_assert_eq(w.len, sizeof(expected));
	cr_assert_eq(reserved, space + 17);
	cr_assert_arr_eq(space, expected, sizeof(expected));
}

/* A write that does not fit writes nothing, and nothing is written after it. */
Test(buf, writes_stop_at_the_end)
{
	for (size_t size = 0; size < 8; size++) {
		uint8_t *space = malloc(size ? size : 1);
		struct wbuf w = wbuf_init(space, size);

		memset(space, 0xee, size);
		wbuf_u64(&w, UINT64_MAX);
		cr_assert_eq(w.err, -ENOSPC);
		wbuf_u8(&w, 1);
		wbuf_bytes(&w, "x", 1);
		cr_assert_null(wbuf_reserve(&w, 0));
		cr_assert_eq(w.len, 0u);
		for (size_t i = 0; i < size; i++)
			cr_assert_eq(space[i], 0xee);
		free(space);
	}
}

Test(buf, patches_only_what_was_written)
{
	uint8_t space[8] = { 0 };

	for (size_t len = 0; len <= 4; len++)
		for (size_t offset = 0; offset <= 5; offset++) {
			struct wbuf w = wbuf_init(space, sizeof(space));

			memset(space, 0xee, sizeof(space));
			wbuf_reserve(&w, len);
			wbuf_patch_u16(&w, offset, 0x1234);
			cr_assert_eq(w.err, offset + 2 <= len ? 0 : -ENOSPC);
			cr_assert_eq(w.len, len);
			cr_assert_eq(space[len], 0xee);
			if (!w.err)
				cr_assert(space[offset] == 0x12 && space[offset + 1] == 0x34);
		}
}
