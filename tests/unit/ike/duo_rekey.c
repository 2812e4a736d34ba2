#include "duo_rekey.h"

#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"

static void assert_reads(struct duo_record *from, struct duo_record *to)
{
	const struct duo_child *out = duo_child(from, from->sending), *in;

	cr_assert(from->sending && out && out->out);
	in = duo_child(to, out->child.spi_out);
	cr_assert_not_null(in, "SPI %08x is not known where it goes", out->child.spi_out);
	cr_assert_eq(in->child.spi_out, out->child.spi_in);
	cr_assert_eq(in->child.encr, out->child.encr);
	cr_assert_eq(in->child.esn, out->child.esn);
	cr_assert_arr_eq(in->child.key_in.bytes, out->child.key_out.bytes, 36);
	cr_assert_arr_eq(in->child.key_out.bytes, out->child.key_in.bytes, 36);
}

void duo_rekey_assert(struct duo *duo, struct duo_record *a, struct duo_record *b)
{
	(void)duo;
	cr_assert(a->sa && b->sa);
	assert_reads(a, b);
	assert_reads(b, a);
}

static void assert_idle(const struct ike_sa *sa)
{
	cr_assert_eq(sa->state, IKE_STATE_ESTABLISHED);
	cr_assert_null(sa->request.data, "task %d waits", sa->request.task);
	cr_assert_eq(sa->wanted, 0);
	cr_assert_null(sa->rekey);
	for (size_t i = 0; i < IKE_CHILDREN_MAX; i++) {
		const struct ike_slot *slot = &sa->children->slots[i];

		cr_assert(slot->state == IKE_CHILD_FREE || slot->state == IKE_CHILD_CURRENT,
			  "child SA in state %d", slot->state);
		cr_assert_null(slot->values);
	}
}

void duo_rekey_assert_rest(struct duo *duo, struct duo_record *a, struct duo_record *b)
{
	duo_rekey_assert(duo, a, b);
	assert_idle(a->sa);
	assert_idle(b->sa);
	cr_assert_eq(duo_children(a), 1);
	cr_assert_eq(duo_children(b), 1);
	cr_assert_eq(a->adds, a->dels);
	cr_assert_eq(b->adds, b->dels);
	cr_assert_eq(a->sa->spi_i, b->sa->spi_i);
	cr_assert_eq(a->sa->spi_r, b->sa->spi_r);
	cr_assert_neq(a->sa->initiator, b->sa->initiator);
	cr_assert_eq(a->sa->next_id, b->sa->peer_id);
	cr_assert_eq(b->sa->next_id, a->sa->peer_id);
	cr_assert_eq(duo_counters(&duo->a).sas, 1);
	cr_assert_eq(duo_counters(&duo->b).sas, 1);
}
