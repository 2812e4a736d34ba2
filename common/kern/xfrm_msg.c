#include "common/kern/xfrm_msg.h"

#include <assert.h>
#include <errno.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <string.h>

#include "common/kern/nl_attr.h"

static_assert(XFRM_MSG_WINDOW_MAX == XFRMA_REPLAY_ESN_MAX, "the kernel's limit");

static const char *aead_name(enum kern_aead aead)
{
	switch (aead) {
	case KERN_AEAD_AES_GCM_16_256:
		return "rfc4106(gcm(aes))";
	case KERN_AEAD_CHACHA20_POLY1305:
		return "rfc7539esp(chacha20,poly1305)";
	}
	return NULL;
}

enum { AEAD_KEY = 36, AEAD_ICV_BITS = 128 };

static uint8_t policy_dir(enum kern_dir dir)
{
	switch (dir) {
	case KERN_DIR_IN:
		return XFRM_POLICY_IN;
	case KERN_DIR_OUT:
		return XFRM_POLICY_OUT;
	case KERN_DIR_FWD:
		return XFRM_POLICY_FWD;
	}
	return XFRM_POLICY_MAX;
}

static xfrm_address_t to_xfrm(const struct addr *a)
{
	xfrm_address_t x = { 0 };

	memcpy(&x, a->bytes, addr_size(a));
	return x;
}

/* FAMILY must be checked before: AF_INET or AF_INET6. */
static struct addr from_xfrm(const xfrm_address_t *x, uint16_t family)
{
	struct addr a = { .family = (uint8_t)family };

	memcpy(a.bytes, x, addr_size(&a));
	return a;
}

static bool family_ok(uint16_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static bool pair_ok(const struct addr *src, const struct addr *dst)
{
	return family_ok(dst->family) && src->family == dst->family;
}

/*
 * BUF holds XFRM_MSG_ROOM bytes. Padding is zeroed here and, by memset, in the bodies: compilers
 * leave what was on the stack in it.
 */
static struct nlmsghdr *message(void *buf, uint16_t type, uint16_t flags, const void *body,
				size_t len)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, XFRM_MSG_ROOM);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	if (len > 0)
		memcpy(mnl_nlmsg_put_extra_header(nlh, len), body, len);
	return nlh;
}

static void set_unlimited(struct xfrm_lifetime_cfg *lft)
{
	lft->soft_byte_limit = lft->hard_byte_limit = XFRM_INF;
	lft->soft_packet_limit = lft->hard_packet_limit = XFRM_INF;
}

static void set_life(struct xfrm_lifetime_cfg *lft, const struct kern_life *life)
{
	set_unlimited(lft);
	if (life->soft_bytes)
		lft->soft_byte_limit = life->soft_bytes;
	if (life->hard_bytes)
		lft->hard_byte_limit = life->hard_bytes;
	lft->soft_add_expires_seconds = life->soft_seconds;
	lft->hard_add_expires_seconds = life->hard_seconds;
}

static int finish(const struct nlmsghdr *nlh, size_t *len)
{
	*len = nlh->nlmsg_len;
	return 0;
}

static void put_aead(struct nlmsghdr *nlh, const struct kern_sa *sa)
{
	uint8_t attr[sizeof(struct xfrm_algo_aead) + AEAD_KEY];
	struct xfrm_algo_aead head = { .alg_key_len = AEAD_KEY * 8, .alg_icv_len = AEAD_ICV_BITS };

	strcpy(head.alg_name, aead_name(sa->aead));
	memcpy(attr, &head, sizeof(head));
	memcpy(attr + sizeof(head), sa->key.bytes, AEAD_KEY);
	mnl_attr_put(nlh, XFRMA_ALG_AEAD, sizeof(attr), attr);
	explicit_bzero(attr, sizeof(attr));
}

/* Without the bitmap that BMP_LEN (32-bit words) announces: the kernel takes an empty one. */
static void put_replay(struct nlmsghdr *nlh, const struct kern_sa *sa)
{
	uint32_t window = sa->esn && sa->replay_window == 0 ? 32 : sa->replay_window;
	struct xfrm_replay_state_esn replay = {
		.bmp_len = (window + 31) / 32,
		.replay_window = window,
	};

	if (window > 0)
		mnl_attr_put(nlh, XFRMA_REPLAY_ESN_VAL, sizeof(replay), &replay);
}

static bool has_encap(const struct kern_encap *e)
{
	return e->sport && e->dport;
}

/* Both ports or none. */
static bool encap_ok(const struct kern_encap *e)
{
	return !e->sport == !e->dport;
}

static void put_encap(struct nlmsghdr *nlh, const struct kern_encap *e)
{
	struct xfrm_encap_tmpl t;

	memset(&t, 0, sizeof(t));
	t.encap_type = UDP_ENCAP_ESPINUDP;
	t.encap_sport = htons(e->sport);
	t.encap_dport = htons(e->dport);
	if (has_encap(e))
		mnl_attr_put(nlh, XFRMA_ENCAP, sizeof(t), &t);
}

static void set_tunnel(struct xfrm_usersa_info *info, const struct addr *src,
		       const struct addr *dst, uint32_t reqid)
{
	memset(info, 0, sizeof(*info));
	info->id.daddr = to_xfrm(dst);
	info->id.proto = IPPROTO_ESP;
	info->saddr = to_xfrm(src);
	info->reqid = reqid;
	info->family = dst->family;
	info->mode = XFRM_MODE_TUNNEL;
}

int xfrm_msg_add_sa(void *buf, size_t size, const struct kern_sa *sa, size_t *len)
{
	struct xfrm_usersa_info info;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!pair_ok(&sa->src, &sa->dst) || sa->key.len != AEAD_KEY || !aead_name(sa->aead) ||
	    sa->replay_window > XFRM_MSG_WINDOW_MAX || !encap_ok(&sa->encap))
		return -EINVAL;
	set_tunnel(&info, &sa->src, &sa->dst, sa->reqid);
	set_life(&info.lft, &sa->life);
	info.id.spi = htonl(sa->spi);
	info.flags = XFRM_STATE_NOECN | XFRM_STATE_NOPMTUDISC | XFRM_STATE_AF_UNSPEC |
		     (sa->esn ? XFRM_STATE_ESN : 0);
	nlh = message(buf, XFRM_MSG_NEWSA, NLM_F_ACK, &info, sizeof(info));
	put_aead(nlh, sa);
	put_replay(nlh, sa);
	put_encap(nlh, &sa->encap);
	mnl_attr_put_u32(nlh, XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
	if (sa->set_mark.mask) {
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK, sa->set_mark.value);
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK_MASK, sa->set_mark.mask);
	}
	if (sa->if_id)
		mnl_attr_put_u32(nlh, XFRMA_IF_ID, sa->if_id);
	return finish(nlh, len);
}

static void put_ids(struct nlmsghdr *nlh, const struct kern_mark *mark, uint32_t if_id)
{
	struct xfrm_mark m = { .v = mark->value, .m = mark->mask };

	if (mark->mask)
		mnl_attr_put(nlh, XFRMA_MARK, sizeof(m), &m);
	if (if_id)
		mnl_attr_put_u32(nlh, XFRMA_IF_ID, if_id);
}

static int sa_id(void *buf, size_t size, uint16_t type, const struct addr *dst, uint32_t spi,
		 const struct kern_mark *mark, size_t *len)
{
	struct xfrm_usersa_id id;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!family_ok(dst->family))
		return -EINVAL;
	memset(&id, 0, sizeof(id));
	id.daddr = to_xfrm(dst);
	id.spi = htonl(spi);
	id.family = dst->family;
	id.proto = IPPROTO_ESP;
	nlh = message(buf, type, NLM_F_ACK, &id, sizeof(id));
	if (mark)
		put_ids(nlh, mark, 0);
	return finish(nlh, len);
}

int xfrm_msg_del_sa(void *buf, size_t size, const struct addr *dst, uint32_t spi,
		    const struct kern_mark *mark, size_t *len)
{
	return sa_id(buf, size, XFRM_MSG_DELSA, dst, spi, mark, len);
}

int xfrm_msg_get_sa(void *buf, size_t size, const struct addr *dst, uint32_t spi, size_t *len)
{
	return sa_id(buf, size, XFRM_MSG_GETSA, dst, spi, NULL, len);
}

static bool selector_ok(const struct kern_selector *s)
{
	return pair_ok(&s->src.addr, &s->dst.addr) && s->src.len <= addr_size(&s->src.addr) * 8 &&
	       s->dst.len <= addr_size(&s->dst.addr) * 8;
}

/* X is zeroed. */
static void set_selector(struct xfrm_selector *x, const struct kern_selector *s)
{
	x->daddr = to_xfrm(&s->dst.addr);
	x->saddr = to_xfrm(&s->src.addr);
	x->dport = htons(s->dport);
	x->dport_mask = s->dport ? 0xffff : 0;
	x->sport = htons(s->sport);
	x->sport_mask = s->sport ? 0xffff : 0;
	x->family = s->dst.addr.family;
	x->prefixlen_d = s->dst.len;
	x->prefixlen_s = s->src.len;
	x->proto = s->proto;
}

static void put_templates(struct nlmsghdr *nlh, const struct kern_policy *policy)
{
	struct xfrm_user_tmpl t[ARRAY_SIZE(policy->templates)];

	memset(t, 0, sizeof(t));
	for (size_t i = 0; i < policy->template_count; i++) {
		const struct kern_template *k = &policy->templates[i];

		t[i].id.daddr = to_xfrm(&k->dst);
		t[i].id.proto = IPPROTO_ESP;
		t[i].family = k->dst.family;
		t[i].saddr = to_xfrm(&k->src);
		t[i].reqid = k->reqid;
		t[i].mode = XFRM_MODE_TUNNEL;
		t[i].share = XFRM_SHARE_ANY;
		t[i].aalgos = t[i].ealgos = t[i].calgos = UINT32_MAX;
	}
	if (policy->template_count > 0)
		mnl_attr_put(nlh, XFRMA_TMPL, policy->template_count * sizeof(t[0]), t);
}

static bool policy_ok(const struct kern_policy *policy)
{
	if (!selector_ok(&policy->sel) || policy_dir(policy->dir) == XFRM_POLICY_MAX ||
	    policy->template_count > ARRAY_SIZE(policy->templates))
		return false;
	for (size_t i = 0; i < policy->template_count; i++)
		if (!pair_ok(&policy->templates[i].src, &policy->templates[i].dst))
			return false;
	return true;
}

int xfrm_msg_add_policy(void *buf, size_t size, const struct kern_policy *policy, size_t *len)
{
	struct xfrm_userpolicy_info info;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!policy_ok(policy))
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	set_selector(&info.sel, &policy->sel);
	set_unlimited(&info.lft);
	info.priority = policy->priority;
	info.dir = policy_dir(policy->dir);
	info.action = XFRM_POLICY_ALLOW;
	info.share = XFRM_SHARE_ANY;
	nlh = message(buf, XFRM_MSG_NEWPOLICY, NLM_F_ACK, &info, sizeof(info));
	put_templates(nlh, policy);
	put_ids(nlh, &policy->mark, policy->if_id);
	return finish(nlh, len);
}

int xfrm_msg_del_policy(void *buf, size_t size, const struct kern_policy *policy, size_t *len)
{
	struct xfrm_userpolicy_id id;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!policy_ok(policy))
		return -EINVAL;
	memset(&id, 0, sizeof(id));
	set_selector(&id.sel, &policy->sel);
	id.dir = policy_dir(policy->dir);
	nlh = message(buf, XFRM_MSG_DELPOLICY, NLM_F_ACK, &id, sizeof(id));
	put_ids(nlh, &policy->mark, policy->if_id);
	return finish(nlh, len);
}

int xfrm_msg_del_policy_index(void *buf, size_t size, const struct xfrm_msg_policy *policy,
			      size_t *len)
{
	struct xfrm_userpolicy_id id;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (policy->index == 0 || policy_dir(policy->dir) == XFRM_POLICY_MAX)
		return -EINVAL;
	memset(&id, 0, sizeof(id));
	id.index = policy->index;
	id.dir = policy_dir(policy->dir);
	nlh = message(buf, XFRM_MSG_DELPOLICY, NLM_F_ACK, &id, sizeof(id));
	put_ids(nlh, &policy->mark, policy->if_id);
	return finish(nlh, len);
}

int xfrm_msg_name_larval(void *buf, size_t size, const struct xfrm_msg_sa *larval, uint32_t spi,
			 size_t *len)
{
	struct xfrm_userspi_info info;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!pair_ok(&larval->src, &larval->dst) || larval->spi != 0)
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	set_tunnel(&info.info, &larval->src, &larval->dst, larval->reqid);
	info.min = info.max = spi;
	nlh = message(buf, XFRM_MSG_ALLOCSPI, NLM_F_ACK, &info, sizeof(info));
	put_ids(nlh, &larval->mark, larval->if_id);
	return finish(nlh, len);
}

static int dump(void *buf, size_t size, uint16_t type, size_t *len)
{
	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	return finish(message(buf, type, NLM_F_DUMP, NULL, 0), len);
}

int xfrm_msg_dump_sas(void *buf, size_t size, size_t *len)
{
	return dump(buf, size, XFRM_MSG_GETSA, len);
}

int xfrm_msg_dump_policies(void *buf, size_t size, size_t *len)
{
	return dump(buf, size, XFRM_MSG_GETPOLICY, len);
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
	    nl_attr_get(tb[XFRMA_SET_MARK_MASK], &sa.set_mark.mask, 4) < 0)
		return -EBADMSG;
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
