/* XFRM messages of SAs that last: limits, UDP around them, events, moves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>

#include "common/kern/nl_attr.h"
#include "common/kern/xfrm_msg.h"
#include "kern/nl_bytes.h"
#include "kern/values.h"
#include "kern/xfrm_answers.h"
#include "kern/xfrm_bytes.h"
#include "kern/xfrm_life_bytes.h"

static _Alignas(8) uint8_t buf[XFRM_MSG_AGAIN_ROOM];
static size_t len;

static void dirty(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

static struct kern_sa sa(void)
{
	struct kern_sa s = plain_sa();

	s.encap = (struct kern_encap){ 4500, 1024 };
	s.life = (struct life){ 3600, 7200, 1000000, 2000000 };
	return s;
}

static struct kern_policy policy(void)
{
	return (struct kern_policy){
		.dir = KERN_DIR_OUT,
		.sel = { prefix("100.64.0.0/16"), prefix("192.0.2.9"), IPPROTO_UDP, 0, 500 },
		.priority = 2000,
		.template_count = 1,
		.templates = { { addr("192.0.2.1"), addr("192.0.2.9"), KERN_REQID_NODE | 3 } },
	};
}

TestSuite(xfrm_life, .init = dirty);

/* ip(8) cannot say how often a mapping is told: XFRMA_MTIMER_THRESH, 1 second, is last. */
Test(xfrm_life, add_sa)
{
	const uint32_t attribute[] = { XFRMA_MTIMER_THRESH << 16 | 8, 1 };
	uint8_t want[sizeof(sa_encap) + sizeof(attribute)];
	uint32_t total = sizeof(want);
	struct kern_sa s = sa();

	memcpy(want, sa_encap, sizeof(sa_encap));
	memcpy(want, &total, sizeof(total));
	memcpy(want + sizeof(sa_encap), attribute, sizeof(attribute));
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == 0);
	EXPECT_BYTES(buf, len, want);
	s.encap.dport = 0;
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
}

Test(xfrm_life, parse_sa)
{
	struct kern_sa want = sa();
	struct xfrm_msg_sa s;

	cr_assert(xfrm_msg_parse_sa(sa_encap, sizeof(sa_encap), &s) == 0);
	cr_assert(s.encap.sport == 4500 && s.encap.dport == 1024);
	cr_assert(s.life.soft_seconds == want.life.soft_seconds);
	cr_assert(s.life.hard_seconds == want.life.hard_seconds);
	cr_assert(s.life.soft_bytes == want.life.soft_bytes);
	cr_assert(s.life.hard_bytes == want.life.hard_bytes);
	cr_assert(xfrm_msg_parse_sa(kernel_sa, sizeof(kernel_sa), &s) == 0);
	cr_assert(s.encap.sport == 0 && s.encap.dport == 0 && s.life.soft_bytes == 0);
	cr_assert(s.life.hard_bytes == 0 && s.life.soft_seconds == 0);
}

Test(xfrm_life, set_policy)
{
	struct kern_policy p = policy();

	cr_assert(xfrm_msg_set_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, policy_set);
	p.sel.src.len = 33;
	cr_assert(xfrm_msg_set_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
}

Test(xfrm_life, parse_expire)
{
	struct addr src = addr("10.0.1.1"), dst = addr("10.0.1.2");
	uint8_t m[sizeof(kernel_expire)];
	struct kern_event e;

	memcpy(m, kernel_expire, sizeof(m));
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0);
	cr_assert(e.type == KERN_EVENT_EXPIRE && e.reqid == (KERN_REQID_CLIENT | 7) && !e.hard);
	cr_assert(e.spi == 0x3001 && addr_equal(&e.src, &src) && addr_equal(&e.dst, &dst));
	cr_assert(e.remote.port == 0 && e.remote.addr.family == 0);
	m[16 + 224] = 1;
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0 && e.hard);
	m[16 + 56 + 16 + 4] = IPPROTO_AH;
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0 && e.reqid == 0);
	m[16 + 212] = 7; /* family */
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == -EBADMSG);
	/* A larval SA whose time is over. */
	memcpy(m, kernel_expire, sizeof(m));
	memset(m + 16 + 56 + 16, 0, 4);
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0 && e.reqid == 0);
	cr_assert(xfrm_msg_parse_event(kernel_sa, sizeof(kernel_sa), &e) == -EOPNOTSUPP);
}

Test(xfrm_life, parse_mapping)
{
	struct addr src = addr("10.0.1.1"), dst = addr("10.0.1.2");
	uint8_t m[sizeof(kernel_mapping)];
	struct kern_event e;

	memcpy(m, kernel_mapping, sizeof(m));
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0);
	cr_assert(e.type == KERN_EVENT_MAPPING && e.reqid == (KERN_REQID_NODE | 4097));
	cr_assert(e.spi == 0x3001 && addr_equal(&e.src, &src) && addr_equal(&e.dst, &dst));
	cr_assert(addr_equal(&e.remote.addr, &src) && e.remote.port == 1024 && !e.hard);
	m[16 + 22] = IPPROTO_AH;
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == 0 && e.reqid == 0);
	m[16 + 20] = 7; /* family */
	cr_assert(xfrm_msg_parse_event(m, sizeof(m), &e) == -EBADMSG);
}

static int torture(const void *msg, size_t size, void *out)
{
	return xfrm_msg_parse_event(msg, size, out);
}

Test(xfrm_life, parsers_under_torture)
{
	/* Cut after the fixed part, before an attribute, or the padding behind it. */
	cr_assert(nl_bytes_torture(kernel_expire, sizeof(kernel_expire), torture,
				   sizeof(struct kern_event)) == 1);
	cr_assert(nl_bytes_torture(kernel_mapping, sizeof(kernel_mapping), torture,
				   sizeof(struct kern_event)) == 0);
}

/* No program here sends MIGRATE: the fields are looked up by the kernel's header. */
Test(xfrm_life, migrate)
{
	const struct kern_template to = { addr("2001:db8::1"), addr("2001:db8::2"), 0 };
	const struct kern_encap encap = { 4500, 1024 }, none = { 0 };
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct kern_policy p = policy();
	struct xfrm_userpolicy_id id;
	struct xfrm_user_migrate m;
	struct xfrm_encap_tmpl e;
	uint32_t if_id = 0;

	p.if_id = KERN_REQID_CLIENT | 1;
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &encap, &len) == 0);
	cr_assert(nl_attr_message(buf, len, XFRM_MSG_MIGRATE, &id, sizeof(id), tb,
				  ARRAY_SIZE(tb)) == 0);
	cr_assert(id.dir == XFRM_POLICY_OUT && id.index == 0);
	cr_assert(memcmp(&id.sel, policy_trap + 16, sizeof(id.sel)) == 0);
	cr_assert(nl_attr_get(tb[XFRMA_MIGRATE], &m, sizeof(m)) == 0);
	cr_assert(mnl_attr_get_payload_len(tb[XFRMA_MIGRATE]) == sizeof(m));
	cr_assert(memcmp(&m.old_saddr, p.templates[0].src.bytes, 16) == 0);
	cr_assert(memcmp(&m.old_daddr, p.templates[0].dst.bytes, 16) == 0);
	cr_assert(memcmp(&m.new_saddr, to.src.bytes, 16) == 0);
	cr_assert(memcmp(&m.new_daddr, to.dst.bytes, 16) == 0);
	cr_assert(m.proto == IPPROTO_ESP && m.mode == XFRM_MODE_TUNNEL);
	cr_assert(m.reqid == (KERN_REQID_NODE | 3));
	cr_assert(m.old_family == AF_INET && m.new_family == AF_INET6);
	cr_assert(nl_attr_get(tb[XFRMA_ENCAP], &e, sizeof(e)) == 0);
	cr_assert(e.encap_type == 2 && ntohs(e.encap_sport) == 4500 && ntohs(e.encap_dport) == 1024);
	cr_assert(nl_attr_get(tb[XFRMA_IF_ID], &if_id, 4) == 0 && if_id == p.if_id);
	p.if_id = 0;
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &none, &len) == 0);
	cr_assert(len == NLMSG_HDRLEN + sizeof(id) + 4 + sizeof(m));
}

Test(xfrm_life, migrate_refuses)
{
	const struct kern_template to = { addr("192.0.2.7"), addr("192.0.2.9"), 0 };
	struct kern_template mixed = { addr("192.0.2.7"), addr("2001:db8::2"), 0 };
	const struct kern_encap none = { 0 }, half = { 4500, 0 };
	struct kern_policy p = policy();

	cr_assert(xfrm_msg_migrate(buf, XFRM_MSG_ROOM - 1, &p, &to, &none, &len) == -ENOSPC);
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &mixed, &none, &len) == -EINVAL);
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &half, &len) == -EINVAL);
	p.mark = (struct kern_mark){ 1, 1 };
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &none, &len) == -EINVAL);
	p = policy();
	p.template_count = 0;
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &none, &len) == -EINVAL);
	p.template_count = 2;
	p.templates[1] = p.templates[0];
	cr_assert(xfrm_msg_migrate(buf, sizeof(buf), &p, &to, &none, &len) == -EINVAL);
}

/* Attributes of a message of LEN bytes in BUF. */
struct read {
	struct xfrm_usersa_info info;
	const struct nlattr *tb[XFRMA_MAX + 1];
};

static void read_message(const void *msg, size_t size, uint16_t type, struct read *r)
{
	cr_assert(nl_attr_message(msg, size, type, &r->info, sizeof(r->info), r->tb,
				  ARRAY_SIZE(r->tb)) == 0);
}

static bool same(const struct read *a, const struct read *b, uint16_t type)
{
	const struct nlattr *x = a->tb[type], *y = b->tb[type];

	return x && y ? x->nla_len == y->nla_len && memcmp(x, y, x->nla_len) == 0 : x == y;
}

Test(xfrm_life, again)
{
	static const uint16_t kept[] = { XFRMA_ALG_AEAD, XFRMA_SA_EXTRA_FLAGS, XFRMA_MARK,
					 XFRMA_SET_MARK, XFRMA_SET_MARK_MASK, XFRMA_IF_ID };
	struct xfrm_msg_again how = { .src = addr("2001:db8::1"), .dst = addr("2001:db8::2"),
				      .encap = { 4500, 1024 }, .ahead = 256 };
	struct xfrm_replay_state_esn before, after;
	struct xfrm_usersa_info info;
	struct read old, now;

	read_message(kernel_sa, sizeof(kernel_sa), XFRM_MSG_NEWSA, &old);
	cr_assert(xfrm_msg_again(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &how, &len) == 0);
	read_message(buf, len, XFRM_MSG_NEWSA, &now);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		cr_assert(same(&old, &now, kept[i]), "attribute %d", kept[i]);
	info = old.info;
	memcpy(&info.saddr, how.src.bytes, 16);
	memcpy(&info.id.daddr, how.dst.bytes, 16);
	info.family = AF_INET6;
	cr_assert(memcmp(&info, &now.info, sizeof(info)) == 0);
	cr_assert(mnl_attr_get_payload_len(now.tb[XFRMA_LTIME_VAL]) == sizeof(info.curlft));
	cr_assert(memcmp(mnl_attr_get_payload(now.tb[XFRMA_LTIME_VAL]), &info.curlft,
			 sizeof(info.curlft)) == 0);
	cr_assert(now.tb[XFRMA_ENCAP] && now.tb[XFRMA_MTIMER_THRESH] && !now.tb[XFRMA_LASTUSED]);
	cr_assert(old.tb[XFRMA_REPLAY_ESN_VAL]->nla_len == now.tb[XFRMA_REPLAY_ESN_VAL]->nla_len);
	cr_assert(nl_attr_get(old.tb[XFRMA_REPLAY_ESN_VAL], &before, sizeof(before)) == 0);
	cr_assert(nl_attr_get(now.tb[XFRMA_REPLAY_ESN_VAL], &after, sizeof(after)) == 0);
	before.oseq += 256;
	cr_assert(memcmp(&before, &after, sizeof(before)) == 0);
	how = (struct xfrm_msg_again){ .update = true, .src = how.src, .dst = how.dst };
	cr_assert(xfrm_msg_again(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &how, &len) == 0);
	read_message(buf, len, XFRM_MSG_UPDSA, &now);
	cr_assert(!now.tb[XFRMA_ENCAP] && !now.tb[XFRMA_MTIMER_THRESH]);
}

/* Where the ESN state begins in kernel_sa: bmp_len, oseq, seq, oseq_hi, ... */
static size_t replay_at(void)
{
	struct read r;

	read_message(kernel_sa, sizeof(kernel_sa), XFRM_MSG_NEWSA, &r);
	return (size_t)((const uint8_t *)mnl_attr_get_payload(r.tb[XFRMA_REPLAY_ESN_VAL]) -
			kernel_sa);
}

static int again_from(uint8_t *msg, uint32_t oseq, uint32_t oseq_hi, uint32_t ahead,
		      struct xfrm_replay_state_esn *out)
{
	struct xfrm_msg_again how = { .src = addr("192.0.2.1"), .dst = addr("192.0.2.2"),
				      .ahead = ahead };
	struct read r;
	int err;

	memcpy(msg + replay_at() + 4, &oseq, 4);
	memcpy(msg + replay_at() + 12, &oseq_hi, 4);
	err = xfrm_msg_again(buf, sizeof(buf), msg, sizeof(kernel_sa), &how, &len);
	if (err < 0)
		return err;
	read_message(buf, len, XFRM_MSG_NEWSA, &r);
	return nl_attr_get(r.tb[XFRMA_REPLAY_ESN_VAL], out, sizeof(*out));
}

Test(xfrm_life, numbers_ahead)
{
	_Alignas(4) uint8_t m[sizeof(kernel_sa)];
	struct xfrm_replay_state_esn r;

	memcpy(m, kernel_sa, sizeof(m));
	cr_assert(again_from(m, 0xfffffff0, 1, 0x20, &r) == 0 && r.oseq == 0x10 && r.oseq_hi == 2);
	cr_assert(again_from(m, 7, 3, 0, &r) == 0 && r.oseq == 7 && r.oseq_hi == 3);
	cr_assert(again_from(m, 7, UINT32_MAX, 1, &r) == -EOVERFLOW);
	m[16 + 216] &= (uint8_t)~XFRM_STATE_ESN;
	cr_assert(again_from(m, 0xfffffff0, 0, 0x20, &r) == -EOVERFLOW);
	cr_assert(again_from(m, 0xfffffff0, 0, 15, &r) == 0 && r.oseq == 0xffffffff);
}

Test(xfrm_life, ahead)
{
	const struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_replay_state_esn before, after;
	struct addr dst = addr("192.0.2.7");
	struct xfrm_aevent_id id;
	struct read old;

	read_message(kernel_sa, sizeof(kernel_sa), XFRM_MSG_NEWSA, &old);
	cr_assert(xfrm_msg_ahead(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &dst, 256,
				 &len) == 0);
	cr_assert(nl_attr_message(buf, len, XFRM_MSG_NEWAE, &id, sizeof(id), tb,
				  ARRAY_SIZE(tb)) == 0);
	cr_assert(((struct nlmsghdr *)buf)->nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE));
	cr_assert(memcmp(&id.sa_id.daddr, dst.bytes, 16) == 0 && id.sa_id.family == AF_INET);
	cr_assert(id.sa_id.spi == old.info.id.spi && id.sa_id.proto == IPPROTO_ESP);
	cr_assert(nl_attr_get(old.tb[XFRMA_REPLAY_ESN_VAL], &before, sizeof(before)) == 0);
	cr_assert(nl_attr_get(tb[XFRMA_REPLAY_ESN_VAL], &after, sizeof(after)) == 0);
	cr_assert(tb[XFRMA_REPLAY_ESN_VAL]->nla_len == old.tb[XFRMA_REPLAY_ESN_VAL]->nla_len);
	before.oseq += 256;
	cr_assert(memcmp(&before, &after, sizeof(before)) == 0);
}

static int torture_again(const void *msg, size_t size, void *out)
{
	const struct xfrm_msg_again how = { .src = addr("192.0.2.1"), .dst = addr("192.0.2.2") };
	size_t n;
	int err = xfrm_msg_again(buf, sizeof(buf), msg, size, &how, &n);

	if (err == 0)
		memset(out, 0, 1);
	return err;
}

Test(xfrm_life, again_refuses)
{
	struct xfrm_msg_again how = { .src = addr("192.0.2.1"), .dst = addr("2001:db8::2") };
	struct addr none = { 0 };

	cr_assert(xfrm_msg_again(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &how, &len) ==
		  -EINVAL);
	how.dst = addr("192.0.2.2");
	cr_assert(xfrm_msg_again(buf, sizeof(buf) - 1, kernel_sa, sizeof(kernel_sa), &how, &len) ==
		  -ENOSPC);
	cr_assert(xfrm_msg_again(buf, sizeof(buf), kernel_acquire, sizeof(kernel_acquire), &how,
				 &len) == -EOPNOTSUPP);
	cr_assert(xfrm_msg_ahead(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &none, 1, &len) ==
		  -EINVAL);
	how.encap.sport = 4500;
	cr_assert(xfrm_msg_again(buf, sizeof(buf), kernel_sa, sizeof(kernel_sa), &how, &len) ==
		  -EINVAL);
	/* What is cut off before the replay state is refused, the rest may miss marks and if_id. */
	cr_assert(nl_bytes_torture(kernel_sa, sizeof(kernel_sa), torture_again, 1) < 6);
}
