/* Many SAs, their deadlines, and callbacks that close what they stand on. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_heap.h"
#include "common/ike/ike_sa_priv.h"
#include "duo.h"

/* ---- the heap ---- */

enum { ITEMS = 300 };

static uint64_t least(const struct ike_heap_item *items)
{
	uint64_t at = UINT64_MAX;

	for (int i = 0; i < ITEMS; i++)
		if (items[i].place && items[i].at < at)
			at = items[i].at;
	return at;
}

Test(ike_heap, first_is_the_earliest)
{
	struct ike_heap_item items[ITEMS] = { 0 };
	struct ike_heap heap = { 0 };
	uint64_t seed = 1;

	cr_assert_eq(ike_heap_reserve(&heap, ITEMS), 0);
	cr_assert_null(ike_heap_first(&heap));
	for (int i = 0; i < 20000; i++) {
		struct ike_heap_item *item = &items[duo_random(&seed) % ITEMS];

		if (duo_random(&seed) % 3)
			ike_heap_set(&heap, item, duo_random(&seed) % 1000);
		else
			ike_heap_remove(&heap, item);
		if (heap.count == 0)
			cr_assert_eq(least(items), UINT64_MAX);
		else
			cr_assert_eq(ike_heap_first(&heap)->at, least(items));
	}
	ike_heap_fini(&heap);
}

/* ---- many ---- */

enum { MANY = 10000 };

Test(ike_host, ten_thousand, .timeout = 60)
{
	static struct duo duo;
	struct ike_init_conf conf;

	duo_init(&duo, 31);
	duo_start(&duo, NULL);
	conf = duo_client(&duo);
	for (uint32_t i = 0; i < MANY; i++) {
		conf.path.local.addr = addr_v4(0x0a000000 + i);
		cr_assert_eq(duo_connect(&duo, &conf)->established, 1);
		duo.now += 3;
	}
	cr_assert_eq(duo_counters(&duo.b).sas, MANY);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	cr_assert_leq(ike_host_deadline(duo.b.host), duo.now + 30000);
	duo_run(&duo, duo.now + 100000);
	cr_assert_eq(duo_counters(&duo.a).sas, MANY);
	cr_assert_eq(duo_counters(&duo.b).sas, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		ike_host_close(i % 2 ? duo.a.host : duo.b.host,
			       (i % 2 ? duo.a.records : duo.b.records)[i]->sa);
	duo_run(&duo, duo.now + 20000);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
	cr_assert_eq(ike_host_deadline(duo.a.host), UINT64_MAX);
	duo_fini(&duo);
}

Test(ike_host, child_spis_are_unique)
{
	static struct duo duo;
	struct ike_init_conf conf;

	duo_init(&duo, 33);
	duo_start(&duo, NULL);
	duo.spi_space = 256 + 220;
	conf = duo_client(&duo);
	for (int i = 0; i < 200; i++)
		duo_connect(&duo, &conf);
	cr_assert_eq(duo.b.count, 200);
	for (size_t i = 0; i < duo.b.count; i++)
		cr_assert_geq(duo.b.records[i]->child.spi_in, 256);
	for (size_t i = 0; i < duo.b.count; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(duo.b.records[i]->child.spi_in,
				      duo.b.records[k]->child.spi_in);
	duo_fini(&duo);
}

/* ---- inside callbacks ---- */

enum action { ACT_CLOSE, ACT_DROP, ACT_CLOSE_OTHER, ACT_DROP_OTHER, ACT_START, ACT_COUNT };

static struct {
	enum duo_event event;
	enum action action;
	struct duo_side *side;
	struct duo_record *other; /* an established one of the same side */
	bool fail;                /* the callback says no as well */
	unsigned int acted;
} plan;

static void act(struct duo_record *r, enum duo_event event)
{
	struct ike_host *host = r->side->host;
	struct ike_init_conf conf = duo_client(r->side->duo);

	if (event != plan.event || r->side != plan.side || r == plan.other || plan.acted++)
		return;
	switch (plan.action) {
	case ACT_CLOSE:
		ike_host_close(host, r->sa);
		break;
	case ACT_DROP:
		ike_host_drop(host, r->sa, IKE_END_PROTOCOL);
		break;
	case ACT_CLOSE_OTHER:
		if (plan.other->sa)
			ike_host_close(host, plan.other->sa);
		break;
	case ACT_DROP_OTHER:
		if (plan.other->sa)
			ike_host_drop(host, plan.other->sa, IKE_END_LOCAL);
		break;
	case ACT_START:
		if (r->side == &r->side->duo->a)
			duo_initiate(r->side->duo, &conf);
		break;
	case ACT_COUNT:
		break;
	}
}

static void run_plan(enum duo_event event, enum action action, bool of_a, bool fail)
{
	static struct duo duo;
	struct ike_init_conf conf;
	struct duo_record *i;

	duo_init(&duo, 35);
	duo_start(&duo, NULL);
	conf = duo_client(&duo);
	duo_connect(&duo, &conf);
	plan.event = event;
	plan.action = action;
	plan.side = of_a ? &duo.a : &duo.b;
	plan.other = plan.side->records[0];
	plan.acted = 0;
	duo.a.hook = duo.b.hook = act;
	if (fail) {
		duo.a.child_up_result = of_a ? -1 : 0;
		duo.b.child_up_result = duo.b.admit_result = of_a ? 0 : -1;
	}
	i = duo_connect(&duo, &conf);
	if (i->sa)
		ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 30000 - 3000);
	cr_assert_eq(plan.acted > 0, !of_a || event != DUO_ADMIT);
	for (size_t k = 1; k < duo.a.count; k++)
		cr_assert_leq(duo.a.records[k]->ups, 1);
	duo.a.hook = duo.b.hook = NULL;
	duo_fini(&duo); /* asserts one ended each */
}

Test(ike_host, callbacks_may_do_anything)
{
	static const enum duo_event a[] = { DUO_CHILD_UP, DUO_ESTABLISHED, DUO_ENDED };
	static const enum duo_event b[] = { DUO_ADMIT, DUO_CHILD_UP, DUO_ESTABLISHED, DUO_ENDED };

	for (int action = 0; action < ACT_COUNT; action++) {
		for (size_t k = 0; k < ARRAY_SIZE(a); k++)
			run_plan(a[k], (enum action)action, true, false);
		for (size_t k = 0; k < ARRAY_SIZE(b); k++)
			run_plan(b[k], (enum action)action, false, false);
		run_plan(DUO_CHILD_UP, (enum action)action, true, true);
		run_plan(DUO_ENDED, (enum action)action, true, true);
		run_plan(DUO_ADMIT, (enum action)action, false, true);
		run_plan(DUO_ENDED, (enum action)action, false, true);
	}
}

/* The outside gives up on an SA because its socket failed, in the middle of a send. */
static size_t drop_at;

static bool drop_in_send(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct duo_record *r = duo_last(from);

	(void)d;
	(void)msg;
	(void)len;
	if (drop_at-- == 0 && r && r->sa)
		ike_host_drop(from->host, r->sa, IKE_END_TIMEOUT);
	return true;
}

Test(ike_host, drop_while_sending)
{
	for (size_t k = 1; k < 12; k++) {
		static struct duo duo;
		struct ike_init_conf conf;
		struct duo_record *i;

		duo_init(&duo, 36);
		duo_start(&duo, &(struct ike_host_conf){ .liveness = 1000 });
		conf = duo_client(&duo);
		drop_at = k;
		duo.tap = drop_in_send;
		i = duo_connect(&duo, &conf);
		duo_run(&duo, duo.now + 1100);
		if (i->sa)
			ike_host_close(duo.a.host, i->sa);
		duo_run(&duo, duo.now + 60000);
		cr_assert_eq(duo_counters(&duo.a).sas, 0);
		cr_assert_eq(duo_counters(&duo.b).sas, 0);
		duo_fini(&duo);
	}
}

Test(ike_host, free_tells_everybody)
{
	static struct duo duo;
	struct ike_init_conf conf;

	duo_init(&duo, 37);
	duo_start(&duo, NULL);
	conf = duo_client(&duo);
	for (int i = 0; i < 10; i++)
		duo_connect(&duo, &conf);
	duo_initiate(&duo, &conf);
	ike_host_free(duo.a.host);
	duo.a.host = NULL;
	for (size_t i = 0; i < duo.a.count; i++)
		cr_assert_eq(duo.a.records[i]->why, IKE_END_LOCAL);
	duo_fini(&duo);
}
