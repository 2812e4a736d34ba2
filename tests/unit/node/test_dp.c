/* The relay's data path on a kernel that writes down what it is asked, and in which order. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/kern/kern_firewall.h"
#include "common/kern/kern_ops.h"
#include "ippriv-node/dp.h"

enum { CALLS = 64 };

struct book {
	char calls[CALLS + 1]; /* + an operation is added, - deleted, f flows are, m it moves */
	struct prefix flows;   /* the last that were deleted */
	int flows_err, del_err;
	int move_err;
};

static void note(struct book *b, char call)
{
	size_t n = strlen(b->calls);

	cr_assert(n < CALLS);
	b->calls[n] = call;
}

static int book_add(void *ctx, const struct kern_op *op)
{
	(void)op;
	note(ctx, '+');
	return 0;
}

static int book_del(void *ctx, const struct kern_op *op)
{
	struct book *b = ctx;

	(void)op;
	note(b, '-');
	return b->del_err;
}

static int book_flows_del(void *ctx, const struct prefix *src)
{
	struct book *b = ctx;

	note(b, 'f');
	b->flows = *src;
	return b->flows_err;
}

static int book_move(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to)
{
	struct book *b = ctx;

	(void)ops;
	(void)to;
	cr_expect_eq(count, (size_t)4);
	note(b, 'm');
	return b->move_err;
}

static const char *book_error(void *ctx)
{
	(void)ctx;
	return "as the test wants";
}

struct fixture {
	struct book book;
	struct kern kern;
	struct kern_firewall firewall;
	struct dp_self self;
	struct dp *dp;
};

static int start(struct fixture *f, bool exit)
{
	f->kern = (struct kern){ .ctx = &f->book, .add = book_add, .del = book_del,
				 .move = book_move, .flows_del = book_flows_del, .error = book_error };
	cr_assert(prefix_parse("100.64.0.0/16", &f->self.pool) == 0);
	cr_assert(prefix_parse("100.64.0.0/10", &f->self.pools) == 0);
	cr_assert(addr_parse("192.0.2.1", &f->self.address) == 0);
	f->self.listen = f->self.address;
	f->firewall = (struct kern_firewall){ .pool = f->self.pool, .pools = f->self.pools,
					      .address = f->self.address, .exit = exit };
	return dp_new(&f->kern, &f->self, &f->firewall, &f->dp);
}

/* What was called since the last time. */
static void expect_calls(struct fixture *f, const char *want)
{
	cr_assert_str_eq(f->book.calls, want);
	memset(f->book.calls, 0, sizeof(f->book.calls));
}

static struct dp_circuit circuit_of_client(void)
{
	return (struct dp_circuit){ .way = { .number = DP_CIRCUIT_FIRST,
					     .local = addr_v4(0xc0000201),
					     .far = addr_v4(0xcb007101) },
				    .assigned = addr_v4(0x64400007) };
}

static int circuit(struct fixture *f)
{
	struct dp_circuit c = circuit_of_client();

	cr_assert(dp_circuit_up(f->dp, &c) == 0);
	expect_calls(f, "++");
	return dp_circuit_down(f->dp, &c);
}

Test(dp, halves_of_a_pair)
{
	struct dp_keys keys = { .spi_in = 1, .spi_out = 2 };
	struct dp_way way = circuit_of_client().way;
	struct fixture f = { 0 };

	cr_assert(start(&f, false) == 0);
	expect_calls(&f, "++++");
	cr_assert(dp_pair_add(f.dp, &way, &keys, DP_HALF_IN) == 0);
	expect_calls(&f, "+");
	cr_assert(dp_pair_add(f.dp, &way, &keys, DP_HALF_BOTH) == 0);
	expect_calls(&f, "++");
	cr_assert(dp_pair_del(f.dp, &way, 1, 2, DP_HALF_OUT) == 0);
	expect_calls(&f, "-");
	f.book.del_err = -ENOENT;
	cr_assert(dp_pair_del(f.dp, &way, 1, 2, DP_HALF_BOTH) == 0);
	expect_calls(&f, "--");
	f.book.del_err = -EPERM;
	cr_assert(dp_pair_del(f.dp, &way, 1, 2, DP_HALF_BOTH) == -EPERM);
	f.book.del_err = 0;
	dp_free(f.dp);
}

Test(dp, a_move_that_fails_leaves_nothing)
{
	struct dp_circuit c = circuit_of_client();
	struct dp_way to = c.way;
	struct fixture f = { 0 };

	to.far = addr_v4(0xcb007102);
	cr_assert(start(&f, false) == 0);
	expect_calls(&f, "++++");
	cr_assert(dp_circuit_move(f.dp, &c, &to, 1, 2) == 0);
	expect_calls(&f, "m");
	f.book.move_err = -ENOMEM;
	cr_assert(dp_circuit_move(f.dp, &c, &to, 1, 2) == -ENOMEM);
	expect_calls(&f, "m----");
	dp_free(f.dp);
}

/* Of the pool when it starts and stops, behind the firewall; of one address when a circuit ends. */
Test(dp, exit_forgets_flows_last)
{
	struct fixture f = { 0 };
	struct prefix one;

	cr_assert(prefix_parse("100.64.0.7/32", &one) == 0);
	cr_assert(start(&f, true) == 0);
	expect_calls(&f, "++++f");
	cr_assert(prefix_equal(&f.book.flows, &f.self.pool));
	cr_assert(circuit(&f) == 0);
	expect_calls(&f, "--f");
	cr_assert(prefix_equal(&f.book.flows, &one));
	dp_free(f.dp);
	expect_calls(&f, "f----");
	cr_assert(prefix_equal(&f.book.flows, &f.self.pool));
}

Test(dp, others_never_ask)
{
	struct fixture f = { 0 };

	cr_assert(start(&f, false) == 0);
	expect_calls(&f, "++++");
	cr_assert(circuit(&f) == 0);
	expect_calls(&f, "--");
	dp_free(f.dp);
	expect_calls(&f, "----");
}

Test(dp, closing_leaves_flows_to_the_end)
{
	struct fixture f = { 0 };

	cr_assert(start(&f, true) == 0);
	expect_calls(&f, "++++f");
	dp_closing(f.dp);
	cr_assert(circuit(&f) == 0);
	expect_calls(&f, "--");
	dp_free(f.dp);
	expect_calls(&f, "f----");
}

Test(dp, failures_show)
{
	struct fixture f = { .book.flows_err = -EPROTONOSUPPORT };

	cr_assert(start(&f, true) == -EPROTONOSUPPORT && !f.dp);
	expect_calls(&f, "++++f----");
	f.book.flows_err = 0;
	cr_assert(start(&f, true) == 0);
	expect_calls(&f, "++++f");
	f.book.flows_err = -ETIMEDOUT;
	cr_assert(circuit(&f) == -ETIMEDOUT);
	expect_calls(&f, "--f");
	f.book.flows_err = 0;
	f.book.del_err = -EPERM;
	cr_assert(circuit(&f) == -EPERM);
	expect_calls(&f, "--f");
	f.book.del_err = -ENOENT; /* gone already: nothing is left */
	cr_assert(circuit(&f) == 0);
	dp_free(f.dp);
}
