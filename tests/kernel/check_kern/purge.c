/* What an earlier run left goes; what others made stays, however much alike it is. */
#include <errno.h>
#include <string.h>

#include "common/kern/kern_firewall.h"
#include "tests/kernel/check_kern/check.h"

static void add_sa(struct check_plan *plan, uint32_t spi, uint32_t reqid)
{
	check_op(plan, KERN_OP_SA, NULL)->sa = check_sa("192.0.2.1", "192.0.2.2", spi, reqid);
}

static struct kern_policy *add_policy(struct check_plan *plan, const char *dst)
{
	struct kern_op *op = check_op(plan, KERN_OP_POLICY, NULL);

	op->policy = check_policy(KERN_DIR_OUT, "100.64.0.0/16", dst);
	return &op->policy;
}

static void add_link(struct check_plan *plan, enum kern_link_kind kind, const char *name)
{
	struct kern_op *op = check_op(plan, KERN_OP_LINK, NULL);

	op->link.kind = kind;
	op->link.if_id = 7;
	strcpy(op->link.name, name);
}

/* Six of ours: two SAs, two policies, two links. */
static void fill_ours(struct check_plan *plan)
{
	struct kern_policy *p;

	add_sa(plan, 0x1001, KERN_REQID_NODE | 1);
	add_sa(plan, 0x1002, KERN_REQID_NODE | KERN_ID_MASK);
	p = add_policy(plan, "192.0.2.1");
	check_template(p, "192.0.2.1", "192.0.2.2", KERN_REQID_NODE | 1);
	check_template(p, "192.0.2.3", "192.0.2.4", KERN_REQID_NODE | 2);
	p = add_policy(plan, "192.0.2.2");
	p->mark = (struct kern_mark){ 1 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	p->if_id = 12;
	check_template(p, "192.0.2.1", "192.0.2.2", KERN_REQID_NODE | 1);
	add_link(plan, KERN_LINK_DUMMY, "ippriv-pool");
	add_link(plan, KERN_LINK_XFRM, "ippriv-x");
}

/* Nine of others: the client's range beside, half of a range, a mark like ours, other names. */
static void fill_foreign(struct check_plan *plan)
{
	struct kern_policy *p;

	add_sa(plan, 0x2001, KERN_REQID_CLIENT | 1);
	add_sa(plan, 0x2002, 1);
	add_sa(plan, 0x2003, 0);
	p = add_policy(plan, "198.51.100.1");
	check_template(p, "192.0.2.1", "192.0.2.2", KERN_REQID_NODE | 1);
	check_template(p, "192.0.2.3", "192.0.2.4", 5);
	p = add_policy(plan, "198.51.100.2");
	p->mark = (struct kern_mark){ 1 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	check_template(p, "192.0.2.1", "192.0.2.2", 5);
	add_policy(plan, "198.51.100.3");
	p = add_policy(plan, "198.51.100.4");
	check_template(p, "192.0.2.1", "192.0.2.2", KERN_REQID_CLIENT | 1);
	add_link(plan, KERN_LINK_DUMMY, "other-pool");
	add_link(plan, KERN_LINK_DUMMY, "ippri");
}

/* Of two tables only the named one goes; adding one again replaces it. */
static void check_tables(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_firewall fw[2] = { 0 };
	struct kern_op ops[2];
	size_t removed = 99;

	for (size_t i = 0; i < ARRAY_SIZE(fw); i++) {
		strcpy(fw[i].table, i ? "other_node" : "ippriv_node");
		fw[i].pool = check_prefix("100.64.0.0/16");
		fw[i].pools = check_prefix("100.64.0.0/10");
		fw[i].address = check_addr("192.0.2.1");
		ops[i] = (struct kern_op){ .type = KERN_OP_FIREWALL, .firewall = &fw[i] };
		CHECK_INT(kern, kern->del(kern->ctx, &ops[i]), -ENOENT);
		CHECK_INT(kern, kern->add(kern->ctx, &ops[i]), 0);
		CHECK_INT(kern, kern->add(kern->ctx, &ops[i]), 0);
	}
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_NODE, "ippriv", "ippriv_node", &removed), 0);
	CHECK(removed == 1);
	CHECK_INT(kern, kern->del(kern->ctx, &ops[0]), -ENOENT);
	CHECK_INT(kern, kern->del(kern->ctx, &ops[1]), 0);
}

/* A client's rules go, those of others and a relay's purge leave them. */
static void check_rules(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op ops[2] = { { .type = KERN_OP_RULE }, { .type = KERN_OP_RULE } };
	size_t removed = 99;

	ops[0].rule = (struct kern_rule){ .family = AF_INET, .priority = 100, .invert = true,
					  .mark = { 1 << KERN_MARK_SHIFT, KERN_MARK_MASK },
					  .table = KERN_REQID_CLIENT | 1 };
	ops[1].rule = (struct kern_rule){ .family = AF_INET6, .priority = 99,
					  .from = check_prefix("2001:db8::/32"),
					  .table = KERN_TABLE_MAIN };
	CHECK_INT(kern, kern_plan_add(kern, ops, ARRAY_SIZE(ops)), 0);
	check_shell("ip rule add priority 98 table 1231028225");
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_NODE, "ippriv", NULL, &removed), 0);
	CHECK(removed == 0);
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_CLIENT, "ippriv", NULL, &removed), 0);
	CHECK(removed == 2);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		CHECK_INT(kern, kern->del(kern->ctx, &ops[i]), -ENOENT);
	check_shell("ip rule del priority 98 table 1231028225");
}

void check_purge(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct check_plan ours = { 0 }, foreign = { 0 };
	struct link_msg_link seen;
	size_t removed = 99;

	fill_ours(&ours);
	fill_foreign(&foreign);
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_NODE, "ippriv", "ippriv_node", &removed), 0);
	CHECK(removed == 0);
	CHECK_INT(kern, kern_plan_add(kern, ours.ops, ours.count), 0);
	CHECK_INT(kern, kern_plan_add(kern, foreign.ops, foreign.count), 0);
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_NODE, "ippriv", "ippriv_node", &removed), 0);
	CHECK(removed == ours.count);
	for (size_t i = 0; i < ours.count; i++)
		CHECK(kern->del(kern->ctx, &ours.ops[i]) < 0);
	CHECK_INT(kern, check_count_sas(&k->own), 3);
	CHECK_INT(kern, check_count_policies(&k->own), 4);
	CHECK_INT(kern, check_find_link(&k->own, "other-pool", &seen), 1);
	CHECK_INT(kern, check_find_link(&k->own, "ippri", &seen), 1);
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_CLIENT, "nothing", NULL, &removed), 0);
	CHECK(removed == 2);
	check_tables(k);
	check_rules(k);
	/* The client's two are gone, the other seven are found. */
	for (size_t i = 0; i < foreign.count; i++)
		CHECK_INT(kern, kern->del(kern->ctx, &foreign.ops[i]),
			  i == 0 || i == 6 ? -ENOENT : 0);
}
