/* Floods of IKE_SA_INIT: cookies, their secrets, and limits. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"

#define VIEW(array) ((struct ike_view){ .data = (array), .len = sizeof(array) })

/* ---- the jar alone ---- */

static uint64_t jar_now, jar_seed;

static uint64_t jar_clock(void *user)
{
	(void)user;
	return jar_now;
}

static void jar_random(void *user, void *out, size_t len)
{
	(void)user;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)duo_random(&jar_seed);
}

static const struct ike_ops jar_ops = { .now = jar_clock, .random = jar_random };
static const uint8_t nonce_a[32] = { 1 }, nonce_b[32] = { 2 };

Test(ike_cookie, is_bound_to_what_it_was_made_for)
{
	struct ike_path path = duo_path(), other = duo_path();
	struct ike_cookie_claim claim = { 7, VIEW(nonce_a), &path }, wrong = claim;
	uint8_t cookie[IKE_COOKIE_SIZE];
	struct ike_cookie_jar jar;

	ike_cookie_jar_init(&jar, &jar_ops, NULL);
	ike_cookie_make(&jar, &claim, cookie);
	cr_assert(ike_cookie_check(&jar, &claim, VIEW(cookie)));
	wrong.spi_i = 8;
	cr_assert(!ike_cookie_check(&jar, &wrong, VIEW(cookie)));
	wrong = claim;
	wrong.nonce = VIEW(nonce_b);
	cr_assert(!ike_cookie_check(&jar, &wrong, VIEW(cookie)));
	wrong = claim;
	wrong.path = &other;
	other.remote.addr.bytes[3] ^= 1;
	cr_assert(!ike_cookie_check(&jar, &wrong, VIEW(cookie)));
	other = path;
	other.mark = 5;
	cr_assert(!ike_cookie_check(&jar, &wrong, VIEW(cookie)));
	for (size_t len = 0; len < sizeof(cookie); len++)
		cr_assert(!ike_cookie_check(&jar, &claim, (struct ike_view){ cookie, len }));
	for (size_t bit = 0; bit < sizeof(cookie) * 8; bit++) {
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert(!ike_cookie_check(&jar, &claim, VIEW(cookie)));
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ike_cookie_jar_wipe(&jar);
}

Test(ike_cookie, lives_for_two_periods_at_most)
{
	struct ike_path path = duo_path();
	struct ike_cookie_claim claim = { 7, VIEW(nonce_a), &path };
	uint8_t first[IKE_COOKIE_SIZE], second[IKE_COOKIE_SIZE];
	struct ike_cookie_jar jar;

	jar_now = 5;
	ike_cookie_jar_init(&jar, &jar_ops, NULL);
	ike_cookie_make(&jar, &claim, first);
	jar_now += IKE_COOKIE_PERIOD - 1;
	ike_cookie_jar_rotate(&jar, &jar_ops, NULL);
	ike_cookie_make(&jar, &claim, second);
	cr_assert_arr_eq(first, second, sizeof(first), "no rotation before its time");
	jar_now++;
	ike_cookie_jar_rotate(&jar, &jar_ops, NULL);
	ike_cookie_make(&jar, &claim, second);
	cr_assert_arr_neq(first, second, sizeof(first));
	cr_assert(ike_cookie_check(&jar, &claim, VIEW(first)), "the secret before still counts");
	cr_assert(ike_cookie_check(&jar, &claim, VIEW(second)));
	jar_now += IKE_COOKIE_PERIOD;
	ike_cookie_jar_rotate(&jar, &jar_ops, NULL);
	cr_assert(!ike_cookie_check(&jar, &claim, VIEW(first)));
	cr_assert(ike_cookie_check(&jar, &claim, VIEW(second)));
	jar_now += 10 * IKE_COOKIE_PERIOD; /* nobody asked for a long time */
	ike_cookie_jar_rotate(&jar, &jar_ops, NULL);
	cr_assert(!ike_cookie_check(&jar, &claim, VIEW(second)));
}

/* ---- a host under load ---- */

static struct duo duo;

static void start(const struct ike_host_conf *conf)
{
	duo_init(&duo, 3);
	duo_start(&duo, conf);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_flood, .fini = teardown);

/* Initiators never get to send IKE_AUTH. */
static bool mute_responder(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)msg;
	(void)len;
	return from == &d->a;
}

static void flood(size_t count, bool one_address)
{
	struct ike_init_conf conf = duo_client(&duo);

	duo.tap = mute_responder;
	for (size_t i = 0; i < count; i++) {
		if (!one_address)
			conf.path.local.addr = addr_v4(0x0a000000 + (uint32_t)i);
		ike_host_drop(duo.a.host, duo_connect(&duo, &conf)->sa, IKE_END_LOCAL);
	}
	duo.tap = NULL;
}

Test(ike_flood, cookies_from_the_threshold_on)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(&(struct ike_host_conf){ .cookie_threshold = 4 });
	flood(4, false);
	cr_assert_eq(duo_counters(&duo.b).half_open, 4);
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 0);
	conf = duo_client(&duo);
	duo.recording = true;
	i = duo_connect(&duo, &conf);
	cr_assert_eq(i->established, 1);
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 4, "the fifth went through");
	cr_assert_eq(duo.logged, 6);
	/* The second request: the first one's payloads behind N(COOKIE), the same header else. */
	cr_assert_eq(duo.log[2]->len, duo.log[0]->len + 8 + IKE_COOKIE_SIZE);
	cr_assert_eq(duo.log[2]->msg[16], IKE_PAYLOAD_NOTIFY);
	cr_assert_arr_eq(duo.log[2]->msg, duo.log[0]->msg, 16);
	cr_assert_arr_eq(duo.log[2]->msg + 17, duo.log[0]->msg + 17, 7);
	cr_assert_arr_eq(duo.log[2]->msg + 28 + 8 + IKE_COOKIE_SIZE, duo.log[0]->msg + 28,
			 duo.log[0]->len - 28);
	/* The answer that asks leaves no SPI and no state. */
	for (size_t k = 8; k < 16; k++)
		cr_assert_eq(duo.log[1]->msg[k], 0);
	cr_assert_lt(duo.log[1]->len, duo.log[0]->len, "nothing to gain by reflection");
}

/* Spoils the cookie in every request. */
static bool spoil_cookie(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	if (from == &d->a && *len > 80 && msg[16] == IKE_PAYLOAD_NOTIFY)
		msg[50] ^= 1;
	return true;
}

Test(ike_flood, wrong_cookie_makes_no_state)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(&(struct ike_host_conf){ .cookie_threshold = 2 });
	flood(2, false);
	duo.tap = spoil_cookie;
	conf = duo_client(&duo);
	i = duo_initiate(&duo, &conf);
	duo_run(&duo, duo.now + 29000);
	cr_assert_eq(duo_counters(&duo.b).half_open, 2);
	duo.tap = mute_responder;
	duo_run(&duo, duo.now + 10000);
	cr_assert_eq(i->why, IKE_END_TIMEOUT);
	cr_assert_eq(duo.b.count, 0);
	cr_assert_leq(duo.a.sent, 2 + 1 + 6, "no ping-pong");
}

Test(ike_flood, cookie_of_another_spi)
{
	struct ike_host_conf conf = { .cookie_threshold = 1, .half_open_life = 500000 };
	struct duo_datagram *copy;
	struct ike_init_conf init;

	start(&conf);
	flood(1, false);
	init = duo_client(&duo);
	duo.recording = true;
	duo.tap = NULL;
	duo_connect(&duo, &init);
	cr_assert_eq(duo_last(&duo.a)->established, 1);
	copy = duo.log[2];
	copy->msg[0] ^= 1; /* another SPI: the cookie is not for this one */
	duo_inject(&duo.b, &copy->path, copy->msg, copy->len);
	duo_settle(&duo);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 2);
}

Test(ike_flood, one_address_cannot_use_up_all)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .half_open_per_path = 6 });
	flood(40, true);
	cr_assert_eq(duo_counters(&duo.b).half_open, 3, "without a cookie: half of the share");
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 37);
	conf = duo_client(&duo);
	conf.path.local.addr = addr_v4(0x0a000001);
	cr_assert_eq(duo_connect(&duo, &conf)->established, 1, "another address is served");
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 37);
	conf = duo_client(&duo);
	cr_assert_eq(duo_connect(&duo, &conf)->established, 1, "and this one, by a cookie");
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 38);
}

/* Only the answers that are no cookies get lost. */
static bool only_cookies_back(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	return from == &d->a || (*len < 100 && msg[18] == IKE_EXCHANGE_SA_INIT);
}

Test(ike_flood, share_of_an_address_that_shows_cookies)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .half_open_per_path = 6 });
	conf = duo_client(&duo);
	duo.tap = only_cookies_back;
	for (int i = 0; i < 40; i++)
		duo_connect(&duo, &conf);
	cr_assert_eq(duo_counters(&duo.b).half_open, 6);
	conf.path.mark = 9; /* the same address behind another overlay tunnel is another one */
	duo.tap = NULL;
	cr_assert_eq(duo_connect(&duo, &conf)->established, 1);
}

Test(ike_flood, total_is_bounded_and_frees_itself)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .cookie_threshold = 100, .half_open_max = 20 });
	flood(30, false);
	cr_assert_eq(duo_counters(&duo.b).half_open, 10, "half of them without a mark");
	cr_assert_eq(duo_counters(&duo.b).sas, 10);
	cr_assert_eq(duo_counters(&duo.b).cookies_sent, 20, "nobody goes for a forged address");
	duo.tap = mute_responder;
	duo_run(&duo, duo.now + 62000);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
	cr_assert_eq(duo.b.count, 0, "the outside never heard of them");
	duo.tap = NULL;
	conf = duo_client(&duo);
	cr_assert_eq(duo_connect(&duo, &conf)->established, 1);
}

/* COUNT addresses behind MARK, each with TRIES requests that follow cookies, but never IKE_AUTH. */
static void flood_behind(uint32_t mark, uint32_t count, int tries)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.path.mark = mark;
	duo.tap = only_cookies_back;
	for (int k = 0; k < tries; k++) {
		for (uint32_t i = 0; i < count; i++) {
			conf.path.local.addr = addr_v4(0x64400005 + i);
			ike_host_drop(duo.a.host, duo_connect(&duo, &conf)->sa, IKE_END_LOCAL);
		}
	}
	duo.tap = NULL;
}

static unsigned int serves(uint32_t address, uint32_t mark)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.path.local.addr = addr_v4(address);
	conf.path.mark = mark;
	return duo_connect(&duo, &conf)->established;
}

Test(ike_flood, who_comes_through_one_tunnel_cannot_close_the_others)
{
	start(&(struct ike_host_conf){ .cookie_threshold = 8, .half_open_max = 64,
				       .half_open_per_path = 4 });
	flood_behind(1, 32, 4);
	cr_assert_eq(duo_counters(&duo.b).half_open, 8);
	cr_assert_eq(duo_counters(&duo.b).sas, 8);
	cr_assert_eq(serves(0xcb007107, 0), 1, "straight from the Internet");
	cr_assert_eq(serves(0x64410009, 2), 1, "through another tunnel");
	cr_assert_eq(serves(0x64400105, 1), 1, "another client of the same entry");
	cr_assert_eq(duo.b.count, 3, "the outside never heard of the others");
}

Test(ike_flood, the_fullest_mark_makes_room)
{
	struct ike_host_counters counters;

	start(&(struct ike_host_conf){ .cookie_threshold = 4, .half_open_max = 32,
				       .half_open_per_path = 4 });
	flood_behind(0, 24, 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 16);
	for (uint32_t mark = 1; mark <= 4; mark++)
		flood_behind(mark, 6, 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 32);
	flood_behind(5, 1, 1);
	counters = duo_counters(&duo.b);
	cr_assert_eq(counters.half_open, 32);
	cr_assert_eq(counters.sas, 32);
	cr_assert_eq(ike_limit_count_mark(&duo.b.host->half_open, 0), 15);
	cr_assert_eq(ike_limit_count_mark(&duo.b.host->half_open, 5), 1);
	cr_assert_eq(serves(0xcb007107, 0), 1);
	cr_assert_eq(serves(0x64410009, 6), 1);
}

Test(ike_flood, sas_that_died_make_room_too)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .half_open_max = 2 });
	duo.b.admit_result = -EACCES;
	conf = duo_client(&duo);
	cr_assert_eq(duo_connect(&duo, &conf)->why, IKE_END_REFUSED);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1, "it answers duplicates for a while");
	duo.b.admit_result = 0;
	cr_assert_eq(serves(0xcb007107, 0), 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 1);
}

Test(ike_limit, the_oldest_of_who_has_most)
{
	struct ike_path one = duo_path(), two = duo_path(), far = duo_path();
	struct ike_limit_item a, b[3], c;
	struct ike_limit l = { 0 };

	two.remote.addr.bytes[3] ^= 1;
	far.mark = 7;
	cr_assert_null(ike_limit_oldest(&l, 0));
	cr_assert_eq(ike_limit_enter(&l, &one, &a), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(ike_limit_enter(&l, &two, &b[i]), 0);
	cr_assert_eq(ike_limit_enter(&l, &far, &c), 0);
	cr_assert_eq(l.total, 5);
	cr_assert_eq(ike_limit_count(&l, &two), 3);
	cr_assert_eq(ike_limit_count_mark(&l, 0), 4);
	cr_assert_eq(ike_limit_largest(&l), 0);
	cr_assert_eq(ike_limit_oldest(&l, 7), &c);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(ike_limit_oldest(&l, 0), &b[i]);
		ike_limit_leave(&l, &b[i]);
		ike_limit_leave(&l, &b[i]);
	}
	cr_assert_eq(ike_limit_oldest(&l, 0), &a, "of equals, who came first");
	ike_limit_leave(&l, &a);
	ike_limit_leave(&l, &b[2]);
	cr_assert_eq(ike_limit_largest(&l), 7);
	ike_limit_leave(&l, &c);
	cr_assert_eq(l.total, 0);
	cr_assert_null(l.slots);
	cr_assert_null(l.groups);
}

Test(ike_limit, an_ipv6_network_is_one_address)
{
	struct ike_path one = duo_path(), same, other;
	struct ike_limit_item a, b, c;
	struct ike_limit l = { 0 };

	cr_assert_eq(addr_parse("2001:db8:1:2::1", &one.remote.addr), 0);
	same = other = one;
	cr_assert_eq(addr_parse("2001:db8:1:2:ffff:ffff:ffff:ffff", &same.remote.addr), 0);
	cr_assert_eq(addr_parse("2001:db8:1:3::1", &other.remote.addr), 0);
	cr_assert_eq(ike_limit_enter(&l, &one, &a), 0);
	cr_assert_eq(ike_limit_enter(&l, &same, &b), 0);
	cr_assert_eq(ike_limit_enter(&l, &other, &c), 0);
	cr_assert_eq(ike_limit_count(&l, &one), 2);
	cr_assert_eq(ike_limit_count(&l, &same), 2);
	cr_assert_eq(ike_limit_count(&l, &other), 1);
	ike_limit_leave(&l, &a);
	ike_limit_leave(&l, &b);
	ike_limit_leave(&l, &c);
	cr_assert_null(l.slots);
}

Test(ike_flood, an_ipv6_network_has_no_more_than_an_address)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .half_open_per_path = 6 });
	conf = duo_client(&duo);
	cr_assert_eq(addr_parse("2001:db8:1:2::1", &conf.path.local.addr), 0);
	duo.tap = only_cookies_back;
	for (uint8_t k = 0; k < 40; k++) {
		conf.path.local.addr.bytes[8] = conf.path.local.addr.bytes[15] = k;
		duo_connect(&duo, &conf);
	}
	cr_assert_eq(duo_counters(&duo.b).half_open, 6);
	duo.tap = NULL;
	conf.path.local.addr.bytes[7]++;
	cr_assert_eq(duo_connect(&duo, &conf)->established, 1, "the next network is served");
}

Test(ike_flood, all_sas_are_bounded)
{
	struct ike_init_conf conf;

	start(&(struct ike_host_conf){ .sa_max = 3 });
	conf = duo_client(&duo);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(duo_connect(&duo, &conf)->established, 1);
	cr_assert_eq(ike_host_initiate(duo.a.host, &conf, NULL, &(struct ike_sa *){ 0 }), -ENOSPC);
	cr_assert_eq(duo_counters(&duo.b).sas, 3);
}
