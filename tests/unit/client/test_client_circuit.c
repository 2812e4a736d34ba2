#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "client/trio.h"

enum { LIVENESS = 30000, PER_LAYER = 8, LAST_LAYER = 5, ALL = 2 * PER_LAYER + LAST_LAYER };

static void assert_nothing_left(struct trio *t)
{
	cr_assert_eq(t->kern.count, 0, "%zu things left in the kernel", t->kern.count);
	cr_assert_eq(fake_kern_namespaces(&t->kern), 0);
	cr_assert_eq(t->kern.wrong, 0);
	cr_assert_eq(trio_channels(t), 0);
}

static void build(struct trio *t)
{
	trio_start(t);
	trio_run(t, 100);
	cr_assert_eq(trio_state(t), CTL_CIRCUIT_READY, "%s", t->why);
}

Test(circuit, is_built_hop_by_hop)
{
	struct trio t;
	struct ctl_circuit_info info;

	trio_init(&t, LIVENESS);
	build(&t);
	ctl_circuit_info(t.circuit, &info);
	cr_assert_eq(info.hops_up, 3);
	cr_assert(addr_equal(&info.lease->address, &t.relays[2].lease));
	cr_assert_eq(info.lease->dns_count, 1);
	cr_assert_eq(t.kern.count, ALL);
	cr_assert_eq(fake_kern_namespaces(&t.kern), 2);
	cr_assert_eq(t.kern.wrong, 0);
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		const struct ike_child *theirs = &t.relays[i].child;
		const struct kern_sa *in = fake_kern_sa(&t.kern, theirs->spi_out);
		const struct kern_sa *out = fake_kern_sa(&t.kern, theirs->spi_in);

		cr_assert(in && out);
		cr_assert(t.relays[i].null_auth && t.relays[i].wanted_lease);
		cr_assert(addr_equal(&out->dst, &t.relays[i].address));
		cr_assert(addr_equal(&in->src, &t.relays[i].address));
		if (i > 0)
			cr_assert(addr_equal(&out->src, &t.relays[i - 1].lease));
		/* two messages each way, and nobody hears more than that */
		cr_assert_eq(t.relays[i].heard, 2);
	}
	trio_fini(&t);
	assert_nothing_left(&t);
}

/* A stock daemon knows no NULL authentication, and the list says so. */
Test(circuit, speaks_to_a_stock_daemon_as_it_wants)
{
	struct trio t;

	trio_init(&t, LIVENESS);
	t.path.hops[1].flags = DIR_FLAG_PSK;
	build(&t);
	cr_assert(t.relays[0].null_auth && t.relays[2].null_auth);
	cr_assert(t.relays[1].psk_auth && t.relays[1].wanted_lease);
	trio_fini(&t);
	assert_nothing_left(&t);
}

/* What the kernel is given is what the relay has; our books hold no keys afterwards. */
struct key_check {
	struct trio *t;
	int (*add)(void *ctx, const struct kern_op *op);
	size_t count;
	struct kern_sa sas[8];
};

static struct key_check checked;

static int spy_add(void *ctx, const struct kern_op *op)
{
	if (op->type == KERN_OP_SA && checked.count < ARRAY_SIZE(checked.sas))
		checked.sas[checked.count++] = op->sa;
	return checked.add(ctx, op);
}

Test(circuit, gives_the_negotiated_keys_to_the_kernel)
{
	struct trio t;

	trio_init(&t, LIVENESS);
	checked = (struct key_check){ .t = &t, .add = t.kern.ops.add };
	t.kern.ops.add = spy_add;
	build(&t);
	cr_assert_eq(checked.count, 6);
	for (size_t i = 0; i < checked.count; i++) {
		const struct ike_child *theirs = &t.relays[i / 2].child;
		const struct kern_sa *ours = &checked.sas[i];
		const struct secret *key = i % 2 == 0 ? &theirs->key_out : &theirs->key_in;

		cr_assert_eq(ours->spi, i % 2 == 0 ? theirs->spi_out : theirs->spi_in);
		cr_assert_eq(key->len, 36);
		cr_assert_eq(ours->key.len, 36);
		cr_assert_arr_eq(ours->key.bytes, key->bytes, 36);
		cr_assert_eq(ours->esn, theirs->esn);
	}
	trio_fini(&t);
}

Test(circuit, goes_into_an_application_s_namespace_once)
{
	struct trio t;

	trio_init(&t, LIVENESS);
	trio_start(&t);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), -EAGAIN);
	trio_run(&t, 100);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	cr_assert_eq(t.kern.count, ALL + 3);
	cr_assert_eq(fake_kern_namespaces(&t.kern), 3);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), -EBUSY);
	trio_fini(&t);
	assert_nothing_left(&t);
}

Test(circuit, is_closed_from_the_last_hop_to_the_first)
{
	struct trio t;

	trio_init(&t, LIVENESS);
	build(&t);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	t.kern.event_count = 0;
	ctl_circuit_close(t.circuit);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		cr_assert_eq(t.relays[i].end, IKE_END_PEER);
		cr_assert_eq(t.relays[i].order, TRIO_HOPS - i);
	}
	/* the namespaces things went from: behind layer 2, behind layer 1, the daemon's own */
	for (size_t i = 1; i < t.kern.event_count; i++)
		if (t.kern.events[i].type == KERN_OP_SA &&
		    t.kern.events[i - 1].type == KERN_OP_SA)
			cr_assert_leq(t.kern.events[i].netns, t.kern.events[i - 1].netns);
	assert_nothing_left(&t);
	trio_fini(&t);
}

Test(circuit, gives_up_a_silent_hop_in_time)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		t.relays[hop].mute = true;
		trio_start(&t);
		trio_run(&t, CTL_CIRCUIT_BUILD_MS - 2);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_BUILDING);
		trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, hop);
		for (size_t i = 0; i < hop; i++)
			cr_assert_eq(t.relays[i].end, IKE_END_PEER);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, ends_when_a_hop_refuses)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		t.relays[hop].admit_error = -EADDRNOTAVAIL;
		trio_start(&t);
		trio_run(&t, 100);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, hop);
		cr_assert(strstr(t.why, "INTERNAL_ADDRESS_FAILURE"), "%s", t.why);
		for (size_t i = 0; i < hop; i++)
			cr_assert_eq(t.relays[i].end, IKE_END_PEER);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, takes_no_other_key_than_the_list_s)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		t.path.hops[hop].identity.bytes[0] ^= 1;
		trio_start(&t);
		trio_run(&t, 100);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, hop);
		cr_assert(strstr(t.why, "authentication"), "%s", t.why);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, takes_back_everything_when_the_kernel_fails)
{
	for (unsigned int n = 1; n <= ALL; n++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		t.kern.fail_at = n;
		trio_start(&t);
		trio_run(&t, 100);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
		cr_assert(strstr(t.why, "told to fail"), "%s", t.why);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

static void assert_no_use(size_t hop, struct addr lease, struct ike_ts_list ts)
{
	struct trio t;

	trio_init(&t, LIVENESS);
	t.relays[hop].lease = lease;
	t.relays[hop].ts = ts;
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
	cr_assert_eq(t.seen.failed_hop, hop);
	cr_assert(strstr(t.why, "of no use"), "%s", t.why);
	assert_nothing_left(&t);
	trio_fini(&t);
}

Test(circuit, refuses_a_lease_that_carries_nothing)
{
	const struct ike_ts_list any = { 1, { { .addr = addr_v4(0) } } };
	struct ike_ts_list narrow = { .count = 1 };
	struct addr good = addr_v4(0x64400007), host = addr_v4(0xcb007101);

	narrow.items[0] = prefix_host(&host);
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		assert_no_use(hop, addr_v4(0x7f000001), any);
		assert_no_use(hop, addr_v4(0xc0a80001), any);
	}
	/* a hop through which the next one is not to be had; the exit's selectors are its policy */
	assert_no_use(0, good, narrow);
	assert_no_use(1, good, narrow);
}

Test(circuit, ends_with_any_of_its_hops)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		build(&t);
		ike_host_close(t.relays[hop].host, t.relays[hop].sa);
		trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, hop);
		for (size_t i = 0; i < hop; i++)
			cr_assert_eq(t.relays[i].end, IKE_END_PEER);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, finds_out_that_a_hop_has_died)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		build(&t);
		t.relays[hop].mute = true;
		trio_run(&t, LIVENESS + 40000);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		/* what is behind a dead hop looks as dead as itself */
		cr_assert_geq(t.seen.failed_hop, hop);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, does_not_probe_while_traffic_comes_in)
{
	struct trio t;
	size_t sent;

	trio_init(&t, LIVENESS);
	build(&t);
	sent = t.sent;
	for (int i = 0; i < 20; i++) {
		t.kern.packets += 3;
		ctl_circuit_poll(t.circuit);
		trio_run(&t, LIVENESS / 3);
	}
	cr_assert_eq(t.sent, sent);
	for (int i = 0; i < 4; i++) {
		ctl_circuit_poll(t.circuit);
		trio_run(&t, LIVENESS / 3);
	}
	cr_assert_geq(t.sent, sent + TRIO_HOPS);
	trio_fini(&t);
}

Test(circuit, waits_a_second_at_most_for_goodbyes)
{
	for (size_t hop = 0; hop < TRIO_HOPS; hop++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		build(&t);
		t.relays[hop].mute = true;
		ctl_circuit_close(t.circuit);
		trio_run(&t, CTL_CIRCUIT_CLOSE_MS - 1);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_CLOSING);
		trio_run(&t, 2);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		assert_nothing_left(&t);
		/* who still could hear it was told all the same */
		trio_run(&t, 10);
		for (size_t i = 0; i < hop; i++)
			cr_assert_eq(t.relays[i].end, IKE_END_PEER);
		trio_fini(&t);
	}
}

Test(circuit, can_be_closed_at_every_step)
{
	for (int step = 0; step < 12; step++) {
		struct trio t;

		trio_init(&t, LIVENESS);
		trio_start(&t);
		for (int i = 0; i < step && t.queued > 0; i++) {
			struct trio_message m = t.queue[0];

			memmove(t.queue, t.queue + 1, --t.queued * sizeof(m));
			ike_host_input(m.to < TRIO_HOPS ? t.relays[m.to].host : t.host, &m.path,
				       m.bytes, m.len);
		}
		ctl_circuit_close(t.circuit);
		trio_run(&t, CTL_CIRCUIT_CLOSE_MS + 10);
		cr_assert_eq(trio_state(&t), CTL_CIRCUIT_OVER);
		cr_assert_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
		assert_nothing_left(&t);
		trio_fini(&t);
	}
}

Test(circuit, tells_silence_from_a_refusal)
{
	struct trio t;

	trio_init(&t, 3600000);
	t.relays[1].mute = true;
	trio_start(&t);
	trio_run(&t, 60000);
	cr_assert_eq(t.seen.failed_hop, 1);
	cr_assert(t.seen.silent);
	trio_fini(&t);
	trio_init(&t, 3600000);
	t.relays[1].admit_error = -EBUSY;
	trio_start(&t);
	trio_run(&t, 60000);
	cr_assert_eq(t.seen.failed_hop, 1);
	cr_assert_not(t.seen.silent);
	trio_fini(&t);
}

Test(circuit, blames_the_hop_for_an_spi_that_is_taken)
{
	struct trio t;

	trio_init(&t, 3600000);
	t.kern.fail_at = 2; /* the outbound SA of the first layer */
	t.kern.fail_with = -EEXIST;
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(t.seen.failed_hop, 0);
	trio_fini(&t);
	trio_init(&t, 3600000);
	t.kern.fail_at = 2;
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(t.seen.failed_hop, CTL_CIRCUIT_NO_HOP);
	trio_fini(&t);
}
