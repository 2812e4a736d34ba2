#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "client/fake_kern.h"
#include "common/base/inner6.h"
#include "common/base/inner_mtu.h"
#include "common/base/mark.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/dp_plan.h"

static struct dp_pair pair_of(unsigned int k)
{
	struct dp_pair p = {
		.spi_in = 0x1000 + k,
		.spi_out = 0x2000 + k,
		.aead = k % 2 ? DP_AEAD_AES_GCM_256 : DP_AEAD_CHACHA20_POLY1305,
		.esn = k % 2,
		.life = { 10 + k, 20 + k, 30 + k, 40 + k },
	};

	p.key_in.len = p.key_out.len = 36;
	memset(p.key_in.bytes, (int)k, 36);
	memset(p.key_out.bytes, (int)k + 100, 36);
	return p;
}

static struct dp_layer layer_of(unsigned int k)
{
	struct dp_layer l = {
		.path = { { addr_v4(0x0a000000 + k), 0 }, { addr_v4(0xc6336400 + k), 0 } },
		.inner = addr_v4(0x64400000 + k),
		.pair = pair_of(k),
	};

	if (k == 0) { /* the first one goes through a NAT */
		l.path.local.port = 4501;
		l.path.remote.port = 4500;
	}
	return l;
}

static void assert_sa(const struct kern_op *op, const struct dp_layer *l, bool in, uint32_t id)
{
	const struct endpoint *local = &l->path.local, *remote = &l->path.remote;
	const struct dp_pair *p = &l->pair;
	const struct secret *key = in ? &p->key_in : &p->key_out;

	cr_assert_eq(op->type, KERN_OP_SA);
	cr_assert(addr_equal(&op->sa.src, in ? &remote->addr : &local->addr));
	cr_assert(addr_equal(&op->sa.dst, in ? &local->addr : &remote->addr));
	cr_assert_eq(op->sa.encap.sport, in ? remote->port : local->port);
	cr_assert_eq(op->sa.encap.dport, in ? local->port : remote->port);
	cr_assert_eq(op->sa.life.soft_seconds, p->life.soft_seconds);
	cr_assert_eq(op->sa.life.hard_seconds, p->life.hard_seconds);
	cr_assert_eq(op->sa.life.soft_bytes, p->life.soft_bytes);
	cr_assert_eq(op->sa.life.hard_bytes, p->life.hard_bytes);
	cr_assert_eq(op->sa.spi, in ? p->spi_in : p->spi_out);
	cr_assert_eq(op->sa.reqid, id);
	cr_assert_eq(op->sa.if_id, id);
	cr_assert_eq(op->sa.aead, p->aead == DP_AEAD_AES_GCM_256 ? KERN_AEAD_AES_GCM_16_256 :
								   KERN_AEAD_CHACHA20_POLY1305);
	cr_assert_eq(op->sa.key.len, 36);
	cr_assert_arr_eq(op->sa.key.bytes, key->bytes, 36);
	cr_assert_eq(op->sa.esn, p->esn);
	cr_assert_eq(op->sa.replay_window, in ? 1024 : p->esn ? 32 : 0);
	cr_assert_eq(op->sa.set_mark.mask, !in && !op->netns ? MARK_EXACT : 0);
	cr_assert_eq(op->sa.set_mark.value, !in && !op->netns ? MARK_OURS : 0);
}

static void assert_policy(const struct kern_op *op, const struct dp_layer *l, enum kern_dir dir,
			  uint32_t id)
{
	const struct prefix own = prefix_host(&l->inner);
	const struct prefix any = { .addr = addr_v4(0) };
	bool out = dir == KERN_DIR_OUT;
	const struct kern_policy *p = &op->policy;

	cr_assert_eq(op->type, KERN_OP_POLICY);
	cr_assert_eq(p->dir, dir);
	cr_assert(prefix_equal(&p->sel.src, out ? &own : &any));
	cr_assert(prefix_equal(&p->sel.dst, out ? &any : &own));
	cr_assert_eq(p->sel.proto, 0);
	cr_assert_eq(p->sel.sport, 0);
	cr_assert_eq(p->sel.dport, 0);
	cr_assert_eq(p->if_id, id);
	cr_assert_eq(p->mark.mask, 0);
	cr_assert_eq(p->priority, 1000);
	cr_assert_eq(p->template_count, 1);
	cr_assert(addr_equal(&p->templates[0].src, out ? &l->path.local.addr : &l->path.remote.addr));
	cr_assert(addr_equal(&p->templates[0].dst, out ? &l->path.remote.addr : &l->path.local.addr));
	cr_assert_eq(p->templates[0].reqid, id);
}

Test(dp_plan, esp_of_three_layers)
{
	struct kern_netns places[2] = { { .number = 1 }, { .number = 2 } };

	for (unsigned int k = 0; k < DP_LAYERS; k++) {
		struct kern_netns *ns = k == 0 ? NULL : &places[k - 1];
		struct dp_layer l = layer_of(k);
		struct kern_op sas[DP_PLAN_PAIR], policies[DP_PLAN_POLICIES];
		uint32_t id = KERN_REQID_CLIENT | (k + 1);

		dp_plan_pair(&l.path, &l.pair, id, ns, sas);
		dp_plan_policies(&l.path, &l.inner, id, ns, policies);
		assert_sa(&sas[0], &l, true, id);
		assert_sa(&sas[1], &l, false, id);
		assert_policy(&policies[0], &l, KERN_DIR_IN, id);
		assert_policy(&policies[1], &l, KERN_DIR_FWD, id);
		assert_policy(&policies[2], &l, KERN_DIR_OUT, id);
		for (size_t i = 0; i < DP_PLAN_PAIR; i++)
			cr_assert_eq(sas[i].netns, ns);
		for (size_t i = 0; i < DP_PLAN_POLICIES; i++)
			cr_assert_eq(policies[i].netns, ns);
	}
}

Test(dp_plan, link_of_a_layer)
{
	const struct prefix any = { .addr = addr_v4(0) };
	struct kern_netns from = { .number = 1 }, to = { .number = 2 };
	struct dp_layer l = layer_of(1);
	struct prefix own = prefix_host(&l.inner);
	struct kern_op ops[DP_PLAN_ADDRESS];
	struct kern_op link = dp_plan_link(KERN_REQID_CLIENT | 9, "ippriv-h00009", 1390, &from, &to);

	cr_assert_eq(link.type, KERN_OP_LINK);
	cr_assert_eq(link.netns, &from);
	cr_assert_eq(link.link.kind, KERN_LINK_XFRM);
	cr_assert_str_eq(link.link.name, "ippriv-h00009");
	cr_assert_eq(link.link.if_id, KERN_REQID_CLIENT | 9);
	cr_assert_eq(link.link.mtu, 1390);
	cr_assert_eq(link.link.target, &to);
	dp_plan_address(&l.inner, "ippriv-h00009", &to, ops);
	cr_assert_eq(ops[0].type, KERN_OP_ADDRESS);
	cr_assert_eq(ops[0].netns, &to);
	cr_assert_str_eq(ops[0].address.link, "ippriv-h00009");
	cr_assert(prefix_equal(&ops[0].address.prefix, &own));
	cr_assert_eq(ops[1].type, KERN_OP_ROUTE);
	cr_assert_eq(ops[1].netns, &to);
	cr_assert_str_eq(ops[1].route.link, "ippriv-h00009");
	cr_assert(prefix_equal(&ops[1].route.dst, &any));
	cr_assert_eq(ops[1].route.mtu, 0);
}

/* 1500 less IPv6, UDP, ESP with IV, padding and ICV; then less IPv4 and ESP. */
Test(dp_plan, mtu_as_the_kernel_counts)
{
	cr_assert_eq(dp_plan_mtu(0), 1418);
	cr_assert_eq(dp_plan_mtu(1), 1362);
	cr_assert_eq(dp_plan_mtu(1), MIDDLE_MTU);
	cr_assert_eq(dp_plan_mtu(2), INNER_MTU);
	cr_assert_eq(dp_mtu(), INNER_MTU);
}

/* The interface of layer INDEX as it stands in the fake kernel. */
static const struct kern_op *link_at(const struct fake_kern *k, const struct kern_netns *from)
{
	for (size_t i = 0; i < k->count; i++)
		if (k->standing[i].type == KERN_OP_LINK && k->standing[i].netns == from)
			return &k->standing[i];
	return NULL;
}

/* A circuit without layers. */
static struct dp_circuit *begin(struct fake_kern *k, uint32_t seed, struct dp **dp)
{
	struct dp_kernel kernel;
	struct dp_circuit *c;

	fake_kern_init(k);
	kernel = fake_kern_dp(k);
	cr_assert_eq(dp_new(&kernel, seed, dp), 0);
	cr_assert_eq(dp_circuit_new(*dp, NULL, &c), 0);
	return c;
}

Test(dp, stands_as_a_chain_of_namespaces)
{
	struct fake_kern k;
	struct dp *dp;
	struct dp_circuit *c = begin(&k, 0xabcde, &dp);

	for (unsigned int i = 0; i < DP_LAYERS; i++) {
		struct dp_layer l = layer_of(i);

		cr_assert_eq(dp_circuit_push(c, &l), 0);
	}
	cr_assert_str_eq(link_at(&k, NULL)->link.name, "ippriv-habcde");
	cr_assert_eq(link_at(&k, NULL)->link.if_id, KERN_REQID_CLIENT | 0xabcde);
	cr_assert_eq(link_at(&k, NULL)->link.mtu, 1418);
	cr_assert_eq(link_at(&k, NULL)->link.target, &k.namespaces[0]);
	cr_assert_eq(link_at(&k, &k.namespaces[0])->link.mtu, 1362);
	cr_assert_eq(link_at(&k, &k.namespaces[0])->link.target, &k.namespaces[1]);
	cr_assert_null(link_at(&k, &k.namespaces[1]));
	cr_assert_eq(dp_circuit_attach(c, dup(0), 0), 0);
	cr_assert_str_eq(link_at(&k, &k.namespaces[1])->link.name, "ippriv0");
	cr_assert_eq(link_at(&k, &k.namespaces[1])->link.mtu, 1306);
	cr_assert_eq(link_at(&k, &k.namespaces[1])->link.target, &k.namespaces[2]);
	dp_circuit_cut(c, 1);
	cr_assert_eq(k.count, DP_PLAN_PAIR + DP_PLAN_POLICIES + 1 + DP_PLAN_ADDRESS);
	cr_assert_eq(fake_kern_namespaces(&k), 1);
	dp_circuit_free(c);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(fake_kern_namespaces(&k), 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

Test(dp, two_circuits_of_the_host_stand_side_by_side)
{
	struct dp_circuit *c[2];
	struct fake_kern k;
	struct dp *dp;
	size_t before;

	c[0] = begin(&k, 1, &dp);
	cr_assert_eq(dp_circuit_new(dp, NULL, &c[1]), 0);
	for (unsigned int i = 0; i < 2 * DP_LAYERS; i++) {
		struct dp_layer l = layer_of(i % DP_LAYERS);

		l.pair.spi_in += 100 * (i / DP_LAYERS);
		l.pair.spi_out += 100 * (i / DP_LAYERS);
		cr_assert_eq(dp_circuit_push(c[i / DP_LAYERS], &l), 0);
	}
	before = k.count;
	cr_assert_eq(dp_circuit_attach_host(c[0], 0), 0);
	cr_assert_eq(k.count, before + 2 + DP_HOST_LEAD);
	cr_assert_eq(dp_circuit_keep(c[0]), 0);
	cr_assert_eq(k.count, before + 2 + DP_HOST_LEAD, "it is kept already");
	cr_assert_eq(dp_circuit_attach_host(c[1], 1), 0);
	cr_assert_eq(k.count, before + 2 * (2 + DP_HOST_LEAD));
	dp_circuit_free(c[0]);
	cr_assert_eq(fake_kern_count(&k, KERN_OP_RULE), 3);
	cr_assert_eq(dp_circuit_flows(c[1]), 0);
	dp_circuit_free(c[1]);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

/* Circuits of the host, those in SIX with IPv6, all up to the last one attached. */
static void host_circuits(struct dp *dp, struct dp_circuit **c, const bool *six, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (i > 0)
			cr_assert_eq(dp_circuit_new(dp, NULL, &c[i]), 0);
		for (unsigned int k = 0; k < DP_LAYERS; k++) {
			struct dp_layer l = layer_of(k);

			l.pair.spi_in += 100 * i;
			l.pair.spi_out += 100 * i;
			l.inner = addr_v4(0x64400000 + 100 * i + k);
			if (six[i] && k + 1 == DP_LAYERS)
				l.inner6 = inner6_addr(&l.inner);
			cr_assert_eq(dp_circuit_push(c[i], &l), 0);
		}
		cr_assert_eq(dp_circuit_attach_host(c[i], i), 0);
	}
}

enum { LED6 = 1 + DP_HOST_LEAD - 1 }; /* address, and what leads there but for names */

Test(dp, the_host_has_ipv6_as_long_as_its_newest_circuit_does)
{
	static const bool six[] = { true, true, false };
	struct dp_circuit *c[3];
	struct fake_kern k;
	struct dp *dp;
	size_t with;

	c[0] = begin(&k, 1, &dp);
	host_circuits(dp, c, six, 2);
	with = k.count;
	dp_circuit_free(c[0]);
	cr_assert_eq(k.ended, 2, "IPv4 and IPv6 of that one");
	dp_circuit_free(c[1]);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(dp_circuit_new(dp, NULL, &c[0]), 0);
	host_circuits(dp, c, six, 2);
	cr_assert_eq(k.count, with);
	k.ended = 0;
	dp_circuit_free(c[1]);
	cr_assert_eq(k.ended, 3, "and of the older one");
	cr_assert_eq(k.count, with / 2 - LED6);
	dp_circuit_free(c[0]);
	cr_assert_eq(dp_circuit_new(dp, NULL, &c[0]), 0);
	host_circuits(dp, c, six, 2);
	k.ended = 0;
	dp_circuit_drop_six(c[0]);
	cr_assert_eq(k.ended, 1, "the newest one keeps it");
	dp_circuit_drop_six(c[1]);
	cr_assert_eq(k.count, with - 2 * LED6);
	dp_circuit_free(c[0]);
	dp_circuit_free(c[1]);
	cr_assert_eq(dp_circuit_new(dp, NULL, &c[0]), 0);
	host_circuits(dp, c, six, 2);
	dp_circuit_drop_six(c[1]);
	cr_assert_eq(k.count, with - 2 * LED6, "the older one loses it with the newest one");
	dp_circuit_free(c[0]);
	dp_circuit_free(c[1]);
	cr_assert_eq(dp_circuit_new(dp, NULL, &c[0]), 0);
	host_circuits(dp, c, six, 3);
	cr_assert_eq(k.count, with / 2 * 3 - 3 * LED6 - DP_PLAN_POLICIES, "the third has none");
	for (size_t i = 0; i < 3; i++)
		dp_circuit_free(c[i]);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

Test(dp, what_is_prepared_is_used_or_given_back)
{
	struct dp_layer l[] = { layer_of(0), layer_of(1), layer_of(2) };
	struct fake_kern k;
	struct dp *dp;
	struct dp_circuit *c = begin(&k, 1, &dp);

	cr_assert_eq(dp_circuit_prepare(c), 0);
	cr_assert_eq(dp_circuit_prepare(c), 0);
	cr_assert_eq(fake_kern_namespaces(&k), 1);
	cr_assert_eq(dp_circuit_push(c, &l[0]), 0);
	cr_assert_eq(fake_kern_namespaces(&k), 1);
	cr_assert_eq(link_at(&k, NULL)->link.target, &k.namespaces[0]);

	cr_assert_eq(dp_circuit_prepare(c), 0);
	cr_assert_eq(link_at(&k, &k.namespaces[0])->link.target, &k.namespaces[1]);
	dp_circuit_free(c); /* the building is given up here */
	cr_assert_eq(fake_kern_namespaces(&k), 0);
	cr_assert_eq(k.count, 0);

	cr_assert_eq(dp_circuit_new(dp, NULL, &c), 0);
	k.fail_at = k.adds + 1; /* the link */
	cr_assert_lt(dp_circuit_prepare(c), 0);
	cr_assert_eq(fake_kern_namespaces(&k), 0);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(dp_circuit_push(c, &l[0]), 0);
	dp_circuit_free(c);

	cr_assert_eq(dp_circuit_new(dp, NULL, &c), 0);
	for (size_t i = 0; i < DP_LAYERS; i++) {
		cr_assert_eq(dp_circuit_prepare(c), 0);
		cr_assert_eq(dp_circuit_push(c, &l[i]), 0);
	}
	cr_assert_eq(fake_kern_namespaces(&k), DP_LAYERS - 1); /* none behind the last */
	dp_circuit_free(c);
	cr_assert_eq(fake_kern_namespaces(&k), 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

Test(dp, counts_by_layer)
{
	struct dp_layer l = layer_of(0);
	struct fake_kern k;
	struct dp_stats stats;
	struct dp *dp;
	struct dp_circuit *c = begin(&k, 1, &dp);

	cr_assert_lt(dp_circuit_stats(c, 0, &stats), 0);
	cr_assert_eq(dp_circuit_push(c, &l), 0);
	k.packets = 5;
	cr_assert_eq(dp_circuit_stats(c, 0, &stats), 0);
	cr_assert_eq(stats.in.packets, 5);
	cr_assert_eq(stats.out.bytes, 500);
	cr_assert_lt(dp_circuit_stats(c, 1, &stats), 0);
	dp_circuit_free(c);
	dp_free(dp);
	fake_kern_fini(&k);
}

/* A telescope that stands, and what its kernel holds. */
static struct dp_circuit *stand(struct fake_kern *k, struct dp **dp)
{
	struct dp_circuit *c = begin(k, 1, dp);

	for (unsigned int i = 0; i < DP_LAYERS; i++) {
		struct dp_layer l = layer_of(i);

		cr_assert_eq(dp_circuit_push(c, &l), 0);
	}
	return c;
}

Test(dp, is_as_before_when_the_name_is_taken_over_there)
{
	struct dp_circuit *c;
	struct fake_kern k;
	struct dp *dp;
	size_t count;

	c = stand(&k, &dp);
	count = k.count;
	k.fail_at = k.adds + 1;
	k.fail_with = -EEXIST;
	cr_assert_eq(dp_circuit_attach(c, dup(0), 0), -EEXIST);
	cr_assert_eq(k.count, count);
	cr_assert_eq(fake_kern_namespaces(&k), DP_LAYERS - 1);
	cr_assert_eq(dp_circuit_attach(c, dup(0), 0), 0, "another namespace gets it");
	dp_circuit_free(c);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

/* Once the interface has been over there, the circuit must not pass for untouched. */
Test(dp, tells_a_later_failure_from_that)
{
	for (unsigned int i = 2; i <= 1 + DP_PLAN_ADDRESS; i++) {
		struct dp_circuit *c;
		struct fake_kern k;
		struct dp *dp;
		size_t count;
		int r;

		c = stand(&k, &dp);
		count = k.count;
		k.fail_at = k.adds + i;
		k.fail_with = -EEXIST;
		r = dp_circuit_attach(c, dup(0), 0);
		cr_assert(r < 0 && r != -EEXIST);
		cr_assert_eq(k.count, count);
		dp_circuit_free(c);
		cr_assert_eq(k.count, 0);
		cr_assert_eq(k.wrong, 0);
		dp_free(dp);
		fake_kern_fini(&k);
	}
}

/* An old circuit's routes stand besides, and go with it. */
Test(dp, keeps_what_has_its_address)
{
	struct dp_circuit *c;
	struct fake_kern k;
	struct dp *dp;
	size_t count;

	c = stand(&k, &dp);
	cr_assert_eq(dp_circuit_keep(c), -EINVAL, "it is nowhere");
	cr_assert_eq(dp_circuit_flows(c), -EINVAL);
	cr_assert_eq(dp_circuit_attach(c, dup(0), 3), 0);
	count = k.count;
	k.flows = 1;
	cr_assert_eq(dp_circuit_flows(c), 1);
	k.fail_at = k.adds + 2;
	cr_assert_eq(dp_circuit_keep(c), -ENOMEM);
	cr_assert_eq(k.count, count);
	cr_assert_eq(dp_circuit_keep(c), 0);
	cr_assert_eq(dp_circuit_keep(c), 0, "again");
	cr_assert_eq(k.count, count + DP_PLAN_KEPT);
	cr_assert_eq(k.ended, 0);
	dp_circuit_free(c);
	cr_assert_eq(k.ended, 1);
	cr_assert_eq(k.count, 0);
	cr_assert_eq(k.wrong, 0);
	dp_free(dp);
	fake_kern_fini(&k);
}

Test(dp_plan, keeps_by_source)
{
	const struct prefix any = { .addr = addr_v4(0) };
	struct kern_netns ns = { .number = 1 };
	struct addr inner = addr_v4(0x64400007);
	struct prefix own = prefix_host(&inner);
	struct kern_op ops[DP_PLAN_KEPT];
	uint32_t id = KERN_REQID_CLIENT | 9;

	dp_plan_keep(&inner, "ippriv1", id, &ns, ops);
	cr_assert_eq(ops[0].type, KERN_OP_ROUTE);
	cr_assert_str_eq(ops[0].route.link, "ippriv1");
	cr_assert(prefix_equal(&ops[0].route.dst, &any));
	cr_assert_eq(ops[0].route.table, id);
	cr_assert_not(ops[0].route.replace);
	cr_assert_eq(ops[1].type, KERN_OP_RULE);
	cr_assert_eq(ops[1].rule.family, AF_INET);
	cr_assert_eq(ops[1].rule.priority, 100);
	cr_assert(prefix_equal(&ops[1].rule.from, &own));
	cr_assert_eq(ops[1].rule.to.addr.family, 0);
	cr_assert_eq(ops[1].rule.mark.mask, 0);
	cr_assert_eq(ops[1].rule.table, id);
	cr_assert(ops[0].netns == &ns && ops[1].netns == &ns);
}
