#include "ippriv-node/dp_plan.h"

#include <netinet/in.h>
#include <string.h>

#include "common/base/ike_port.h"

/* Policy priorities; lower wins. The mark tells whose client an address number means. */
enum { PRIO_LINK = 100, PRIO_CIRCUIT = 1000, PRIO_TUNNEL = 2000 };

static const struct prefix any4 = { .addr.family = AF_INET };
static const char pool_link[KERN_NAME] = "ippriv-pool";

static uint32_t reqid_of(uint32_t number)
{
	return KERN_REQID_NODE | number;
}

static struct kern_template template_in(const struct dp_self *self, const struct addr *far,
					uint32_t number)
{
	return (struct kern_template){ .src = *far, .dst = self->address,
				       .reqid = reqid_of(number) };
}

static struct kern_template template_out(const struct dp_self *self, const struct addr *far,
					 uint32_t number)
{
	return (struct kern_template){ .src = self->address, .dst = *far,
				       .reqid = reqid_of(number) };
}

static struct kern_op policy_op(enum kern_dir dir, struct kern_selector sel, uint32_t priority,
				struct kern_template template)
{
	return (struct kern_op){
		.type = KERN_OP_POLICY,
		.policy = { .dir = dir, .sel = sel, .priority = priority,
			    .template_count = 1, .templates = { template } },
	};
}

static void plan_sas(const struct dp_self *self, const struct addr *far, uint32_t number,
		     const struct dp_keys *keys, struct kern_op ops[2])
{
	struct kern_sa sa = {
		.reqid = reqid_of(number),
		.aead = keys->aes ? KERN_AEAD_AES_GCM_16_256 : KERN_AEAD_CHACHA20_POLY1305,
		.esn = keys->esn,
		.replay_window = DP_REPLAY_WINDOW,
	};

	sa.src = *far;
	sa.dst = self->address;
	sa.spi = keys->spi_in;
	sa.key = keys->in;
	ops[0] = (struct kern_op){ .type = KERN_OP_SA, .sa = sa };
	sa.src = self->address;
	sa.dst = *far;
	sa.spi = keys->spi_out;
	sa.key = keys->out;
	ops[1] = (struct kern_op){ .type = KERN_OP_SA, .sa = sa };
	secret_wipe(&sa.key);
}

size_t dp_plan_base(const struct kern_firewall *firewall, struct kern_op ops[DP_BASE_OPS])
{
	ops[0] = (struct kern_op){ .type = KERN_OP_FIREWALL, .firewall = firewall };
	/* Gives pool addresses a route; what is not encapsulated on the way dies on this link. */
	ops[1] = (struct kern_op){ .type = KERN_OP_LINK,
				   .link = { .kind = KERN_LINK_DUMMY, .mtu = 65535 } };
	memcpy(ops[1].link.name, pool_link, KERN_NAME);
	ops[2] = (struct kern_op){ .type = KERN_OP_ROUTE, .route = { .dst = firewall->pools } };
	memcpy(ops[2].route.link, pool_link, KERN_NAME);
	return DP_BASE_OPS;
}

size_t dp_plan_trap(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_TRAP_OPS])
{
	struct kern_template out = template_out(self, &peer->address, peer->index);
	struct kern_selector sel = { .src = self->pool, .dst = prefix_host(&peer->address) };

	sel.proto = IPPROTO_ESP;
	ops[0] = policy_op(KERN_DIR_OUT, sel, PRIO_TUNNEL, out);
	sel.proto = IPPROTO_UDP;
	sel.dport = IKE_PORT;
	ops[1] = policy_op(KERN_DIR_OUT, sel, PRIO_TUNNEL, out);
	return DP_TRAP_OPS;
}

size_t dp_plan_link(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_LINK_OPS])
{
	struct kern_template in = template_in(self, &peer->address, peer->index);
	struct kern_template out = template_out(self, &peer->address, peer->index);
	struct kern_mark mark = { dp_index_to_mark(peer->index), KERN_MARK_MASK };
	struct kern_selector sel = { .src = peer->pool, .dst = prefix_host(&self->address) };

	ops[0] = policy_op(KERN_DIR_IN, sel, PRIO_LINK, in);
	ops[0].policy.mark = mark;
	sel.src = prefix_host(&self->address);
	sel.dst = peer->pool;
	ops[1] = policy_op(KERN_DIR_OUT, sel, PRIO_LINK, out);
	ops[1].policy.mark = mark;

	sel = (struct kern_selector){ .src = prefix_host(&peer->address), .dst = self->pool,
				      .proto = IPPROTO_ESP };
	ops[2] = policy_op(KERN_DIR_FWD, sel, PRIO_TUNNEL, in);
	sel.proto = IPPROTO_UDP;
	sel.sport = IKE_PORT;
	ops[3] = policy_op(KERN_DIR_FWD, sel, PRIO_TUNNEL, in);
	return DP_LINK_OPS;
}

size_t dp_plan_tunnel(const struct dp_self *self, const struct dp_peer *peer,
		      const struct dp_keys *keys, struct kern_op ops[DP_TUNNEL_OPS])
{
	plan_sas(self, &peer->address, peer->index, keys, ops);
	ops[0].sa.set_mark = (struct kern_mark){ dp_index_to_mark(peer->index), KERN_MARK_MASK };
	return DP_TUNNEL_OPS;
}

size_t dp_plan_circuit(const struct dp_self *self, const struct dp_circuit *circuit,
		       const struct dp_keys *keys, struct kern_op ops[DP_CIRCUIT_OPS])
{
	const struct dp_peer *via = &circuit->via;
	struct kern_selector sel = { .src = any4, .dst = prefix_host(&circuit->assigned) };

	plan_sas(self, &circuit->outer, circuit->number, keys, ops);
	ops[2] = policy_op(KERN_DIR_OUT, sel, PRIO_CIRCUIT,
			   template_out(self, &circuit->outer, circuit->number));
	sel = (struct kern_selector){ .src = prefix_host(&circuit->assigned), .dst = any4 };
	ops[3] = policy_op(KERN_DIR_FWD, sel, PRIO_CIRCUIT,
			   template_in(self, &circuit->outer, circuit->number));
	if (via->index != 0) {
		ops[2].policy.templates[1] = template_out(self, &via->address, via->index);
		ops[3].policy.templates[1] = template_in(self, &via->address, via->index);
		ops[2].policy.template_count = ops[3].policy.template_count = 2;
	}
	return DP_CIRCUIT_OPS;
}
