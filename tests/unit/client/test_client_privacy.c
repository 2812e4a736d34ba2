/* Who is told what of a circuit: root and its user all, others that it is there. */
#include <criterion/criterion.h>
#include <string.h>

#include "client/trio.h"
#include "ippriv-client/ctl_status.h"

enum { OWNER = 1000, OTHER = 1001 };

static const struct ctl_stock_holder nobody = { 0 };
static const struct ctl_stock_holder user = { true, true, OWNER };
static const struct ctl_stock_holder gone = { true, false, OWNER };

static struct trio t;

static void setup(void)
{
	trio_init(&t, 3600000);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		snprintf(t.path.hops[i].nickname, sizeof(t.path.hops[i].nickname), "relay%zu", i);
	trio_start(&t);
	trio_run(&t, 100);
	cr_assert_eq(trio_state(&t), CTL_CIRCUIT_READY);
	t.kern.packets = 3;
}

static void teardown(void)
{
	trio_fini(&t);
}

TestSuite(ctl_status, .init = setup, .fini = teardown);

static void expect(const struct ctl_stock_holder *holder, uid_t uid, bool all)
{
	json_t *o = ctl_status_circuit(t.circuit, holder, t.now + 5000, uid);
	json_t *hops = json_object_get(o, "hops"), *hop = json_array_get(hops, 1);
	char *text = json_dumps(o, 0);

	cr_assert_eq(json_integer_value(json_object_get(o, "id")), 1);
	cr_assert_eq(json_integer_value(json_object_get(o, "age")), 5);
	cr_assert_str_eq(json_string_value(json_object_get(o, "state")),
			 ctl_circuit_state_name(trio_state(&t)));
	cr_assert_eq(json_is_true(json_object_get(o, "attached")), holder->attached);
	cr_assert_eq(json_array_size(hops), all ? 3 : 0, "%s", text);
	cr_assert_eq(json_object_get(o, "address") != NULL, all, "%s", text);
	cr_assert_eq(json_object_get(o, "away") != NULL, all, "%s", text);
	cr_assert_eq(json_object_get(o, "holder") != NULL, all && holder->taken, "%s", text);
	if (all) {
		cr_assert_str_eq(json_string_value(json_object_get(hop, "nickname")), "relay1");
		cr_assert_str_eq(json_string_value(json_object_get(hop, "role")), "middle");
		cr_assert_eq(json_integer_value(json_object_get(json_object_get(hop, "in"),
								"packets")), 3);
		cr_assert_eq(json_integer_value(json_object_get(hop, "rekeys")), 0);
		cr_assert_null(json_object_get(hop, "local"), "of the first hop only");
		hop = json_array_get(hops, 0);
		cr_assert(strstr(json_string_value(json_object_get(hop, "local")), "192.0.2.99:"));
		cr_assert(json_is_false(json_object_get(hop, "nat")));
		cr_assert(json_is_false(json_object_get(hop, "encap")));
	} else {
		cr_assert(!strstr(text, "relay") && !strstr(text, "packets") && !strstr(text, "192.") &&
			  !strstr(text, "100.") && !strstr(text, "198."), "%s", text);
	}
	free(text);
	json_decref(o);
}

Test(ctl_status, root_is_told_all)
{
	expect(&nobody, 0, true);
	expect(&user, 0, true);
	expect(&gone, 0, true);
}

Test(ctl_status, a_user_is_told_of_its_own)
{
	expect(&user, OWNER, true);
	expect(&gone, OWNER, true);
	expect(&nobody, OWNER, false);
}

Test(ctl_status, others_learn_that_it_is_there)
{
	expect(&user, OTHER, false);
	expect(&gone, OTHER, false);
	expect(&nobody, OTHER, false);
}
