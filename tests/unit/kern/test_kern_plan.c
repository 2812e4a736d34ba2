/* Plans against a kernel that notes what it is asked and fails where it is told to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/kern/kern_ops.h"

enum { OPS = 6 };

struct fake {
	int add_fails, del_fails; /* which call, from 1; 0: none */
	int add_error, del_error;
	int adds, dels;
	char log[256]; /* "+1+2-2-1": the operations by their reqids */
};

static int note(struct fake *f, char sign, const struct kern_op *op)
{
	size_t len = strlen(f->log);

	snprintf(f->log + len, sizeof(f->log) - len, "%c%u", sign, op->sa.reqid);
	return 0;
}

static int fake_add(void *ctx, const struct kern_op *op)
{
	struct fake *f = ctx;

	note(f, '+', op);
	return ++f->adds == f->add_fails ? f->add_error : 0;
}

static int fake_del(void *ctx, const struct kern_op *op)
{
	struct fake *f = ctx;

	note(f, '-', op);
	return ++f->dels == f->del_fails ? f->del_error : 0;
}

static struct kern fake_kern(struct fake *f)
{
	return (struct kern){ .ctx = f, .add = fake_add, .del = fake_del };
}

static void fill(struct kern_op ops[OPS])
{
	for (uint32_t i = 0; i < OPS; i++)
		ops[i] = (struct kern_op){ .type = KERN_OP_SA, .sa = { .reqid = i + 1 } };
}

Test(kern_plan, adds_in_order)
{
	struct fake f = { 0 };
	struct kern kern = fake_kern(&f);
	struct kern_op ops[OPS];

	fill(ops);
	cr_assert(kern_plan_add(&kern, ops, OPS) == 0);
	cr_assert_str_eq(f.log, "+1+2+3+4+5+6");
	cr_assert(kern_plan_add(&kern, ops, 0) == 0);
}

/* At every place: what was added goes in reverse order, what failed is not touched. */
Test(kern_plan, undoes_in_reverse)
{
	static const char *const want[OPS] = {
		"+1",
		"+1+2-1",
		"+1+2+3-2-1",
		"+1+2+3+4-3-2-1",
		"+1+2+3+4+5-4-3-2-1",
		"+1+2+3+4+5+6-5-4-3-2-1",
	};
	struct kern_op ops[OPS];

	fill(ops);
	for (int n = 1; n <= OPS; n++) {
		struct fake f = { .add_fails = n, .add_error = -EEXIST };
		struct kern kern = fake_kern(&f);

		cr_assert(kern_plan_add(&kern, ops, OPS) == -EEXIST);
		cr_assert_str_eq(f.log, want[n - 1]);
	}
}

/* An undo that fails neither stops the rest nor hides the first error. */
Test(kern_plan, undo_goes_on)
{
	struct fake f = { .add_fails = 4, .add_error = -EPERM, .del_fails = 2, .del_error = -EIO };
	struct kern kern = fake_kern(&f);
	struct kern_op ops[OPS];

	fill(ops);
	cr_assert(kern_plan_add(&kern, ops, OPS) == -EPERM);
	cr_assert_str_eq(f.log, "+1+2+3+4-3-2-1");
}

Test(kern_plan, deletes_all)
{
	struct fake f = { .del_fails = 3, .del_error = -EIO }, gone = f;
	struct kern kern = fake_kern(&f);
	struct kern_op ops[OPS];

	fill(ops);
	cr_assert(kern_plan_del(&kern, ops, OPS) == -EIO);
	cr_assert_str_eq(f.log, "-6-5-4-3-2-1");
	gone.del_error = -ENOENT;
	kern = fake_kern(&gone);
	cr_assert(kern_plan_del(&kern, ops, OPS) == 0);
	cr_assert_str_eq(gone.log, "-6-5-4-3-2-1");
}

Test(kern_plan, wipes_keys_only)
{
	struct kern_op ops[2] = { { .type = KERN_OP_SA }, { .type = KERN_OP_LINK } };
	struct secret zero = { 0 };

	ops[0].sa.reqid = 5;
	ops[0].sa.key.len = 36;
	memset(ops[0].sa.key.bytes, 7, sizeof(ops[0].sa.key.bytes));
	strcpy(ops[1].link.name, "ippriv0");
	ops[1].link.if_id = 9;
	ops[1].link.mtu = 1334;
	kern_plan_wipe(ops, 2);
	cr_assert(memcmp(&ops[0].sa.key, &zero, sizeof(zero)) == 0);
	cr_assert(ops[0].sa.reqid == 5);
	cr_assert(strcmp(ops[1].link.name, "ippriv0") == 0 && ops[1].link.if_id == 9 &&
		  ops[1].link.mtu == 1334);
}
