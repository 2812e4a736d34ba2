#include "common/kern/kern_linux.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kern/kern_netns.h"
#include "common/kern/link_msg.h"
#include "common/kern/nft6_msg.h"
#include "common/kern/nft_msg.h"
#include "common/kern/rule_msg.h"
#include "common/kern/shield_msg.h"
#include "common/kern/xfrm_msg.h"

/* A request under construction; large enough for both kinds of message. */
struct request {
	_Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
	size_t len;
};

static_assert((int)XFRM_MSG_ROOM >= (int)LINK_MSG_ROOM, "struct request holds either");
static_assert((int)XFRM_MSG_ROOM >= (int)RULE_MSG_ROOM, "and this");

/* ERR is what the builder of R said. Sends when it was 0. */
static int talk_xfrm(struct kern_netns *ns, int err, struct request *r)
{
	if (err == 0)
		err = kern_netns_talk(ns, KERN_BUS_XFRM, r->buf, r->len, NULL, NULL);
	explicit_bzero(r->buf, sizeof(r->buf));
	return err;
}

static int talk_route(struct kern_netns *ns, int err, struct request *r)
{
	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_ROUTE, r->buf, r->len, NULL, NULL);
}

static int take_index(const struct nlmsghdr *msg, void *data)
{
	struct link_msg_link link;
	int err = link_msg_parse(msg, msg->nlmsg_len, &link);

	if (err == 0)
		*(uint32_t *)data = link.index;
	return err;
}

static int link_index(struct kern_netns *ns, const char *name, uint32_t *index)
{
	struct request r;
	int err = link_msg_get(r.buf, sizeof(r.buf), name, &r.len);

	*index = 0;
	if (err < 0)
		return err;
	return kern_netns_talk(ns, KERN_BUS_ROUTE, r.buf, r.len, take_index, index);
}

static int del_link(struct kern_netns *ns, const char *name)
{
	struct request r;

	return talk_route(ns, link_msg_del(r.buf, sizeof(r.buf), name, &r.len), &r);
}

/* Takes back what was made in NS, without touching what was said about the failure. */
static void undo_link(struct kern_netns *ns, const char *name)
{
	char said[sizeof(ns->kern->said)];

	memcpy(said, ns->kern->said, sizeof(said));
	(void)del_link(ns, name);
	memcpy(ns->kern->said, said, sizeof(said));
}

static int add_link(struct kern_netns *ns, const struct kern_link *link)
{
	struct kern_netns *end = link->target ? link->target : ns;
	struct request r;
	int err = talk_route(ns, link_msg_add(r.buf, sizeof(r.buf), link, &r.len), &r);

	if (err < 0)
		return err;
	if (end != ns) {
		err = link_msg_move(r.buf, sizeof(r.buf), link->name, end->fd, &r.len);
		err = talk_route(ns, err, &r);
		if (err < 0) {
			undo_link(ns, link->name);
			return err;
		}
	}
	err = link_msg_up(r.buf, sizeof(r.buf), link->name, link->mtu, &r.len);
	err = talk_route(end, err, &r);
	if (err < 0)
		undo_link(end, link->name);
	return err;
}

/* Addresses and routes: ADD or not. */
static int change_address(struct kern_netns *ns, const struct kern_address *a, bool add)
{
	struct request r;
	uint32_t index;
	int err = link_index(ns, a->link, &index);

	if (err < 0)
		return err;
	err = add ? link_msg_add_address(r.buf, sizeof(r.buf), index, a, &r.len) :
		    link_msg_del_address(r.buf, sizeof(r.buf), index, a, &r.len);
	return talk_route(ns, err, &r);
}

static int change_route(struct kern_netns *ns, const struct kern_route *route, bool add)
{
	struct request r;
	uint32_t index = 0;
	int err = route->unreachable ? 0 : link_index(ns, route->link, &index);

	if (err < 0)
		return err;
	err = add ? link_msg_add_route(r.buf, sizeof(r.buf), index, route, &r.len) :
		    link_msg_del_route(r.buf, sizeof(r.buf), index, route, &r.len);
	return talk_route(ns, err, &r);
}

static int change_rule(struct kern_netns *ns, const struct kern_rule *rule, bool add)
{
	struct request r;
	int err = add ? rule_msg_add(r.buf, sizeof(r.buf), rule, &r.len) :
			rule_msg_del(r.buf, sizeof(r.buf), rule, &r.len);

	return talk_route(ns, err, &r);
}

/* SIX: the table of IPv6. */
static int change_firewall(struct kern_netns *ns, const struct kern_firewall *fw, bool six, bool add)
{
	_cleanup_free_ uint8_t *buf = malloc(NFT_BATCH_MAX);
	size_t len;
	int err;

	if (!buf)
		return -ENOMEM;
	if (six)
		err = add ? nft6_msg_replace(buf, NFT_BATCH_MAX, 0, fw, &len) :
			    nft6_msg_delete(buf, NFT_BATCH_MAX, 0, fw->table, &len);
	else
		err = add ? nft_msg_replace(buf, NFT_BATCH_MAX, 0, fw, &len) :
			    nft_msg_delete(buf, NFT_BATCH_MAX, 0, fw->table, &len);
	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL);
}

static int change_shield(struct kern_netns *ns, const struct kern_shield *shield, bool add)
{
	_cleanup_free_ uint8_t *buf = malloc(NFT_BATCH_MAX);
	size_t len;
	int err;

	if (!buf)
		return -ENOMEM;
	err = add ? shield_msg_replace(buf, NFT_BATCH_MAX, 0, shield, &len) :
		    shield_msg_delete(buf, NFT_BATCH_MAX, 0, &len);
	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL);
}

static int change_direct(struct kern_netns *ns, const struct kern_direct *direct, bool add)
{
	_Alignas(8) uint8_t buf[SHIELD_MSG_DIRECT_MAX];
	size_t len;
	int err = shield_msg_direct(buf, sizeof(buf), 0, direct, add, &len);

	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL);
}

static int link_up(struct kern_netns *ns, const char *name)
{
	struct request r;

	return talk_route(ns, link_msg_up(r.buf, sizeof(r.buf), name, 0, &r.len), &r);
}

static int set_spd_hash(struct kern_netns *ns, const struct kern_spd_hash *hash)
{
	struct request r;

	return talk_xfrm(ns, xfrm_msg_set_spd_hash(r.buf, sizeof(r.buf), hash, &r.len), &r);
}

static int add_op(struct kern_netns *ns, const struct kern_op *op)
{
	struct request r;
	int err;

	switch (op->type) {
	case KERN_OP_SA:
		err = xfrm_msg_add_sa(r.buf, sizeof(r.buf), &op->sa, &r.len);
		return talk_xfrm(ns, err, &r);
	case KERN_OP_POLICY:
		err = xfrm_msg_add_policy(r.buf, sizeof(r.buf), &op->policy, &r.len);
		return talk_xfrm(ns, err, &r);
	case KERN_OP_LINK:
		return add_link(ns, &op->link);
	case KERN_OP_ADDRESS:
		return change_address(ns, &op->address, true);
	case KERN_OP_ROUTE:
		return change_route(ns, &op->route, true);
	case KERN_OP_RULE:
		return change_rule(ns, &op->rule, true);
	case KERN_OP_LINK_UP:
		return link_up(ns, op->link_up);
	case KERN_OP_SPD_HASH:
		return set_spd_hash(ns, &op->spd_hash);
	case KERN_OP_FIREWALL:
		return change_firewall(ns, op->firewall, false, true);
	case KERN_OP_FIREWALL6:
		return change_firewall(ns, op->firewall, true, true);
	case KERN_OP_SHIELD:
		return change_shield(ns, op->shield, true);
	case KERN_OP_DIRECT:
		return change_direct(ns, op->direct, true);
	}
	return -EINVAL;
}

static int del_op(struct kern_netns *ns, const struct kern_op *op)
{
	struct request r;
	int err;

	switch (op->type) {
	case KERN_OP_SA:
		err = xfrm_msg_del_sa(r.buf, sizeof(r.buf), &op->sa.dst, op->sa.spi, NULL, &r.len);
		return talk_xfrm(ns, err, &r);
	case KERN_OP_POLICY:
		err = xfrm_msg_del_policy(r.buf, sizeof(r.buf), &op->policy, &r.len);
		return talk_xfrm(ns, err, &r);
	case KERN_OP_LINK:
		return del_link(op->link.target ? op->link.target : ns, op->link.name);
	case KERN_OP_ADDRESS:
		return change_address(ns, &op->address, false);
	case KERN_OP_ROUTE:
		return change_route(ns, &op->route, false);
	case KERN_OP_RULE:
		return change_rule(ns, &op->rule, false);
	case KERN_OP_LINK_UP:
		return 0;
	case KERN_OP_SPD_HASH:
		return set_spd_hash(ns, &(struct kern_spd_hash){ 32, 32, 128, 128 });
	case KERN_OP_FIREWALL:
		return change_firewall(ns, op->firewall, false, false);
	case KERN_OP_FIREWALL6:
		return change_firewall(ns, op->firewall, true, false);
	case KERN_OP_SHIELD:
		return change_shield(ns, op->shield, false);
	case KERN_OP_DIRECT:
		return change_direct(ns, op->direct, false);
	}
	return -EINVAL;
}

/* What a line about a failure calls the thing. No addresses: relays log it. */
static const char *op_text(const struct kern_op *op, char out[64])
{
	switch (op->type) {
	case KERN_OP_SA:
		snprintf(out, 64, "SA %08" PRIx32, op->sa.spi);
		break;
	case KERN_OP_POLICY:
		snprintf(out, 64, "XFRM policy");
		break;
	case KERN_OP_LINK:
		snprintf(out, 64, "link %.15s", op->link.name);
		break;
	case KERN_OP_ADDRESS:
		snprintf(out, 64, "address on %.15s", op->address.link);
		break;
	case KERN_OP_ROUTE:
		snprintf(out, 64, "route into %.15s", op->route.link);
		break;
	case KERN_OP_RULE:
		snprintf(out, 64, "routing rule %" PRIu32, op->rule.priority);
		break;
	case KERN_OP_LINK_UP:
		snprintf(out, 64, "state up of %.15s", op->link_up);
		break;
	case KERN_OP_SPD_HASH:
		snprintf(out, 64, "hash thresholds of XFRM policies");
		break;
	case KERN_OP_FIREWALL:
		snprintf(out, 64, "nftables table %.31s", op->firewall->table);
		break;
	case KERN_OP_FIREWALL6:
		snprintf(out, 64, "nftables table ip6 %.31s", op->firewall->table);
		break;
	case KERN_OP_SHIELD:
		snprintf(out, 64, "nftables table " KERN_SHIELD_TABLE);
		break;
	case KERN_OP_DIRECT:
		snprintf(out, 64, "control group in table " KERN_SHIELD_TABLE);
		break;
	}
	return out;
}

static int failed(struct kern_linux *k, const char *verb, const struct kern_op *op, int err)
{
	char what[64];

	if (err < 0)
		snprintf(k->error, sizeof(k->error), "cannot %s %s: %s%s%s", verb,
			 op_text(op, what), strerror(-err), k->said[0] ? ": " : "", k->said);
	return err;
}

static int linux_add(void *ctx, const struct kern_op *op)
{
	struct kern_linux *k = ctx;

	k->said[0] = '\0';
	return failed(k, "add", op, add_op(op->netns ? op->netns : &k->own, op));
}

static int linux_del(void *ctx, const struct kern_op *op)
{
	struct kern_linux *k = ctx;
	int err;

	k->said[0] = '\0';
	err = del_op(op->netns ? op->netns : &k->own, op);
	/* The ways in which the families say "there is none". */
	if (err == -ESRCH || err == -ENODEV || err == -EADDRNOTAVAIL)
		err = -ENOENT;
	return failed(k, "delete", op, err);
}

static int take_stats(const struct nlmsghdr *msg, void *data)
{
	struct xfrm_msg_sa sa;
	int err = xfrm_msg_parse_sa(msg, msg->nlmsg_len, &sa);

	if (err == 0)
		*(struct kern_sa_stats *)data = sa.stats;
	return err;
}

static int linux_sa_stats(void *ctx, struct kern_netns *netns, const struct addr *dst,
			  uint32_t spi, struct kern_sa_stats *out)
{
	struct kern_linux *k = ctx;
	struct kern_netns *ns = netns ? netns : &k->own;
	struct kern_sa_stats stats = { 0 };
	struct request r;
	int err = xfrm_msg_get_sa(r.buf, sizeof(r.buf), dst, spi, &r.len);

	k->said[0] = '\0';
	if (err == 0)
		err = kern_netns_talk(ns, KERN_BUS_XFRM, r.buf, r.len, take_stats, &stats);
	if (err == 0)
		*out = stats;
	else
		snprintf(k->error, sizeof(k->error), "cannot read SA %08" PRIx32 ": %s%s%s", spi,
			 strerror(-err), k->said[0] ? ": " : "", k->said);
	return err == -ESRCH ? -ENOENT : err;
}

static const char *linux_error(void *ctx)
{
	const struct kern_linux *k = ctx;

	return k->error;
}

int kern_linux_new(struct kern_linux **out)
{
	struct kern_linux *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	k->ops = (struct kern){
		.ctx = k,
		.add = linux_add,
		.del = linux_del,
		.sa_stats = linux_sa_stats,
		.move = kern_linux_move,
		.flows_del = kern_linux_flows_del,
		.flows_any = kern_linux_flows_any,
		.sockets_end = kern_linux_sockets_end,
		.error = linux_error,
	};
	err = kern_netns_init_own(k);
	if (err < 0)
		free(k);
	else
		*out = k;
	return err;
}

void kern_linux_free(struct kern_linux *k)
{
	if (!k)
		return;
	kern_netns_fini(&k->own);
	free(k);
}

const struct kern *kern_linux_ops(struct kern_linux *k)
{
	return &k->ops;
}
