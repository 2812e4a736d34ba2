/*
 * The batch byte for byte against what nft(8) sends for the same ruleset, and its structure: what
 * every rule must have whatever the ruleset is.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "common/kern/nft_msg.h"
#include "kern/firewall_golden.h"
#include "kern/relay_firewall.h"

enum { SEQ = 77, RULE_EXPRS = 16 };

static uint8_t batch[NFT_BATCH_MAX];

static size_t replace(const struct kern_firewall *fw)
{
	size_t len = 0;

	cr_assert(nft_msg_replace(batch, sizeof(batch), SEQ, fw, &len) == 0);
	return len;
}

Test(nft_msg, replace_is_what_nft_sends)
{
	struct kern_firewall fw = relay_firewall();

	golden_expect(batch, replace(&fw), golden, ARRAY_SIZE(golden));
}

Test(nft_msg, one_sequence_number_one_acknowledgement)
{
	struct kern_firewall fw = relay_firewall();
	int left = replace(&fw);
	const struct nlmsghdr *nlh = (const void *)batch, *before = NULL;
	size_t acks = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		cr_assert(nlh->nlmsg_seq == SEQ);
		cr_assert(nlh->nlmsg_flags & NLM_F_REQUEST);
		acks += !!(nlh->nlmsg_flags & NLM_F_ACK);
		if (nlh->nlmsg_type == NFNL_MSG_BATCH_END)
			cr_assert(before && before->nlmsg_flags & NLM_F_ACK);
		if (nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
			cr_assert((nlh->nlmsg_flags & (NLM_F_CREATE | NLM_F_APPEND)) ==
				  (NLM_F_CREATE | NLM_F_APPEND));
		before = nlh;
	}
	cr_assert(acks == 1);
}

/* What the structural checks want to know of one rule or chain message. */
struct parsed {
	const char *chain, *jump;
	const char *names[RULE_EXPRS]; /* of its expressions, in order */
	uint32_t offset; /* of the first payload expression when it comes first */
	size_t count;
	int verdict; /* of the last expression; 1: none */
	bool comment;
};

static int find_attr(const struct nlattr *attr, void *data)
{
	const struct nlattr **tb = data;

	if (mnl_attr_get_type(attr) < 16)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static void parse_verdict(const struct nlattr *immediate, struct parsed *p)
{
	const struct nlattr *tb[16] = { 0 }, *data[16] = { 0 }, *v[16] = { 0 };

	mnl_attr_parse_nested(immediate, find_attr, tb);
	cr_assert(tb[NFTA_IMMEDIATE_DATA]);
	mnl_attr_parse_nested(tb[NFTA_IMMEDIATE_DATA], find_attr, data);
	if (!data[NFTA_DATA_VERDICT])
		return;
	mnl_attr_parse_nested(data[NFTA_DATA_VERDICT], find_attr, v);
	p->verdict = ntohl(mnl_attr_get_u32(v[NFTA_VERDICT_CODE]));
	if (v[NFTA_VERDICT_CHAIN])
		p->jump = mnl_attr_get_str(v[NFTA_VERDICT_CHAIN]);
}

static struct parsed parse_rule(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[16] = { 0 }, *elem;
	struct parsed p = { .verdict = 1 };

	mnl_attr_parse(nlh, sizeof(struct nfgenmsg), find_attr, tb);
	p.chain = mnl_attr_get_str(tb[NFTA_RULE_CHAIN]);
	p.comment = tb[NFTA_RULE_USERDATA];
	mnl_attr_for_each_nested(elem, tb[NFTA_RULE_EXPRESSIONS]) {
		const struct nlattr *e[16] = { 0 }, *d[16] = { 0 };
		const char *name;

		mnl_attr_parse_nested(elem, find_attr, e);
		name = mnl_attr_get_str(e[NFTA_EXPR_NAME]);
		cr_assert(p.count < RULE_EXPRS);
		p.names[p.count++] = name;
		if (strcmp(name, "immediate") == 0)
			parse_verdict(e[NFTA_EXPR_DATA], &p);
		if (p.count == 1 && strcmp(name, "payload") == 0) {
			mnl_attr_parse_nested(e[NFTA_EXPR_DATA], find_attr, d);
			p.offset = ntohl(mnl_attr_get_u32(d[NFTA_PAYLOAD_OFFSET]));
		}
	}
	return p;
}

static bool hooked(const char *chain)
{
	return strcmp(chain, "exit") && strcmp(chain, "out_of_pool") && strcmp(chain, "into_pool") &&
	       strcmp(chain, "pool_to_us") && strcmp(chain, "odd_head");
}

static void check_rule(const struct parsed *p)
{
	bool by_address = p->offset == 12 || p->offset == 16, esp = p->offset == 9;
	bool inner = p->jump && (!strcmp(p->jump, "exit") || !strcmp(p->jump, "odd_head"));

	if (hooked(p->chain))
		cr_assert(by_address || esp, "%s: a rule for any packet", p->chain);
	if (p->jump && !inner)
		cr_assert(by_address && hooked(p->chain), "%s: jumps for any packet", p->chain);
	if (inner)
		cr_assert_str_eq(p->chain, "out_of_pool");
	if (p->verdict == 0) {
		cr_assert(p->count >= 2 && p->comment);
		cr_assert_str_eq(p->names[p->count - 2], "counter");
	}
}

static void check_structure(const struct kern_firewall *fw, size_t want_rules)
{
	int left = replace(fw);
	const struct nlmsghdr *nlh = (const void *)batch;
	struct parsed last = { 0 };
	size_t rules = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		struct parsed p;

		if (nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
			continue;
		p = parse_rule(nlh);
		check_rule(&p);
		/* a chain without a hook ends in a drop without a condition, but for the one that mends */
		if (last.chain && strcmp(last.chain, p.chain) && !hooked(last.chain) &&
		    strcmp(last.chain, "odd_head"))
			cr_assert(last.verdict == 0 && last.count == 2, "%s ends open", last.chain);
		last = p;
		rules++;
	}
	cr_assert(rules == want_rules, "%zu rules", rules);
}

Test(nft_msg, every_rule_is_about_pools_or_esp_and_drops_count)
{
	struct kern_firewall fw = relay_firewall();

	check_structure(&fw, 54);
}

Test(nft_msg, no_exit_means_no_nat_and_no_conntrack)
{
	struct kern_firewall fw = relay_firewall();
	int left;

	fw.exit = false;
	check_structure(&fw, 26);
	left = replace(&fw);
	for (const struct nlmsghdr *nlh = (const void *)batch; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		cr_assert(nlh->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET));
		if (nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) {
			struct parsed p = parse_rule(nlh);

			for (size_t i = 0; i < p.count; i++)
				cr_assert(strcmp(p.names[i], "ct") && strcmp(p.names[i], "nat"));
		}
	}
}

Test(nft_msg, the_longest_policy_fits)
{
	struct kern_firewall fw = relay_firewall();
	size_t len;

	memset(fw.table, 't', sizeof(fw.table) - 1);
	for (fw.rule_count = 0; fw.rule_count < KERN_EXIT_RULES;)
		relay_add_rule(&fw, false, KERN_PROTO_ANY, "203.0.112.0/23", 1, 2);
	len = replace(&fw);
	cr_assert(len < NFT_BATCH_MAX - 4096, "%zu bytes", len);
}

Test(nft_msg, a_short_buffer_is_refused_wherever_it_ends)
{
	struct kern_firewall fw = relay_firewall();
	size_t whole = replace(&fw), len;

	for (size_t size = 0; size < whole; size += 4) {
		uint8_t *small = malloc(size + 1); /* its end is where the sanitizer looks */

		cr_assert(nft_msg_replace(small, size, SEQ, &fw, &len) == -ENOSPC, "%zu", size);
		free(small);
	}
	cr_assert(nft_msg_replace(batch, whole, SEQ, &fw, &len) == 0);
	cr_assert(len == whole);
}

static int verdict_of(struct kern_firewall fw)
{
	size_t len;

	return nft_msg_replace(batch, sizeof(batch), SEQ, &fw, &len);
}

Test(nft_msg, nonsense_is_refused)
{
	struct kern_firewall fw;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		fw = relay_firewall();                                                                      \
		change;                                                                            \
		cr_expect(verdict_of(fw) == -EINVAL, #change);                                     \
	} while (0)
	REFUSED(fw.table[0] = 0);
	REFUSED(memset(fw.table, 'x', sizeof(fw.table)));
	REFUSED(fw.address.family = 0);
	REFUSED(fw.address = addr_v4(0x64400001));
	REFUSED(fw.pool = relay_prefix("10.0.0.0/16"));
	REFUSED(fw.pool = relay_prefix("2001:db8::/48"));
	REFUSED(fw.pools = relay_prefix("0.0.0.0/0"));
	REFUSED(fw.pool.addr.bytes[3] = 1);
	REFUSED(fw.nat_port_lo = 1023);
	REFUSED(fw.nat_port_hi = 16383);
	REFUSED(fw.client_connections = 0);
	REFUSED(fw.mss = 535);
	REFUSED(fw.rule_count = KERN_EXIT_RULES + 1);
	REFUSED(fw.rules[0].proto = 50);
	REFUSED(fw.rules[0].port_lo = 2; fw.rules[0].port_hi = 1);
	REFUSED(fw.rules[5].port_hi = 8);
	REFUSED(fw.rules[0].dst.len = 33);
#undef REFUSED
	fw = relay_firewall();
	cr_expect(verdict_of(fw) == 0);
}

Test(nft_msg, delete_names_the_table_only)
{
	static const uint8_t body[] = { 2, 0, 0, 0, 9, 0, 1, 0, 'a', 'b', 'c', 'd', 0, 0, 0, 0 };
	const struct nlmsghdr *nlh = (const void *)batch;
	char name[64];
	size_t len = 0;
	int left;

	cr_assert(nft_msg_delete(batch, sizeof(batch), SEQ, "abcd", &len) == 0);
	cr_assert(len == 20 + 16 + sizeof(body) + 20);
	left = len;
	cr_assert(nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN);
	nlh = mnl_nlmsg_next(nlh, &left);
	cr_assert(nlh->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE));
	cr_assert(nlh->nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
	cr_assert(memcmp(mnl_nlmsg_get_payload(nlh), body, sizeof(body)) == 0);
	nlh = mnl_nlmsg_next(nlh, &left);
	cr_assert(nlh->nlmsg_type == NFNL_MSG_BATCH_END);
	cr_assert(nft_msg_delete(batch, 40, SEQ, "abcd", &len) == -ENOSPC);
	cr_assert(nft_msg_delete(batch, sizeof(batch), SEQ, "", &len) == -EINVAL);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	cr_assert(nft_msg_delete(batch, sizeof(batch), SEQ, name, &len) == -EINVAL);
}
