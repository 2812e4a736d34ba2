#include "duo_assert.h"

#include <criterion/criterion.h>

void duo_assert_up(const struct duo_record *r)
{
	struct ike_sa_info info;

	cr_assert_not_null(r);
	cr_assert_not_null(r->sa);
	cr_assert_eq(r->ups, 1);
	cr_assert_eq(r->established, 1);
	cr_assert_eq(r->ended, 0);
	ike_sa_info(r->sa, &info);
	cr_assert_eq(info.state, IKE_STATE_ESTABLISHED);
	cr_assert_gt(info.established_at, 0);
}

void duo_establish(struct duo *duo, struct duo_record **a, struct duo_record **b)
{
	struct ike_init_conf conf = duo_client(duo);

	*a = duo_connect(duo, &conf);
	*b = duo_last(&duo->b);
	duo_assert_up(*a);
	duo_assert_up(*b);
}

void duo_assert_gone(const struct duo_record *r, enum ike_end why, uint16_t notify)
{
	cr_assert_not_null(r);
	cr_assert_null(r->sa);
	cr_assert_eq(r->ended, 1);
	cr_assert_eq(r->why, why, "%s", ike_end_name(r->why));
	cr_assert_eq(r->notify, notify, "notify %u", r->notify);
}

void duo_assert_nothing_left(struct duo *duo)
{
	duo_run(duo, duo->now + 20000);
	cr_assert_eq(duo_counters(&duo->a).sas, 0);
	cr_assert_eq(duo_counters(&duo->b).sas, 0);
	cr_assert_eq(ike_host_deadline(duo->a.host), UINT64_MAX);
	cr_assert_eq(ike_host_deadline(duo->b.host), UINT64_MAX);
}
