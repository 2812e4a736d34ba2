/* Who may join the list: one host, one place. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "directory/daemon.h"
#include "directory/dir_judge.h"

enum { NOW = 1800000000, LIFE = 10000 };

static char folder[64], say[256];
static struct dir_store *store;
static struct dird_conf conf;

static void setup(void)
{
	char why[256] = "";

	strcpy(folder, "/tmp/ippriv-judge-XXXXXX");
	cr_assert_eq(crypto_init(), 0);
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(dir_store_open(folder, &store, why, sizeof(why)), 0, "%s", why);
	conf = (struct dird_conf){ .descriptor_life = LIFE, .per_network = 16 };
}

static void teardown(void)
{
	char command[128];

	dir_store_free(store);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(dir_judge, .init = setup, .fini = teardown);

/* The relay with seed SEED says that it is at V4. Its bytes. */
static size_t relay_at(uint16_t seed, uint32_t v4, uint64_t published, struct dir_desc *out,
		       uint8_t data[DIR_DESC_MAX])
{
	uint8_t bytes[CRYPTO_SIGN_SEED] = { (uint8_t)(seed >> 8), (uint8_t)seed };
	struct crypto_sign_key key;
	size_t len;

	crypto_sign_key_from_seed(bytes, &key);
	*out = (struct dir_desc){
		.published = published,
		.entry = { .identity = key.pub, .address = addr_v4(v4), .port = 500 },
	};
	snprintf(out->entry.nickname, sizeof(out->entry.nickname), "relay-%u", seed);
	cr_assert_eq(dir_desc_build(out, &key, data, &len), 0);
	return len;
}

/* It uploads from FROM at NOW; what is good is kept. The status. */
static unsigned int upload_from(uint16_t seed, uint32_t v4, uint32_t from, uint64_t now)
{
	struct addr source = addr_v4(from);
	uint8_t data[DIR_DESC_MAX];
	struct dir_desc desc;
	size_t len = relay_at(seed, v4, now, &desc, data);
	unsigned int status;
	bool changed;

	*say = '\0';
	status = dir_judge(&conf, store, &desc, &source, now, say, sizeof(say));
	if (status == 200)
		cr_assert_eq(dir_store_put(store, &desc, data, len, &changed), 0);
	else
		cr_assert(*say && !strchr(say, '\n'));
	return status;
}

static unsigned int upload(uint16_t seed, uint32_t v4, uint64_t now)
{
	return upload_from(seed, v4, v4, now);
}

static void expect_only(const char *nickname)
{
	cr_assert_eq(dir_store_count(store), 1);
	cr_assert_str_eq(dir_store_at(store, 0)->entry.nickname, nickname);
}

Test(dir_judge, only_from_the_address_that_it_names)
{
	struct addr v6;

	cr_assert_eq(upload_from(1, 0xc0000201, 0xc0000202, NOW), 403);
	cr_assert_not_null(strstr(say, "names 192.0.2.1 "), "%s", say);
	cr_assert_null(strstr(say, "192.0.2.2"), "the uploader's address goes into no log");
	cr_assert_eq(upload_from(1, 0xc0000201, 0xc0000201, NOW), 200);
	/* the same bytes at the head of an IPv6 address */
	cr_assert_eq(addr_parse("c000:201::", &v6), 0);
	cr_assert_eq(dir_judge(&conf, store, dir_store_at(store, 0), &v6, NOW, say, sizeof(say)), 403);
	conf.any_source = true;
	cr_assert_eq(upload_from(2, 0xc0000203, 0xc0000202, NOW), 200);
}

Test(dir_judge, one_identity_for_an_address)
{
	for (uint16_t i = 1; i <= 100; i++)
		cr_assert_eq(upload(i, 0xc0000201, NOW), i == 1 ? 200 : 409, "%u", i);
	expect_only("relay-1");
	cr_assert_not_null(strstr(say, "relay-1 is at this address"), "%s", say);
}

Test(dir_judge, who_uploads_keeps_the_address)
{
	for (uint64_t t = 0; t < 5 * LIFE; t += LIFE / 3) {
		cr_assert_eq(upload(1, 0xc0000201, NOW + t), 200);
		cr_assert_eq(upload(2, 0xc0000201, NOW + t), 409);
		cr_assert_eq(upload(2, 0xc0000201, NOW + t + LIFE / 3), 409);
	}
	expect_only("relay-1");
}

Test(dir_judge, who_lost_the_key_comes_back_within_a_descriptors_life)
{
	uint64_t waited = 0;

	cr_assert_eq(upload(1, 0xc0000201, NOW), 200);
	while (upload(2, 0xc0000201, NOW + waited) != 200)
		waited += 60;
	cr_assert_leq(waited, LIFE);
	expect_only("relay-2");
	cr_assert_eq(upload(1, 0xc0000201, NOW + waited + 1), 409, "the former does not push it out");
}

Test(dir_judge, a_relay_that_moves_leaves_its_address)
{
	cr_assert_eq(upload(1, 0xc0000201, NOW), 200);
	cr_assert_eq(upload(2, 0xc0000202, NOW), 200);
	cr_assert_eq(upload(1, 0xc0000202, NOW + 1), 409, "not to one that is taken");
	cr_assert_eq(upload(1, 0xc0000203, NOW + 1), 200);
	cr_assert_eq(upload(3, 0xc0000201, NOW + 1), 200);
	cr_assert_eq(dir_store_count(store), 3);
}

Test(dir_judge, so_many_in_a_network)
{
	for (uint16_t i = 1; i <= 16; i++)
		cr_assert_eq(upload(i, 0xc0000200 + i, NOW), 200);
	cr_assert_eq(upload(17, 0xc0000211, NOW), 409);
	cr_assert_not_null(strstr(say, "16 relays in this /24"), "%s", say);
	cr_assert_eq(upload(17, 0xc0000301, NOW), 200, "the next network is another");
	cr_assert_eq(upload(17, 0xc0000211, NOW + 1), 409, "and nobody moves in from there");
	cr_assert_eq(upload(5, 0xc0000205, NOW + 1), 200, "who is there stays");
	cr_assert_eq(upload(6, 0xc0000216, NOW + 1), 200, "and may move inside");
	conf.per_network = 3;
	cr_assert_eq(upload(5, 0xc0000205, NOW + 2), 200, "also under a new limit");
	conf.per_network = 0;
	cr_assert_eq(upload(18, 0xc0000212, NOW), 200);
}
