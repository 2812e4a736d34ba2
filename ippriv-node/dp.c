#include "ippriv-node/dp.h"

#include <errno.h>

#include "common/base/inner6.h"
#include "common/base/log.h"
#include "ippriv-node/dp_plan.h"

struct dp {
	const struct kern *kern;
	struct dp_self self;
	const struct kern_firewall *firewall;
	bool closing;
};

static int run_add(struct dp *dp, struct kern_op *ops, size_t count, const char *what)
{
	int err = kern_plan_add(dp->kern, ops, count);

	if (err < 0)
		log_warning("cannot install %s: %s", what, dp->kern->error(dp->kern->ctx));
	kern_plan_wipe(ops, count);
	return err;
}

static int run_del(struct dp *dp, const struct kern_op *ops, size_t count, const char *what)
{
	int err = kern_plan_del(dp->kern, ops, count);

	if (err < 0)
		log_warning("cannot remove %s: %s", what, dp->kern->error(dp->kern->ctx));
	return err;
}

/*
 * What clients with an address in SRC, or (SIX) one that goes with it, had through this exit; nobody has
 * connections elsewhere.
 */
static int forget_flows(struct dp *dp, const struct prefix *src, bool six)
{
	struct prefix src6 = inner6_prefix(src);
	int err = dp->firewall->exit ? dp->kern->flows_del(dp->kern->ctx, src) : 0, err6 = 0;

	if (six && dp->firewall->exit6)
		err6 = dp->kern->flows_del(dp->kern->ctx, &src6);
	return err < 0 ? err : err6;
}

static int del_flows(struct dp *dp, const struct prefix *src, bool six)
{
	int err = forget_flows(dp, src, six);

	if (err < 0)
		log_warning("connections of ended circuits stay: %s",
			    dp->kern->error(dp->kern->ctx));
	return err;
}

static int run_del_base(struct dp *dp)
{
	struct kern_op ops[DP_BASE_OPS];

	return run_del(dp, ops, dp_plan_base(&dp->self, dp->firewall, ops), "the relay's route and firewall");
}

int dp_new(const struct kern *kern, const struct dp_self *self,
	   const struct kern_firewall *firewall, struct dp **out)
{
	struct kern_op ops[DP_BASE_OPS];
	struct dp *dp = malloc(sizeof(*dp));
	int err;

	if (!dp)
		return -ENOMEM;
	*dp = (struct dp){ .kern = kern, .self = *self, .firewall = firewall };
	err = kern_plan_add(kern, ops, dp_plan_base(self, firewall, ops));
	if (err < 0)
		goto out;
	err = forget_flows(dp, &self->pool, true); /* of a killed run */
	if (err < 0) {
		(void)run_del_base(dp);
		goto out;
	}
	*out = dp;
	dp = NULL;
out:
	free(dp);
	return err;
}

void dp_closing(struct dp *dp)
{
	dp->closing = true;
}

void dp_free(struct dp *dp)
{
	if (!dp)
		return;
	(void)del_flows(dp, &dp->self.pool, true); /* before the firewall goes that keeps new ones away */
	(void)run_del_base(dp);
	free(dp);
}

int dp_trap_add(struct dp *dp, const struct dp_peer *peer)
{
	struct kern_op ops[DP_TRAP_OPS];

	return run_add(dp, ops, dp_plan_trap(&dp->self, peer, ops), "a relay's trap policies");
}

void dp_trap_del(struct dp *dp, const struct dp_peer *peer)
{
	struct kern_op ops[DP_TRAP_OPS];

	(void)run_del(dp, ops, dp_plan_trap(&dp->self, peer, ops), "a relay's trap policies");
}

int dp_link_add(struct dp *dp, const struct dp_peer *peer)
{
	struct kern_op ops[DP_LINK_OPS];

	return run_add(dp, ops, dp_plan_link(&dp->self, peer, ops), "a relay's link policies");
}

void dp_link_del(struct dp *dp, const struct dp_peer *peer)
{
	struct kern_op ops[DP_LINK_OPS];

	(void)run_del(dp, ops, dp_plan_link(&dp->self, peer, ops), "a relay's link policies");
}

struct dp_way dp_tunnel_way(const struct dp *dp, const struct dp_peer *peer)
{
	return (struct dp_way){ .number = peer->index, .local = dp->self.listen,
				.far = peer->address };
}

int dp_pair_add(struct dp *dp, const struct dp_way *way, const struct dp_keys *keys,
		unsigned int halves)
{
	struct kern_op ops[DP_PAIR_OPS];

	return run_add(dp, ops, dp_plan_pair(way, keys, halves, ops), "an SA pair");
}

int dp_pair_del(struct dp *dp, const struct dp_way *way, uint32_t spi_in, uint32_t spi_out,
		unsigned int halves)
{
	struct dp_keys keys = { .spi_in = spi_in, .spi_out = spi_out };
	struct kern_op ops[DP_PAIR_OPS];

	return run_del(dp, ops, dp_plan_pair(way, &keys, halves, ops), "an SA pair");
}

int dp_pair_stats(struct dp *dp, const struct dp_way *way, uint32_t spi_in, uint32_t spi_out,
		  unsigned int halves, struct dp_stats *out)
{
	struct kern_sa_stats in = { 0 }, sent = { 0 };
	int err = 0;

	if (halves & DP_HALF_IN)
		err = dp->kern->sa_stats(dp->kern->ctx, NULL, &way->local, spi_in, &in);
	if (err == 0 && halves & DP_HALF_OUT)
		err = dp->kern->sa_stats(dp->kern->ctx, NULL, &way->far, spi_out, &sent);
	if (err < 0)
		return err;
	*out = (struct dp_stats){ .bytes_in = in.bytes, .packets_in = in.packets,
				  .bytes_out = sent.bytes, .packets_out = sent.packets };
	return 0;
}

int dp_circuit_up(struct dp *dp, const struct dp_circuit *circuit)
{
	struct kern_op ops[DP_CIRCUIT_OPS];

	return run_add(dp, ops, dp_plan_circuit(&dp->self, circuit, ops), "a circuit");
}

int dp_circuit_down(struct dp *dp, const struct dp_circuit *circuit)
{
	struct prefix assigned = prefix_host(&circuit->assigned);
	struct kern_op ops[DP_CIRCUIT_OPS];
	int err, flows = 0;

	/* First what lets the client's packets in: they would make new connections. */
	err = run_del(dp, ops, dp_plan_circuit(&dp->self, circuit, ops), "a circuit");
	if (!dp->closing)
		flows = del_flows(dp, &assigned, circuit->six);
	return err < 0 ? err : flows;
}

int dp_circuit_move(struct dp *dp, const struct dp_circuit *circuit, const struct dp_way *to,
		    uint32_t spi_in, uint32_t spi_out)
{
	struct kern_path path = { .local = { to->local, to->local_port },
				  .remote = { to->far, to->far_port } };
	struct kern_op ops[DP_MOVE_OPS];
	size_t count = dp_plan_move(&dp->self, circuit, spi_in, spi_out, ops);
	int err = dp->kern->move(dp->kern->ctx, ops, count, &path);

	if (err < 0) {
		log_warning("cannot move a circuit: %s", dp->kern->error(dp->kern->ctx));
		(void)run_del(dp, ops, count, "a circuit");
	}
	return err;
}

uint32_t dp_mark_to_index(uint32_t mark)
{
	return (mark & KERN_MARK_MASK) >> KERN_MARK_SHIFT;
}

uint32_t dp_index_to_mark(uint32_t index)
{
	return index << KERN_MARK_SHIFT & KERN_MARK_MASK;
}

uint32_t dp_mark_of_ours(uint32_t mark)
{
	return mark & KERN_MARK_MASK;
}

static uint32_t number_of(uint32_t reqid)
{
	return (reqid & ~(uint32_t)KERN_ID_MASK) == KERN_REQID_NODE ? reqid & KERN_ID_MASK : 0;
}

uint32_t dp_reqid_to_index(uint32_t reqid)
{
	uint32_t number = number_of(reqid);

	return number <= DP_PEER_MAX ? number : 0;
}

uint32_t dp_reqid_to_circuit(uint32_t reqid)
{
	uint32_t number = number_of(reqid);

	return number >= DP_CIRCUIT_FIRST ? number : 0;
}
