/* The entries that a client keeps to: the file, which relays they are, and what happens when they are gone. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ippriv-client/ctl_guard.h"

enum { RELAYS = 20, USED = 2, DAY = 86400 };

static struct dir_entry entries[RELAYS];
static struct dir_list list;
static struct ctl_avoid avoid;
static struct pins pins[PINS_HOPS];
static struct guards guards;
static struct ctl_guard_from from;

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
	for (size_t i = 0; i < RELAYS; i++) {
		entries[i] = (struct dir_entry){ .port = 500, .bandwidth = 1000, .flags = DIR_FLAG_EXIT };
		entries[i].address = addr_v4((uint32_t)((i + 1) << 16 | 1));
		memset(entries[i].identity.bytes, (int)i + 1, sizeof(entries[i].identity.bytes));
	}
	list = (struct dir_list){ .count = RELAYS, .entries = entries };
	from = (struct ctl_guard_from){ .list = &list, .avoid = &avoid, .pins = pins,
					.random = crypto_random_source, .now = 1000 * DAY };
}

TestSuite(guards, .init = setup);

static size_t number_of(const struct crypto_pub *relay)
{
	return relay->bytes[0] - 1u;
}

/* How often each relay is the entry of COUNT paths. */
static size_t entries_of(size_t count, size_t seen[RELAYS])
{
	struct ctl_path path;
	size_t different = 0;
	bool changed;

	memset(seen, 0, RELAYS * sizeof(*seen));
	for (size_t i = 0; i < count; i++) {
		cr_assert_eq(ctl_guard_choose(&guards, USED, &from, &path, &changed), 0);
		different += seen[number_of(&path.hops[0].identity)]++ == 0;
	}
	return different;
}

static size_t guard(size_t i)
{
	return number_of(&guards.items[i].relay);
}

/* All paths begin at these two of the guards, and at both. */
static void expect_these(size_t a, size_t b)
{
	size_t seen[RELAYS];

	cr_assert_eq(entries_of(100, seen), USED);
	cr_assert(seen[guard(a)] > 0 && seen[guard(b)] > 0);
}

static void draw_two(void)
{
	size_t seen[RELAYS];

	guards.count = 0;
	cr_assert_eq(entries_of(100, seen), USED);
	cr_assert_eq(guards.count, USED);
}

Test(guards, all_circuits_begin_at_two_relays)
{
	bool met[RELAYS] = { 0 };
	size_t all = 0;

	for (size_t i = 0; i < 60; i++) { /* other clients have others */
		draw_two();
		expect_these(0, 1);
		all += !met[guard(0)];
		met[guard(0)] = true;
	}
	cr_assert_gt(all, RELAYS / 2);
}

Test(guards, one_that_fails_has_another_in_its_place_for_so_long)
{
	draw_two();
	ctl_avoid_entry(&avoid, &guards.items[0].relay, 0);
	expect_these(1, 2);
	cr_assert_eq(guards.count, 3);
	ctl_avoid_drop(&avoid, &guards.items[0].relay);
	expect_these(0, 1);
	cr_assert_eq(guards.count, 3);
}

Test(guards, one_that_is_suspected_is_not)
{
	size_t seen[RELAYS];

	draw_two();
	ctl_avoid_suspect(&avoid, &guards.items[1].relay, 0);
	cr_assert_eq(entries_of(100, seen), 1);
	cr_assert_eq(seen[guard(0)], 100, "the other one serves");
	ctl_avoid_suspect(&avoid, &guards.items[0].relay, 0);
	expect_these(0, 1);
	cr_assert_eq(guards.count, USED);
}

/* A relay before it may have held up what went there. */
Test(guards, one_that_fails_behind_others_stays)
{
	size_t seen[RELAYS];

	draw_two();
	ctl_avoid_add(&avoid, &guards.items[1].relay, 0);
	cr_assert_eq(entries_of(100, seen), 1);
	cr_assert_eq(seen[guard(0)], 100);
	ctl_avoid_add(&avoid, &guards.items[0].relay, 0);
	expect_these(0, 1);
	cr_assert_eq(guards.count, USED);
}

/* Suspicion of a guard is none of the others. */
Test(guards, suspects_behind_suspected_guards_are_avoided)
{
	struct ctl_path path;
	bool changed;

	draw_two();
	for (size_t i = 0; i < USED; i++)
		ctl_avoid_suspect(&avoid, &guards.items[i].relay, 0);
	for (size_t i = 0, left = 4; i < RELAYS && left > 0; i++)
		if (i != guard(0) && i != guard(1)) {
			ctl_avoid_suspect(&avoid, &entries[i].identity, 0);
			left--;
		}
	for (size_t i = 0; i < 200; i++) {
		cr_assert_eq(ctl_guard_choose(&guards, USED, &from, &path, &changed), 0);
		for (size_t hop = 1; hop < CTL_PATH_HOPS; hop++)
			cr_assert(number_of(&path.hops[hop].identity) == guard(0) ||
				  number_of(&path.hops[hop].identity) == guard(1) ||
				  !ctl_avoid_names(&avoid, &path.hops[hop].identity, 0, true));
	}
}

Test(guards, all_of_them_gone_have_others_in_their_place)
{
	size_t seen[RELAYS];

	draw_two();
	guards.count = GUARDS_MOST;
	for (size_t i = 0; i < GUARDS_MOST; i++) {
		memset(guards.items[i].relay.bytes, 100 + (int)i, sizeof(guards.items[i].relay.bytes));
		guards.items[i].until = from.now + DAY;
	}
	cr_assert_eq(entries_of(100, seen), USED);
	cr_assert_eq(guards.count, GUARDS_MOST);
	guards.items[0].relay = entries[0].identity; /* one is there, and dead */
	ctl_avoid_entry(&avoid, &entries[0].identity, 0);
	cr_assert_eq(entries_of(100, seen), USED);
	cr_assert_eq(seen[0], 0);
}

Test(guards, share_no_net_with_an_exit_that_is_asked_for)
{
	struct ctl_path path;
	bool changed;
	size_t exit;

	draw_two();
	for (exit = 0; exit == guard(0) || exit == guard(1);)
		exit++;
	pins[2].count = 1;
	pins[2].pins[0] = (struct pin){ .is_key = true, .key = entries[exit].identity };
	entries[guard(0)].address = addr_v4((uint32_t)((exit + 1) << 16 | 2));
	entries[guard(1)].address = addr_v4((uint32_t)((exit + 1) << 16 | 3));
	for (size_t i = 0; i < 50; i++) {
		cr_assert_eq(ctl_guard_choose(&guards, USED, &from, &path, &changed), 0);
		cr_assert_not(path.shares_net);
		cr_assert_eq(number_of(&path.hops[0].identity), guard(2));
	}
	cr_assert_eq(guards.count, 3);
}

Test(guards, one_that_is_not_listed_may_come_back)
{
	size_t gone;

	draw_two();
	gone = guard(0);
	entries[gone].identity.bytes[1] = 99;
	expect_these(1, 2);
	entries[gone].identity.bytes[1] = entries[gone].identity.bytes[0];
	expect_these(0, 1);
}

/* Somebody who can shut the client off from relays does not lead it from one to the next for ever. */
Test(guards, there_are_not_many)
{
	size_t seen[RELAYS];

	draw_two();
	for (size_t i = 0; i < CTL_AVOID_MOST; i++) {
		for (size_t k = 0; k < guards.count; k++)
			if (!ctl_avoid_is_entry(&avoid, &guards.items[k].relay))
				ctl_avoid_entry(&avoid, &guards.items[k].relay, 0);
		cr_assert_gt(entries_of(1, seen), 0);
	}
	cr_assert_eq(guards.count, GUARDS_MOST);
	cr_assert_eq(entries_of(100, seen), 1);
	cr_assert_eq(seen[guard(0)], 100, "the one that failed longest ago");
}

Test(guards, each_has_its_time)
{
	const uint64_t least = CTL_GUARD_DAYS * DAY;
	size_t seen[RELAYS], first;

	draw_two();
	first = guard(0);
	for (size_t i = 0; i < USED; i++)
		cr_assert(guards.items[i].until >= from.now + least &&
			  guards.items[i].until < from.now + 2 * least);
	guards.items[0].until = from.now + 1;
	cr_assert_eq(entries_of(20, seen), USED);
	cr_assert_gt(seen[first], 0);
	from.now++;
	(void)entries_of(1, seen);
	cr_assert(guards.count == USED && guards.items[0].until > from.now + 1);
	guards.items[0].until = from.now + 3 * least;
	(void)entries_of(1, seen);
	cr_assert_lt(guards.items[0].until, from.now + 2 * least, "written with a wrong clock");
}

Test(guards, give_way_to_an_exit_that_is_asked_for)
{
	struct ctl_path path;
	bool changed;

	draw_two();
	pins[2].count = USED;
	for (size_t i = 0; i < USED; i++)
		pins[2].pins[i] = (struct pin){ .is_key = true, .key = guards.items[i].relay };
	for (size_t i = 0; i < 50; i++) {
		size_t entry, exit;

		cr_assert_eq(ctl_guard_choose(&guards, USED, &from, &path, &changed), 0);
		entry = number_of(&path.hops[0].identity);
		exit = number_of(&path.hops[2].identity);
		cr_assert(exit == guard(0) || exit == guard(1));
		cr_assert_neq(entry, exit);
		cr_assert(entry == guard(0) || entry == guard(1) || entry == guard(2));
	}
	pins[2].count = 1; /* the other one is the entry then */
	cr_assert_eq(ctl_guard_choose(&guards, 1, &from, &path, &changed), 0);
	cr_assert_eq(number_of(&path.hops[0].identity), guard(1));
}

Test(guards, are_no_matter_where_there_is_no_choice)
{
	size_t seen[RELAYS];
	struct ctl_path path;
	bool changed;

	list.count = 3;
	cr_assert_leq(entries_of(100, seen), 3);
	for (size_t i = 1; i < 3; i++)
		entries[i].flags = 0;
	cr_assert_leq(entries_of(100, seen), USED);
	cr_assert_eq(seen[0], 0, "the exit is no entry");
	list.count = 2;
	cr_assert_eq(ctl_guard_choose(&guards, USED, &from, &path, &changed), -ENOENT);
	list.count = RELAYS;
	pins[0].count = 1;
	pins[0].pins[0] = (struct pin){ .is_key = true, .key = entries[7].identity };
	guards.count = 0;
	cr_assert_eq(entries_of(20, seen), 1);
	cr_assert(seen[7] == 20 && guards.count == 0, "who names an entry has that one");
}

Test(guards, are_read_as_they_were_written)
{
	char folder[] = "/tmp/ippriv-guards-XXXXXX", path[64], text[GUARDS_TEXT + 1], why[512];
	struct guards again = { 0 };
	FILE *f;

	guards.count = GUARDS_MOST;
	for (size_t i = 0; i < GUARDS_MOST; i++)
		guards.items[i] = (struct guard){ entries[i].identity, UINT64_MAX - i };
	cr_assert(mkdtemp(folder));
	cr_assert_eq(guards_load(folder, &again, why, sizeof(why)), 0);
	cr_assert_eq(again.count, 0, "there is no file");
	cr_assert_eq(guards_save(folder, &guards), 0);
	cr_assert_eq(guards_load(folder, &again, why, sizeof(why)), 0);
	cr_assert_eq(again.count, GUARDS_MOST);
	cr_assert_arr_eq(&again.items, &guards.items, sizeof(again.items));
	cr_assert_leq(guards_build(&guards, text), GUARDS_TEXT);
	snprintf(path, sizeof(path), "%s/guards", folder);
	f = fopen(path, "a");
	cr_assert(f && fputs("more\n", f) >= 0 && fclose(f) == 0);
	cr_assert_eq(guards_load(folder, &again, why, sizeof(why)), -EBADMSG);
	cr_assert(strstr(why, path) && strstr(why, "not what ippriv-client writes"));
	unlink(path);
	rmdir(folder);
}

#define KEY "0101010101010101010101010101010101010101010101010101010101010101"

Test(guards, anything_else_is_refused)
{
	static const char *const wrong[] = {
		"x\n", KEY "\n", KEY " 5", KEY "  5\n", KEY " 05\n", KEY " -5\n", KEY " 5 \n", " " KEY " 5\n",
		KEY " 5\n" KEY " 6\n", KEY " 18446744073709551616\n", KEY "0 5\n", "\n",
		"0" KEY " 5\n", KEY " 5\n\n", "G" KEY " 5\n",
	};
	struct guards g;

	cr_assert_eq(guards_parse(KEY " 5\n", &g), 0);
	cr_assert(g.count == 1 && g.items[0].until == 5);
	cr_assert_eq(guards_parse("", &g), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_expect_eq(guards_parse(wrong[i], &g), -EBADMSG, "%s", wrong[i]);
}
