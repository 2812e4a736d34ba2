/* Routing netlink: built messages byte for byte against ip(8)'s, the kernel's link read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/kern/link_msg.h"
#include "kern/link_bytes.h"
#include "kern/nl_bytes.h"
#include "kern/values.h"

static _Alignas(8) uint8_t buf[LINK_MSG_ROOM];
static size_t len;

/* What was in the buffer must not show. */
static void dirty(void)
{
	memset(buf, 0xa5, sizeof(buf));
}

TestSuite(link_msg, .init = dirty);

Test(link_msg, add)
{
	struct kern_link link = { .name = "h1", .if_id = KERN_REQID_CLIENT | 1, .mtu = 1446 };

	cr_assert(link_msg_add(buf, sizeof(buf), &link, &len) == 0);
	EXPECT_BYTES(buf, len, link_xfrm);
	link = (struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool" };
	cr_assert(link_msg_add(buf, sizeof(buf), &link, &len) == 0);
	EXPECT_BYTES(buf, len, link_dummy);
}

Test(link_msg, move_up_del)
{
	cr_assert(link_msg_move(buf, sizeof(buf), "h1", 7, &len) == 0);
	EXPECT_BYTES(buf, len, link_move);
	cr_assert(link_msg_up(buf, sizeof(buf), "ippriv-pool", 65535, &len) == 0);
	EXPECT_BYTES(buf, len, link_up);
	cr_assert(link_msg_del(buf, sizeof(buf), "ippriv-pool", &len) == 0);
	EXPECT_BYTES(buf, len, link_del);
	cr_assert(link_msg_del_index(buf, sizeof(buf), 3, &len) == 0);
	EXPECT_BYTES(buf, len, link_del_index);
}

/* Without MTU: the message ends after the name. */
Test(link_msg, up_with_default_mtu)
{
	uint8_t want[sizeof(link_up) - 8];

	memcpy(want, link_up, sizeof(want));
	want[0] = sizeof(want);
	cr_assert(link_msg_up(buf, sizeof(buf), "ippriv-pool", 0, &len) == 0);
	EXPECT_BYTES(buf, len, want);
}

Test(link_msg, get_and_dump)
{
	cr_assert(link_msg_get(buf, sizeof(buf), "ippriv-pool", &len) == 0);
	EXPECT_BYTES(buf, len, link_get);
	cr_assert(link_msg_dump(buf, sizeof(buf), &len) == 0);
	EXPECT_BYTES(buf, len, link_dump);
}

Test(link_msg, addresses)
{
	struct kern_address a = { "ippriv-pool", prefix("100.64.0.7") };

	cr_assert(link_msg_add_address(buf, sizeof(buf), 3, &a, &len) == 0);
	EXPECT_BYTES(buf, len, address_add);
	cr_assert(link_msg_del_address(buf, sizeof(buf), 3, &a, &len) == 0);
	EXPECT_BYTES(buf, len, address_del);
	a.prefix = prefix("2001:db8::7");
	cr_assert(link_msg_add_address(buf, sizeof(buf), 3, &a, &len) == 0);
	EXPECT_BYTES(buf, len, address_add_v6);
}

Test(link_msg, unreachable)
{
	struct kern_route r = { .dst = { .addr = { .family = AF_INET6 } },
				.table = KERN_REQID_CLIENT, .unreachable = true };

	cr_assert(link_msg_add_route(buf, sizeof(buf), 0, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_unreachable);
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == -EINVAL);
}

Test(link_msg, routes)
{
	struct kern_route r = { .link = "ippriv-pool", .dst = prefix("100.64.0.0/10") };

	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_add);
	cr_assert(link_msg_del_route(buf, sizeof(buf), 3, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_del);
	r = (struct kern_route){ .link = "ippriv-pool", .dst = prefix("0.0.0.0/0"), .mtu = 1334 };
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_default);
	r.table = KERN_TABLE_MAIN;
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_default);
	r = (struct kern_route){ .link = "ippriv-pool", .dst = prefix("0.0.0.0/0"),
				 .table = KERN_REQID_CLIENT | 1, .source = addr("100.64.0.7"),
				 .replace = true };
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == 0);
	EXPECT_BYTES(buf, len, route_table);
}

Test(link_msg, builders_refuse)
{
	struct kern_link link = { .name = "h1", .if_id = 1 };
	struct kern_address a = { "h1", prefix("100.64.0.7") };
	struct kern_route r = { .link = "h1", .dst = prefix("100.64.0.0/10") };

	cr_assert(link_msg_add(buf, sizeof(buf) - 1, &link, &len) == -ENOSPC);
	link.if_id = 0;
	cr_assert(link_msg_add(buf, sizeof(buf), &link, &len) == -EINVAL);
	link = (struct kern_link){ .name = "", .if_id = 1 };
	cr_assert(link_msg_add(buf, sizeof(buf), &link, &len) == -EINVAL);
	memset(link.name, 'x', sizeof(link.name));
	cr_assert(link_msg_add(buf, sizeof(buf), &link, &len) == -EINVAL);
	cr_assert(link_msg_move(buf, sizeof(buf), "h1", -1, &len) == -EINVAL);
	cr_assert(link_msg_del_index(buf, sizeof(buf), 0, &len) == -EINVAL);
	cr_assert(link_msg_dump(buf, 16, &len) == -ENOSPC);
	cr_assert(link_msg_add_address(buf, sizeof(buf), 0, &a, &len) == -EINVAL);
	a.prefix.len = 33;
	cr_assert(link_msg_add_address(buf, sizeof(buf), 3, &a, &len) == -EINVAL);
	r.source = addr("2001:db8::7");
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == -EINVAL);
	r.source = (struct addr){ 0 };
	r.dst = (struct prefix){ 0 };
	cr_assert(link_msg_add_route(buf, sizeof(buf), 3, &r, &len) == -EINVAL);
	cr_assert(link_msg_del_route(buf, 16, 3, &r, &len) == -ENOSPC);
}

Test(link_msg, parse)
{
	struct link_msg_link link;

	cr_assert(link_msg_parse(kernel_link, sizeof(kernel_link), &link) == 0);
	cr_assert(link.index == 4 && link.up && link.mtu == 1446);
	cr_assert(link.if_id == (KERN_REQID_CLIENT | 1));
	cr_assert(strcmp(link.name, "h1") == 0 && strcmp(link.kind, "xfrm") == 0);
}

/* An interface without kind, as hardware is; then one whose name does not fit, then none. */
Test(link_msg, parse_others)
{
	uint8_t m[40 + 20] = { 0 };
	struct link_msg_link link;
	uint32_t total = 40;
	uint16_t attr = 4 + 17;

	memcpy(m, kernel_link, 40);
	memcpy(m, &total, sizeof(total));
	cr_assert(link_msg_parse(m, 40, &link) == 0 && link.kind[0] == '\0' && link.mtu == 0);
	memset(m + 36, 'x', 17);
	total = 32 + 4 + 17;
	memcpy(m, &total, sizeof(total));
	memcpy(m + 32, &attr, sizeof(attr));
	cr_assert(link_msg_parse(m, total, &link) == -EBADMSG);
	m[36 + 15] = '\0';
	cr_assert(link_msg_parse(m, total, &link) == 0 && strlen(link.name) == 15);
	m[20] = 0; /* the number */
	cr_assert(link_msg_parse(m, total, &link) == -EBADMSG);
	total = 32;
	memcpy(m, &total, sizeof(total));
	cr_assert(link_msg_parse(m, total, &link) == -EBADMSG);
}

static int torture(const void *msg, size_t size, void *out)
{
	return link_msg_parse(msg, size, out);
}

Test(link_msg, parser_under_torture)
{
	/* Whole when cut after the name (with and without its padding), the MTU, the qdisc. */
	cr_assert(nl_bytes_torture(kernel_link, sizeof(kernel_link), torture,
				   sizeof(struct link_msg_link)) == 4);
}
