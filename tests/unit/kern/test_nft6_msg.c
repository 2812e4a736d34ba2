/* The exit's IPv6 table: byte for byte what nft(8) sends for the same ruleset, and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "common/kern/nft6_msg.h"
#include "common/kern/nft_msg.h"
#include "kern/firewall6_golden.h"
#include "kern/relay_firewall.h"

enum { SEQ = 77 };

static uint8_t batch[NFT_BATCH_MAX];

static int replace(const struct kern_firewall *fw, size_t *len)
{
	return nft6_msg_replace(batch, sizeof(batch), SEQ, fw, len);
}

Test(nft6_msg, replace_is_what_nft_sends)
{
	struct kern_firewall fw = relay_firewall6();
	size_t len;

	cr_assert_eq(replace(&fw, &len), 0);
	golden_expect(batch, len, golden, ARRAY_SIZE(golden));
}

/* The other family's table leaves rules about IPv6 out, as this one those about IPv4. */
Test(nft6_msg, each_family_has_its_own_rules)
{
	struct kern_firewall fw = relay_firewall6();
	size_t four, less, six;

	cr_assert_eq(nft_msg_replace(batch, sizeof(batch), SEQ, &fw, &four), 0);
	fw.rule_count = 5; /* all but the last, of IPv6 */
	fw.rules[5].dst = (struct prefix){ 0 };
	cr_assert_eq(nft_msg_replace(batch, sizeof(batch), SEQ, &fw, &less), 0);
	cr_assert_eq(four, less);
	cr_assert_eq(replace(&fw, &six), 0);
	fw.rules[0].dst = (struct prefix){ 0 };
	cr_assert_eq(replace(&fw, &less), 0);
	cr_assert_gt(less, six);
}

Test(nft6_msg, a_short_buffer_is_refused_wherever_it_ends)
{
	struct kern_firewall fw = relay_firewall6();
	size_t whole, len;

	cr_assert_eq(replace(&fw, &whole), 0);
	for (size_t size = 0; size < whole; size += 4) {
		uint8_t *small = malloc(size + 1);

		cr_assert_eq(nft6_msg_replace(small, size, SEQ, &fw, &len), -ENOSPC, "%zu", size);
		free(small);
	}
}

Test(nft6_msg, nonsense_is_refused)
{
	struct kern_firewall fw = relay_firewall6();
	size_t len;

	fw.exit6 = false;
	cr_expect_eq(replace(&fw, &len), -EINVAL);
	fw = relay_firewall6();
	fw.exit = false;
	cr_expect_eq(replace(&fw, &len), -EINVAL);
	cr_expect_eq(nft_msg_replace(batch, sizeof(batch), SEQ, &fw, &len), -EINVAL);
	fw = relay_firewall6();
	fw.rules[3].dst.addr.bytes[15] = 1; /* a host bit */
	cr_expect_eq(replace(&fw, &len), -EINVAL);
	fw = relay_firewall6();
	fw.rules[3].dst.len = 129;
	cr_expect_eq(replace(&fw, &len), -EINVAL);
	fw = relay_firewall6();
	fw.rules[1].dst.len = 8; /* of no family */
	cr_expect_eq(replace(&fw, &len), -EINVAL);
}

Test(nft6_msg, delete_names_the_table_of_its_family)
{
	static const uint8_t body[] = { 10, 0, 0, 0, 9, 0, 1, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0 };
	const struct nlmsghdr *nlh = (const void *)batch;
	size_t len = 0;
	int left;

	cr_assert_eq(nft6_msg_delete(batch, sizeof(batch), SEQ, "abcd", &len), 0);
	cr_assert_eq(len, 20 + 16 + sizeof(body) + 20);
	left = (int)len;
	nlh = mnl_nlmsg_next(nlh, &left);
	cr_assert_eq(nlh->nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE);
	cr_assert_eq(memcmp(mnl_nlmsg_get_payload(nlh), body, sizeof(body)), 0);
	cr_assert_eq(nft6_msg_delete(batch, sizeof(batch), SEQ, "", &len), -EINVAL);
}
