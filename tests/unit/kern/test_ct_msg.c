/* Connection tracking: built messages byte for byte, the kernel's list read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "common/kern/ct_msg.h"
#include "kern/ct_bytes.h"
#include "kern/nl_bytes.h"
#include "kern/values.h"

static _Alignas(4) uint8_t buf[CT_MSG_ROOM];
static size_t len;

/* What was in the buffer must not show. */
static void dirty(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

static struct ct_msg_flow flow_of(const uint8_t *msg, size_t size)
{
	struct ct_msg_flow flow;

	cr_assert(ct_msg_parse(msg, size, &flow) == 0);
	return flow;
}

TestSuite(ct_msg, .init = dirty);

Test(ct_msg, dump)
{
	struct prefix p = prefix("100.64.0.7");

	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, ct_dump_one);
	p = prefix("100.64.0.0/16");
	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, ct_dump_all);
}

/* The kernel is never asked to compare IPv6 addresses: the message for all, with the other family. */
Test(ct_msg, dump_v6)
{
	struct prefix p = prefix("2001:db8::/64");
	uint8_t want[sizeof(ct_dump_all)];

	memcpy(want, ct_dump_all, sizeof(want));
	want[16] = AF_INET6;
	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

/* What nft has put into the mark from the packet, as the kernel tells marks: in network order. */
Test(ct_msg, dump_marked)
{
	static const uint8_t lease[] = { 0x64, 0x40, 0x12, 0x07 };
	struct prefix p = prefix("fd49:5070:7269:7600::6440:1207");
	uint8_t want[sizeof(ct_dump_all) + 16] = { 0 };
	uint32_t mark;

	memcpy(&mark, lease, sizeof(mark));
	mark = htonl(mark);
	memcpy(want, ct_dump_all, sizeof(ct_dump_all));
	want[0] = sizeof(want);
	want[16] = AF_INET6;
	want[sizeof(ct_dump_all)] = want[sizeof(ct_dump_all) + 8] = 8;
	want[sizeof(ct_dump_all) + 2] = CTA_MARK;
	memcpy(want + sizeof(ct_dump_all) + 4, &mark, 4);
	want[sizeof(ct_dump_all) + 10] = CTA_MARK_MASK;
	memset(want + sizeof(ct_dump_all) + 12, 0xff, 4);
	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

Test(ct_msg, dump_home)
{
	struct addr home = prefix("100.64.0.7").addr;
	uint8_t want[sizeof(ct_dump_all)];

	cr_assert(ct_msg_dump_home(buf, sizeof(buf), &home, &len) == 0);
	EXPECT_BYTES(buf, len, ct_dump_home);
	cr_assert(ct_msg_dump_home(buf, sizeof(buf) - 1, &home, &len) == -ENOSPC);
	home = (struct addr){ 0 };
	cr_assert(ct_msg_dump_home(buf, sizeof(buf), &home, &len) == -EINVAL);
	home = prefix("2001:db8::1").addr; /* all of the family */
	memcpy(want, ct_dump_all, sizeof(want));
	want[16] = AF_INET6;
	cr_assert(ct_msg_dump_home(buf, sizeof(buf), &home, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

/* It was translated: others are asked for it. */
Test(ct_msg, parse_translated)
{
	uint8_t answer[sizeof(ct_answer)];
	struct ct_msg_flow flow;

	memcpy(answer, ct_answer, sizeof(answer));
	answer[20 + 0x34 + 4 + 4 + 8 + 7] = 0x63; /* the last byte of CTA_IP_V4_DST, of the answers */
	flow = flow_of(answer, sizeof(answer));
	cr_assert(flow.src.bytes[3] == 7 && flow.home.bytes[3] == 0x63);
	answer[20 + 0x34 + 2] = 0x3f; /* no CTA_TUPLE_REPLY */
	cr_assert(ct_msg_parse(answer, sizeof(answer), &flow) == -EBADMSG);
}

Test(ct_msg, parse)
{
	struct ct_msg_flow flow = flow_of(ct_answer, sizeof(ct_answer));
	struct prefix src = prefix("100.64.0.7");

	cr_assert(addr_equal(&flow.src, &src.addr));
	cr_assert(addr_equal(&flow.home, &src.addr));
	cr_assert(flow.zone == 7);
	cr_assert(flow.tuple_len == 48 && memcmp(flow.tuple, ct_answer + 24, 48) == 0);
	flow = flow_of(ct_answer_v6, sizeof(ct_answer_v6));
	src = prefix("2001:db8::1");
	cr_assert(addr_equal(&flow.src, &src.addr));
	cr_assert(flow.zone == 0 && flow.tuple_len == 72 && addr_equal(&flow.home, &src.addr));
}

Test(ct_msg, del)
{
	struct ct_msg_flow flow = flow_of(ct_answer, sizeof(ct_answer));
	uint8_t want[sizeof(ct_del) - 8];

	cr_assert(ct_msg_del(buf, sizeof(buf), &flow, &len) == 0);
	EXPECT_BYTES(buf, len, ct_del);
	memcpy(want, ct_del, sizeof(want));
	want[0] = sizeof(want);
	flow.zone = 0;
	cr_assert(ct_msg_del(buf, sizeof(buf), &flow, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

Test(ct_msg, builders_refuse)
{
	struct ct_msg_flow flow = flow_of(ct_answer, sizeof(ct_answer)), bad = flow;
	struct prefix p = prefix("100.64.0.7");

	cr_assert(ct_msg_dump(buf, sizeof(buf) - 1, &p, &len) == -ENOSPC);
	p.len = 33;
	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == -EINVAL);
	p = (struct prefix){ 0 };
	cr_assert(ct_msg_dump(buf, sizeof(buf), &p, &len) == -EINVAL);
	cr_assert(ct_msg_del(buf, sizeof(buf) - 1, &flow, &len) == -ENOSPC);
	bad.tuple_len = 0;
	cr_assert(ct_msg_del(buf, sizeof(buf), &bad, &len) == -EINVAL);
	bad.tuple_len = CT_MSG_TUPLE + 1;
	cr_assert(ct_msg_del(buf, sizeof(buf), &bad, &len) == -EINVAL);
	bad = flow;
	bad.src.family = 0;
	cr_assert(ct_msg_del(buf, sizeof(buf), &bad, &len) == -EINVAL);
}

/* The longest tuple that is taken fits into a message. */
Test(ct_msg, longest_tuple)
{
	struct ct_msg_flow flow = flow_of(ct_answer, sizeof(ct_answer));

	flow.tuple_len = CT_MSG_TUPLE;
	cr_assert(ct_msg_del(buf, sizeof(buf), &flow, &len) == 0);
	cr_assert(len == 16 + 4 + 4 + CT_MSG_TUPLE + 8 + 8 && len <= sizeof(buf));
}

/* CT_MSG at AT made OF: what is missing then is refused. */
static int parse_with(size_t at, uint8_t of)
{
	uint8_t m[sizeof(ct_answer)];
	struct ct_msg_flow flow;

	memcpy(m, ct_answer, sizeof(m));
	m[at] = of;
	return ct_msg_parse(m, sizeof(m), &flow);
}

Test(ct_msg, parse_refuses)
{
	cr_assert(parse_with(4, 0x02) == -EOPNOTSUPP, "a deleted one");
	cr_assert(parse_with(5, 0x02) == -EOPNOTSUPP, "an expectation");
	cr_assert(parse_with(16, AF_UNIX) == -EBADMSG, "neither IPv4 nor IPv6");
	cr_assert(parse_with(16, AF_INET6) == -EBADMSG, "IPv6 without such an address");
	cr_assert(parse_with(22, 0x0f) == -EBADMSG, "no tuple");
	cr_assert(parse_with(26, 0x02) == -EBADMSG, "no addresses");
	cr_assert(parse_with(30, 0x05) == -EBADMSG, "no source");
	cr_assert(parse_with(28, 0x07) == -EBADMSG, "a short source");
	cr_assert(parse_with(150, 0x0d) == -EBADMSG, "no id");
}

static int parse(const void *msg, size_t size, void *out)
{
	return ct_msg_parse(msg, size, out);
}

Test(ct_msg, torture)
{
	/* Cut behind the id, behind CTA_USE, behind CTA_TIMEOUT. */
	cr_assert(nl_bytes_torture(ct_answer, sizeof(ct_answer), parse,
				   sizeof(struct ct_msg_flow)) == 3);
	cr_assert(nl_bytes_torture(ct_answer_v6, sizeof(ct_answer_v6), parse,
				   sizeof(struct ct_msg_flow)) == 0);
}
