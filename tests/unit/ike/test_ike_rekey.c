/* Rekeying of child and IKE SAs over a perfect queue: what it leads to, and what is refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_assert.h"
#include "duo_rekey.h"

static struct duo duo;
static struct ike_host_conf quick = { .retransmit_first = 100, .child_linger = 2000 };
static struct duo_record *i, *r;

static void setup(void)
{
	duo_init(&duo, 1);
	duo_start(&duo, &quick);
	duo_establish(&duo, &i, &r);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_rekey, .init = setup, .fini = teardown);

static void rekey_child(struct duo_record *who)
{
	ike_host_rekey_child(who->side->host, who->sa, who->sending);
}

static struct ike_sa_info info_of(const struct duo_record *who)
{
	struct ike_sa_info info;

	ike_sa_info(who->sa, &info);
	return info;
}

/* ---- the child SA ---- */

static void assert_child_rekeyed(struct duo_record *by, struct duo_record *other)
{
	struct duo_child old = *duo_child(by, by->sending);

	duo_settle(&duo);
	duo_rekey_assert(&duo, i, r);
	cr_assert_neq(by->sending, old.child.spi_in);
	cr_assert_eq(by->adds, 1);
	cr_assert_eq(by->switches, 0, "who asked has both halves at once");
	cr_assert_eq(other->adds, 1);
	cr_assert_eq(other->switches, 1);
	cr_assert_eq(duo_children(by), 2, "the old one lingers");
	cr_assert_eq(duo_children(other), 2);
	cr_assert(duo_child(by, old.child.spi_in)->out, "and may have a packet on its way");
	cr_assert(duo_child(other, old.child.spi_out)->out);
	duo_run(&duo, duo.now + 1100);
	cr_assert_not(duo_child(by, old.child.spi_in)->out, "but not for long");
	cr_assert_not(duo_child(other, old.child.spi_out)->out);
	cr_assert_eq(duo_children(by), 2, "late packets still come in");
	cr_assert_eq(duo_children(other), 2);
	duo_run(&duo, duo.now + 1000);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_arr_neq(duo_child(by, by->sending)->child.key_in.bytes, old.child.key_in.bytes, 36);
	cr_assert_eq(info_of(i).rekeys, 1);
	cr_assert_eq(info_of(r).rekeys, 1);
	cr_assert_eq(info_of(i).ike_rekeys, 0);
	cr_assert_eq(info_of(by).child_in, by->sending);
}

Test(ike_rekey, child_by_the_initiator)
{
	rekey_child(i);
	assert_child_rekeyed(i, r);
}

Test(ike_rekey, child_by_the_responder)
{
	rekey_child(r);
	assert_child_rekeyed(r, i);
}

Test(ike_rekey, child_by_its_outbound_spi)
{
	ike_host_rekey_child(duo.a.host, i->sa, i->child.spi_out);
	assert_child_rekeyed(i, r);
}

Test(ike_rekey, ike_by_the_initiator)
{
	struct ike_sa *old = i->sa;
	struct ike_sa_info before = info_of(i), after;

	ike_host_rekey(duo.a.host, i->sa);
	duo_settle(&duo);
	duo_rekey_assert(&duo, i, r);
	cr_assert_neq(i->sa, old);
	after = info_of(i);
	cr_assert_neq(after.spi_i, before.spi_i);
	cr_assert_neq(after.spi_r, before.spi_r);
	cr_assert_eq(after.established_at, before.established_at);
	cr_assert_eq(after.child_in, before.child_in);
	cr_assert_eq(after.ike_rekeys, 1);
	cr_assert(after.initiator && !info_of(r).initiator);
	cr_assert_eq(i->replacements, 1);
	cr_assert_eq(r->replacements, 1);
	duo_run(&duo, duo.now + 10000);
	duo_rekey_assert_rest(&duo, i, r);
}

Test(ike_rekey, ike_by_the_responder)
{
	ike_host_rekey(duo.b.host, r->sa);
	duo_settle(&duo);
	duo_rekey_assert(&duo, i, r);
	cr_assert(!info_of(i).initiator && info_of(r).initiator, "the roles follow who asked");
	cr_assert_eq(info_of(i).spi_i, info_of(r).spi_i);
	rekey_child(i);
	duo_settle(&duo);
	ike_host_rekey(duo.a.host, i->sa);
	rekey_child(r);
	duo_settle(&duo);
	duo_run(&duo, duo.now + 10000);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_eq(info_of(i).rekeys, 4);
	cr_assert_eq(info_of(i).ike_rekeys, 2);
}

Test(ike_rekey, many_in_a_row)
{
	for (int k = 0; k < 40; k++) {
		struct duo_record *by = k & 1 ? i : r;

		if (k % 4 < 2)
			rekey_child(by);
		else
			ike_host_rekey(by->side->host, by->sa);
		duo_run(&duo, duo.now + 1000);
		duo_rekey_assert(&duo, i, r);
	}
	duo_run(&duo, duo.now + 10000);
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_eq(info_of(i).rekeys, 40);
	cr_assert_eq(info_of(r).ike_rekeys, 20);
}

Test(ike_rekey, unknown_child_is_left_alone)
{
	size_t sent = duo.a.sent;

	ike_host_rekey_child(duo.a.host, i->sa, i->sending ^ 1);
	cr_assert_eq(duo.a.sent, sent);
	rekey_child(i);
	rekey_child(i);
	duo_settle(&duo);
	ike_host_rekey_child(duo.a.host, i->sa, i->child.spi_in); /* it was replaced */
	duo_settle(&duo);
	duo_run(&duo, duo.now + 3000);
	cr_assert_eq(i->adds, 1);
	duo_rekey_assert_rest(&duo, i, r);
}

Test(ike_rekey, close_after_rekeying)
{
	ike_host_rekey(duo.a.host, i->sa);
	duo_settle(&duo);
	rekey_child(r);
	duo_settle(&duo);
	ike_host_close(duo.b.host, r->sa);
	duo_run(&duo, duo.now + 20000);
	duo_assert_gone(i, IKE_END_PEER, 0);
	duo_assert_gone(r, IKE_END_LOCAL, 0);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}
