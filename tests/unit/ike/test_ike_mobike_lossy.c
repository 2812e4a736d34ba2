/* Roaming while messages get lost, and while IKE and child SAs are rekeyed by both sides. */
#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_rekey.h"
#include "mover.h"

enum { SEEDS = 400 };

static void roam(uint64_t *seed)
{
	static const char *const addresses[] = { "192.0.2.1", "10.0.0.5", "2001:db8::9",
						 "198.18.7.7" };
	struct ike_path path;

	natbox_readdress(&box, addresses[duo_random(seed) % ARRAY_SIZE(addresses)]);
	path = natbox_path(&box);
	box.mapping_count = 0; /* there is no end of ports in here */
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
}

static void do_something(uint64_t *seed, unsigned int kinds)
{
	struct duo_record *who = duo_random(seed) % 2 ? i : r;

	switch (duo_random(seed) % kinds) {
	case 0:
	case 1:
		roam(seed);
		break;
	case 2:
		ike_host_probe(who->side->host, who->sa);
		break;
	case 3:
		ike_host_rekey_child(who->side->host, who->sa, who->sending);
		break;
	default:
		ike_host_rekey(who->side->host, who->sa);
	}
}

/* Both agree on where the client is, and what it looks like there. */
static void assert_together(uint64_t seed)
{
	struct ike_sa_info at_i, at_r;
	bool translated;

	cr_assert(i->sa && r->sa, "an SA died, seed %d", (int)seed);
	ike_sa_info(i->sa, &at_i);
	ike_sa_info(r->sa, &at_r);
	translated = box.address.bytes[0] == 10;
	cr_assert(addr_equal(&at_i.path.local.addr, &box.address));
	cr_assert(addr_equal(&at_r.path.remote.addr, translated ? &box.outside : &box.address),
		  "seed %d", (int)seed);
	cr_assert_eq(at_i.encap, translated);
	cr_assert_eq(at_r.encap, translated, "seed %d", (int)seed);
	cr_assert(at_i.mobike && at_r.mobike);
}

static void live_through(uint64_t seed, unsigned int kinds)
{
	const struct ike_host_conf conf = { .first_layer = true, .child_linger = 2000 };
	uint64_t random = seed;

	start_with(&conf, "192.0.2.1", true);
	duo.fault_seed = seed;
	duo.faults = (struct duo_faults){ .lose = 25, .duplicate = 20, .corrupt = 5,
					  .delay_min = 5, .delay_max = 200 };
	ike_host_set_patience(duo.a.host, i->sa, 30000, 300000);
	ike_host_set_patience(duo.b.host, r->sa, 30000, 300000);
	for (int k = 0; k < 12 && i->sa && r->sa; k++) {
		do_something(&random, kinds);
		duo_run(&duo, duo.now + duo_random(&random) % 1500);
	}
	duo.faults = (struct duo_faults){ .delay_min = 5, .delay_max = 20 };
	duo_run(&duo, duo.now + 240000);
	duo_settle(&duo);
	assert_together(seed);
	duo_rekey_assert_rest(&duo, i, r);
	duo_fini(&duo);
}

Test(ike_mobike_lossy, moves)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		live_through(seed, 3);
}

Test(ike_mobike_lossy, moves_and_rekeyings_of_children)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		live_through(seed, 4);
}

Test(ike_mobike_lossy, moves_and_rekeyings_of_all)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		live_through(seed, 5);
}
