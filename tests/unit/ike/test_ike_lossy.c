/* The same exchanges over bad queues, hundreds of seeds: both up with one child, or both gone. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_host_priv.h"
#include "duo.h"

enum { SEEDS = 150 };

static const struct duo_faults bad[] = {
	{ .lose = 20, .duplicate = 20, .delay_min = 5, .delay_max = 200 },
	{ .lose = 30, .duplicate = 40, .delay_min = 5, .delay_max = 900 },
	{ .lose = 20, .duplicate = 20, .corrupt = 10, .delay_min = 1, .delay_max = 1500 },
};
static const struct duo_faults good = { .delay_min = 10, .delay_max = 10 };

static struct ike_sa_info info_of(const struct duo_record *r)
{
	struct ike_sa_info info;

	ike_sa_info(r->sa, &info);
	return info;
}

static bool up(const struct duo_record *r)
{
	return r && r->sa && info_of(r).state == IKE_STATE_ESTABLISHED;
}

/* The rules of struct ike_ops, whatever was lost. */
static void assert_sane(const struct duo_side *side)
{
	for (size_t i = 0; i < side->count; i++) {
		const struct duo_record *r = side->records[i];

		cr_assert_leq(r->admits, 1);
		cr_assert_leq(r->ups, 1);
		cr_assert_leq(r->established, r->ups);
		cr_assert_eq(r->ended, r->sa ? 0 : 1);
	}
}

/* Returns whether it came up at both ends. */
static bool assert_both_or_none(struct duo *d)
{
	const struct duo_record *i = duo_last(&d->a), *r = duo_last(&d->b);

	assert_sane(&d->a);
	assert_sane(&d->b);
	cr_assert_eq(d->a.count, 1);
	cr_assert_leq(d->b.count, 1, "one request, one child");
	cr_assert_eq(up(i), up(r), "up at one end only");
	if (!up(i)) {
		cr_assert_eq(i->ended, 1);
		return false;
	}
	cr_assert_arr_eq(i->child.key_in.bytes, r->child.key_out.bytes, 36);
	cr_assert_arr_eq(i->child.key_out.bytes, r->child.key_in.bytes, 36);
	cr_assert_eq(i->child.spi_in, r->child.spi_out);
	cr_assert(addr_equal(&i->lease.address, &r->lease.address));
	return true;
}

static void close_some(struct duo *d, unsigned int which)
{
	if (which & 1)
		ike_host_close(d->a.host, duo_last(&d->a)->sa);
	if (which & 2)
		ike_host_close(d->b.host, duo_last(&d->b)->sa);
}

static void assert_all_gone(struct duo *d)
{
	assert_sane(&d->a);
	assert_sane(&d->b);
	cr_assert_eq(duo_counters(&d->a).sas, 0);
	cr_assert_eq(duo_counters(&d->b).sas, 0);
	cr_assert_eq(duo_counters(&d->b).half_open, 0);
}

/* One life from start to end. Returns whether it came up. */
static bool run_seed(uint64_t seed, const struct duo_faults *faults, bool cookies, bool relay)
{
	const struct ike_host_conf conf = { .retransmit_first = 400, .retransmit_tries = 7 };
	struct ike_init_conf init;
	struct duo d;
	bool came_up;

	duo_init(&d, seed);
	duo_start(&d, &conf);
	if (cookies)
		d.b.host->conf.cookie_threshold = 0;
	init = relay ? duo_relay(&d) : duo_client(&d);
	init.want_lease = true;
	d.faults = *faults;
	duo_initiate(&d, &init);
	duo_run(&d, d.now + 90000);
	d.faults = good;
	duo_run(&d, d.now + 90000);
	came_up = assert_both_or_none(&d);
	d.faults = *faults;
	if (came_up)
		close_some(&d, (unsigned int)(seed % 3 + 1));
	duo_run(&d, d.now + 200000);
	assert_all_gone(&d);
	duo_fini(&d);
	return came_up;
}

static void run_seeds(const struct duo_faults *faults, bool cookies, bool relay, size_t at_least)
{
	size_t ups = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		ups += run_seed(seed, faults, cookies, relay);
	cr_assert_geq(ups, at_least, "%zu of %d came up", ups, SEEDS);
}

Test(ike_lossy, some_loss) { run_seeds(&bad[0], false, false, SEEDS * 9 / 10); }
Test(ike_lossy, much_loss_and_reordering) { run_seeds(&bad[1], false, false, SEEDS / 2); }
Test(ike_lossy, corruption) { run_seeds(&bad[2], false, false, SEEDS / 2); }
Test(ike_lossy, cookies) { run_seeds(&bad[0], true, false, SEEDS * 9 / 10); }
Test(ike_lossy, cookies_and_reordering) { run_seeds(&bad[1], true, true, SEEDS / 2); }
Test(ike_lossy, relays) { run_seeds(&bad[0], false, true, SEEDS * 9 / 10); }

/* Nothing comes back: the responder's half is found dead by its probes. */
static bool deaf(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)len;
	return from == &d->a || msg[18] == IKE_EXCHANGE_SA_INIT;
}

Test(ike_lossy, answer_never_arrives)
{
	struct ike_init_conf init;
	struct duo d;

	duo_init(&d, 7);
	duo_start(&d, NULL);
	init = duo_client(&d);
	d.tap = deaf;
	duo_initiate(&d, &init);
	duo_run(&d, d.now + 35000);
	cr_assert_eq(duo_last(&d.a)->why, IKE_END_TIMEOUT);
	cr_assert(up(duo_last(&d.b)));
	cr_assert_eq(duo_last(&d.b)->ups, 1, "duplicates were answered from memory");
	duo_run(&d, d.now + 90000);
	cr_assert_eq(duo_last(&d.b)->why, IKE_END_TIMEOUT);
	assert_all_gone(&d);
	duo_fini(&d);
}
