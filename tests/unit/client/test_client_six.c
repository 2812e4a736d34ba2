/* IPv6 through a circuit: who is asked for it, what is taken, and where it goes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "client/trio.h"
#include "common/base/inner6.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/dp_plan.h"

/* In the kernel: of three layers, and of IPv6 in the last one and where it is attached. */
enum { ALL = 21, SIX = DP_PLAN_POLICIES, ATTACHED = 1 + DP_PLAN_ADDRESS };

static const struct prefix any6 = { .addr.family = AF_INET6 };
static struct trio t;

/* The exit has IPv6, and the others would have it as well. */
static void setup(void)
{
	trio_init(&t, 30000);
	for (size_t i = 0; i < TRIO_HOPS; i++) {
		struct trio_relay *r = &t.relays[i];

		t.path.hops[i].flags |= DIR_FLAG_EXIT | DIR_FLAG_EXIT6;
		r->lease6 = inner6_addr(&r->lease);
		r->ts.items[r->ts.count++] = any6;
	}
}

static void teardown(void)
{
	trio_fini(&t);
	cr_expect_eq(t.kern.count, 0);
	cr_expect_eq(t.kern.wrong, 0);
}

TestSuite(client_six, .init = setup, .fini = teardown);

static struct ctl_circuit_info built(void)
{
	struct ctl_circuit_info info;

	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY, "%s", t.why);
	ctl_circuit_info(t.circuit, &info);
	return info;
}

static size_t selectors(size_t relay)
{
	return t.relays[relay].child.ts_remote.count;
}

Test(client_six, of_the_exit_alone)
{
	struct ctl_circuit_info info = built();

	cr_assert(addr_equal(&info.lease->address6, &t.relays[2].lease6));
	cr_assert_eq(selectors(0), 1);
	cr_assert_eq(selectors(1), 1);
	cr_assert_eq(selectors(2), 2);
	cr_assert_eq(t.kern.count, ALL + SIX);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED + DP_PLAN_ADDRESS);
	cr_assert_eq(ctl_circuit_keep(t.circuit), 0);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED + DP_PLAN_ADDRESS + 2 * DP_PLAN_KEPT);
}

/* Of what leads there, all but the rule for names. */
Test(client_six, in_the_host)
{
	(void)built();
	cr_assert_eq(ctl_circuit_attach_host(t.circuit, 0), 0);
	cr_assert_eq(t.kern.count, ALL + SIX + 2 + DP_HOST_LEAD + 1 + DP_HOST_LEAD - 1);
}

static void four_alone(void)
{
	struct ctl_circuit_info info = built();

	cr_assert_eq(info.lease->address6.family, 0);
	cr_assert_eq(selectors(2), 1);
	cr_assert_eq(t.kern.count, ALL);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	cr_assert_eq(t.kern.count, ALL + ATTACHED);
}

Test(client_six, where_the_list_says_nothing_of_it)
{
	t.path.hops[2].flags = DIR_FLAG_EXIT;
	four_alone();
}

Test(client_six, where_the_exit_gives_none)
{
	t.relays[2].lease6 = (struct addr){ 0 };
	four_alone();
}

Test(client_six, where_the_way_is_too_narrow)
{
	t.path_mtu = 1400;
	four_alone();
}

/* An address by which its owner would be known again. */
Test(client_six, no_other_address)
{
	t.relays[2].lease6.bytes[15]++;
	trio_start(&t);
	trio_run(&t, 2000);
	cr_assert_neq(trio_state(&t), CTL_CIRCUIT_READY);
	cr_assert_eq(t.seen.failed_hop, 2);
}

Test(client_six, goes_when_the_way_becomes_too_narrow)
{
	struct ctl_circuit_info info = built();

	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	t.path_mtu = 1472;
	ctl_circuit_poll(t.circuit);
	cr_assert(info.lease->address6.family);
	t.path_mtu = 1400;
	ctl_circuit_poll(t.circuit);
	cr_assert_eq(info.lease->address6.family, 0);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED);
	cr_assert_eq(t.kern.ended, 1, "who had connections hears it");
	t.path_mtu = 1500;
	ctl_circuit_poll(t.circuit);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED, "it does not come back");
}

Test(client_six, goes_before_the_circuit_is_used)
{
	(void)built();
	t.path_mtu = 1400;
	ctl_circuit_poll(t.circuit);
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED);
}

/* A namespace where IPv6 is turned off. */
Test(client_six, a_namespace_may_refuse_it)
{
	(void)built();
	t.kern.fail_at = t.kern.adds + ATTACHED + 1;
	t.kern.fail_with = -EACCES;
	cr_assert_eq(ctl_circuit_attach(t.circuit, dup(0), 0), 0);
	cr_assert_eq(t.kern.count, ALL + SIX + ATTACHED);
}

/* Layers of a telescope in DP, numbered from FIRST on; SIX: the last one carries IPv6. */
static struct dp_circuit *stand(struct dp *dp, uint32_t first, bool six)
{
	struct dp_circuit *c;

	cr_assert_eq(dp_circuit_new(dp, NULL, &c), 0);
	for (uint32_t i = first; i < first + DP_LAYERS; i++) {
		struct dp_layer l = {
			.path = { { addr_v4(0x0a000000 + i), 0 }, { addr_v4(0xc6336400 + i), 0 } },
			.inner = addr_v4(0x64400000 + i),
			.pair = { .spi_in = 0x1000 + i, .spi_out = 0x2000 + i,
				  .key_in.len = 36, .key_out.len = 36 },
		};

		if (six && i == first + DP_LAYERS - 1)
			l.inner6 = inner6_addr(&l.inner);
		cr_assert_eq(dp_circuit_push(c, &l), 0);
	}
	return c;
}

static size_t main_routes(const struct fake_kern *k, uint8_t family)
{
	size_t n = 0;

	for (size_t i = 0; i < k->count; i++)
		n += k->standing[i].type == KERN_OP_ROUTE && k->standing[i].route.table == 0 &&
		     k->standing[i].route.dst.addr.family == family &&
		     strncmp(k->standing[i].route.link, "ippriv-", 7) != 0;
	return n;
}

/* What is new never goes by an old circuit: of IPv6 it goes nowhere when the new one has none. */
static void replaced(bool six, size_t routes, unsigned int ended)
{
	struct dp_circuit *old, *new;
	struct dp_kernel kernel;
	struct fake_kern k;
	struct dp *dp;

	fake_kern_init(&k);
	kernel = fake_kern_dp(&k);
	cr_assert_eq(dp_new(&kernel, 1, &dp), 0);
	old = stand(dp, 1, true);
	new = stand(dp, 11, six);
	cr_assert_eq(dp_circuit_attach(old, dup(0), 0), 0);
	cr_assert_eq(main_routes(&k, AF_INET6), 1);
	cr_assert_eq(dp_circuit_keep(old), 0);
	cr_assert_eq(dp_circuit_attach(new, dup(0), 1), 0);
	cr_assert_eq(main_routes(&k, AF_INET6), routes);
	cr_assert_eq(k.ended, ended, "connections that began at the address that is gone");
	dp_circuit_free(old);
	cr_assert_eq(k.ended, 2);
	dp_circuit_free(new);
	cr_assert_eq(k.count, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

/* As above, when the one that new connections go by dies: the others do not take its place. */
Test(client_six_kept, not_when_the_new_one_dies)
{
	struct dp_circuit *old, *new;
	struct dp_kernel kernel;
	struct fake_kern k;
	struct dp *dp;
	size_t count;

	fake_kern_init(&k);
	kernel = fake_kern_dp(&k);
	cr_assert_eq(dp_new(&kernel, 1, &dp), 0);
	old = stand(dp, 1, true);
	count = k.count;
	cr_assert_eq(dp_circuit_attach(old, dup(0), 0), 0);
	cr_assert_eq(dp_circuit_keep(old), 0);
	new = stand(dp, 11, true);
	cr_assert_eq(dp_circuit_attach(new, dup(0), 1), 0);
	dp_circuit_free(new);
	cr_assert_eq(k.count, count + ATTACHED + DP_PLAN_KEPT, "IPv4 of the old one");
	dp_circuit_free(old);
	cr_assert_eq(k.count, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

Test(client_six_kept, by_a_circuit_without_it) { replaced(false, 0, 1); }
Test(client_six_kept, by_another_with_it) { replaced(true, 2, 0); } /* the fake replaces nothing */

/* Plain over IPv4 there are 28 bytes more than in UDP over IPv6. */
Test(client_six, links_that_carry_it)
{
	cr_expect(dp_carries_six(1492, true, true));
	cr_expect_not(dp_carries_six(1470, true, true));
	cr_expect(dp_carries_six(1470, false, true));
	cr_expect(dp_carries_six(1450, false, false));
	cr_expect_not(dp_carries_six(1440, false, false));
	cr_expect_not(dp_carries_six(0, false, false));
}
