/* Each operation by itself: installed, seen in a dump, refused twice, deleted, missed. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/kernel/check_kern/check.h"

static void check_one_sa(struct kern_linux *k, struct kern_sa sa)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op op = { .type = KERN_OP_SA, .sa = sa };
	uint32_t window = sa.esn && sa.replay_window == 0 ? 32 : sa.replay_window;
	struct xfrm_msg_sa seen = { 0 };
	struct kern_sa_stats stats = { .packets = 99 };

	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EEXIST);
	CHECK_INT(kern, check_find_sa(&k->own, sa.spi, &seen), 1);
	CHECK(addr_equal(&seen.src, &sa.src) && addr_equal(&seen.dst, &sa.dst));
	CHECK(seen.proto == IPPROTO_ESP && seen.reqid == sa.reqid && seen.if_id == sa.if_id);
	CHECK(seen.esn == sa.esn && seen.replay_window == window);
	CHECK(seen.set_mark.value == sa.set_mark.value && seen.set_mark.mask == sa.set_mark.mask);
	CHECK(seen.mark.mask == 0);
	CHECK_INT(kern, kern->sa_stats(kern->ctx, NULL, &sa.dst, sa.spi, &stats), 0);
	CHECK(stats.packets == 0 && stats.bytes == 0 && stats.use_time == 0);
	CHECK(stats.add_time <= (uint64_t)time(NULL) && stats.add_time + 60 > (uint64_t)time(NULL));
	CHECK_INT(kern, kern->del(kern->ctx, &op), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
	CHECK_INT(kern, kern->sa_stats(kern->ctx, NULL, &sa.dst, sa.spi, &stats), -ENOENT);
	CHECK_INT(kern, check_count_sas(&k->own), 0);
}

static void check_sas(struct kern_linux *k)
{
	struct kern_sa sa = check_sa("192.0.2.1", "192.0.2.2", 0x11223344, KERN_REQID_NODE | 7);

	check_one_sa(k, sa);
	sa.aead = KERN_AEAD_CHACHA20_POLY1305;
	sa.set_mark = (struct kern_mark){ 3 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	check_one_sa(k, sa);
	sa.replay_window = 0;
	sa.if_id = KERN_REQID_CLIENT | 1;
	check_one_sa(k, sa);
	sa.esn = false;
	check_one_sa(k, sa);
	sa.replay_window = 4096;
	check_one_sa(k, sa);
	check_one_sa(k, check_sa("2001:db8::1", "2001:db8::2", 0x11223344, KERN_REQID_NODE | 7));
}

static void check_one_policy(struct kern_linux *k, struct kern_policy p)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op op = { .type = KERN_OP_POLICY, .policy = p };
	struct xfrm_msg_policy seen = { 0 };

	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EEXIST);
	CHECK_INT(kern, check_find_policy(&k->own, p.priority, &seen), 1);
	CHECK(seen.dir == p.dir && seen.if_id == p.if_id && seen.index != 0);
	CHECK(prefix_equal(&seen.sel.src, &p.sel.src) && prefix_equal(&seen.sel.dst, &p.sel.dst));
	CHECK(seen.sel.proto == p.sel.proto && seen.sel.sport == p.sel.sport &&
	      seen.sel.dport == p.sel.dport);
	CHECK(seen.mark.value == p.mark.value && seen.mark.mask == p.mark.mask);
	CHECK(seen.template_count == p.template_count);
	for (size_t i = 0; i < p.template_count; i++)
		CHECK(addr_equal(&seen.templates[i].src, &p.templates[i].src) &&
		      addr_equal(&seen.templates[i].dst, &p.templates[i].dst) &&
		      seen.templates[i].reqid == p.templates[i].reqid);
	CHECK_INT(kern, kern->del(kern->ctx, &op), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
	CHECK_INT(kern, check_count_policies(&k->own), 0);
}

static void check_policies(struct kern_linux *k)
{
	struct kern_policy p = check_policy(KERN_DIR_OUT, "100.64.0.0/16", "192.0.2.9");

	check_template(&p, "192.0.2.1", "192.0.2.9", KERN_REQID_NODE | 3);
	p.sel.proto = IPPROTO_UDP;
	p.sel.dport = 500;
	check_one_policy(k, p);
	p.dir = KERN_DIR_FWD;
	p.sel.sport = 501;
	check_template(&p, "192.0.2.7", "192.0.2.8", KERN_REQID_NODE | 4);
	check_one_policy(k, p);
	p = check_policy(KERN_DIR_IN, "2001:db8::/64", "::/0");
	check_template(&p, "192.0.2.1", "192.0.2.9", KERN_REQID_CLIENT | 3);
	p.if_id = KERN_REQID_CLIENT | 3;
	p.mark = (struct kern_mark){ 5 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	check_one_policy(k, p);
	check_one_policy(k, check_policy(KERN_DIR_OUT, "0.0.0.0/0", "192.0.2.0/24"));
}

/* One selector, told apart by mark and by if_id. */
static void check_policy_identity(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op ops[3];

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i] = (struct kern_op){ .type = KERN_OP_POLICY };
		ops[i].policy = check_policy(KERN_DIR_IN, "100.64.0.0/16", "192.0.2.1");
		check_template(&ops[i].policy, "192.0.2.9", "192.0.2.1", KERN_REQID_NODE | 3);
	}
	ops[1].policy.mark = (struct kern_mark){ 1 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	ops[2].policy.if_id = 9;
	CHECK_INT(kern, kern_plan_add(kern, ops, ARRAY_SIZE(ops)), 0);
	CHECK_INT(kern, check_count_policies(&k->own), 3);
	CHECK_INT(kern, kern->del(kern->ctx, &ops[1]), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &ops[1]), -ENOENT);
	CHECK_INT(kern, check_count_policies(&k->own), 2);
	CHECK_INT(kern, kern_plan_del(kern, ops, ARRAY_SIZE(ops)), 0);
	CHECK_INT(kern, check_count_policies(&k->own), 0);
}

/* OP again is refused, deleting works once. */
static void check_twice(const struct kern *kern, const struct kern_op *op)
{
	CHECK_INT(kern, kern->add(kern->ctx, op), 0);
	CHECK_INT(kern, kern->add(kern->ctx, op), -EEXIST);
	CHECK_INT(kern, kern->del(kern->ctx, op), 0);
	CHECK_INT(kern, kern->del(kern->ctx, op), -ENOENT);
}

/* ROUTE, with a source, in a table of its own beside the one in the main table. */
static void check_table(const struct kern *kern, const struct kern_op *address,
			const struct kern_op *route)
{
	struct kern_op other = *route;

	other.route.table = KERN_REQID_CLIENT | 1;
	other.route.source = address->address.prefix.addr;
	CHECK_INT(kern, kern->add(kern->ctx, &other), -EINVAL); /* not an address of ours yet */
	CHECK_INT(kern, kern->add(kern->ctx, address), 0);
	CHECK_INT(kern, kern->add(kern->ctx, route), 0);
	check_twice(kern, &other);
	other.route.table = 7;
	check_twice(kern, &other);
	other.route.table = KERN_TABLE_MAIN;
	CHECK_INT(kern, kern->add(kern->ctx, &other), -EEXIST);
	other.route.replace = true;
	CHECK_INT(kern, kern->add(kern->ctx, &other), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &other), 0);
	CHECK_INT(kern, kern->del(kern->ctx, route), -ENOENT);
	CHECK_INT(kern, kern->del(kern->ctx, address), 0);
}

static void check_rules(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op op = { .type = KERN_OP_RULE }, beside;

	op.rule = (struct kern_rule){ .family = AF_INET, .priority = 100,
				      .table = KERN_REQID_CLIENT | 1 };
	check_twice(kern, &op);
	op.rule.from = check_prefix("100.64.0.7");
	check_twice(kern, &op);
	op.rule.mark = (struct kern_mark){ 3 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	op.rule.invert = true;
	check_twice(kern, &op);
	op.rule.table = 7;
	check_twice(kern, &op);
	beside = op;
	beside.rule.priority = 101;
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	check_twice(kern, &beside);
	CHECK_INT(kern, kern->del(kern->ctx, &op), 0);
	op.rule = (struct kern_rule){ .family = AF_INET6, .priority = 100,
				      .to = check_prefix("2001:db8::/32"),
				      .table = KERN_TABLE_MAIN };
	check_twice(kern, &op);
	op.rule.priority = 0;
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EINVAL);
}

static void check_links(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op link = { .type = KERN_OP_LINK };
	struct kern_op address = { .type = KERN_OP_ADDRESS }, route = { .type = KERN_OP_ROUTE };
	struct link_msg_link seen = { 0 };

	link.link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool", .mtu = 65535 };
	address.address = (struct kern_address){ "ippriv-pool", check_prefix("100.64.0.7") };
	route.route = (struct kern_route){ .link = "ippriv-pool", .dst = check_prefix("100.64.0.0/10"), .mtu = 1334 };
	CHECK_INT(kern, kern->add(kern->ctx, &address), -ENODEV);
	CHECK_INT(kern, kern->del(kern->ctx, &address), -ENOENT);
	CHECK_INT(kern, kern->del(kern->ctx, &route), -ENOENT);
	CHECK_INT(kern, kern->del(kern->ctx, &link), -ENOENT);
	CHECK_INT(kern, kern->add(kern->ctx, &link), 0);
	CHECK_INT(kern, kern->add(kern->ctx, &link), -EEXIST);
	CHECK_INT(kern, check_find_link(&k->own, "ippriv-pool", &seen), 1);
	CHECK(strcmp(seen.kind, "dummy") == 0 && seen.up && seen.mtu == 65535 && seen.if_id == 0);
	check_twice(kern, &address);
	check_twice(kern, &route);
	route.route.dst = check_prefix("0.0.0.0/0");
	route.route.mtu = 0;
	check_twice(kern, &route);
	check_table(kern, &address, &route);
	route.route.dst = check_prefix("::/0");
	check_twice(kern, &route);
	address.address.prefix = check_prefix("2001:db8::7");
	check_twice(kern, &address);
	CHECK_INT(kern, kern->del(kern->ctx, &link), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &link), -ENOENT);

	link.link = (struct kern_link){ .kind = KERN_LINK_XFRM, .name = "ippriv1", .mtu = 1446,
					.if_id = KERN_REQID_CLIENT | 5 };
	CHECK_INT(kern, kern->add(kern->ctx, &link), 0);
	CHECK_INT(kern, check_find_link(&k->own, "ippriv1", &seen), 1);
	CHECK(strcmp(seen.kind, "xfrm") == 0 && seen.up && seen.mtu == 1446 &&
	      seen.if_id == (KERN_REQID_CLIENT | 5));
	CHECK_INT(kern, kern->del(kern->ctx, &link), 0);
	CHECK_INT(kern, check_find_link(&k->own, "ippriv1", &seen), 0);
}

/* The sixth operation fails: the five before it are taken back, the error names the sixth. */
static void check_plan_undo(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct check_plan plan = { 0 };
	struct link_msg_link seen;
	struct kern_policy p = check_policy(KERN_DIR_OUT, "100.64.0.7", "0.0.0.0/0");

	check_template(&p, "192.0.2.1", "192.0.2.2", KERN_REQID_CLIENT | 1);
	check_op(&plan, KERN_OP_SA, NULL)->sa = check_sa("192.0.2.1", "192.0.2.2", 0x1001, 1);
	check_op(&plan, KERN_OP_SA, NULL)->sa = check_sa("192.0.2.2", "192.0.2.1", 0x1002, 1);
	check_op(&plan, KERN_OP_POLICY, NULL)->policy = p;
	check_op(&plan, KERN_OP_LINK, NULL)->link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool" };
	strcpy(check_op(&plan, KERN_OP_LINK_UP, NULL)->link_up, "lo");
	check_op(&plan, KERN_OP_ADDRESS, NULL)->address =
		(struct kern_address){ "nowhere", check_prefix("192.0.2.1") };
	CHECK_INT(kern, kern_plan_add(kern, plan.ops, plan.count), -ENODEV);
	CHECK(strstr(kern->error(kern->ctx), "nowhere") != NULL);
	CHECK_INT(kern, check_count_sas(&k->own), 0);
	CHECK_INT(kern, check_count_policies(&k->own), 0);
	CHECK_INT(kern, check_find_link(&k->own, "ippriv-pool", &seen), 0);
}

/* What makes no sense is not sent; a refusal comes with the kernel's words, and leaves nothing. */
static void check_errors(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_op op = { .type = KERN_OP_SA };

	op.sa = check_sa("192.0.2.1", "192.0.2.2", 0x1001, 1);
	op.sa.key.len = 32;
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EINVAL);
	op = (struct kern_op){ .type = KERN_OP_LINK };
	op.link = (struct kern_link){ .name = "ippriv1", .mtu = 10, .if_id = 1 };
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EINVAL);
	CHECK(strstr(kern->error(kern->ctx), "link ippriv1: Invalid argument: mtu") != NULL);
	printf("     an error as people see it: %s\n", kern->error(kern->ctx));
	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
}

void check_objects(struct kern_linux *k)
{
	check_sas(k);
	check_policies(k);
	check_policy_identity(k);
	check_links(k);
	check_rules(k);
	check_plan_undo(k);
	check_errors(k);
}
