#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "ippriv-client/ctl_path.h"

enum { RELAYS = 12, DRAWS = 6000 };

/* xorshift64*: the same numbers on every machine. */
static void numbers(void *ctx, void *out, size_t len)
{
	uint64_t *state = ctx;
	uint8_t *p = out;

	while (len > 0) {
		size_t n = len < 8 ? len : 8;
		uint64_t v;

		*state ^= *state >> 12;
		*state ^= *state << 25;
		*state ^= *state >> 27;
		v = *state * 0x2545f4914f6cdd1dULL;
		memcpy(p, &v, n);
		p += n;
		len -= n;
	}
}

static struct dir_entry relay(uint8_t number, uint32_t address, bool exit, uint32_t bandwidth)
{
	struct dir_entry e = { .port = 500, .bandwidth = bandwidth };

	memset(e.identity.bytes, number, sizeof(e.identity.bytes));
	e.address = addr_v4(address);
	e.flags = exit ? DIR_FLAG_EXIT : 0;
	return e;
}

/* COUNT relays, each in a /16 of its own; the first EXITS of them are exits. */
static struct dir_list spread(struct dir_entry *entries, size_t count, size_t exits)
{
	for (size_t i = 0; i < count; i++)
		entries[i] = relay((uint8_t)(i + 1), 0x05000001 + ((uint32_t)i << 16), i < exits,
				   1000);
	return (struct dir_list){ .count = count, .entries = entries };
}

static size_t number_of(const struct dir_entry *e)
{
	return e->identity.bytes[0] - 1u;
}

static bool share(const struct ctl_path *p, unsigned int bits)
{
	for (size_t i = 0; i < CTL_PATH_HOPS; i++)
		for (size_t k = 0; k < i; k++)
			if (addr_to_v4(&p->hops[i].address) >> (32 - bits) ==
			    addr_to_v4(&p->hops[k].address) >> (32 - bits))
				return true;
	return false;
}

Test(path, has_three_different_relays_and_an_exit_at_its_end)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 4);
	const struct ctl_avoid nobody = { 0 };
	size_t seen[CTL_PATH_HOPS][RELAYS] = { 0 };
	uint64_t state = 1;

	for (int i = 0; i < DRAWS; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), 0);
		cr_assert(p.hops[2].flags & DIR_FLAG_EXIT);
		cr_assert_not(share(&p, 16));
		cr_assert_not(p.shares_net);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			seen[k][number_of(&p.hops[k])]++;
	}
	for (size_t i = 0; i < RELAYS; i++) {
		cr_assert_eq(seen[2][i] > 0, i < 4);
		cr_assert_gt(seen[0][i], 0);
		cr_assert_gt(seen[1][i], 0);
	}
	/* equal bandwidth, equal chance: 6000 draws over four exits */
	for (size_t i = 0; i < 4; i++)
		cr_assert(seen[2][i] > 1380 && seen[2][i] < 1620, "%zu", seen[2][i]);
}

Test(path, draws_by_bandwidth_up_to_a_limit)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 3);
	const struct ctl_avoid nobody = { 0 };
	size_t seen[RELAYS] = { 0 };
	uint64_t state = 2;

	entries[0].bandwidth = 3000;
	entries[1].bandwidth = 1000;
	entries[2].bandwidth = 0; /* counts as one */
	for (int i = 0; i < DRAWS; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), 0);
		seen[number_of(&p.hops[2])]++;
	}
	cr_assert(seen[0] > 4350 && seen[0] < 4650, "%zu", seen[0]);
	cr_assert_lt(seen[2], 30);
	/* a boast of 4 TB/s is worth as much as one of 1 Gbit/s */
	entries[0].bandwidth = UINT32_MAX;
	entries[1].bandwidth = 125000;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < DRAWS; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), 0);
		seen[number_of(&p.hops[2])]++;
	}
	cr_assert(seen[0] > 2850 && seen[0] < 3150, "%zu", seen[0]);
}

Test(path, crosses_three_networks_whenever_there_are_three)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 1);
	const struct ctl_avoid nobody = { 0 };
	uint64_t state = 3;

	/* all but two in the only exit's /16 */
	for (size_t i = 0; i < RELAYS - 2; i++)
		entries[i].address = addr_v4(0x05000001 + (uint32_t)i);
	for (int i = 0; i < 1000; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), 0);
		cr_assert_not(p.shares_net);
		cr_assert_not(share(&p, 16));
		cr_assert_eq(number_of(&p.hops[2]), 0);
	}
}

Test(path, falls_back_on_a_small_list)
{
	struct dir_entry entries[5];
	struct dir_list list = spread(entries, 5, 2);
	const struct ctl_avoid nobody = { 0 };
	uint64_t state = 4;

	for (size_t i = 0; i < 5; i++)
		entries[i].address = addr_v4(0x05000001 + (uint32_t)i);
	for (int i = 0; i < 1000; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), 0);
		cr_assert(p.shares_net);
		cr_assert_not(share(&p, 32));
	}
}

Test(path, avoids_who_failed_as_long_as_it_can)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 3);
	struct ctl_avoid avoid = { .count = 4 };
	struct ctl_path p;
	uint64_t state = 5;

	for (size_t i = 0; i < 4; i++)
		avoid.items[i].relay = entries[i + 1].identity; /* two exits among them */
	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			cr_assert(number_of(&p.hops[k]) == 0 || number_of(&p.hops[k]) > 4);
	}
	/* of three relays none can be spared, and networks matter more than avoidance */
	list.count = 3;
	cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
	cr_assert_not(p.shares_net);
}

Test(path, spares_suspects_before_who_failed)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, 6, 6);
	struct ctl_avoid avoid = { .count = 3 };
	struct ctl_path p;
	uint64_t state = 11;

	for (size_t i = 0; i < 3; i++)
		avoid.items[i].relay = entries[i].identity;
	avoid.items[1].suspect = avoid.items[2].suspect = true;
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			cr_assert_gt(number_of(&p.hops[k]), 2);
	}
	/* five: with no suspect there are too few, without the one that failed there are enough */
	list.count = 5;
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			cr_assert_gt(number_of(&p.hops[k]), 0);
	}
}

Test(path, takes_back_first_who_failed_longest_ago)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, 5, 5);
	struct ctl_avoid avoid = { 0 };
	size_t seen[RELAYS] = { 0 };
	struct ctl_path p;
	uint64_t state = 13;

	for (size_t i = 0; i < 4; i++)
		ctl_avoid_add(&avoid, &entries[i].identity, i);
	ctl_avoid_suspect(&avoid, &entries[4].identity, 9);
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++)
			seen[number_of(&p.hops[k])]++;
	}
	cr_assert_eq(seen[0], 500);
	cr_assert_eq(seen[1], 500);
	cr_assert_eq(seen[4], 500);
}

static void let_out(struct dir_entry *e, uint8_t proto, uint16_t lo, uint16_t hi)
{
	e->rules[e->rule_count++] = (struct dir_rule){ true, proto, lo, hi };
}

Test(path, prefers_exits_that_let_web_and_names_out)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 5);
	struct ctl_avoid avoid = { 0 };
	size_t seen[RELAYS] = { 0 };
	struct ctl_path p;
	uint64_t state = 12;

	let_out(&entries[0], 6, 80, 80);      /* no 443 */
	let_out(&entries[0], 17, 53, 53);
	let_out(&entries[1], 6, 1, 65535);    /* no UDP */
	let_out(&entries[2], 6, 1, 1023);
	let_out(&entries[2], 17, 53, 53);
	let_out(&entries[3], 0, 0, 65535);
	for (int i = 0; i < DRAWS; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		seen[number_of(&p.hops[2])]++;
	}
	cr_assert_eq(seen[2] + seen[3], DRAWS);
	cr_assert(seen[2] > 2800 && seen[3] > 2800, "%zu %zu", seen[2], seen[3]);
	/* one that failed is worse than one that is of little use */
	avoid.count = 2;
	avoid.items[0].relay = entries[2].identity;
	avoid.items[1].relay = entries[3].identity;
	for (int i = 0; i < 500; i++) {
		cr_assert_eq(ctl_path_choose(&list, &avoid, NULL, numbers, &state, &p), 0);
		cr_assert(number_of(&p.hops[2]) < 2 || number_of(&p.hops[2]) == 4);
	}
}

Test(path, says_why_there_is_none)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = spread(entries, RELAYS, 0);
	const struct ctl_avoid nobody = { 0 };
	struct ctl_path p = { .shares_net = true };
	uint64_t state = 6;

	cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), -ESRCH);
	list = spread(entries, 2, 2);
	cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), -ENOENT);
	list = spread(entries, 0, 0);
	cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), -ENOENT);
	/* three keys at one address are one relay */
	list = spread(entries, 3, 3);
	entries[1].address = entries[2].address = entries[0].address;
	cr_assert_eq(ctl_path_choose(&list, &nobody, NULL, numbers, &state, &p), -ENOENT);
	cr_assert(p.shares_net, "the result was touched");
}
