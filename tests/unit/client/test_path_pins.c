#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-client/ctl_path.h"

enum { RELAYS = 8, DRAWS = 2000 };

static const struct ctl_avoid nobody = { 0 };

/* xorshift64*: the same numbers on every machine. */
static void numbers(void *ctx, void *out, size_t len)
{
	uint64_t *state = ctx;
	uint64_t v;

	cr_assert_eq(len, sizeof(v));
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	v = *state * 0x2545f4914f6cdd1dULL;
	memcpy(out, &v, len);
}

/* r0 to r7, each in a /16 of its own; r0 to r3 are exits. */
static struct dir_list relays(struct dir_entry entries[RELAYS])
{
	memset(entries, 0, RELAYS * sizeof(*entries));
	for (uint32_t i = 0; i < RELAYS; i++) {
		memset(entries[i].identity.bytes, (int)i + 1, sizeof(entries[i].identity.bytes));
		entries[i].address = addr_v4(0x05000001 + (i << 16));
		entries[i].port = 500;
		entries[i].bandwidth = 1000;
		entries[i].flags = i < 4 ? DIR_FLAG_EXIT : 0;
		snprintf(entries[i].nickname, sizeof(entries[i].nickname), "r%u", i);
	}
	return (struct dir_list){ .count = RELAYS, .entries = entries };
}

static void pin(struct pins *pins, const char *text)
{
	cr_assert_eq(pins_parse(text, &pins->pins[pins->count]), 0, "%s", text);
	pins->count++;
}

static size_t number_of(const struct dir_entry *e)
{
	return e->identity.bytes[0] - 1u;
}

/* Draws many paths; SEEN counts the relays at each hop. */
static void draw(const struct dir_list *list, const struct pins *pins,
		 size_t seen[CTL_PATH_HOPS][RELAYS])
{
	uint64_t state = 7;

	memset(seen, 0, CTL_PATH_HOPS * RELAYS * sizeof(seen[0][0]));
	for (int i = 0; i < DRAWS; i++) {
		struct ctl_path p;

		cr_assert_eq(ctl_path_choose(list, &nobody, pins, numbers, &state, &p), 0);
		cr_assert(p.hops[2].flags & DIR_FLAG_EXIT);
		for (size_t k = 0; k < CTL_PATH_HOPS; k++) {
			seen[k][number_of(&p.hops[k])]++;
			for (size_t l = 0; l < k; l++)
				cr_assert_neq(number_of(&p.hops[k]), number_of(&p.hops[l]));
		}
	}
}

Test(pins, are_nicknames_or_keys)
{
	static const char key[] = "0303030303030303030303030303030303030303030303030303030303030303";
	static const char *const bad[] = { "", "seventeen-letters", "under_score", "r 1", "r1\n" };
	struct dir_entry entries[RELAYS];
	struct pins pins = { 0 };
	struct pin out = { .is_key = true };

	relays(entries);
	cr_assert(pins_allow(&pins, &entries[5]), "no pins allow everybody");
	pin(&pins, key);
	pin(&pins, "r6");
	for (size_t i = 0; i < RELAYS; i++)
		cr_assert_eq(pins_allow(&pins, &entries[i]), i == 2 || i == 6, "%zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(pins_parse(bad[i], &out), -EINVAL, "%s", bad[i]);
	cr_assert(out.is_key, "the result was touched");
	/* all of a nickname counts, and it is no key */
	pins.count = 0;
	pin(&pins, "r");
	pin(&pins, "r66");
	pin(&pins, "R6");
	for (size_t i = 0; i < RELAYS; i++)
		cr_assert_not(pins_allow(&pins, &entries[i]));
}

Test(pins, restrict_their_hop_only)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = relays(entries);
	struct pins pins[CTL_PATH_HOPS] = { 0 };
	size_t seen[CTL_PATH_HOPS][RELAYS];

	pin(&pins[0], "r5");
	pin(&pins[0], "r6");
	draw(&list, pins, seen);
	cr_assert_eq(seen[0][5] + seen[0][6], DRAWS);
	cr_assert(seen[0][5] > 850 && seen[0][6] > 850, "%zu %zu", seen[0][5], seen[0][6]);
	for (size_t i = 0; i < RELAYS; i++) {
		cr_assert_gt(seen[1][i], 0);
		cr_assert_eq(seen[2][i] > 0, i < 4);
	}
	pin(&pins[1], "r0");
	pin(&pins[2], "r3");
	draw(&list, pins, seen);
	cr_assert_eq(seen[1][0], DRAWS);
	cr_assert_eq(seen[2][3], DRAWS);
}

Test(pins, never_draw_into_a_dead_end)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = relays(entries);
	struct pins pins[CTL_PATH_HOPS] = { 0 };
	size_t seen[CTL_PATH_HOPS][RELAYS];

	/* r1 can only be the middle, so r0 is the exit and r2 the entry, whatever is drawn first */
	pin(&pins[0], "r0");
	pin(&pins[0], "r1");
	pin(&pins[0], "r2");
	pin(&pins[1], "r1");
	pin(&pins[2], "r0");
	pin(&pins[2], "r1");
	draw(&list, pins, seen);
	cr_assert_eq(seen[0][2], DRAWS);
	cr_assert_eq(seen[1][1], DRAWS);
	cr_assert_eq(seen[2][0], DRAWS);
}

Test(pins, outlive_the_other_wishes)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = relays(entries);
	struct pins pins[CTL_PATH_HOPS] = { 0 };
	struct ctl_avoid avoid = { .count = 1 };
	struct ctl_path p;
	uint64_t state = 8;

	pin(&pins[0], "r7");
	pin(&pins[1], "r6");
	avoid.items[0].relay = entries[7].identity;
	cr_assert_eq(ctl_path_choose(&list, &avoid, pins, numbers, &state, &p), 0);
	cr_assert_eq(number_of(&p.hops[0]), 7);
	cr_assert(!p.shares_net);
	entries[7].address = addr_v4(addr_to_v4(&entries[6].address) + 1);
	cr_assert_eq(ctl_path_choose(&list, &nobody, pins, numbers, &state, &p), 0);
	cr_assert_eq(number_of(&p.hops[0]), 7);
	cr_assert_eq(number_of(&p.hops[1]), 6);
	cr_assert(p.shares_net);
}

static void expect_why(const struct dir_list *list, const struct pins *pins, const char *why)
{
	struct ctl_path p = { .shares_net = true };
	uint64_t state = 9;

	cr_assert_eq(ctl_path_choose(list, &nobody, pins, numbers, &state, &p), -ENXIO);
	cr_assert(p.shares_net, "the result was touched");
	cr_assert(strstr(ctl_path_why(list, pins), why), "%s", ctl_path_why(list, pins));
}

Test(pins, say_which_of_them_leaves_nobody)
{
	struct dir_entry entries[RELAYS];
	struct dir_list list = relays(entries);
	struct pins pins[CTL_PATH_HOPS] = { 0 };
	struct ctl_path p;
	uint64_t state = 10;

	pin(&pins[2], "r4"); /* not an exit */
	expect_why(&list, pins, "no exit in the list is one that `exit` names");
	pins[2].count = 0;
	pin(&pins[1], "elsewhere");
	expect_why(&list, pins, "`middle`");
	pins[1].count = 0;
	pin(&pins[0], "elsewhere");
	expect_why(&list, pins, "`entry`");
	pins[0].count = 0;
	pin(&pins[0], "r1");
	pin(&pins[1], "r1");
	expect_why(&list, pins, "three different relays");
	/* what is no pin's fault */
	list.count = 2;
	cr_assert_eq(ctl_path_choose(&list, &nobody, pins, numbers, &state, &p), -ENOENT);
	list.count = RELAYS;
	for (size_t i = 0; i < RELAYS; i++)
		entries[i].flags = 0;
	cr_assert_eq(ctl_path_choose(&list, &nobody, pins, numbers, &state, &p), -ESRCH);
	memset(pins, 0, sizeof(pins));
	for (size_t i = 0; i < RELAYS; i++)
		entries[i] = (struct dir_entry){ .flags = DIR_FLAG_EXIT, .address = addr_v4(1) };
	cr_assert_eq(ctl_path_choose(&list, &nobody, pins, numbers, &state, &p), -ENOENT);
}

Test(pins, several_with_commas)
{
	static const char *const bad[] = { "", ",", "a,", ",a", "a,,b", "a b", "a;b",
					   ("0123456789012345678901234567890123456789012345678901234"
					    "5678901234567890") };
	struct pins a = { 0 }, b = { 0 };
	char many[2 * (PINS_MAX + 1)] = "";

	cr_assert_eq(pins_parse_list("relay7,r-8", &a), 0);
	cr_assert_eq(a.count, 2);
	cr_assert_str_eq(a.pins[1].nickname, "r-8");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(pins_parse_list(bad[i], &a), -EINVAL, "%s", bad[i]);
	cr_assert_eq(a.count, 2, "as it was");
	cr_assert_eq(pins_parse_list("relay7,r-8", &b), 0);
	cr_assert(pins_equal(&a, &b));
	cr_assert_eq(pins_parse_list("r-8,relay7", &b), 0);
	cr_assert_not(pins_equal(&a, &b));
	for (size_t i = 0; i < PINS_MAX; i++)
		strcat(many, i ? ",a" : "a");
	cr_assert_eq(pins_parse_list(many, &b), 0);
	cr_assert_eq(pins_parse_list(strcat(many, ",a"), &b), -EINVAL);
}
