/* Roaming while an IKE SA has been rekeyed and the other side may not know: who is told over which. */
#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "duo_rekey.h"
#include "mover.h"
#include "natbox.h"

TestSuite(ike_mobike_rekey, .fini = teardown);

static struct duo_side *unlucky; /* what this side sends gets lost */
static unsigned int lose;        /* so many of its datagrams */
static uint8_t lose_only;        /* of this exchange, 0: of any */

static bool tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	(void)d, (void)len;
	if (from != unlucky || lose == 0 || (lose_only && lose_only != msg[18]))
		return true;
	lose--;
	return false;
}

static void lose_next(struct duo_side *from, unsigned int count)
{
	unlucky = from;
	lose = count;
	lose_only = 0;
	duo.tap = tap;
}

/* The relay asks for another IKE SA, the client has made it, and its answer is lost. */
static void rekey_unheard(void)
{
	ike_host_rekey(duo.b.host, r->sa);
	lose_next(&duo.a, 1);
	duo_run(&duo, duo.now + ONE_WAY);
	cr_assert_eq(lose, 0);
	cr_assert_eq(i->replacements, 1);
	cr_assert_eq(r->replacements, 0);
	cr_assert(i->sa->quiet);
}

static void assert_together(void)
{
	cr_assert(i->sa && r->sa);
	assert_at(&box.address, false);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_not(i->sa->quiet || r->sa->quiet);
}

/* The second answer gets lost like the first one, and meanwhile the client moves twice. */
Test(ike_mobike_rekey, two_moves_before_the_relay_hears)
{
	start("192.0.2.1", false);
	rekey_unheard();
	move("192.0.2.77");
	duo_run(&duo, duo.now + 5);
	lose_next(&duo.b, 2); /* the answer to UPDATE_SA_ADDRESSES, and the rekeying again */
	duo_run(&duo, duo.now + ONE_WAY);
	cr_assert_eq(lose, 0);
	move("192.0.2.78"); /* the update that waits goes again, of the path before */
	lose_next(&duo.a, 0);
	duo_run(&duo, duo.now + 3 * ROUND_TRIP + ONE_WAY);
	cr_assert_eq(r->replacements, 1, "it has been asked and answered at the new address");
	duo_run(&duo, duo.now + 100000);
	assert_together();
}

/* A probe of the client had not arrived: what it asks next has to wait for that. */
Test(ike_mobike_rekey, probe_waits_when_the_relay_rekeys)
{
	start("192.0.2.1", false);
	lose_next(&duo.a, 1);
	ike_host_probe(duo.a.host, i->sa);
	cr_assert_eq(lose, 0);
	rekey_unheard();
	move("192.0.2.77");
	duo_run(&duo, duo.now + 4 * ROUND_TRIP);
	cr_assert_eq(r->replacements, 1);
	duo_run(&duo, duo.now + 100000);
	assert_together();
}

/* Both ask for another IKE SA, the client moves, and its own loses: the relay does not know yet. */
Test(ike_mobike_rekey, move_while_both_rekey)
{
	for (uint64_t seed = 1; seed <= 8; seed++) { /* who wins is drawn */
		start("192.0.2.1", false);
		duo.seed = seed;
		ike_host_rekey(duo.a.host, i->sa);
		ike_host_rekey(duo.b.host, r->sa);
		lose_next(&duo.a, 1); /* its answer, not its request */
		duo_run(&duo, duo.now + ONE_WAY);
		cr_assert_eq(lose, 0);
		move("192.0.2.77");
		duo_run(&duo, duo.now + 100000);
		assert_together();
		teardown();
	}
}

/* What the relay sends to check the new path is lost each time, and so it goes back to the old. */
Test(ike_mobike_rekey, relay_that_lost_the_client_is_asked)
{
	start("192.0.2.1", false);
	rekey_unheard();
	move("192.0.2.77");
	lose_next(&duo.b, IKE_PATH_CHECK_TRIES);
	lose_only = IKE_EXCHANGE_CREATE_CHILD_SA;
	duo_run(&duo, duo.now + 100000);
	cr_assert_eq(lose, 0);
	assert_together();
}

static void be_away(bool relay_asked)
{
	uint64_t back;

	start("192.0.2.1", false);
	ike_host_set_patience(duo.b.host, r->sa, 30000, 900000);
	if (relay_asked)
		ike_host_rekey(duo.b.host, r->sa);
	else
		ike_host_rekey(duo.a.host, i->sa);
	duo_run(&duo, duo.now + ONE_WAY - 1);
	lose_next(relay_asked ? &duo.a : &duo.b, 1);
	duo_run(&duo, duo.now + 1);
	cr_assert_eq(lose, 0);
	box.address = addr_v4(0xc0000263); /* cut off */
	back = duo.now + 600000;
	ike_host_set_patience(duo.a.host, i->sa, UINT32_MAX, UINT32_MAX);
	duo_run(&duo, back);
	move("198.18.0.9");
	ike_host_set_patience(duo.a.host, i->sa, 30000, 0);
	duo_run(&duo, back + 30000);
	assert_together();
	cr_assert(i->replacements >= 1 && r->replacements >= 1);
}

/* The link went away with the answer to a rekeying. */
Test(ike_mobike_rekey, absence_that_began_with_the_clients_answer) { be_away(true); }
Test(ike_mobike_rekey, absence_that_began_with_the_relays_answer) { be_away(false); }

/* Who closes does not wait for the other side to know of the rekeying: it knows one of the two. */
Test(ike_mobike_rekey, close_reaches_who_knows_only_the_old_one)
{
	start("192.0.2.1", false);
	rekey_unheard();
	ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + ROUND_TRIP);
	duo_assert_gone(r, IKE_END_PEER, 0);
	duo_run(&duo, duo.now + 10000);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
}

Test(ike_mobike_rekey, close_reaches_who_knows_the_new_one)
{
	start("192.0.2.1", false);
	ike_host_rekey(duo.b.host, r->sa);
	duo_run(&duo, duo.now + ONE_WAY);
	cr_assert(i->sa->quiet);
	lose_next(&duo.b, 1);
	duo_run(&duo, duo.now + ONE_WAY); /* the Delete of the old one */
	cr_assert_eq(r->replacements, 1);
	ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + ROUND_TRIP);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
	duo_assert_gone(r, IKE_END_PEER, 0);
}

/* The last question to who may be asleep waits for nothing. */
Test(ike_mobike_rekey, last_question_ends_it_in_time)
{
	start("192.0.2.1", false);
	ike_host_set_patience(duo.b.host, r->sa, 30000, 900000);
	ike_host_rekey(duo.a.host, i->sa);
	duo_run(&duo, duo.now + ONE_WAY);
	cr_assert(r->sa->quiet);
	box.address = addr_v4(0xc0000263); /* cut off, and gone */
	ike_host_drop(duo.a.host, i->sa, IKE_END_LOCAL);
	duo_run(&duo, duo.now + 60000);
	duo_assert_up(r);
	ike_host_probe_finally(duo.b.host, r->sa, 3);
	duo_run(&duo, duo.now + 5000);
	duo_assert_gone(r, IKE_END_TIMEOUT, 0);
}
