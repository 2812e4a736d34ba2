/* What the fuzz targets have found, each as a test of its own. */
#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "peer.h"

static struct duo duo;
static bool deaf; /* A: nothing comes from B */

/* Both want a new IKE SA: B's request and what A does with the new one get lost. */
static bool only_rekeying_by_a(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	bool response = msg[19] & IKE_FLAG_RESPONSE;

	(void)len;
	return msg[18] == IKE_EXCHANGE_CREATE_CHILD_SA && (from == &d->a) != response && !deaf;
}

/* A message of AS, which belongs to RECORD, arrives at the other side. */
static void say(struct duo_record *record, struct ike_sa *as, uint32_t id, uint16_t notify)
{
	struct ike_sa *now = record->sa;
	struct peer_message m;

	record->sa = as;
	peer_begin(&m, as, IKE_EXCHANGE_INFORMATIONAL, false, id);
	if (notify)
		ike_build_notify(&m.b, notify, NULL, 0);
	peer_send(&m, record);
	record->sa = now;
}

/* An IKE SA that has ended has no successor, whatever was being made to take its place. */
Test(ike_fuzzed, a_candidate_does_not_replace_the_dead)
{
	struct duo_record *i, *r;
	struct ike_init_conf conf;
	struct ike_sa *old;

	duo_init(&duo, 1);
	duo_start(&duo, NULL);
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	r = duo_last(&duo.b);
	duo_assert_up(r);
	old = i->sa;
	duo.tap = only_rekeying_by_a;
	ike_host_rekey(duo.b.host, r->sa);
	ike_host_rekey(duo.a.host, i->sa);
	duo_settle(&duo);
	cr_assert_eq(i->replacements, 1);
	cr_assert_eq(r->replacements, 0, "B has a candidate, and waits for its own answer");
	deaf = true;
	say(i, old, r->sa->peer_id, IKE_NOTIFY_AUTHENTICATION_FAILED);
	duo_assert_gone(r, IKE_END_REFUSED, IKE_NOTIFY_AUTHENTICATION_FAILED);
	say(i, i->sa, 0, 0);
	cr_assert_eq(r->replacements, 0);
	duo_run(&duo, duo.now + 200000);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
	duo_fini(&duo);
}
