#include "dir/sample.h"

#include <string.h>

struct crypto_sign_key sample_key(uint8_t byte)
{
	uint8_t seed[CRYPTO_SIGN_SEED];
	struct crypto_sign_key key;

	memset(seed, byte, sizeof(seed));
	crypto_sign_key_from_seed(seed, &key);
	return key;
}

struct dir_entry sample_alpha(void)
{
	return (struct dir_entry){
		.identity = sample_key(1).pub,
		.address = addr_v4(0xc0000201),
		.port = 500,
		.bandwidth = 1000,
		.nickname = "alpha",
	};
}

struct dir_entry sample_bravo(void)
{
	struct dir_entry e = {
		.identity = sample_key(2).pub,
		.address = addr_v4(0xc6336402),
		.port = 500,
		.flags = DIR_FLAG_EXIT | DIR_FLAG_IPV6,
		.bandwidth = 0x01020304,
		.nickname = "Bravo-2",
		.rule_count = 2,
		.rules = { { .accept = true, .proto = 6, .port_lo = 80, .port_hi = 443 },
			   { .accept = false, .proto = 0, .port_lo = 0, .port_hi = 65535 } },
	};

	if (addr_parse("2001:db8::2", &e.address6) < 0)
		abort();
	return e;
}

struct dir_trust sample_trust(size_t count, size_t threshold)
{
	struct dir_trust trust = { .count = count, .threshold = threshold };

	for (size_t i = 0; i < count; i++)
		trust.keys[i] = sample_key((uint8_t)(0xa1 + i)).pub;
	return trust;
}

uint8_t *sample_list(uint64_t published, size_t count, size_t *len)
{
	struct dir_entry entries[] = { sample_bravo(), sample_alpha() };
	struct dir_list list = {
		.published = published,
		.fresh_until = published + 60,
		.valid_until = published + 10800,
		.count = ARRAY_SIZE(entries),
		.entries = entries,
	};
	struct crypto_sign_key keys[DIR_LIST_AUTHORITIES];
	uint8_t *out;

	for (size_t i = 0; i < count; i++)
		keys[i] = sample_key((uint8_t)(0xa1 + i));
	if (dir_list_build(&list, keys, count, &out, len) < 0)
		abort();
	return out;
}
