/* Child SAs and IKE SAs of a circuit are replaced; traffic, counters and books go on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "client/trio.h"
#include "ippriv-client/ctl_hop.h"

enum { LIVENESS = 30000, LINGER = 6000, SAS = 2 * TRIO_HOPS };

static struct trio t;

static void setup(void)
{
	trio_init(&t, LIVENESS);
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%s", t.why);
}

static void teardown(void)
{
	trio_fini(&t);
	cr_expect_eq(t.kern.count, 0);
	cr_expect_eq(t.kern.wrong, 0);
}

TestSuite(client_rekey, .init = setup, .fini = teardown);

static size_t sas(void)
{
	return fake_kern_count(&t.kern, KERN_OP_SA);
}

/* That relay I has one child SA, and the kernel its other end in the right place. */
static void expect_pair(size_t i)
{
	const struct ike_child *theirs = &t.relays[i].child;
	const struct kern_sa *in = fake_kern_sa(&t.kern, theirs->spi_out);
	const struct kern_sa *out = fake_kern_sa(&t.kern, theirs->spi_in);

	cr_expect_eq(t.relays[i].children, 1);
	cr_assert(in && out);
	cr_expect_eq(in->reqid, out->reqid);
	cr_expect_eq(fake_kern_sa_place(&t.kern, in->spi), (int)i);
	cr_expect_eq(fake_kern_sa_place(&t.kern, out->spi), (int)i);
	cr_expect(in->life.soft_seconds >= 2880 && in->life.soft_seconds <= 3240);
}

/* The SAs of layer I are past their limit, by the client's own clock too. */
static void grow_old(size_t i)
{
	t.circuit->hops[i].life.soft_seconds = 0;
}

Test(client_rekey, is_started_by_the_kernel_s_limit_in_every_layer)
{
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		for (uint32_t dir = 0; dir < 2; dir++) {
			struct ike_child old = t.relays[i].child;

			grow_old(i);
			fake_kern_expire(&t.kern, dir ? old.spi_in : old.spi_out, false);
			trio_events(&t);
			trio_run(&t, 100);
			cr_expect_neq(t.relays[i].child.spi_in, old.spi_in);
			cr_expect_eq(trio_hop(&t, i).rekeys, dir + 1);
			cr_expect_eq(fake_kern_sa(&t.kern, old.spi_out) != NULL, true,
				     "late packets are taken");
			trio_run(&t, LINGER);
			expect_pair(i);
			cr_expect_eq(sas(), SAS);
		}
	}
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY);
}

Test(client_rekey, of_a_relay_is_followed)
{
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		uint32_t old = t.relays[i].child.spi_in;

		ike_host_rekey_child(t.relays[i].host, t.relays[i].sa, old);
		trio_run(&t, LINGER + 100);
		cr_expect_neq(t.relays[i].child.spi_in, old);
		expect_pair(i);
		cr_expect_eq(sas(), SAS);
	}
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY);
}

Test(client_rekey, of_ike_sas_by_either_side)
{
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		struct ike_sa_info before = trio_hop(&t, i), after;

		ike_host_rekey(t.relays[i].host, t.relays[i].sa);
		trio_run(&t, LINGER);
		after = trio_hop(&t, i);
		cr_expect_neq(after.spi_i, before.spi_i);
		cr_expect_eq(after.child_in, before.child_in);
	}
	/* the new ones are the circuit's: it is closed through them */
	ctl_circuit_close(t.circuit);
	trio_run(&t, 100);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		cr_expect_eq(t.relays[i].end, IKE_END_PEER);
	cr_expect_eq(trio_channels(&t), 0);
}

Test(client_rekey, never_lets_counters_fall)
{
	struct dp_stats stats;

	for (unsigned int n = 1; n <= 5; n++) {
		t.kern.packets += 10;
		grow_old(1);
		fake_kern_expire(&t.kern, t.relays[1].child.spi_in, false);
		trio_events(&t);
		trio_run(&t, 100);
		cr_assert_eq(ctl_circuit_stats(t.circuit, 1, &stats), 0);
		cr_expect_eq(stats.in.packets, n * 10);
		cr_expect_eq(stats.out.bytes, n * 1000);
		trio_run(&t, LINGER);
		cr_assert_eq(ctl_circuit_stats(t.circuit, 1, &stats), 0);
		cr_expect_eq(stats.in.packets, n * 10, "the old pair is gone");
		cr_expect_eq(stats.out.bytes, n * 1000);
	}
}

Test(client_rekey, is_tried_again_when_the_kernel_refuses)
{
	for (unsigned int n = 1; n <= 2; n++) {
		uint32_t in = trio_hop(&t, 1).child_in;

		t.kern.fail_at = t.kern.adds + n;
		grow_old(1);
		fake_kern_expire(&t.kern, in, false);
		trio_events(&t);
		trio_run(&t, 10);
		cr_expect_eq(trio_hop(&t, 1).child_in, in, "the old one is in use");
		cr_expect_eq(sas(), SAS);
		trio_run(&t, 60000);
		cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY);
		cr_expect_neq(trio_hop(&t, 1).child_in, in);
		expect_pair(1);
		cr_expect_eq(sas(), SAS);
	}
}

Test(client_rekey, that_a_relay_began_is_not_its_fault_when_our_kernel_refuses)
{
	t.kern.fail_at = t.kern.adds + 2;
	ike_host_rekey_child(t.relays[1].host, t.relays[1].sa, t.relays[1].child.spi_in);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS + LINGER);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP, "%s", t.why);
	cr_expect(strstr(t.why, "renewing layer 2"), "%s", t.why);
}

Test(client_rekey, ends_the_circuit_when_it_came_too_late)
{
	uint32_t old = trio_hop(&t, 2).child_in;

	grow_old(2);
	fake_kern_expire(&t.kern, old, false);
	trio_events(&t);
	trio_run(&t, 100);
	fake_kern_expire(&t.kern, old, true);
	trio_events(&t);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY, "it has been replaced");
	fake_kern_expire(&t.kern, trio_hop(&t, 2).child_out, true);
	trio_events(&t);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect_eq(t.seen.failed_hop, 2);
}

Test(client_rekey, is_done_for_those_that_are_due_when_events_are_lost)
{
	const struct fake_news lost = { .netns = 1, .lost = true };
	struct dp_event event;

	fake_kern_tell(&t.kern, &lost);
	fake_kern_expire(&t.kern, trio_hop(&t, 2).child_in, false);
	cr_expect_eq(dp_events_next(t.dp, &event), -ENOBUFS);
	cr_expect_eq(dp_events_next(t.dp, &event), 1, "others are still told");
	cr_expect_eq(dp_events_next(t.dp, &event), 0);
	ctl_circuit_renew(t.circuit);
	trio_run(&t, LINGER + 100);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		cr_expect_eq(trio_hop(&t, i).rekeys, 0, "young; hops are not asked in one moment");
	trio_run(&t, 3600 * 1000 / 10 * 9);
	ctl_circuit_renew(t.circuit);
	trio_run(&t, LIVENESS + LINGER + 100);
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		cr_expect_eq(trio_hop(&t, i).rekeys, 1);
		expect_pair(i);
	}
}

/* Milliseconds until each layer has been rekeyed. */
static void wait_for_rekeyings(uint64_t after[TRIO_HOPS])
{
	uint32_t before[TRIO_HOPS];

	for (size_t i = 0; i < TRIO_HOPS; i++) {
		before[i] = trio_hop(&t, i).rekeys;
		after[i] = 2 * LIVENESS;
	}
	for (uint64_t ms = 0; ms <= LIVENESS + 100; ms += 100) {
		trio_run(&t, 100);
		for (size_t i = 0; i < TRIO_HOPS; i++)
			if (trio_hop(&t, i).rekeys != before[i] && after[i] > ms)
				after[i] = ms;
	}
}

/* The kernel counts the time that the host has slept, and tells of all layers at once. */
Test(client_rekey, is_not_in_one_moment_when_the_host_has_slept)
{
	unsigned int early = 0;

	for (unsigned int round = 1; round <= 6; round++) {
		uint64_t after[TRIO_HOPS];

		for (size_t i = 0; i < TRIO_HOPS; i++) {
			fake_kern_expire(&t.kern, trio_hop(&t, i).child_in, false);
			fake_kern_expire(&t.kern, trio_hop(&t, i).child_out, false);
		}
		trio_events(&t);
		wait_for_rekeyings(after);
		cr_expect_eq(after[0], 0, "the entry may know");
		for (size_t i = 1; i < TRIO_HOPS; i++) {
			cr_expect_leq(after[i], LIVENESS);
			early += after[i] < LIVENESS / 4;
		}
		trio_run(&t, LINGER);
		for (size_t i = 0; i < TRIO_HOPS; i++) {
			cr_expect_eq(trio_hop(&t, i).rekeys, round, "once");
			expect_pair(i);
		}
	}
	cr_expect_lt(early, 12, "drawn anew for each hop");
}

Test(client_rekey, waits_for_no_draw_when_so_much_was_carried)
{
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		t.circuit->hops[i].life.soft_bytes = 1000;
		t.kern.packets += 10; /* of 100 bytes */
		fake_kern_expire(&t.kern, trio_hop(&t, i).child_out, false);
		trio_events(&t);
		trio_run(&t, 100);
		cr_expect_eq(trio_hop(&t, i).rekeys, 1);
		trio_run(&t, LINGER);
	}
}

Test(client_rekey, of_a_relay_makes_ours_unnecessary)
{
	uint32_t in = trio_hop(&t, 2).child_in;

	ike_host_rekey_child_later(t.host, t.circuit->hops[2].sa, in, 20000);
	trio_run(&t, 10000);
	ike_host_rekey_child(t.relays[2].host, t.relays[2].sa, t.relays[2].child.spi_in);
	trio_run(&t, 30000 + LINGER);
	cr_expect_eq(trio_hop(&t, 2).rekeys, 1);
	expect_pair(2);
}

Test(client_rekey, is_all_that_the_kernel_s_news_are_for)
{
	const struct kern_sa *in = fake_kern_sa(&t.kern, trio_hop(&t, 0).child_in);
	struct fake_news news = { .event = { .reqid = in->reqid, .spi = in->spi } };
	struct dp_event event;

	news.event.type = KERN_EVENT_MAPPING;
	fake_kern_tell(&t.kern, &news);
	news.event.type = KERN_EVENT_ACQUIRE;
	fake_kern_tell(&t.kern, &news);
	cr_expect_eq(dp_events_next(t.dp, &event), 0, "neither says that an SA expires");
	news.event.type = KERN_EVENT_EXPIRE;
	fake_kern_tell(&t.kern, &news);
	cr_assert_eq(dp_events_next(t.dp, &event), 1);
	cr_expect(event.layer == 0 && event.spi == news.event.spi && !event.hard);
}

Test(client_rekey, ends_the_circuit_when_nothing_receives_any_more)
{
	struct ike_sa *sa = t.circuit->hops[1].sa;

	ctl_hop_child_del(sa, 0x4711);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY, "there is no such pair");
	ctl_hop_child_del(sa, trio_hop(&t, 1).child_in);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_CLOSING);
	trio_run(&t, 10000);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
}
