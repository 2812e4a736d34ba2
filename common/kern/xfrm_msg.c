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

static void set_life(struct xfrm_lifetime_cfg *lft, const struct life *life)
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

/* What comes from elsewhere is told of at most this often, in seconds, not with every packet. */
static void put_mapping_age(struct nlmsghdr *nlh, const struct kern_encap *e)
{
	if (has_encap(e))
		mnl_attr_put_u32(nlh, XFRMA_MTIMER_THRESH, 1);
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
	put_encap(nlh, &sa->encap);
	put_replay(nlh, sa);
	mnl_attr_put_u32(nlh, XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
	if (sa->set_mark.mask) {
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK, sa->set_mark.value);
		mnl_attr_put_u32(nlh, XFRMA_SET_MARK_MASK, sa->set_mark.mask);
	}
	if (sa->if_id)
		mnl_attr_put_u32(nlh, XFRMA_IF_ID, sa->if_id);
	put_mapping_age(nlh, &sa->encap);
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

static int put_policy(void *buf, size_t size, uint16_t type, const struct kern_policy *policy,
		      size_t *len)
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
	nlh = message(buf, type, NLM_F_ACK, &info, sizeof(info));
	put_templates(nlh, policy);
	put_ids(nlh, &policy->mark, policy->if_id);
	return finish(nlh, len);
}

int xfrm_msg_add_policy(void *buf, size_t size, const struct kern_policy *policy, size_t *len)
{
	return put_policy(buf, size, XFRM_MSG_NEWPOLICY, policy, len);
}

int xfrm_msg_set_policy(void *buf, size_t size, const struct kern_policy *policy, size_t *len)
{
	return put_policy(buf, size, XFRM_MSG_UPDPOLICY, policy, len);
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

int xfrm_msg_migrate(void *buf, size_t size, const struct kern_policy *policy,
		     const struct kern_template *to, const struct kern_encap *encap, size_t *len)
{
	const struct kern_template *t = &policy->templates[0];
	struct xfrm_userpolicy_id id;
	struct xfrm_user_migrate m;
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (!policy_ok(policy) || policy->template_count != 1 || policy->mark.mask ||
	    !pair_ok(&to->src, &to->dst) || !encap_ok(encap))
		return -EINVAL;
	memset(&id, 0, sizeof(id));
	set_selector(&id.sel, &policy->sel);
	id.dir = policy_dir(policy->dir);
	memset(&m, 0, sizeof(m));
	m.old_daddr = to_xfrm(&t->dst);
	m.old_saddr = to_xfrm(&t->src);
	m.new_daddr = to_xfrm(&to->dst);
	m.new_saddr = to_xfrm(&to->src);
	m.proto = IPPROTO_ESP;
	m.mode = XFRM_MODE_TUNNEL;
	m.reqid = t->reqid;
	m.old_family = t->dst.family;
	m.new_family = to->dst.family;
	nlh = message(buf, XFRM_MSG_MIGRATE, NLM_F_ACK, &id, sizeof(id));
	mnl_attr_put(nlh, XFRMA_MIGRATE, sizeof(m), &m);
	put_encap(nlh, encap);
	put_ids(nlh, &policy->mark, policy->if_id);
	return finish(nlh, len);
}

/* Moves *LO and *HI, where there is one, by AHEAD. */
static int skip(uint32_t *lo, uint32_t *hi, uint32_t ahead)
{
	uint64_t next = ((uint64_t)(hi ? *hi : 0) << 32 | *lo) + ahead;

	if (next > (hi ? UINT64_MAX - UINT32_MAX : UINT32_MAX))
		return -EOVERFLOW;
	*lo = (uint32_t)next;
	if (hi)
		*hi = (uint32_t)(next >> 32);
	return 0;
}

/* The replay state, of either sort, of TB, its outbound sequence AHEAD. */
static int put_sequence(struct nlmsghdr *nlh, const struct nlattr **tb, uint32_t ahead, bool is_esn)
{
	struct xfrm_replay_state_esn esn;
	struct xfrm_replay_state plain;
	struct nlattr *put = mnl_nlmsg_get_payload_tail(nlh);
	uint16_t type = tb[XFRMA_REPLAY_ESN_VAL] ? XFRMA_REPLAY_ESN_VAL : XFRMA_REPLAY_VAL;
	int err;

	if (!tb[type])
		return -EBADMSG;
	mnl_attr_put(nlh, type, mnl_attr_get_payload_len(tb[type]), mnl_attr_get_payload(tb[type]));
	if (type == XFRMA_REPLAY_ESN_VAL) {
		err = nl_attr_get(put, &esn, sizeof(esn));
		if (err == 0)
			err = skip(&esn.oseq, is_esn ? &esn.oseq_hi : NULL, ahead);
		if (err == 0)
			memcpy(mnl_attr_get_payload(put), &esn, sizeof(esn));
	} else {
		err = nl_attr_get(put, &plain, sizeof(plain));
		if (err == 0)
			err = skip(&plain.oseq, NULL, ahead);
		if (err == 0)
			memcpy(mnl_attr_get_payload(put), &plain, sizeof(plain));
	}
	return err;
}

/* Copies of TB what stays as it was. */
static void put_again(struct nlmsghdr *nlh, const struct nlattr **tb)
{
	static const uint16_t types[] = { XFRMA_ALG_AEAD, XFRMA_SA_EXTRA_FLAGS, XFRMA_MARK,
					  XFRMA_SET_MARK, XFRMA_SET_MARK_MASK, XFRMA_IF_ID };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (tb[types[i]])
			mnl_attr_put(nlh, types[i], mnl_attr_get_payload_len(tb[types[i]]),
				     mnl_attr_get_payload(tb[types[i]]));
}

int xfrm_msg_again(void *buf, size_t size, const void *msg, size_t msg_len,
		   const struct xfrm_msg_again *again, size_t *len)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_usersa_info info;
	struct xfrm_lifetime_cur life;
	struct nlmsghdr *nlh;
	int err = nl_attr_message(msg, msg_len, XFRM_MSG_NEWSA, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	/* What is added here: XFRMA_ENCAP, XFRMA_LTIME_VAL, XFRMA_MTIMER_THRESH. */
	if (err < 0)
		return err;
	if (size < XFRM_MSG_AGAIN_ROOM || msg_len + 72 > XFRM_MSG_AGAIN_ROOM)
		return -ENOSPC;
	if (!pair_ok(&again->src, &again->dst) || !encap_ok(&again->encap))
		return -EINVAL;
	info.saddr = to_xfrm(&again->src);
	info.id.daddr = to_xfrm(&again->dst);
	info.family = again->dst.family;
	info.seq = 0;
	life = info.curlft;
	memset((uint8_t *)buf + XFRM_MSG_ROOM, 0, XFRM_MSG_AGAIN_ROOM - XFRM_MSG_ROOM);
	nlh = message(buf, again->update ? XFRM_MSG_UPDSA : XFRM_MSG_NEWSA, NLM_F_ACK, &info,
		      sizeof(info));
	put_again(nlh, tb);
	err = put_sequence(nlh, tb, again->ahead, info.flags & XFRM_STATE_ESN);
	put_encap(nlh, &again->encap);
	mnl_attr_put(nlh, XFRMA_LTIME_VAL, sizeof(life), &life);
	put_mapping_age(nlh, &again->encap);
	return err < 0 ? err : finish(nlh, len);
}

int xfrm_msg_ahead(void *buf, size_t size, const void *msg, size_t msg_len, const struct addr *dst,
		   uint32_t ahead, size_t *len)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_usersa_info info;
	struct xfrm_aevent_id id;
	struct nlmsghdr *nlh;
	int err = nl_attr_message(msg, msg_len, XFRM_MSG_NEWSA, &info, sizeof(info), tb,
				  ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (size < XFRM_MSG_AGAIN_ROOM || msg_len > XFRM_MSG_AGAIN_ROOM)
		return -ENOSPC;
	if (!family_ok(dst->family))
		return -EINVAL;
	memset(&id, 0, sizeof(id));
	id.sa_id.daddr = to_xfrm(dst);
	id.sa_id.spi = info.id.spi;
	id.sa_id.family = dst->family;
	id.sa_id.proto = IPPROTO_ESP;
	id.reqid = info.reqid;
	memset((uint8_t *)buf + XFRM_MSG_ROOM, 0, XFRM_MSG_AGAIN_ROOM - XFRM_MSG_ROOM);
	nlh = message(buf, XFRM_MSG_NEWAE, NLM_F_ACK | NLM_F_REPLACE, &id, sizeof(id));
	err = put_sequence(nlh, tb, ahead, info.flags & XFRM_STATE_ESN);
	return err < 0 ? err : finish(nlh, len);
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

int xfrm_msg_set_spd_hash(void *buf, size_t size, const struct kern_spd_hash *hash, size_t *len)
{
	struct xfrmu_spdhthresh bits = { .lbits = hash->local_bits, .rbits = hash->remote_bits };
	struct xfrmu_spdhthresh bits6 = { .lbits = hash->local_bits6,
					  .rbits = hash->remote_bits6 };
	uint32_t flags = UINT32_MAX; /* not read by the kernel, and so in ip(8) */
	struct nlmsghdr *nlh;

	if (size < XFRM_MSG_ROOM)
		return -ENOSPC;
	if (hash->local_bits > 32 || hash->remote_bits > 32 || hash->local_bits6 > 128 ||
	    hash->remote_bits6 > 128)
		return -EINVAL;
	nlh = message(buf, XFRM_MSG_NEWSPDINFO, NLM_F_ACK, &flags, sizeof(flags));
	mnl_attr_put(nlh, XFRMA_SPD_IPV4_HTHRESH, sizeof(bits), &bits);
	mnl_attr_put(nlh, XFRMA_SPD_IPV6_HTHRESH, sizeof(bits6), &bits6);
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
