/*
 * struct kern's move. Where only the ports differ, the SAs change in place. Otherwise the kernel's
 * MIGRATE copies them, sequence numbers and all, and lays a policy on the copy. Meanwhile another
 * processor may have sent more packets, so the copy is put ahead at once. (Should one slip through
 * before with a number that was used, the peer drops it; its IV differs all the same, as the kernel
 * salts IVs anew for each copy.) MIGRATE cannot take UDP away: then the SAs are deleted and added
 * again, ahead, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/kern/kern_netns.h"
#include "common/kern/xfrm_msg.h"

enum {
	SAS = 2,
	POLICIES = 3,
	/* More packets than go out between reading an SA and deleting it; within peers' windows. */
	AHEAD = 256,
};

/* A layer on the move. */
struct layer {
	struct kern_netns *ns;
	struct kern_sa *sas[SAS];
	struct kern_policy *policies[POLICIES];
	size_t sa_count, policy_count;
	struct addr local, remote; /* as they are */
	const struct kern_path *to;
};

static bool has_encap(const struct kern_encap *e)
{
	return e->sport != 0;
}

static bool is_out(const struct layer *l, const struct addr *src, const struct addr *dst)
{
	return addr_equal(src, &l->local) && addr_equal(dst, &l->remote);
}

static struct kern_encap new_encap(const struct layer *l, bool out)
{
	uint16_t local = l->to->local.port, remote = l->to->remote.port;

	return (struct kern_encap){ out ? local : remote, out ? remote : local };
}

static struct kern_template new_template(const struct layer *l, const struct kern_template *t)
{
	bool out = is_out(l, &t->src, &t->dst);
	const struct addr *local = &l->to->local.addr, *remote = &l->to->remote.addr;

	return (struct kern_template){ out ? *local : *remote, out ? *remote : *local, t->reqid };
}

static struct kern_sa new_sa(const struct layer *l, const struct kern_sa *sa)
{
	bool out = is_out(l, &sa->src, &sa->dst);
	struct kern_sa moved = *sa;

	moved.src = out ? l->to->local.addr : l->to->remote.addr;
	moved.dst = out ? l->to->remote.addr : l->to->local.addr;
	moved.encap = new_encap(l, out);
	return moved;
}

/* Sorts OPS into L. */
static int collect(struct layer *l, struct kern_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct kern_op *op = &ops[i];

		if (op->type != KERN_OP_SA && op->type != KERN_OP_POLICY)
			continue;
		if (l->sa_count + l->policy_count > 0 && op->netns != l->ns)
			return -EINVAL;
		l->ns = op->netns;
		if (op->type == KERN_OP_SA && l->sa_count < SAS)
			l->sas[l->sa_count++] = &op->sa;
		else if (op->type == KERN_OP_POLICY && l->policy_count < POLICIES)
			l->policies[l->policy_count++] = &op->policy;
		else
			return -EINVAL;
	}
	return 0;
}

/* All that goes the way of the outbound policy, there and back, and nothing else. */
static int check(struct layer *l)
{
	const struct kern_policy *out = NULL;

	for (size_t i = 0; i < l->policy_count; i++) {
		if (l->policies[i]->template_count != 1 || l->policies[i]->mark.mask)
			return -EINVAL;
		if (l->policies[i]->dir == KERN_DIR_OUT)
			out = l->policies[i];
	}
	if (!out || l->sa_count != SAS)
		return -EINVAL;
	l->local = out->templates[0].src;
	l->remote = out->templates[0].dst;
	for (size_t i = 0; i < l->policy_count; i++) {
		const struct kern_template *t = &l->policies[i]->templates[0];
		bool is_out_policy = l->policies[i]->dir == KERN_DIR_OUT;

		if (t->reqid != out->templates[0].reqid ||
		    !is_out(l, is_out_policy ? &t->src : &t->dst, is_out_policy ? &t->dst : &t->src))
			return -EINVAL;
	}
	for (size_t i = 0; i < SAS; i++) {
		const struct kern_sa *sa = l->sas[i];

		if (sa->reqid != out->templates[0].reqid ||
		    (!is_out(l, &sa->src, &sa->dst) && !is_out(l, &sa->dst, &sa->src)))
			return -EINVAL;
	}
	if (is_out(l, &l->sas[0]->src, &l->sas[0]->dst) ==
		    is_out(l, &l->sas[1]->src, &l->sas[1]->dst) ||
	    has_encap(&l->sas[0]->encap) != has_encap(&l->sas[1]->encap) ||
	    l->to->local.addr.family != l->to->remote.addr.family ||
	    !l->to->local.port != !l->to->remote.port)
		return -EINVAL;
	return 0;
}

/* Messages for one send. */
struct batch {
	_Alignas(8) uint8_t buf[SAS * (XFRM_MSG_AGAIN_ROOM + XFRM_MSG_ROOM) +
				POLICIES * XFRM_MSG_ROOM];
	size_t len;
};

/* An SA as the kernel told it. */
struct answer {
	_Alignas(8) uint8_t buf[XFRM_MSG_AGAIN_ROOM];
	size_t len;
};

static int take_answer(const struct nlmsghdr *msg, void *data)
{
	struct answer *a = data;

	if (msg->nlmsg_len > sizeof(a->buf))
		return -EMSGSIZE;
	memcpy(a->buf, msg, msg->nlmsg_len);
	a->len = msg->nlmsg_len;
	return 0;
}

static int read_sa(struct kern_netns *ns, const struct kern_sa *sa, struct answer *a)
{
	_Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
	size_t len;
	int err = xfrm_msg_get_sa(buf, sizeof(buf), &sa->dst, sa->spi, &len);

	a->len = 0;
	return err < 0 ? err : kern_netns_talk(ns, KERN_BUS_XFRM, buf, len, take_answer, a);
}

static int change_ports(struct layer *l, struct kern_sa *sa)
{
	struct kern_sa moved = new_sa(l, sa);
	struct xfrm_msg_again again = { .update = true, .src = sa->src, .dst = sa->dst,
					.encap = moved.encap };
	_Alignas(8) uint8_t buf[XFRM_MSG_AGAIN_ROOM];
	struct answer a;
	size_t len;
	int err = read_sa(l->ns, sa, &a);

	if (err == 0)
		err = xfrm_msg_again(buf, sizeof(buf), a.buf, a.len, &again, &len);
	if (err == 0)
		err = kern_netns_talk(l->ns, KERN_BUS_XFRM, buf, len, NULL, NULL);
	if (err == 0)
		*sa = moved;
	explicit_bzero(&a, sizeof(a));
	explicit_bzero(buf, sizeof(buf));
	explicit_bzero(&moved, sizeof(moved));
	return err;
}

static int change_all(struct layer *l)
{
	int err = 0;

	for (size_t i = 0; i < SAS && err == 0; i++)
		err = change_ports(l, l->sas[i]);
	return err;
}

static struct kern_sa *sa_of(struct layer *l, bool out)
{
	return is_out(l, &l->sas[0]->src, &l->sas[0]->dst) == out ? l->sas[0] : l->sas[1];
}

/* SA, once it has moved, goes on with numbers that it has not used until then. */
static int put_ahead(struct layer *l, struct batch *b, const struct kern_sa *sa)
{
	struct answer a;
	size_t len = 0;
	int err = read_sa(l->ns, sa, &a);

	if (err == 0)
		err = xfrm_msg_ahead(b->buf + b->len, sizeof(b->buf) - b->len, a.buf, a.len,
				     &l->to->remote.addr, AHEAD, &len);
	b->len += len;
	explicit_bzero(&a, sizeof(a));
	return err;
}

/* POLICY with the SA of its direction, unless that has gone before, with another policy. */
static int migrate(struct layer *l, struct kern_policy *p)
{
	bool out = p->dir == KERN_DIR_OUT;
	struct kern_template to = new_template(l, &p->templates[0]);
	struct kern_encap encap = new_encap(l, out);
	struct batch b = { .len = 0 };
	int err = xfrm_msg_migrate(b.buf, sizeof(b.buf), p, &to, &encap, &b.len);

	if (err == 0 && out)
		err = put_ahead(l, &b, sa_of(l, true));
	if (err == 0)
		err = kern_netns_talk(l->ns, KERN_BUS_XFRM, b.buf, b.len, NULL, NULL);
	explicit_bzero(&b, sizeof(b));
	if (err == 0)
		p->templates[0] = to;
	return err;
}

/* MIGRATE went by addresses: has it moved this SA? */
static int settle(struct layer *l, struct kern_sa *sa)
{
	struct kern_sa moved = new_sa(l, sa);
	struct xfrm_msg_sa seen = { 0 };
	struct answer a;
	int err = read_sa(l->ns, &moved, &a);

	if (err == 0)
		err = xfrm_msg_parse_sa(a.buf, a.len, &seen);
	if (err == 0 && !addr_equal(&seen.src, &moved.src))
		err = -ENOENT;
	if (err == 0)
		*sa = moved;
	explicit_bzero(&a, sizeof(a));
	explicit_bzero(&moved, sizeof(moved));
	return err;
}

static int migrate_all(struct layer *l)
{
	int err = 0, settled;

	for (size_t i = 0; i < l->policy_count && err == 0; i++)
		err = migrate(l, l->policies[i]);
	for (size_t i = 0; i < SAS; i++) {
		settled = settle(l, l->sas[i]);
		if (err == 0)
			err = settled;
	}
	return err;
}

static int put_del(struct batch *b, const struct kern_sa *sa)
{
	size_t len = 0;
	int err = xfrm_msg_del_sa(b->buf + b->len, sizeof(b->buf) - b->len, &sa->dst, sa->spi, NULL,
				  &len);

	b->len += len;
	return err;
}

/* SA without UDP; its place is free by then, or another. */
static int put_sa(struct layer *l, struct batch *b, const struct kern_sa *sa)
{
	struct kern_sa moved = new_sa(l, sa);
	struct xfrm_msg_again again = { .src = moved.src, .dst = moved.dst };
	struct answer a;
	size_t len = 0;
	int err = read_sa(l->ns, sa, &a);

	if (is_out(l, &sa->src, &sa->dst))
		again.ahead = AHEAD;
	if (err == 0 && addr_equal(&moved.dst, &sa->dst))
		err = put_del(b, sa);
	if (err == 0)
		err = xfrm_msg_again(b->buf + b->len, sizeof(b->buf) - b->len, a.buf, a.len, &again,
				     &len);
	b->len += len;
	explicit_bzero(&a, sizeof(a));
	explicit_bzero(&moved, sizeof(moved));
	return err;
}

static int put_policy(struct layer *l, struct batch *b, const struct kern_policy *p)
{
	struct kern_policy moved = *p;
	size_t len = 0;
	int err;

	moved.templates[0] = new_template(l, &p->templates[0]);
	err = xfrm_msg_set_policy(b->buf + b->len, sizeof(b->buf) - b->len, &moved, &len);
	b->len += len;
	return err;
}

/* Everything in one send, as packets of the time between are lost. */
static int put_all(struct layer *l, struct batch *b)
{
	int err = 0;

	for (size_t i = 0; i < SAS && err == 0; i++)
		err = put_sa(l, b, l->sas[i]);
	for (size_t i = 0; i < l->policy_count && err == 0; i++)
		err = put_policy(l, b, l->policies[i]);
	for (size_t i = 0; i < SAS && err == 0; i++) {
		struct kern_sa moved = new_sa(l, l->sas[i]);

		if (!addr_equal(&moved.dst, &l->sas[i]->dst))
			err = put_del(b, l->sas[i]);
		explicit_bzero(&moved, sizeof(moved));
	}
	return err;
}

/* What of put_all has worked is at addresses that the caller's operations do not know. */
static void take_back(struct layer *l, struct batch *b)
{
	int err = 0;

	b->len = 0;
	for (size_t i = 0; i < SAS && err == 0; i++) {
		struct kern_sa moved = new_sa(l, l->sas[i]);

		err = put_del(b, &moved);
		explicit_bzero(&moved, sizeof(moved));
	}
	if (err == 0)
		err = kern_netns_talk(l->ns, KERN_BUS_XFRM, b->buf, b->len, NULL, NULL);
	if (err < 0 && err != -ESRCH)
		log_warning("SAs of an ESP tunnel that did not move may be left: %s", strerror(-err));
}

static int replace_all(struct layer *l)
{
	struct batch b = { .len = 0 };
	int err = put_all(l, &b);

	if (err == 0) {
		err = kern_netns_talk(l->ns, KERN_BUS_XFRM, b.buf, b.len, NULL, NULL);
		if (err < 0)
			take_back(l, &b);
	}
	explicit_bzero(&b, sizeof(b));
	for (size_t i = 0; i < l->policy_count && err == 0; i++)
		l->policies[i]->templates[0] = new_template(l, &l->policies[i]->templates[0]);
	for (size_t i = 0; i < SAS && err == 0; i++)
		*l->sas[i] = new_sa(l, l->sas[i]);
	return err;
}

static bool same_encap(const struct kern_encap *a, const struct kern_encap *b)
{
	return a->sport == b->sport && a->dport == b->dport;
}

static int move(struct layer *l)
{
	struct kern_encap encap = new_encap(l, is_out(l, &l->sas[0]->src, &l->sas[0]->dst));
	bool had = has_encap(&l->sas[0]->encap), has = has_encap(&encap);

	if (had && !has)
		return replace_all(l);
	if (!is_out(l, &l->to->local.addr, &l->to->remote.addr) || had != has)
		return migrate_all(l);
	return same_encap(&l->sas[0]->encap, &encap) ? 0 : change_all(l);
}

int kern_linux_move(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to)
{
	struct kern_linux *k = ctx;
	struct layer l = { .to = to };
	int err = collect(&l, ops, count);

	k->said[0] = '\0';
	if (err == 0)
		err = check(&l);
	if (!l.ns)
		l.ns = &k->own;
	if (err == 0)
		err = move(&l);
	if (err == -ESRCH || err == -ENODATA)
		err = -ENOENT;
	if (err < 0)
		snprintf(k->error, sizeof(k->error), "cannot move an ESP tunnel: %s%s%s",
			 strerror(-err), k->said[0] ? ": " : "", k->said);
	return err;
}
