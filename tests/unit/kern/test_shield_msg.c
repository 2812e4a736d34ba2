/* The host's table byte for byte against what nft(8) sends for the same ruleset; what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "common/kern/nft_msg.h"
#include "common/kern/shield_msg.h"
#include "kern/shield_golden.h"

static _Alignas(8) uint8_t batch[NFT_BATCH_MAX];

static struct prefix net(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	return p;
}

static struct kern_shield sample(void)
{
	return (struct kern_shield){
		.list_port = 8080,
		.net_count = 2,
		.nets = { net("192.168.1.0/24"), net("2001:db8:1::/48") },
		.tunnel = { addr_v4(0x64400102), addr_v4(0x64400203) },
		.tunnel6 = { net("fd49:5070:7269:7600::6440:102").addr },
		.has_names = true,
		.names = 1,
		.resolver = addr_v4(0x09090909),
	};
}

static size_t replace(const struct kern_shield *shield)
{
	size_t len = 0;

	cr_assert_eq(shield_msg_replace(batch, sizeof(batch), 7, shield, &len), 0);
	return len;
}

static size_t rules(size_t len)
{
	const struct nlmsghdr *m = (const void *)batch;
	int left = (int)len;
	size_t n = 0;

	for (; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left))
		n += m->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);
	return n;
}

Test(shield_msg, replace_is_what_nft_sends)
{
	const struct kern_shield shield = sample();

	golden_expect(batch, replace(&shield), golden, ARRAY_SIZE(golden));
}

Test(shield_msg, without_circuit_and_networks_there_are_fewer_rules)
{
	struct kern_shield shield = sample();
	size_t all = rules(replace(&shield));

	shield.resolver.family = 0;
	cr_assert_eq(rules(replace(&shield)), all - 2);
	shield.tunnel[0].family = 0; /* incoming, input, names_route, names_source, ARP */
	cr_assert_eq(rules(replace(&shield)), all - 2 - (2 + 1 + 1 + 2 + 1));
	shield.tunnel6[0].family = 0; /* incoming, input */
	cr_assert_eq(rules(replace(&shield)), all - 2 - 7 - 2);
	all -= 2;
	shield.has_names = false;
	shield.tunnel[1].family = 0;
	cr_assert_eq(rules(replace(&shield)), all - 2 - 2 * 7);
	shield.net_count = 0; /* each in output and twice in forward; what finds printers */
	cr_assert_eq(rules(replace(&shield)), all - 2 - 2 * 7 - 2 * 3 - 2);
}

Test(shield_msg, odd_prefixes_are_masked)
{
	struct kern_shield shield = sample();
	static const uint8_t v4[] = { 0xff, 0xff, 0xf0, 0 };
	static const uint8_t v6[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe0 };
	size_t len;

	shield.nets[0] = net("172.16.16.0/20");
	shield.nets[1] = net("2001:db8:20::/51");
	len = replace(&shield);
	cr_assert(memmem(batch, len, v4, sizeof(v4)));
	cr_assert(memmem(batch, len, v6, sizeof(v6)));
}

Test(shield_msg, the_longest_fits_and_short_buffers_are_refused)
{
	struct kern_shield shield = sample();
	size_t whole, len;

	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++) {
		shield.tunnel[i] = addr_v4(0x64400103);
		shield.tunnel6[i] = shield.tunnel6[0];
	}
	for (shield.net_count = 0; shield.net_count < KERN_SHIELD_NETS; shield.net_count++)
		shield.nets[shield.net_count] = net("2001:db8:20::/51");
	whole = replace(&shield);
	cr_assert(whole < NFT_BATCH_MAX - 4096, "%zu bytes", whole);
	for (size_t size = 0; size < whole; size += 4) {
		uint8_t *small = malloc(size + 1); /* its end is where the sanitizer looks */

		cr_assert_eq(shield_msg_replace(small, size, 7, &shield, &len), -ENOSPC);
		free(small);
	}
}

Test(shield_msg, nonsense_is_refused)
{
	struct kern_shield shield;
	size_t len;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		shield = sample();                                                                 \
		change;                                                                            \
		cr_expect_eq(shield_msg_replace(batch, sizeof(batch), 7, &shield, &len), -EINVAL,  \
			     #change);                                                             \
	} while (0)
	REFUSED(shield.list_port = 0);
	REFUSED(shield.net_count = KERN_SHIELD_NETS + 1);
	REFUSED(shield.nets[0].addr.bytes[3] = 1);
	REFUSED(shield.nets[0].len = 33);
	REFUSED(shield.nets[1].addr.family = 0);
	REFUSED(shield.tunnel[1].family = AF_INET6);
	REFUSED(shield.tunnel6[1].family = AF_INET);
	REFUSED(shield.resolver.family = AF_INET6);
	REFUSED(shield.names = 2);
	REFUSED(shield.names = KERN_SHIELD_SEATS);
#undef REFUSED
}

/* Of the one message between begin and end. */
static const struct nlmsghdr *single(size_t len, uint16_t type)
{
	const struct nlmsghdr *m = (const void *)batch;
	int left = (int)len;

	m = mnl_nlmsg_next(m, &left);
	cr_assert(mnl_nlmsg_ok(m, left));
	cr_assert_eq(m->nlmsg_type, NFNL_SUBSYS_NFTABLES << 8 | type);
	cr_assert(m->nlmsg_flags & NLM_F_ACK);
	cr_assert_eq(((const struct nfgenmsg *)mnl_nlmsg_get_payload(m))->nfgen_family, 1);
	return m;
}

/* As nft sends it for: add element inet ippriv_client direct { "NAME" timeout 90s } */
Test(shield_msg, a_group_is_let_past_for_a_time)
{
	const struct kern_direct direct = { 0x1122334455667788, 90 }, forever = { 5, 0 };
	static const uint8_t timeout[] = { 12, 0, 4, 0, 0, 0, 0, 0, 0, 1, 0x5f, 0x90 };
	uint8_t key[16] = { 16, 0, 1, 0x80, 12, 0, 1, 0 };
	const struct nlmsghdr *m;
	size_t len;

	memcpy(key + 8, &direct.cgroup, 8);
	cr_assert_eq(shield_msg_direct(batch, sizeof(batch), 7, &direct, true, &len), 0);
	m = single(len, NFT_MSG_NEWSETELEM);
	cr_assert(memmem(m, m->nlmsg_len, timeout, sizeof(timeout)));
	cr_assert(memmem(m, m->nlmsg_len, key, sizeof(key)));
	cr_assert(len <= SHIELD_MSG_DIRECT_MAX);
	cr_assert_eq(shield_msg_direct(batch, sizeof(batch), 7, &forever, true, &len), 0);
	m = single(len, NFT_MSG_NEWSETELEM);
	cr_assert_not(memmem(m, m->nlmsg_len, timeout, 4));
	cr_assert_eq(shield_msg_direct(batch, sizeof(batch), 7, &direct, false, &len), 0);
	m = single(len, NFT_MSG_DELSETELEM);
	cr_assert(memmem(m, m->nlmsg_len, key, sizeof(key)));
}

Test(shield_msg, delete_names_both_tables)
{
	const struct nlmsghdr *m = (const void *)batch;
	int left, families = 0;
	size_t len;

	cr_assert_eq(shield_msg_delete(batch, sizeof(batch), 7, &len), 0);
	for (left = (int)len; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		if (m->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE))
			continue;
		cr_assert(memmem(m, m->nlmsg_len, KERN_SHIELD_TABLE, sizeof(KERN_SHIELD_TABLE)));
		families += ((const struct nfgenmsg *)mnl_nlmsg_get_payload(m))->nfgen_family;
	}
	cr_assert_eq(families, 1 + 3); /* inet, arp */
}
