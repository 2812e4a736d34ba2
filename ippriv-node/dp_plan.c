#include "ippriv-node/dp_plan.h"

#include <netinet/in.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/base/inner6.h"
#include "common/base/inner_mtu.h"

/* Policy priorities; lower wins. The mark tells whose client an address number means. */
enum { PRIO_LINK = 100, PRIO_CIRCUIT = 1000, PRIO_TUNNEL = 2000 };

static const char pool_link[KERN_NAME] = "ippriv-pool";

static uint32_t reqid_of(uint32_t number)
{
	return KERN_REQID_NODE | number;
}

static struct dp_way way_of_peer(const struct dp_self *self, const struct dp_peer *peer)
{
	return (struct dp_way){ .number = peer->index, .local = self->listen,
				.far = peer->address };
}

static struct kern_template template_in(const struct dp_way *way)
{
	return (struct kern_template){ .src = way->far, .dst = way->local,
				       .reqid = reqid_of(way->number) };
}

static struct kern_template template_out(const struct dp_way *way)
{
	return (struct kern_template){ .src = way->local, .dst = way->far,
				       .reqid = reqid_of(way->number) };
}

static struct kern_encap encap_in(const struct dp_way *way)
{
	return (struct kern_encap){ .sport = way->far_port, .dport = way->local_port };
}

static struct kern_encap encap_out(const struct dp_way *way)
{
	return (struct kern_encap){ .sport = way->local_port, .dport = way->far_port };
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

size_t dp_plan_base(const struct dp_self *self, const struct kern_firewall *firewall,
		    struct kern_op ops[DP_BASE_OPS])
{
	size_t count = 0;

	ops[count++] = (struct kern_op){ .type = KERN_OP_FIREWALL, .firewall = firewall };
	/* Circuits' policies: one assigned address, the remote end, and any other one. */
	ops[count++] = (struct kern_op){ .type = KERN_OP_SPD_HASH, .spd_hash = { 0, 32, 128, 128 } };
	/* Gives pool addresses a route; what is not encapsulated on the way dies on this link. */
	ops[count] = (struct kern_op){ .type = KERN_OP_LINK,
				       .link = { .kind = KERN_LINK_DUMMY, .mtu = 65535 } };
	memcpy(ops[count++].link.name, pool_link, KERN_NAME);
	/* An answer that may not be fragmented has to fit; the kernel takes the layer off this. */
	ops[count] = (struct kern_op){ .type = KERN_OP_ROUTE,
				       .route = { .dst = firewall->pools, .mtu = MIDDLE_MTU } };
	memcpy(ops[count++].route.link, pool_link, KERN_NAME);
	if (firewall->exit6) {
		ops[1].spd_hash.local_bits6 = 0;
		ops[count] = ops[count - 1];
		ops[count++].route.dst = inner6_prefix(&firewall->pools);
		ops[count++] = (struct kern_op){ .type = KERN_OP_FIREWALL6, .firewall = firewall };
	}
	if (addr_equal(&self->address, &self->listen))
		return count;
	/* Telescopes that end here name the address that others know. */
	ops[count] = (struct kern_op){ .type = KERN_OP_ADDRESS,
				       .address = { .prefix = prefix_host(&self->address) } };
	memcpy(ops[count++].address.link, pool_link, KERN_NAME);
	return count;
}

size_t dp_plan_trap(const struct dp_self *self, const struct dp_peer *peer,
		    struct kern_op ops[DP_TRAP_OPS])
{
	struct dp_way way = way_of_peer(self, peer);
	struct kern_template out = template_out(&way);
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
	struct dp_way way = way_of_peer(self, peer);
	struct kern_template in = template_in(&way), out = template_out(&way);
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

size_t dp_plan_pair(const struct dp_way *way, const struct dp_keys *keys, unsigned int halves,
		    struct kern_op ops[DP_PAIR_OPS])
{
	struct kern_op op = { .type = KERN_OP_SA, .sa = {
		.reqid = reqid_of(way->number),
		.aead = keys->aes ? KERN_AEAD_AES_GCM_16_256 : KERN_AEAD_CHACHA20_POLY1305,
		.esn = keys->esn,
		.replay_window = DP_REPLAY_WINDOW,
		.life = keys->life,
	} };
	size_t count = 0;

	if (halves & DP_HALF_IN) {
		ops[count] = op;
		ops[count].sa.src = way->far;
		ops[count].sa.dst = way->local;
		ops[count].sa.spi = keys->spi_in;
		ops[count].sa.key = keys->in;
		ops[count].sa.encap = encap_in(way);
		if (way->number <= DP_PEER_MAX)
			ops[count].sa.set_mark = (struct kern_mark){
				dp_index_to_mark(way->number), KERN_MARK_MASK };
		count++;
	}
	if (halves & DP_HALF_OUT) {
		ops[count] = op;
		ops[count].sa.src = way->local;
		ops[count].sa.dst = way->far;
		ops[count].sa.spi = keys->spi_out;
		ops[count].sa.key = keys->out;
		ops[count].sa.encap = encap_out(way);
		count++;
	}
	return count;
}

/* Out to ASSIGNED, and in from it. */
static void circuit_policies(const struct dp_self *self, const struct dp_circuit *circuit,
			     const struct addr *assigned, struct kern_op ops[2])
{
	const struct prefix any = { .addr.family = assigned->family };
	struct kern_selector sel = { .src = any, .dst = prefix_host(assigned) };
	struct dp_way via = way_of_peer(self, &circuit->via);

	ops[0] = policy_op(KERN_DIR_OUT, sel, PRIO_CIRCUIT, template_out(&circuit->way));
	sel = (struct kern_selector){ .src = prefix_host(assigned), .dst = any };
	ops[1] = policy_op(KERN_DIR_FWD, sel, PRIO_CIRCUIT, template_in(&circuit->way));
	if (via.number != 0) {
		ops[0].policy.templates[1] = template_out(&via);
		ops[1].policy.templates[1] = template_in(&via);
		ops[0].policy.template_count = ops[1].policy.template_count = 2;
	}
}

size_t dp_plan_circuit(const struct dp_self *self, const struct dp_circuit *circuit,
		       struct kern_op ops[DP_CIRCUIT_OPS])
{
	struct addr six = inner6_addr(&circuit->assigned);

	circuit_policies(self, circuit, &circuit->assigned, ops);
	if (!circuit->six)
		return 2;
	circuit_policies(self, circuit, &six, ops + 2);
	return DP_CIRCUIT_OPS;
}

size_t dp_plan_move(const struct dp_self *self, const struct dp_circuit *circuit, uint32_t spi_in,
		    uint32_t spi_out, struct kern_op ops[DP_MOVE_OPS])
{
	struct dp_keys keys = { .spi_in = spi_in, .spi_out = spi_out };
	size_t count = dp_plan_pair(&circuit->way, &keys, DP_HALF_BOTH, ops);

	return count + dp_plan_circuit(self, circuit, &ops[count]);
}
