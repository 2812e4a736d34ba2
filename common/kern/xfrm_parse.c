#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>

#include "common/kern/nl_attr.h"
#include "common/kern/xfrm_msg.h"

static bool family_ok(uint16_t family)
{
	return family == AF_INET || family == AF_INET6;
}

/* FAMILY must be checked before: AF_INET or AF_INET6. */
static struct addr from_xfrm(const xfrm_address_t *x, uint16_t family)
{
	struct addr a = { .family = (uint8_t)family };

	memcpy(a.bytes, x, addr_size(&a));
	return a;
}

/* Attributes that SAs and policies share. */
static int parse_ids(const struct nlattr **tb, struct kern_mark *mark, uint32_t *if_id)
{
	struct xfrm_mark m = { 0 };

	if (nl_attr_get(tb[XFRMA_MARK], &m, sizeof(m)) < 0 ||
	    nl_attr_get(tb[XFRMA_IF_ID], if_id, sizeof(*if_id)) < 0)
		return -EBADMSG;
	*mark = (struct kern_mark){ .value = m.v, .mask = m.m };
	return 0;
}

static int parse_encap(const struct nlattr *a, struct kern_encap *out)
{
	struct xfrm_encap_tmpl t = { 0 };

	if (nl_attr_get(a, &t, sizeof(t)) < 0)
		return -EBADMSG;
	*out = (struct kern_encap){ ntohs(t.encap_sport), ntohs(t.encap_dport) };
	return 0;
}

static struct life life_of(const struct xfrm_lifetime_cfg *lft)
{
	return (struct life){
		.soft_seconds = lft->soft_add_expires_seconds,
		.hard_seconds = lft->hard_add_expires_seconds,
		.soft_bytes = lft->soft_byte_limit == XFRM_INF ? 0 : lft->soft_byte_limit,
		.hard_bytes = lft->hard_byte_limit == XFRM_INF ? 0 : lft->hard_byte_limit,
	};
}

int xfrm_msg_parse_sa(const void *msg, size_t len, struct xfrm_msg_sa *out)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_usersa_info info;
	struct xfrm_replay_state_esn replay = { 0 };
	struct xfrm_msg_sa sa = { 0 };
	int err = nl_attr_message(msg, len, XFRM_MSG_NEWSA, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (!family_ok(info.family) || parse_ids(tb, &sa.mark, &sa.if_id) < 0 ||
	    nl_attr_get(tb[XFRMA_REPLAY_ESN_VAL], &replay, sizeof(replay)) < 0 ||
	    nl_attr_get(tb[XFRMA_SET_MARK], &sa.set_mark.value, 4) < 0 ||
	    nl_attr_get(tb[XFRMA_SET_MARK_MASK], &sa.set_mark.mask, 4) < 0 ||
	    parse_encap(tb[XFRMA_ENCAP], &sa.encap) < 0)
		return -EBADMSG;
	sa.life = life_of(&info.lft);
	sa.src = from_xfrm(&info.saddr, info.family);
	sa.dst = from_xfrm(&info.id.daddr, info.family);
	sa.proto = info.id.proto;
	sa.spi = ntohl(info.id.spi);
	sa.reqid = info.reqid;
	sa.esn = info.flags & XFRM_STATE_ESN;
	sa.replay_window = tb[XFRMA_REPLAY_ESN_VAL] ? replay.replay_window : info.replay_window;
	sa.stats = (struct kern_sa_stats){
		.bytes = info.curlft.bytes,
		.packets = info.curlft.packets,
		.add_time = info.curlft.add_time,
		.use_time = info.curlft.use_time,
	};
	*out = sa;
	return 0;
}

/* Wire templates in A into T; *COUNT says how many. */
static int parse_templates(const struct nlattr *a, struct kern_template t[XFRM_MSG_TEMPLATES],
			   size_t *count)
{
	const uint8_t *p;
	struct xfrm_user_tmpl u;

	*count = 0;
	if (!a)
		return 0;
	p = mnl_attr_get_payload(a);
	if (mnl_attr_get_payload_len(a) % sizeof(u) ||
	    mnl_attr_get_payload_len(a) / sizeof(u) > XFRM_MSG_TEMPLATES)
		return -EBADMSG;
	for (; *count < mnl_attr_get_payload_len(a) / sizeof(u); p += sizeof(u), (*count)++) {
		memcpy(&u, p, sizeof(u));
		if (!family_ok(u.family))
			return -EBADMSG;
		t[*count] = (struct kern_template){
			.src = from_xfrm(&u.saddr, u.family),
			.dst = from_xfrm(&u.id.daddr, u.family),
			.reqid = u.reqid,
		};
	}
	return 0;
}

static int parse_dir(uint8_t dir, enum kern_dir *out)
{
	switch (dir) {
	case XFRM_POLICY_IN:
		*out = KERN_DIR_IN;
		return 0;
	case XFRM_POLICY_OUT:
		*out = KERN_DIR_OUT;
		return 0;
	case XFRM_POLICY_FWD:
		*out = KERN_DIR_FWD;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* A selector with family 0 (it matches both) leaves both prefixes empty. */
static int parse_selector(const struct xfrm_selector *s, struct kern_selector *out)
{
	size_t bits = s->family == AF_INET ? 32 : 128;

	out->proto = s->proto;
	out->sport = ntohs(s->sport);
	out->dport = ntohs(s->dport);
	if (s->family == AF_UNSPEC)
		return 0;
	if (!family_ok(s->family) || s->prefixlen_s > bits || s->prefixlen_d > bits)
		return -EBADMSG;
	out->src = (struct prefix){ from_xfrm(&s->saddr, s->family), s->prefixlen_s };
	out->dst = (struct prefix){ from_xfrm(&s->daddr, s->family), s->prefixlen_d };
	return 0;
}

int xfrm_msg_parse_policy(const void *msg, size_t len, struct xfrm_msg_policy *out)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_userpolicy_info info;
	struct xfrm_msg_policy p = { 0 };
	int err = nl_attr_message(msg, len, XFRM_MSG_NEWPOLICY, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (parse_dir(info.dir, &p.dir) < 0 || parse_selector(&info.sel, &p.sel) < 0 ||
	    parse_ids(tb, &p.mark, &p.if_id) < 0 ||
	    parse_templates(tb[XFRMA_TMPL], p.templates, &p.template_count) < 0)
		return -EBADMSG;
	p.index = info.index;
	p.priority = info.priority;
	*out = p;
	return 0;
}

static int parse_acquire(const void *msg, size_t len, struct kern_event *out)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_user_acquire info;
	struct kern_template t[XFRM_MSG_TEMPLATES];
	size_t count;
	int err = nl_attr_message(msg, len, XFRM_MSG_ACQUIRE, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (parse_templates(tb[XFRMA_TMPL], t, &count) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < count && out->reqid == 0; i++) {
		out->src = from_xfrm(&info.saddr, t[i].src.family);
		out->dst = from_xfrm(&info.id.daddr, t[i].src.family);
		if (addr_equal(&out->src, &t[i].src) && addr_equal(&out->dst, &t[i].dst))
			out->reqid = t[i].reqid;
	}
	return 0;
}

static int parse_expire(const void *msg, size_t len, struct kern_event *out)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_user_expire info;
	int err = nl_attr_message(msg, len, XFRM_MSG_EXPIRE, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (!family_ok(info.state.family))
		return -EBADMSG;
	if (info.state.id.proto == IPPROTO_ESP && info.state.id.spi)
		out->reqid = info.state.reqid;
	out->src = from_xfrm(&info.state.saddr, info.state.family);
	out->dst = from_xfrm(&info.state.id.daddr, info.state.family);
	out->spi = ntohl(info.state.id.spi);
	out->hard = info.hard;
	return 0;
}

static int parse_mapping(const void *msg, size_t len, struct kern_event *out)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_user_mapping info;
	int err = nl_attr_message(msg, len, XFRM_MSG_MAPPING, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (!family_ok(info.id.family))
		return -EBADMSG;
	if (info.id.proto == IPPROTO_ESP)
		out->reqid = info.reqid;
	out->src = from_xfrm(&info.old_saddr, info.id.family);
	out->dst = from_xfrm(&info.id.daddr, info.id.family);
	out->spi = ntohl(info.id.spi);
	out->remote.addr = from_xfrm(&info.new_saddr, info.id.family);
	out->remote.port = ntohs(info.new_sport);
	return 0;
}

int xfrm_msg_parse_event(const void *msg, size_t len, struct kern_event *out)
{
	static int (*const parsers[])(const void *msg, size_t len, struct kern_event *out) = {
		[KERN_EVENT_ACQUIRE] = parse_acquire,
		[KERN_EVENT_EXPIRE] = parse_expire,
		[KERN_EVENT_MAPPING] = parse_mapping,
	};
	int err = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(parsers) && err == -EOPNOTSUPP; i++) {
		struct kern_event event = { .type = (enum kern_event_type)i };

		err = parsers[i](msg, len, &event);
		if (err == 0)
			*out = event;
	}
	return err;
}
