/*
 * Both sides rekey both kinds of SA all the time over bad queues, many seeds, with traffic: no packet
 * may come in that its receiver cannot read, however late, and at the end there is one of each.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_rekey.h"

enum {
	SEEDS = 40,
	LATEST = 900,          /* milliseconds that a packet is on its way */
	LINGER = 2000,
	PACKETS_MAX = 256,
	STEP = 20,             /* milliseconds: each side sends a packet */
	STEPS = 3000,
	CALM = 150000,
};

struct packet {
	struct duo_record *to;
	uint32_t spi;
	uint64_t at;
};

struct flow {
	struct duo *duo;
	struct duo_record *a, *b;
	struct packet packets[PACKETS_MAX];
	size_t count;
	uint64_t seed;
	size_t sent;
};

static void send_packet(struct flow *f, struct duo_record *from, struct duo_record *to)
{
	const struct duo_child *c = duo_child(from, from->sending);

	cr_assert(c && c->out);
	cr_assert_lt(f->count, PACKETS_MAX);
	f->packets[f->count++] = (struct packet){ .to = to, .spi = c->child.spi_out,
						  .at = f->duo->now + duo_random(&f->seed) % LATEST };
	f->sent++;
}

static void receive_packets(struct flow *f)
{
	for (size_t i = 0; i < f->count;) {
		if (f->packets[i].at > f->duo->now) {
			i++;
			continue;
		}
		cr_assert_not_null(duo_child(f->packets[i].to, f->packets[i].spi), "a packet is lost");
		f->packets[i] = f->packets[--f->count];
	}
}

static void rekey_something(struct flow *f)
{
	struct duo_record *r = duo_random(&f->seed) % 2 ? f->a : f->b;

	switch (duo_random(&f->seed) % 200) {
	case 0: case 1: case 2:
		ike_host_rekey_child(r->side->host, r->sa, r->sending);
		break;
	case 3:
		ike_host_rekey(r->side->host, r->sa);
		break;
	case 4:
		ike_host_probe(r->side->host, r->sa);
		break;
	case 5: /* both at once */
		ike_host_rekey_child(f->a->side->host, f->a->sa, f->a->sending);
		ike_host_rekey_child(f->b->side->host, f->b->sa, f->b->sending);
		break;
	case 6:
		ike_host_rekey(f->a->side->host, f->a->sa);
		ike_host_rekey(f->b->side->host, f->b->sa);
		break;
	}
}

static struct duo_record *connect_well(struct duo *d, uint64_t seed,
				       const struct ike_host_conf *conf)
{
	struct ike_init_conf init;

	duo_init(d, seed);
	duo_start(d, conf);
	init = duo_client(d);
	return duo_connect(d, &init);
}

/* Returns how many rekeyings there were. */
static uint32_t run_seed(uint64_t seed, const struct duo_faults *faults, uint32_t rekey_after)
{
	const struct ike_host_conf conf = { .retransmit_first = 300, .retransmit_tries = 12,
					    .child_linger = LINGER, .rekey_after = rekey_after };
	struct flow f = { .seed = seed * 77 };
	struct duo d;
	uint32_t rekeys;

	f.a = connect_well(&d, seed, &conf);
	f.b = duo_last(&d.b);
	f.duo = &d;
	d.faults = *faults;
	for (int k = 0; k < STEPS; k++) {
		duo_run(&d, d.now + STEP);
		cr_assert(f.a->sa && f.b->sa, "seed %lu, step %d: %s, %s", (unsigned long)seed, k,
			  ike_end_name(f.a->why), ike_end_name(f.b->why));
		receive_packets(&f);
		duo_rekey_assert(&d, f.a, f.b);
		send_packet(&f, f.a, f.b);
		send_packet(&f, f.b, f.a);
		rekey_something(&f);
	}
	d.faults = (struct duo_faults){ .delay_min = 10, .delay_max = 10 };
	d.a.host->conf.rekey_after = d.b.host->conf.rekey_after = 0;
	duo_run(&d, d.now + LATEST);
	receive_packets(&f);
	duo_run(&d, d.now + CALM);
	duo_settle(&d);
	rekeys = f.a->sa->rekeys;
	cr_assert_eq(f.count, 0);
	duo_rekey_assert_rest(&d, f.a, f.b);
	duo_fini(&d);
	return rekeys;
}

static void run_seeds(const struct duo_faults *faults, uint32_t rekey_after, uint32_t at_least)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t rekeys = run_seed(seed, faults, rekey_after);

		cr_assert_geq(rekeys, at_least, "only %u", rekeys);
	}
}

Test(ike_rekey_lossy, good_queue)
{
	const struct duo_faults faults = { .delay_min = 5, .delay_max = 50 };

	run_seeds(&faults, 0, 20);
}

Test(ike_rekey_lossy, loss_duplicates_reordering)
{
	const struct duo_faults faults = { .lose = 15, .duplicate = 15, .delay_min = 5,
					   .delay_max = 300 };

	run_seeds(&faults, 20000, 10);
}

Test(ike_rekey_lossy, everything_late)
{
	const struct duo_faults faults = { .lose = 5, .duplicate = 30, .delay_min = 100,
					   .delay_max = 800 };

	run_seeds(&faults, 10000, 5);
}
