#include "node/fake_relay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static bool same_policy(const struct kern_policy *a, const struct kern_policy *b)
{
	return a->dir == b->dir && a->if_id == b->if_id && a->mark.value == b->mark.value &&
	       a->mark.mask == b->mark.mask && prefix_equal(&a->sel.src, &b->sel.src) &&
	       prefix_equal(&a->sel.dst, &b->sel.dst) && a->sel.proto == b->sel.proto &&
	       a->sel.sport == b->sel.sport && a->sel.dport == b->sel.dport;
}

static bool same(const struct kern_op *a, const struct kern_op *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == KERN_OP_SA)
		return a->sa.spi == b->sa.spi && addr_equal(&a->sa.dst, &b->sa.dst);
	return a->type != KERN_OP_POLICY || same_policy(&a->policy, &b->policy);
}

static size_t find(const struct fake_kern *k, const struct kern_op *op)
{
	size_t i = 0;

	while (i < k->count && !same(&k->standing[i], op))
		i++;
	return i;
}

static int fake_add(void *ctx, const struct kern_op *op)
{
	struct fake_kern *k = ctx;

	if (++k->adds == k->fail_at)
		return -ENOMEM;
	if (find(k, op) < k->count || k->count == FAKE_OPS) {
		k->wrong++;
		return -EEXIST;
	}
	k->standing[k->count++] = *op;
	return 0;
}

static int fake_del(void *ctx, const struct kern_op *op)
{
	struct fake_kern *k = ctx;
	size_t i = find(k, op);

	if (i == k->count) {
		k->wrong++;
		return -ENOENT;
	}
	memmove(&k->standing[i], &k->standing[i + 1], (--k->count - i) * sizeof(*op));
	return 0;
}

static int fake_stats(void *ctx, struct kern_netns *netns, const struct addr *dst, uint32_t spi,
		      struct kern_sa_stats *out)
{
	struct kern_op op = { .type = KERN_OP_SA, .sa = { .dst = *dst, .spi = spi } };
	struct fake_kern *k = ctx;

	(void)netns;
	if (find(k, &op) == k->count)
		return -ENOENT;
	*out = (struct kern_sa_stats){ .bytes = k->packets * 100, .packets = k->packets };
	if (k->sent && addr_equal(dst, &k->far))
		out->packets = k->sent;
	return 0;
}

static void move_op(struct kern_op *op, const struct kern_path *to)
{
	struct kern_template *t = &op->policy.templates[0];
	bool out;

	if (op->type == KERN_OP_POLICY) {
		out = op->policy.dir == KERN_DIR_OUT;
		t->src = out ? to->local.addr : to->remote.addr;
		t->dst = out ? to->remote.addr : to->local.addr;
		return;
	}
	out = op->sa.spi % 2 == 1; /* as fake_child has it */
	op->sa.src = out ? to->local.addr : to->remote.addr;
	op->sa.dst = out ? to->remote.addr : to->local.addr;
	op->sa.encap.sport = out ? to->local.port : to->remote.port;
	op->sa.encap.dport = out ? to->remote.port : to->local.port;
}

/* As the real one it wants both SAs of a reqid, no others, and their policies. */
static int fake_move(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to)
{
	struct fake_kern *k = ctx;
	size_t sas = 0;

	for (size_t i = 0; i < k->count; i++)
		sas += k->standing[i].type == KERN_OP_SA &&
		       k->standing[i].sa.reqid == ops[0].sa.reqid;
	for (size_t i = 0; i < count; i++)
		if (find(k, &ops[i]) == k->count)
			return -ENOENT;
	if (sas != 2)
		return -EINVAL;
	if (++k->moves == k->fail_move_at)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		move_op(&k->standing[find(k, &ops[i])], to);
		move_op(&ops[i], to);
	}
	return 0;
}

static int fake_flows(void *ctx, const struct prefix *src)
{
	struct fake_kern *k = ctx;

	k->forgets++;
	k->forgot = *src;
	k->forgot_at = k->count;
	return k->flows_error;
}

static const char *fake_error(void *ctx)
{
	(void)ctx;
	return "the fake kernel was told to fail";
}

void fake_kern_init(struct fake_kern *k)
{
	*k = (struct fake_kern){ .ops = { .ctx = k, .add = fake_add, .del = fake_del,
					  .sa_stats = fake_stats, .move = fake_move,
					  .flows_del = fake_flows,
					  .error = fake_error } };
}

size_t fake_kern_count(const struct fake_kern *k, enum kern_op_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < k->count; i++)
		n += k->standing[i].type == type;
	return n;
}

const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->standing[i].type == KERN_OP_SA && k->standing[i].sa.spi == spi)
			return &k->standing[i].sa;
	return NULL;
}

const struct kern_policy *fake_kern_policy(const struct fake_kern *k, enum kern_dir dir,
					   const char *src, const char *dst, uint32_t mark)
{
	struct prefix s = fake_prefix(src), d = fake_prefix(dst);

	for (size_t i = 0; i < k->count; i++) {
		const struct kern_policy *p = &k->standing[i].policy;

		if (k->standing[i].type == KERN_OP_POLICY && p->dir == dir &&
		    p->mark.value == mark && prefix_equal(&p->sel.src, &s) &&
		    prefix_equal(&p->sel.dst, &d))
			return p;
	}
	return NULL;
}

/* --- all that ctl_ike.h declares, so that the linker leaves the real one out */

int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *conf, struct ctl_ike **out,
		struct endpoint *at)
{
	(void)loop, (void)conf, (void)out, (void)at;
	return -ENOSYS;
}

void ctl_ike_free(struct ctl_ike *ike)
{
	(void)ike;
}

int ctl_ike_initiate(struct ctl_ike *ike, const struct ike_init_conf *conf,
		     struct ctl_session *session)
{
	cr_assert_lt(ike->initiated, (size_t)FAKE_CALLS);
	if (ike->refuse < 0)
		return ike->refuse;
	ike->confs[ike->initiated] = *conf;
	ike->sessions[ike->initiated++] = session;
	return 0;
}

void ctl_ike_close(struct ctl_ike *ike, struct ctl_session *session)
{
	cr_assert_lt(ike->closed, (size_t)FAKE_CALLS);
	ike->closing[ike->closed++] = session;
}

void ctl_ike_drop(struct ctl_ike *ike, struct ctl_session *session)
{
	(void)ike;
	session->ops->ended(session, IKE_END_LOCAL);
}

void ctl_ike_heard(struct ctl_ike *ike, struct ctl_session *session)
{
	(void)session;
	ike->heard++;
}

void ctl_ike_probe(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries)
{
	cr_expect_gt(tries, 0u);
	ike->probed++;
	ike->probing = session;
}

void ctl_ike_probe_finally(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries)
{
	cr_expect_gt(tries, 0u);
	ike->asked++;
	ike->asking = session;
}

void ctl_ike_patience(struct ctl_ike *ike, struct ctl_session *session, uint32_t idle,
		      uint32_t tolerate)
{
	(void)session;
	ike->idle = idle;
	ike->tolerate = tolerate;
}

void ctl_ike_rekey_child(struct ctl_ike *ike, struct ctl_session *session, uint32_t spi)
{
	(void)session;
	ike->rekeyed++;
	ike->rekeying = spi;
}

void ctl_ike_mapping(struct ctl_ike *ike, struct ctl_session *session,
		     const struct endpoint *remote)
{
	(void)session;
	ike->mapped++;
	ike->mapping = *remote;
}

void ctl_ike_info(const struct ctl_ike *ike, const struct ctl_session *session,
		  struct ike_sa_info *out)
{
	*out = ike->info;
	if (session == ike->quiet)
		out->last_heard = ike->quiet_since;
}

void ctl_ike_counters(const struct ctl_ike *ike, struct ike_host_counters *out)
{
	*out = (struct ike_host_counters){ .sas = ike->initiated };
}

/* --- the relay */

struct addr fake_addr(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

struct prefix fake_prefix(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	return p;
}

struct ike_child fake_child(uint32_t spi, const char *host, const char *pool)
{
	struct ike_child c = { .spi_in = spi, .spi_out = spi + 1, .encr = IKE_ENCR_AES_GCM_16,
			       .esn = true };

	c.key_in.len = c.key_out.len = 36;
	memset(c.key_in.bytes, 0xaa, 36);
	memset(c.key_out.bytes, 0xbb, 36);
	if (host)
		c.ts_remote.items[c.ts_remote.count++] = fake_prefix(host);
	if (pool)
		c.ts_remote.items[c.ts_remote.count++] = fake_prefix(pool);
	return c;
}

void fake_relay_init(struct fake_relay *r)
{
	*r = (struct fake_relay){ .life = { .seconds = 3600, .bytes = 1ull << 36 },
				  .self = { .address = fake_addr("203.0.113.2"),
					    .listen = fake_addr("203.0.113.2"),
					    .pool = fake_prefix("100.65.0.0/16"),
					    .pools = fake_prefix("100.64.0.0/10") } };
	r->firewall = (struct kern_firewall){ .pool = r->self.pool, .pools = r->self.pools,
					      .address = r->self.address, .exit = true };
	fake_kern_init(&r->kern);
	cr_assert_eq(dp_new(&r->kern.ops, &r->self, &r->firewall, &r->dp), 0);
	cr_assert_eq(io_loop_new(&r->loop), 0);
	r->base = r->kern.count;
	cr_assert_gt(r->base, (size_t)0);
}

void fake_relay_fini(struct fake_relay *r)
{
	cr_expect_eq(r->kern.count, r->base);
	dp_free(r->dp);
	cr_expect_eq(r->kern.count, (size_t)0);
	cr_expect_eq(r->kern.wrong, 0u);
	io_loop_free(r->loop);
}

static void on_over(void *data)
{
	io_loop_stop(data);
}

void fake_relay_run(struct fake_relay *r, uint64_t ms)
{
	struct io_timer *timer;

	cr_assert_eq(io_timer_new(r->loop, on_over, r->loop, &timer), 0);
	io_timer_start(timer, ms);
	cr_assert_eq(io_loop_run(r->loop), 0);
	io_timer_free(timer);
}
