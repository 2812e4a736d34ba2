/* Routing rules: built messages byte for byte against ip(8)'s, the kernel's rule read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <string.h>

#include "common/kern/rule_msg.h"
#include "kern/nl_bytes.h"
#include "kern/rule_bytes.h"
#include "kern/values.h"

static _Alignas(8) uint8_t buf[RULE_MSG_ROOM];
static size_t len;

/* What was in the buffer must not show. */
static void dirty(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

TestSuite(rule_msg, .init = dirty);

static struct kern_rule usual(void)
{
	return (struct kern_rule){
		.family = AF_INET, .priority = 100, .table = KERN_REQID_CLIENT | 1
	};
}

Test(rule_msg, by_source)
{
	struct kern_rule r = usual();

	r.from = prefix("100.64.0.7");
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_from);
	cr_assert(rule_msg_del(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_del);
}

Test(rule_msg, by_mark_inverted)
{
	struct kern_rule r = usual();

	r.mark = (struct kern_mark){ 3 << KERN_MARK_SHIFT, KERN_MARK_MASK };
	r.invert = true;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_not_mark);
}

Test(rule_msg, by_destination_into_main)
{
	struct kern_rule r = usual();

	r.family = AF_INET6;
	r.to = prefix("2001:db8::/32");
	r.table = KERN_TABLE_MAIN;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_to_v6);
}

Test(rule_msg, by_ports)
{
	struct kern_rule r = usual(), back;
	uint8_t protocol;

	r.proto = IPPROTO_UDP;
	r.sport = 68;
	r.dport = 67;
	r.table = KERN_TABLE_MAIN;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_ports);
	cr_assert(rule_msg_parse(buf, len, &back, &protocol) == 0);
	cr_assert(back.proto == IPPROTO_UDP && back.sport == 68 && back.dport == 67);
	buf[42]++; /* the last source port of the range */
	cr_assert(rule_msg_parse(buf, len, &back, &protocol) == -EOPNOTSUPP);
	r.proto = 0;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
}

Test(rule_msg, of_the_hosts_own)
{
	struct kern_rule r = usual(), back;
	uint8_t protocol;

	r.local = true;
	r.proto = IPPROTO_UDP;
	r.dport = 53;
	r.table = KERN_TABLE_MAIN;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == 0);
	EXPECT_BYTES(buf, len, rule_local);
	cr_assert(rule_msg_parse(buf, len, &back, &protocol) == 0 && back.local);
	buf[34] = '1'; /* another link, of nearly that name */
	cr_assert(rule_msg_parse(buf, len, &back, &protocol) == -EOPNOTSUPP);
	buf[34] = 0;
	buf[28] = 6; /* without the end */
	cr_assert(rule_msg_parse(buf, len, &back, &protocol) == -EOPNOTSUPP);
}

Test(rule_msg, dump)
{
	cr_assert(rule_msg_dump(buf, sizeof(buf), &len) == 0);
	EXPECT_BYTES(buf, len, rule_dump);
	cr_assert(rule_msg_dump(buf, sizeof(buf) - 1, &len) == -ENOSPC);
}

Test(rule_msg, builders_refuse)
{
	struct kern_rule good = usual(), r = good;

	cr_assert(rule_msg_add(buf, sizeof(buf) - 1, &r, &len) == -ENOSPC);
	r.family = 0;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
	r = good;
	r.priority = 0;
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
	r = good;
	r.table = 0;
	cr_assert(rule_msg_del(buf, sizeof(buf), &r, &len) == -EINVAL);
	r = good;
	r.from = prefix("2001:db8::/32");
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
	r = good;
	r.to = prefix("0.0.0.0/0"); /* any is told by no family */
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
	r = good;
	r.to = (struct prefix){ addr("192.0.2.0"), 33 };
	cr_assert(rule_msg_add(buf, sizeof(buf), &r, &len) == -EINVAL);
}

Test(rule_msg, parse)
{
	struct kern_rule r;
	uint8_t protocol;

	cr_assert(rule_msg_parse(kernel_rule, sizeof(kernel_rule), &r, &protocol) == 0);
	cr_assert(r.family == AF_INET && r.invert && protocol == KERN_PROTOCOL);
	cr_assert(r.table == (KERN_REQID_CLIENT | 1) && r.priority == 100);
	cr_assert(r.mark.value == 3 << KERN_MARK_SHIFT && r.mark.mask == KERN_MARK_MASK);
	cr_assert(r.from.addr.family == 0 && r.to.addr.family == 0);
}

/* What was built is read as it was: the same attributes come back from the kernel. */
Test(rule_msg, parse_prefixes)
{
	struct kern_rule want = usual(), r;
	uint8_t protocol;

	want.family = AF_INET6;
	want.from = prefix("2001:db8:1::/48");
	want.to = prefix("2001:db8::7");
	cr_assert(rule_msg_add(buf, sizeof(buf), &want, &len) == 0);
	cr_assert(rule_msg_parse(buf, len, &r, &protocol) == 0 && protocol == KERN_PROTOCOL);
	cr_assert(prefix_equal(&r.from, &want.from) && prefix_equal(&r.to, &want.to));
}

/* Whatever else a rule says makes it somebody else's: another action, a link, a suppressor. */
Test(rule_msg, parse_refuses_others)
{
	uint8_t m[sizeof(kernel_rule)];
	struct kern_rule r;
	uint8_t protocol;

	memcpy(m, kernel_rule, sizeof(m));
	m[16 + 7] = FR_ACT_UNREACHABLE;
	cr_assert(rule_msg_parse(m, sizeof(m), &r, &protocol) == -EOPNOTSUPP);
	memcpy(m, kernel_rule, sizeof(m));
	m[30] = FRA_OIFNAME;
	cr_assert(rule_msg_parse(m, sizeof(m), &r, &protocol) == -EOPNOTSUPP);
	memcpy(m, kernel_rule, sizeof(m));
	m[40] = 0;
	cr_assert(rule_msg_parse(m, sizeof(m), &r, &protocol) == -EOPNOTSUPP);
	memcpy(m, kernel_rule, sizeof(m));
	m[18] = 24; /* a source prefix that is not told */
	cr_assert(rule_msg_parse(m, sizeof(m), &r, &protocol) == -EBADMSG);
}

static int torture(const void *msg, size_t size, void *out)
{
	uint8_t protocol;

	return rule_msg_parse(msg, size, out, &protocol);
}

Test(rule_msg, parser_under_torture)
{
	/* Whole when cut after the head, any attribute but the last, and in three octets of padding. */
	cr_assert(nl_bytes_torture(kernel_rule, sizeof(kernel_rule), torture,
				   sizeof(struct kern_rule)) == 9);
}
