/* The first hop's path: port 4500, ESP in UDP, another address, another family, none at all. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/trio.h"

enum { LIVENESS = 30000 };

static const struct addr home = { AF_INET, { 192, 0, 2, 99 } };
static const struct addr cafe = { AF_INET, { 203, 0, 113, 7 } };
static const struct addr router = { AF_INET, { 203, 0, 113, 200 } };
static const struct addr cafe6 = { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 } };

static struct trio t;

static void setup(void)
{
	trio_init(&t, LIVENESS);
}

static void teardown(void)
{
	trio_fini(&t);
	cr_expect_eq(t.kern.count, 0);
	cr_expect_eq(t.kern.wrong, 0);
	cr_expect_eq(trio_channels(&t), 0);
}

TestSuite(client_roam, .init = setup, .fini = teardown);

static void build(void)
{
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%s", t.why);
}

/* That layer 1 goes from LOCAL to REMOTE, in UDP or not. */
static void expect_layer(const struct addr *local, const struct addr *remote, bool encap)
{
	struct ike_sa_info info = trio_hop(&t, 0);
	const struct kern_sa *in = fake_kern_sa(&t.kern, info.child_in);
	const struct kern_sa *out = fake_kern_sa(&t.kern, info.child_out);

	cr_assert(in && out);
	cr_expect(addr_equal(&in->dst, local) && addr_equal(&out->src, local));
	cr_expect(addr_equal(&in->src, remote) && addr_equal(&out->dst, remote));
	cr_expect_eq(out->encap.sport, encap ? 4500 : 0);
	cr_expect_eq(out->encap.dport, encap ? 4500 : 0);
	cr_expect_eq(in->encap.sport, encap ? 4500 : 0);
	for (size_t i = 0; i < t.kern.count; i++) {
		const struct kern_policy *p = &t.kern.standing[i].policy;
		bool from_us = t.kern.standing[i].type == KERN_OP_POLICY && p->dir == KERN_DIR_OUT;

		if (t.kern.standing[i].type != KERN_OP_POLICY || t.kern.standing[i].netns)
			continue;
		cr_expect(addr_equal(&p->templates[0].src, from_us ? local : remote));
		cr_expect(addr_equal(&p->templates[0].dst, from_us ? remote : local));
	}
}

Test(client_roam, uses_port_4500_for_the_first_hop_only)
{
	build();
	cr_expect(trio_hop(&t, 0).path.floated);
	cr_expect_eq(trio_hop(&t, 0).path.local.port, 4500);
	cr_expect_not(trio_hop(&t, 1).path.floated);
	cr_expect_not(trio_hop(&t, 2).path.floated);
	cr_expect_eq(trio_channels(&t), 3, "that at port 500 is closed");
	expect_layer(&home, &t.relays[0].address, false);
	trio_run(&t, LIVENESS * 3);
	cr_expect_eq(t.keepalives, 0);
}

Test(client_roam, puts_esp_in_udp_when_told_to)
{
	t.rules.force_encap = true;
	build();
	expect_layer(&home, &t.relays[0].address, true);
	cr_expect(trio_hop(&t, 0).encap);
	cr_expect_not(trio_hop(&t, 1).encap);
}

Test(client_roam, finds_a_nat_and_keeps_its_mapping_when_nothing_else_does)
{
	t.nat = cafe;
	build();
	cr_expect(trio_hop(&t, 0).nat_local);
	cr_expect_not(trio_hop(&t, 1).nat_local);
	expect_layer(&home, &t.relays[0].address, true);
	trio_run(&t, 70000);
	cr_expect_geq(t.keepalives, 1);
	t.keepalives = 0;
	for (int i = 0; i < 20; i++) {
		t.kern.packets++;
		ctl_circuit_poll(t.circuit);
		trio_run(&t, 5000);
	}
	cr_expect_eq(t.keepalives, 0);
}

Test(client_roam, follows_the_host_s_address)
{
	unsigned int changes;

	build();
	changes = t.changes;
	trio_roam(&t, cafe, false);
	trio_run(&t, 100);
	expect_layer(&cafe, &t.relays[0].address, false);
	cr_expect_eq(trio_channels(&t), 3, "the old socket is closed");
	trio_roam(&t, cafe, false);
	trio_run(&t, 100);
	cr_expect_eq(t.kern.moves, 1, "it is there already");
	trio_roam(&t, home, false);
	trio_run(&t, 100);
	expect_layer(&home, &t.relays[0].address, false);
	cr_expect_eq(t.changes, changes);
	trio_run(&t, LIVENESS * 4);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY);
}

Test(client_roam, goes_into_udp_and_out_of_it)
{
	build();
	for (int i = 0; i < 2; i++) {
		t.nat = router;
		trio_roam(&t, cafe, false);
		trio_run(&t, 100);
		expect_layer(&cafe, &t.relays[0].address, true);
		t.nat = (struct addr){ 0 };
		trio_roam(&t, home, false);
		trio_run(&t, 100);
		expect_layer(&home, &t.relays[0].address, false);
	}
}

Test(client_roam, follows_there_and_back_before_the_peer_has_agreed)
{
	build();
	t.relays[0].mute = true;
	trio_roam(&t, cafe, false);
	trio_run(&t, 1000);
	cr_expect_eq(t.kern.moves, 0, "ESP goes the old way until the entry knows");
	trio_roam(&t, home, false);
	trio_run(&t, 1000);
	trio_roam(&t, cafe, false);
	t.relays[0].mute = false;
	trio_run(&t, 10000);
	expect_layer(&cafe, &t.relays[0].address, false);
	cr_expect_eq(trio_channels(&t), 3);
}

Test(client_roam, takes_pairs_along_that_were_rekeyed)
{
	struct dp_stats stats;

	build();
	t.kern.packets = 7;
	fake_kern_expire(&t.kern, trio_hop(&t, 0).child_in, false);
	trio_events(&t);
	trio_run(&t, 100);
	cr_assert_eq(fake_kern_count(&t.kern, KERN_OP_SA), 2 * TRIO_HOPS + 2, "the old ones stand still");
	t.kern.move_forgets = true;
	trio_roam(&t, cafe, false);
	trio_run(&t, 100);
	cr_expect_eq(fake_kern_count(&t.kern, KERN_OP_SA), 2 * TRIO_HOPS);
	expect_layer(&cafe, &t.relays[0].address, false);
	t.kern.packets = 9;
	cr_assert_eq(ctl_circuit_stats(t.circuit, 0, &stats), 0);
	cr_expect_eq(stats.in.packets, 9);
	trio_run(&t, 10000);
	fake_kern_expire(&t.kern, trio_hop(&t, 0).child_in, false);
	trio_events(&t);
	trio_run(&t, 100);
	expect_layer(&cafe, &t.relays[0].address, false);
}

Test(client_roam, changes_the_family_where_the_entry_has_both)
{
	struct addr entry6 = { AF_INET6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };

	t.path.hops[0].address6 = entry6;
	t.relays[0].address6 = entry6;
	build();
	trio_roam(&t, cafe6, false);
	trio_run(&t, 100);
	expect_layer(&cafe6, &entry6, false);
	trio_roam(&t, home, false);
	trio_run(&t, 100);
	expect_layer(&home, &t.relays[0].address, false);
	cr_expect_eq(trio_channels(&t), 3);
}

Test(client_roam, waits_while_there_is_no_way)
{
	struct ctl_circuit_info info;

	build();
	for (int minutes = 1; minutes < 50; minutes += 9) { /* the relay waits for an hour */
		trio_roam(&t, home, true);
		ctl_circuit_info(t.circuit, &info);
		cr_expect(info.away);
		for (int i = 0; i < 12; i++) {
			t.kern.packets = 0;
			trio_run(&t, (uint64_t)minutes * 5000);
			ctl_circuit_poll(t.circuit);
		}
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%d min: %s", minutes, t.why);
		trio_roam(&t, minutes % 2 ? home : cafe, false);
		ctl_circuit_info(t.circuit, &info);
		cr_expect_not(info.away);
		trio_run(&t, 2 * CTL_ROAM_GRACE_MOST);
		ctl_circuit_poll(t.circuit);
		trio_run(&t, 2 * CTL_ROAM_GRACE_MOST);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%d min: %s", minutes, t.why);
	}
}

Test(client_roam, blames_nobody_when_its_sas_end_meanwhile)
{
	build();
	trio_roam(&t, home, true);
	fake_kern_expire(&t.kern, trio_hop(&t, 0).child_in, true);
	trio_events(&t);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
}

Test(client_roam, is_as_impatient_as_ever_after_that)
{
	build();
	trio_roam(&t, home, true);
	trio_run(&t, 600000);
	trio_roam(&t, home, false);
	trio_run(&t, CTL_ROAM_GRACE_MOST);
	ctl_circuit_poll(t.circuit);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		t.relays[i].mute = true;
	trio_run(&t, LIVENESS + 40000);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
}

/* Milliseconds until relay I hears the next message; 2 * LIVENESS: none until then. */
static void wait_for_probes(uint64_t after[TRIO_HOPS])
{
	unsigned int heard[TRIO_HOPS];

	for (size_t i = 0; i < TRIO_HOPS; i++) {
		heard[i] = t.relays[i].heard;
		after[i] = 2 * LIVENESS;
	}
	for (uint64_t ms = 0; ms <= LIVENESS; ms += 10) {
		trio_run(&t, 10);
		for (size_t i = 0; i < TRIO_HOPS; i++)
			if (t.relays[i].heard != heard[i] && after[i] > ms)
				after[i] = ms;
	}
}

Test(client_roam, does_not_ask_all_hops_in_one_moment_when_it_is_back)
{
	unsigned int early = 0;

	build();
	for (int round = 0; round < 5; round++) {
		uint64_t after[TRIO_HOPS];

		trio_roam(&t, home, true);
		trio_run(&t, 600000);
		trio_roam(&t, round % 2 ? cafe : home, false);
		wait_for_probes(after);
		cr_expect_eq(after[0], 0, "the entry may know");
		for (size_t i = 1; i < TRIO_HOPS; i++) {
			cr_expect_leq(after[i], LIVENESS);
			early += after[i] < LIVENESS / 4;
		}
		trio_run(&t, 2 * CTL_ROAM_GRACE_MOST);
		ctl_circuit_poll(t.circuit);
		trio_roam(&t, home, false);
		trio_run(&t, 1000);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%s", t.why);
	}
	cr_expect_lt(early, 10, "drawn anew for each hop");
}

Test(client_roam, does_not_wait_for_long_when_it_has_only_moved)
{
	build();
	trio_roam(&t, cafe, false);
	trio_run(&t, CTL_ROAM_GRACE_MS);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		t.relays[i].mute = true;
	ctl_circuit_poll(t.circuit);
	trio_run(&t, LIVENESS + 40000);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
}

/* The process stops for ten minutes; relays have been patient. */
Test(client_roam, goes_on_after_a_sleep)
{
	build();
	t.now += 600000;
	trio_run(&t, 60000);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_READY, "%s", t.why);
}

Test(client_roam, begins_anew_when_it_was_not_ready)
{
	t.relays[1].mute = true;
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_BUILDING);
	trio_roam(&t, cafe, false);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect(t.seen.moved);
	cr_expect_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
}

Test(client_roam, says_that_there_was_no_way_at_all)
{
	t.away = true;
	trio_start(&t);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect(t.seen.away);
	cr_expect_not(t.seen.moved);
}

Test(client_roam, ends_where_the_entry_does_not_follow)
{
	trio_fix(&t);
	build();
	cr_expect_eq(trio_hop(&t, 0).path.local.port, 500);
	expect_layer(&home, &t.relays[0].address, false);
	trio_roam(&t, cafe, false);
	cr_expect(strstr(t.why, "does not follow"), "%s", t.why);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
}

Test(client_roam, ends_when_the_kernel_does_not_follow)
{
	build();
	t.kern.move_fails = true;
	trio_roam(&t, cafe, false);
	trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
	cr_expect_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_expect_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP, "the entry has done its part");
	cr_expect(strstr(t.why, "moving layer 1"), "%s", t.why);
}
