#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kern/kern_netns.h"
#include "common/kern/link_msg.h"
#include "common/kern/nft6_msg.h"
#include "common/kern/nft_msg.h"
#include "common/kern/rule_msg.h"
#include "common/kern/xfrm_msg.h"

enum { TRIES = 5 }; /* of a dump that changes meanwhile */

/* What of a dump is to be deleted: ITEMS of SIZE bytes each. */
struct found {
	uint32_t range;
	const char *link_prefix;
	uint8_t *items;
	size_t size, count, room;
};

static int keep(struct found *f, const void *item)
{
	if (f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 64;
		uint8_t *more = reallocarray(f->items, room, f->size);

		if (!more)
			return -ENOMEM;
		f->items = more;
		f->room = room;
	}
	memcpy(f->items + f->count++ * f->size, item, f->size);
	return 0;
}

static bool in_range(const struct found *f, uint32_t id)
{
	return (id & ~(uint32_t)KERN_ID_MASK) == f->range;
}

/* What cannot be read was made by somebody else: it stays, as all that is not ours. */
static int take_sa(const struct nlmsghdr *msg, void *data)
{
	struct found *f = data;
	struct xfrm_msg_sa sa;

	if (xfrm_msg_parse_sa(msg, msg->nlmsg_len, &sa) < 0 || sa.proto != IPPROTO_ESP ||
	    !in_range(f, sa.reqid))
		return 0;
	return keep(f, &sa);
}

static int take_policy(const struct nlmsghdr *msg, void *data)
{
	struct found *f = data;
	struct xfrm_msg_policy p;

	if (xfrm_msg_parse_policy(msg, msg->nlmsg_len, &p) < 0)
		return 0;
	for (size_t i = 0; i < p.template_count; i++)
		if (!in_range(f, p.templates[i].reqid))
			return 0;
	if (p.template_count == 0 && !in_range(f, p.if_id))
		return 0;
	return keep(f, &p);
}

static int take_link(const struct nlmsghdr *msg, void *data)
{
	struct found *f = data;
	struct link_msg_link link;

	if (link_msg_parse(msg, msg->nlmsg_len, &link) < 0 ||
	    strncmp(link.name, f->link_prefix, strlen(f->link_prefix)) != 0 ||
	    (strcmp(link.kind, "xfrm") != 0 && strcmp(link.kind, "dummy") != 0))
		return 0;
	return keep(f, &link);
}

/* Only a client makes rules. */
static int take_rule(const struct nlmsghdr *msg, void *data)
{
	struct found *f = data;
	struct kern_rule rule;
	uint8_t protocol;

	if (f->range != KERN_REQID_CLIENT ||
	    rule_msg_parse(msg, msg->nlmsg_len, &rule, &protocol) < 0 || protocol != KERN_PROTOCOL)
		return 0;
	return keep(f, &rule);
}

/* A larval SA must get an SPI first, by which it is deleted in the same send: its reqid will do. */
static int del_sa(void *buf, size_t size, const void *item, size_t *len)
{
	const struct xfrm_msg_sa *sa = item;
	size_t first = 0;
	int err = 0;

	if (sa->spi == 0)
		err = xfrm_msg_name_larval(buf, size, sa, sa->reqid, &first);
	if (err < 0)
		return err;
	err = xfrm_msg_del_sa((uint8_t *)buf + first, size - first, &sa->dst,
			      sa->spi ? sa->spi : sa->reqid, &sa->mark, len);
	*len += first;
	return err;
}

static int del_policy(void *buf, size_t size, const void *item, size_t *len)
{
	return xfrm_msg_del_policy_index(buf, size, item, len);
}

static int del_rule(void *buf, size_t size, const void *item, size_t *len)
{
	return rule_msg_del(buf, size, item, len);
}

static int del_link(void *buf, size_t size, const void *item, size_t *len)
{
	const struct link_msg_link *link = item;

	return link_msg_del_index(buf, size, link->index, len);
}

/* One sort of object: how to list all, choose ours, delete one. */
struct sort {
	enum kern_bus bus;
	size_t size; /* of an item */
	int (*dump)(void *buf, size_t size, size_t *len);
	int (*take)(const struct nlmsghdr *msg, void *data);
	int (*del)(void *buf, size_t size, const void *item, size_t *len);
};

/* Policies before the SAs they need, links, with their routes, last. */
static const struct sort sorts[] = {
	{ KERN_BUS_XFRM, sizeof(struct xfrm_msg_policy), xfrm_msg_dump_policies, take_policy,
	  del_policy },
	{ KERN_BUS_XFRM, sizeof(struct xfrm_msg_sa), xfrm_msg_dump_sas, take_sa, del_sa },
	{ KERN_BUS_ROUTE, sizeof(struct kern_rule), rule_msg_dump, take_rule, del_rule },
	{ KERN_BUS_ROUTE, sizeof(struct link_msg_link), link_msg_dump, take_link, del_link },
};

static int list(struct kern_netns *ns, const struct sort *s, struct found *f)
{
	_Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
	size_t len;
	int err = -EINTR;

	for (int i = 0; i < TRIES && err == -EINTR; i++) {
		f->count = 0;
		err = s->dump(buf, sizeof(buf), &len);
		if (err == 0)
			err = kern_netns_talk(ns, s->bus, buf, len, s->take, f);
	}
	return err;
}

static int purge_sort(struct kern_netns *ns, const struct sort *s, uint32_t range,
		      const char *link_prefix, size_t *removed)
{
	struct found f = { .range = range, .link_prefix = link_prefix, .size = s->size };
	_Alignas(8) uint8_t buf[2 * XFRM_MSG_ROOM];
	size_t len;
	int err = list(ns, s, &f);

	for (size_t i = 0; i < f.count && err == 0; i++) {
		err = s->del(buf, sizeof(buf), f.items + i * f.size, &len);
		if (err == 0)
			err = kern_netns_talk(ns, s->bus, buf, len, NULL, NULL);
		if (err == 0)
			(*removed)++;
		else if (err == -ESRCH || err == -ENOENT || err == -ENODEV)
			err = 0; /* gone by itself meanwhile */
	}
	free(f.items);
	return err;
}

/* TABLE of one family. */
static int purge_table(struct kern_netns *ns, const char *table, bool six, size_t *removed)
{
	_cleanup_free_ uint8_t *buf = malloc(NFT_BATCH_MAX);
	size_t len;
	int err;

	if (!buf)
		return -ENOMEM;
	err = six ? nft6_msg_delete(buf, NFT_BATCH_MAX, 0, table, &len) :
		    nft_msg_delete(buf, NFT_BATCH_MAX, 0, table, &len);
	if (err == 0)
		err = kern_netns_talk(ns, KERN_BUS_NETFILTER, buf, len, NULL, NULL);
	if (err == 0)
		(*removed)++;
	/* A kernel without IPv6 may know no such tables. */
	return err == -ENOENT || (six && (err == -EAFNOSUPPORT || err == -EOPNOTSUPP)) ? 0 : err;
}

int kern_linux_purge(struct kern_linux *k, uint32_t range, const char *link_prefix,
		     const char *table, size_t *removed)
{
	int err = 0;

	*removed = 0;
	if (link_prefix[0] == '\0')
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(sorts) && err == 0; i++)
		err = purge_sort(&k->own, &sorts[i], range, link_prefix, removed);
	if (err == 0 && table)
		err = purge_table(&k->own, table, true, removed);
	if (err == 0 && table)
		err = purge_table(&k->own, table, false, removed);
	if (err < 0)
		snprintf(k->error, sizeof(k->error),
			 "cannot remove what an earlier run left: %s%s%s", strerror(-err),
			 k->said[0] ? ": " : "", k->said);
	return err;
}
