/* XFRM messages: built ones byte for byte against ip(8)'s, the kernel's read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/kern/xfrm_msg.h"
#include "kern/nl_bytes.h"
#include "kern/values.h"
#include "kern/xfrm_answers.h"
#include "kern/xfrm_bytes.h"

static _Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
static size_t len;

/* What was in the buffer must not show. */
static void dirty(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

static struct kern_sa sa_of_relay(void)
{
	struct kern_sa s = plain_sa();

	s.reqid = KERN_REQID_NODE | 3;
	s.if_id = 0;
	s.aead = KERN_AEAD_CHACHA20_POLY1305;
	s.esn = false;
	s.replay_window = 1024;
	s.set_mark = (struct kern_mark){ 3 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	return s;
}

static struct kern_policy trap(void)
{
	return (struct kern_policy){
		.dir = KERN_DIR_OUT,
		.sel = { prefix("100.64.0.0/16"), prefix("192.0.2.9"), IPPROTO_UDP, 0, 500 },
		.priority = 2000,
		.template_count = 1,
		.templates = { { addr("192.0.2.1"), addr("192.0.2.9"), KERN_REQID_NODE | 3 } },
	};
}

static struct kern_policy marked(void)
{
	return (struct kern_policy){
		.dir = KERN_DIR_IN,
		.sel = { prefix("100.65.0.0/16"), prefix("192.0.2.1"), 0, 0, 0 },
		.if_id = KERN_REQID_CLIENT | 1,
		.mark = { 3 << KERN_MARK_SHIFT, KERN_MARK_MASK },
		.priority = 100,
		.template_count = 1,
		.templates = { { addr("192.0.2.9"), addr("192.0.2.1"), KERN_REQID_NODE | 3 } },
	};
}

static struct kern_policy nested(void)
{
	return (struct kern_policy){
		.dir = KERN_DIR_FWD,
		.sel = { prefix("100.64.0.7"), prefix("0.0.0.0/0"), 0, 0, 0 },
		.priority = 1000,
		.template_count = 2,
		.templates = { { addr("100.64.0.7"), addr("192.0.2.1"), KERN_REQID_NODE | 4096 },
			       { addr("192.0.2.9"), addr("192.0.2.1"), KERN_REQID_NODE | 3 } },
	};
}

TestSuite(xfrm_msg, .init = dirty);

Test(xfrm_msg, add_sa)
{
	struct kern_sa s = plain_sa();

	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == 0);
	EXPECT_BYTES(buf, len, sa_gcm);
	s = sa_of_relay();
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == 0);
	EXPECT_BYTES(buf, len, sa_chacha);
	s = plain_sa();
	s.src = addr("2001:db8::1");
	s.dst = addr("2001:db8::2");
	s.if_id = 0;
	s.esn = false;
	s.replay_window = 0;
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == 0);
	EXPECT_BYTES(buf, len, sa_v6);
}

/* The window, at its place in sa_gcm: bmp_len at 356, replay_window at 376. */
static void expect_window(uint32_t window, uint32_t words, uint32_t packets)
{
	uint8_t want[sizeof(sa_gcm)];
	struct kern_sa s = plain_sa();

	s.replay_window = window;
	memcpy(want, sa_gcm, sizeof(want));
	memcpy(want + 356, &words, sizeof(words));
	memcpy(want + 376, &packets, sizeof(packets));
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

Test(xfrm_msg, replay_window)
{
	expect_window(64, 2, 64);
	expect_window(0, 1, 32);
	expect_window(1, 1, 1);
	expect_window(33, 2, 33);
	expect_window(4096, 128, 4096);
}

Test(xfrm_msg, add_sa_refuses)
{
	struct kern_sa s = plain_sa();

	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf) - 1, &s, &len) == -ENOSPC);
	s.dst = addr("2001:db8::2");
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
	s = plain_sa();
	s.src = s.dst = (struct addr){ 0 };
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
	s = plain_sa();
	s.key.len = 32;
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
	s = plain_sa();
	s.aead = (enum kern_aead)7;
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
	s = plain_sa();
	s.replay_window = 4097;
	cr_assert(xfrm_msg_add_sa(buf, sizeof(buf), &s, &len) == -EINVAL);
}

Test(xfrm_msg, del_and_get_sa)
{
	struct addr dst = addr("198.51.100.2"), none = { 0 };

	cr_assert(xfrm_msg_del_sa(buf, sizeof(buf), &dst, 0x11223344, NULL, &len) == 0);
	EXPECT_BYTES(buf, len, sa_del);
	cr_assert(xfrm_msg_get_sa(buf, sizeof(buf), &dst, 0x11223344, &len) == 0);
	EXPECT_BYTES(buf, len, sa_get);
	cr_assert(xfrm_msg_del_sa(buf, sizeof(buf), &none, 1, NULL, &len) == -EINVAL);
	cr_assert(xfrm_msg_get_sa(buf, sizeof(buf) - 1, &dst, 1, &len) == -ENOSPC);
}

Test(xfrm_msg, del_sa_with_mark)
{
	const struct kern_mark mark = { 0x70000, 0xfff0000 };
	const uint32_t attribute[] = { 21 << 16 | 12, 0x70000, 0xfff0000 }; /* XFRMA_MARK */
	uint8_t wanted[sizeof(sa_del) + sizeof(attribute)];
	uint32_t total = sizeof(wanted);
	struct addr dst = addr("198.51.100.2");

	memcpy(wanted, sa_del, sizeof(sa_del));
	memcpy(wanted, &total, sizeof(total));
	memcpy(wanted + sizeof(sa_del), attribute, sizeof(attribute));
	cr_assert(xfrm_msg_del_sa(buf, sizeof(buf), &dst, 0x11223344, &mark, &len) == 0);
	EXPECT_BYTES(buf, len, wanted);
}

Test(xfrm_msg, add_policy)
{
	struct kern_policy p = trap();

	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, policy_trap);
	p = marked();
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, policy_marked);
	p = nested();
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, policy_nested);
}

/* Without templates: no XFRMA_TMPL, the packets go in clear. */
Test(xfrm_msg, add_policy_in_clear)
{
	uint8_t want[168 + 16];
	struct kern_policy p = nested();

	p.template_count = 0;
	memcpy(want, policy_nested, sizeof(want));
	want[0] = sizeof(want);
	want[1] = 0;
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

Test(xfrm_msg, add_policy_refuses)
{
	struct kern_policy p = nested();

	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf) - 1, &p, &len) == -ENOSPC);
	p.template_count = 3;
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
	p = nested();
	p.sel.src.len = 33;
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
	p = nested();
	p.sel.src = prefix("::/0");
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
	p = nested();
	p.templates[1].src = (struct addr){ 0 };
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
	p = nested();
	p.dir = (enum kern_dir)3;
	cr_assert(xfrm_msg_add_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
	cr_assert(xfrm_msg_del_policy(buf, sizeof(buf), &p, &len) == -EINVAL);
}

Test(xfrm_msg, del_policy)
{
	struct kern_policy p = marked();
	struct xfrm_msg_policy seen = {
		.index = 0x12,
		.dir = KERN_DIR_FWD,
		.if_id = p.if_id,
		.mark = p.mark,
	};

	cr_assert(xfrm_msg_del_policy(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, policy_del);
	cr_assert(xfrm_msg_del_policy_index(buf, sizeof(buf), &seen, &len) == 0);
	EXPECT_BYTES(buf, len, policy_del_index);
	seen.index = 0;
	cr_assert(xfrm_msg_del_policy_index(buf, sizeof(buf), &seen, &len) == -EINVAL);
}

Test(xfrm_msg, dumps)
{
	cr_assert(xfrm_msg_dump_sas(buf, sizeof(buf), &len) == 0);
	EXPECT_BYTES(buf, len, dump_sas);
	cr_assert(xfrm_msg_dump_policies(buf, sizeof(buf), &len) == 0);
	EXPECT_BYTES(buf, len, dump_policies);
	cr_assert(xfrm_msg_dump_sas(buf, 16, &len) == -ENOSPC);
}

Test(xfrm_msg, name_larval)
{
	struct xfrm_msg_sa larval = {
		.src = addr("192.0.2.1"),
		.dst = addr("198.51.100.2"),
		.proto = IPPROTO_ESP,
		.reqid = 0x4950004d,
	};

	cr_assert(xfrm_msg_name_larval(buf, sizeof(buf), &larval, 0x4950004d, &len) == 0);
	EXPECT_BYTES(buf, len, larval_name);
	larval.spi = 1;
	cr_assert(xfrm_msg_name_larval(buf, sizeof(buf), &larval, 0x4950004d, &len) == -EINVAL);
}

Test(xfrm_msg, set_spd_hash)
{
	struct kern_spd_hash hash = { 0, 32, 64, 128 };

	dirty();
	cr_assert(xfrm_msg_set_spd_hash(buf, sizeof(buf), &hash, &len) == 0);
	EXPECT_BYTES(buf, len, spd_hash);
	cr_expect(xfrm_msg_set_spd_hash(buf, XFRM_MSG_ROOM - 1, &hash, &len) == -ENOSPC);
	hash.local_bits = 33;
	cr_expect(xfrm_msg_set_spd_hash(buf, sizeof(buf), &hash, &len) == -EINVAL);
	hash = (struct kern_spd_hash){ 0, 32, 129, 128 };
	cr_expect(xfrm_msg_set_spd_hash(buf, sizeof(buf), &hash, &len) == -EINVAL);
}

Test(xfrm_msg, parse_sa)
{
	struct kern_sa want = sa_of_relay();
	struct xfrm_msg_sa s;

	cr_assert(xfrm_msg_parse_sa(kernel_sa, sizeof(kernel_sa), &s) == 0);
	cr_assert(addr_equal(&s.src, &want.src) && addr_equal(&s.dst, &want.dst));
	cr_assert(s.proto == IPPROTO_ESP && s.spi == want.spi && s.reqid == want.reqid);
	cr_assert(s.if_id == (KERN_REQID_CLIENT | 1) && s.esn && s.replay_window == 64);
	cr_assert(s.mark.value == 0 && s.mark.mask == 0);
	cr_assert(s.set_mark.value == want.set_mark.value && s.set_mark.mask == KERN_MARK_MASK);
	cr_assert(s.stats.bytes == 1228 && s.stats.packets == 3);
	cr_assert(s.stats.add_time == 0x6b00f4ab && s.stats.use_time == 0x6b00f4ac);
}

Test(xfrm_msg, parse_policy)
{
	struct kern_policy want = nested();
	struct xfrm_msg_policy p;

	cr_assert(xfrm_msg_parse_policy(kernel_policy, sizeof(kernel_policy), &p) == 0);
	cr_assert(p.index == 0x12 && p.dir == KERN_DIR_FWD && p.priority == 1000);
	cr_assert(prefix_equal(&p.sel.src, &want.sel.src));
	cr_assert(prefix_equal(&p.sel.dst, &want.sel.dst));
	cr_assert(p.sel.proto == IPPROTO_UDP && p.sel.sport == 0 && p.sel.dport == 500);
	cr_assert(p.if_id == (KERN_REQID_CLIENT | 1));
	cr_assert(p.mark.value == 3 << KERN_MARK_SHIFT && p.mark.mask == KERN_MARK_MASK);
	cr_assert(p.template_count == 2);
	for (size_t i = 0; i < 2; i++)
		cr_assert(addr_equal(&p.templates[i].src, &want.templates[i].src) &&
			  addr_equal(&p.templates[i].dst, &want.templates[i].dst) &&
			  p.templates[i].reqid == want.templates[i].reqid);
}

Test(xfrm_msg, parse_acquire)
{
	struct addr src = addr("192.0.2.1"), dst = addr("198.51.100.3");
	uint8_t other[sizeof(kernel_acquire)];
	struct kern_event a;

	cr_assert(xfrm_msg_parse_event(kernel_acquire, sizeof(kernel_acquire), &a) == 0);
	cr_assert(a.type == KERN_EVENT_ACQUIRE && a.reqid == (KERN_REQID_NODE | 4));
	cr_assert(addr_equal(&a.src, &src) && addr_equal(&a.dst, &dst));
	/* The wanted SA (its destination is first in the message) is of no template. */
	memcpy(other, kernel_acquire, sizeof(other));
	other[19] = 77;
	cr_assert(xfrm_msg_parse_event(other, sizeof(other), &a) == 0);
	cr_assert(a.reqid == 0);
}

/* Seven templates, a family that is none, a direction that is none, lengths that do not fit. */
Test(xfrm_msg, parse_refuses)
{
	uint8_t m[sizeof(kernel_policy) + 5 * 64] = { 0 };
	struct xfrm_msg_policy p;
	struct xfrm_msg_sa s;
	uint32_t total = 184 + 4 + 7 * 64;
	uint16_t attr = 4 + 7 * 64;

	memcpy(m, kernel_policy, 184 + 4 + 64);
	for (size_t i = 1; i < 7; i++)
		memcpy(m + 188 + i * 64, kernel_policy + 188, 64);
	memcpy(m, &total, sizeof(total));
	memcpy(m + 184, &attr, sizeof(attr));
	cr_assert(xfrm_msg_parse_policy(m, sizeof(m), &p) == -EBADMSG);
	attr = 4 + 6 * 64;
	total -= 64;
	memcpy(m, &total, sizeof(total));
	memcpy(m + 184, &attr, sizeof(attr));
	cr_assert(xfrm_msg_parse_policy(m, sizeof(m), &p) == 0 && p.template_count == 6);
	m[188 + 24] = 7; /* the first template's family */
	cr_assert(xfrm_msg_parse_policy(m, sizeof(m), &p) == -EBADMSG);
	memcpy(m, kernel_policy, sizeof(kernel_policy));
	m[16 + 160] = 3; /* dir */
	cr_assert(xfrm_msg_parse_policy(m, sizeof(kernel_policy), &p) == -EBADMSG);
	memcpy(m, kernel_policy, sizeof(kernel_policy));
	m[16 + 42] = 33; /* prefixlen_d */
	cr_assert(xfrm_msg_parse_policy(m, sizeof(kernel_policy), &p) == -EBADMSG);
	memcpy(m, kernel_sa, sizeof(kernel_sa));
	m[16 + 212] = 7; /* family */
	cr_assert(xfrm_msg_parse_sa(m, sizeof(kernel_sa), &s) == -EBADMSG);
	cr_assert(xfrm_msg_parse_sa(kernel_policy, sizeof(kernel_policy), &s) == -EOPNOTSUPP);
	cr_assert(xfrm_msg_parse_policy(kernel_sa, sizeof(kernel_sa), &p) == -EOPNOTSUPP);
}

/* A selector for both families, as other daemons' default policies have it. */
Test(xfrm_msg, parse_policy_of_no_family)
{
	uint8_t m[sizeof(kernel_policy)];
	struct xfrm_msg_policy p;

	memcpy(m, kernel_policy, sizeof(m));
	memset(m + 16, 0, 56);
	cr_assert(xfrm_msg_parse_policy(m, sizeof(m), &p) == 0);
	cr_assert(p.sel.src.addr.family == 0 && p.sel.src.len == 0 && p.sel.dst.len == 0);
}

static int torture_sa(const void *msg, size_t size, void *out)
{
	return xfrm_msg_parse_sa(msg, size, out);
}

static int torture_policy(const void *msg, size_t size, void *out)
{
	return xfrm_msg_parse_policy(msg, size, out);
}

static int torture_event(const void *msg, size_t size, void *out)
{
	return xfrm_msg_parse_event(msg, size, out);
}

Test(xfrm_msg, parsers_under_torture)
{
	/* Whole messages when cut: after the fixed part, after each attribute but the last. */
	cr_assert(nl_bytes_torture(kernel_sa, sizeof(kernel_sa), torture_sa,
				   sizeof(struct xfrm_msg_sa)) == 6);
	/* XFRMA_POLICY_TYPE has two bytes of padding: two more ways to end. */
	cr_assert(nl_bytes_torture(kernel_policy, sizeof(kernel_policy), torture_policy,
				   sizeof(struct xfrm_msg_policy)) == 6);
	cr_assert(nl_bytes_torture(kernel_acquire, sizeof(kernel_acquire), torture_event,
				   sizeof(struct kern_event)) == 4);
}
