#pragma once
/* Values that tests make netlink messages of. */
#include <criterion/criterion.h>

#include "common/kern/kern_ops.h"

static inline struct addr addr(const char *text)
{
	struct addr a;

	cr_assert(addr_parse(text, &a) == 0);
	return a;
}

static inline struct prefix prefix(const char *text)
{
	struct prefix p;

	cr_assert(prefix_parse(text, &p) == 0);
	return p;
}

/* Without UDP around it and without limits. */
static inline struct kern_sa plain_sa(void)
{
	struct kern_sa s = {
		.src = addr("192.0.2.1"),
		.dst = addr("198.51.100.2"),
		.spi = 0x11223344,
		.reqid = KERN_REQID_CLIENT | 1,
		.if_id = KERN_REQID_CLIENT | 1,
		.aead = KERN_AEAD_AES_GCM_16_256,
		.key.len = 36,
		.esn = true,
		.replay_window = 64,
	};

	for (uint8_t i = 0; i < 36; i++)
		s.key.bytes[i] = i;
	return s;
}
