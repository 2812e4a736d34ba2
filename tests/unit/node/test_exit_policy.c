#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-node/exit_policy.h"

static const enum kern_proto TCP = KERN_PROTO_TCP, UDP = KERN_PROTO_UDP, ICMP = KERN_PROTO_ICMP;

/* Lines separated by ';' to rules. */
static size_t policy(const char *text, struct kern_exit_rule *rules)
{
	char copy[4096], *rest, *line;
	size_t count = 0;

	cr_assert(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	for (line = strtok_r(copy, ";", &rest); line; line = strtok_r(NULL, ";", &rest)) {
		const char *wrong = exit_policy_parse(line, &rules[count]);

		cr_assert(!wrong, "%s: %s", line, wrong);
		cr_assert(++count <= KERN_EXIT_RULES);
	}
	return count;
}

static struct dir_entry entry_of(const struct kern_exit_rule *rules, size_t count)
{
	struct dir_entry e = { .flags = DIR_FLAG_EXIT };

	e.rule_count = exit_policy_summary(rules, count, e.rules);
	cr_assert(e.rule_count <= DIR_RULES);
	return e;
}

/* The summary as text: "+tcp 80-443 -any 25-25 ". */
static const char *summary(const char *text)
{
	static char out[512];
	struct kern_exit_rule rules[KERN_EXIT_RULES];
	struct dir_entry e = entry_of(rules, policy(text, rules));

	*out = 0;
	for (size_t i = 0; i < e.rule_count; i++) {
		const struct dir_rule *r = &e.rules[i];
		size_t len = strlen(out);

		snprintf(out + len, sizeof(out) - len, "%s%c%s %u-%u", i ? " " : "",
			 r->accept ? '+' : '-',
			 r->proto == TCP ? "tcp" : r->proto == UDP ? "udp" :
			 r->proto == ICMP ? "icmp" : "any", r->port_lo, r->port_hi);
	}
	return out;
}

static void expect_rule(const char *line, bool accept, enum kern_proto proto, const char *dst,
			uint16_t lo, uint16_t hi)
{
	struct kern_exit_rule rule;
	const char *wrong = exit_policy_parse(line, &rule);
	char text[ADDR_TEXT];

	cr_assert(!wrong, "%s: %s", line, wrong);
	cr_expect(rule.accept == accept && rule.proto == proto, "%s", line);
	cr_expect_str_eq(prefix_text(&rule.dst, text), dst, "%s: %s", line, text);
	cr_expect(rule.port_lo == lo && rule.port_hi == hi, "%s: %u-%u", line, rule.port_lo,
		  rule.port_hi);
}

Test(exit_policy, lines_are_read)
{
	expect_rule("accept any", true, KERN_PROTO_ANY, "none/0", 0, 65535);
	expect_rule("reject tcp *", false, TCP, "none/0", 0, 65535);
	expect_rule("accept tcp *:443", true, TCP, "none/0", 443, 443);
	expect_rule("accept tcp :443", true, TCP, "none/0", 443, 443);
	expect_rule(" accept \t udp  198.51.100.0/24:0-1023 ", true, UDP, "198.51.100.0/24", 0,
		    1023);
	expect_rule("reject icmp 203.0.113.7", false, ICMP, "203.0.113.7/32", 0, 65535);
	expect_rule("reject any 203.0.113.7/32:65535", false, KERN_PROTO_ANY, "203.0.113.7/32",
		    65535, 65535);
	expect_rule("reject any 0.0.0.0/0", false, KERN_PROTO_ANY, "0.0.0.0/0", 0, 65535);
	expect_rule("accept tcp [2001:db8::/32]:80-81", true, TCP, "2001:db8::/32", 80, 81);
	expect_rule("reject icmp [2001:db8::7]", false, ICMP, "2001:db8::7/128", 0, 65535);
	expect_rule("reject any [::/0]", false, KERN_PROTO_ANY, "::/0", 0, 65535);
}

/* A rule about one family says nothing of the other, nor of what the directory tells. */
Test(exit_policy, families)
{
	struct kern_exit_rule rules[3];
	struct addr four, six;
	struct dir_entry e;

	cr_assert(!exit_policy_parse("reject any [::/0]:80", &rules[0]));
	cr_assert(!exit_policy_parse("reject any 0.0.0.0/0:81", &rules[1]));
	cr_assert(!exit_policy_parse("accept any", &rules[2]));
	cr_assert_eq(addr_parse("203.0.113.7", &four), 0);
	cr_assert_eq(addr_parse("2001:db8::7", &six), 0);
	cr_expect(exit_policy_lets(rules, 3, &four, TCP, 80));
	cr_expect_not(exit_policy_lets(rules, 3, &six, TCP, 80));
	cr_expect_not(exit_policy_lets(rules, 3, &four, TCP, 81));
	cr_expect(exit_policy_lets(rules, 3, &six, TCP, 81));
	cr_expect(exit_policy_lets(rules, 3, &six, UDP, 53));
	e = entry_of(rules, 3);
	cr_expect(dir_entry_allows(&e, TCP, 80));
	cr_expect_not(dir_entry_allows(&e, TCP, 81));
}

Test(exit_policy, errors_say_what_is_wrong_and_leave_the_rule_alone)
{
	static const struct {
		const char *line, *part;
	} bad[] = {
		{ "", "starts with" },
		{ "allow tcp *:80", "starts with" },
		{ "acceptx any", "starts with" },
		{ "accept", "second word" },
		{ "accept sctp", "second word" },
		{ "accept TCP", "second word" },
		{ "accept tcp 198.51.100.1/24", "prefix" },
		{ "accept tcp 198.51.100.0/33", "prefix" },
		{ "accept tcp example.org:80", "prefix" },
		{ "accept tcp 2001:db8::/32", "prefix" },
		{ "accept tcp [2001:db8::1/32]", "prefix" },
		{ "accept tcp [2001:db8::/129]", "prefix" },
		{ "accept tcp [2001:db8::", "prefix" },
		{ "accept tcp [2001:db8::]80", "prefix" },
		{ "accept tcp [203.0.113.7]", "prefix" },
		{ "accept tcp []", "prefix" },
		{ "accept tcp [*]:80", "prefix" },
		{ "accept tcp [2001:db8::]:", "port" },
		{ "accept tcp 80", "prefix" },
		{ "accept tcp *:", "port" },
		{ "accept tcp *:65536", "port" },
		{ "accept tcp *:99999999999999999999", "port" },
		{ "accept tcp *:-1", "port" },
		{ "accept tcp *:1-", "port" },
		{ "accept tcp *:1-2-3", "port" },
		{ "accept tcp *:+1", "port" },
		{ "accept tcp *:http", "port" },
		{ "accept tcp *:2-1", "swap" },
		{ "accept icmp *:8", "no ports" },
		{ "accept tcp *:80 please", "follows" },
		{ "accept tcp *:80                                                             "
		  "           x", "too long" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kern_exit_rule rule = { .port_lo = 7 };
		const char *wrong = exit_policy_parse(bad[i].line, &rule);

		cr_assert(wrong, "\"%s\" was taken", bad[i].line);
		cr_expect(strstr(wrong, bad[i].part), "\"%s\": %s", bad[i].line, wrong);
		cr_expect(rule.port_lo == 7, "\"%s\" changed the rule", bad[i].line);
	}
}

Test(exit_policy, the_default_lets_the_web_out_and_spam_not)
{
	struct kern_exit_rule rules[KERN_EXIT_RULES];
	size_t count = exit_policy_default(rules);
	struct dir_entry e = entry_of(rules, count);

	cr_assert(count == 7, "%zu rules: a line of the default does not parse", count);
	cr_expect(dir_entry_allows(&e, TCP, 443) && dir_entry_allows(&e, TCP, 80));
	cr_expect(dir_entry_allows(&e, UDP, 443) && dir_entry_allows(&e, UDP, 53));
	cr_expect(dir_entry_allows(&e, TCP, 465) && dir_entry_allows(&e, TCP, 587));
	cr_expect(dir_entry_allows(&e, ICMP, 0));
	cr_expect(!dir_entry_allows(&e, TCP, 25) && dir_entry_allows(&e, UDP, 25));
	cr_expect(!dir_entry_allows(&e, TCP, 445) && !dir_entry_allows(&e, UDP, 137));
	cr_expect(!dir_entry_allows(&e, TCP, 6881));
}

Test(exit_policy, summaries)
{
	static const struct {
		const char *policy, *summary;
	} cases[] = {
		{ "accept any", "+any 0-65535" },
		{ "reject any", "" },
		{ "accept tcp *:443", "+tcp 443-443" },
		{ "accept any *:443", "+any 443-443" },
		{ "accept tcp *:80;accept udp *:53;accept tcp *:81-90", "+tcp 80-90 +udp 53-53" },
		{ "reject tcp *:25;accept any", "-tcp 25-25 +any 0-65535" },
		{ "reject any *:25;accept any", "+any 0-24 +any 26-65535" },
		{ "reject icmp;accept any", "-icmp 0-65535 +any 0-65535" },
		{ "accept icmp", "+icmp 0-65535" },
		{ "accept tcp;accept udp", "-icmp 0-65535 +any 0-65535" },
		{ "accept tcp", "+tcp 0-65535" },
		/* the first match decides */
		{ "accept tcp *:25;reject tcp *:20-30;accept tcp *:0-40",
		  "+tcp 0-19 +tcp 25-25 +tcp 31-40" },
		/* accepting a part is no promise, rejecting a small part does not break one */
		{ "accept tcp 198.51.100.0/24:80;accept tcp *:443", "+tcp 443-443" },
		{ "reject tcp 198.51.100.0/24;accept tcp *:443", "+tcp 443-443" },
		{ "reject tcp 8.0.0.0/8;reject tcp 9.0.0.0/8;accept tcp *:443", "+tcp 443-443" },
		{ "reject tcp 8.0.0.0/7;reject tcp 203.0.113.7;accept tcp *:443", "" },
		{ "reject tcp 0.0.0.0/1:80;accept tcp *:80-81", "+tcp 81-81" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_str_eq(summary(cases[i].policy), cases[i].summary, "%s: %s",
				 cases[i].policy, summary(cases[i].policy));
}

Test(exit_policy, a_long_policy_promises_less_never_more)
{
	struct kern_exit_rule rules[KERN_EXIT_RULES];
	struct dir_entry e;
	size_t count = policy("reject icmp;reject tcp *:1000-1001;accept tcp *:443;accept any *:53;"
			      "accept tcp *:2;accept tcp *:4;accept udp *:6;accept udp *:8;"
			      "accept tcp *:10;accept udp *:12;accept tcp *:900-1100;accept tcp *:80",
			      rules);

	e = entry_of(rules, count);
	cr_assert(e.rule_count == DIR_RULES);
	cr_expect(dir_entry_allows(&e, TCP, 443) && dir_entry_allows(&e, TCP, 80));
	cr_expect(dir_entry_allows(&e, UDP, 53) && dir_entry_allows(&e, TCP, 53));
	cr_expect(dir_entry_allows(&e, TCP, 950) && !dir_entry_allows(&e, TCP, 1000));
	for (unsigned int port = 0; port <= 65535; port++) {
		bool tcp = port == 443 || port == 53 || port == 2 || port == 4 || port == 10 ||
			   port == 80 || (port >= 900 && port <= 1100 && port / 2 != 500);
		bool udp = port == 53 || port == 6 || port == 8 || port == 12;

		cr_assert(tcp || !dir_entry_allows(&e, TCP, (uint16_t)port), "tcp %u", port);
		cr_assert(udp || !dir_entry_allows(&e, UDP, (uint16_t)port), "udp %u", port);
	}
	cr_expect(!dir_entry_allows(&e, ICMP, 0));
}

/* What the policy does to one packet to a public address that no narrow prefix holds. */
static bool policy_allows(const struct kern_exit_rule *rules, size_t count, enum kern_proto proto,
			  uint16_t port)
{
	for (size_t i = 0; i < count; i++) {
		const struct kern_exit_rule *r = &rules[i];
		bool any = r->proto == KERN_PROTO_ANY &&
			   (proto != ICMP || (r->port_lo == 0 && r->port_hi == 65535));

		if (r->dst.len == 0 && (any || r->proto == proto) && r->port_lo <= port &&
		    port <= r->port_hi)
			return r->accept;
	}
	return false;
}

/* A fixed pseudo-random sequence. */
static uint32_t step(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void random_policy(uint32_t *x, struct kern_exit_rule *rules, size_t count)
{
	const enum kern_proto protos[] = { KERN_PROTO_ANY, ICMP, TCP, UDP };

	for (size_t i = 0; i < count; i++) {
		struct kern_exit_rule r = { .accept = step(x) & 1, .proto = protos[step(x) & 3],
					    .dst = { .addr = addr_v4(0) }, .port_hi = 65535 };

		if (r.proto != ICMP && step(x) % 16) {
			r.port_lo = step(x) % 200;
			r.port_hi = r.port_lo + step(x) % 20;
		}
		rules[i] = r;
	}
}

Test(exit_policy, random_policies_are_summed_up_truly)
{
	struct kern_exit_rule rules[KERN_EXIT_RULES];
	const enum kern_proto protos[] = { TCP, UDP };
	uint32_t x = 20261121;
	size_t exact = 0, cut = 0;

	for (size_t round = 0; round < 2000; round++) {
		size_t count = round % 60;
		struct dir_entry e;
		bool same = true;

		random_policy(&x, rules, count);
		e = entry_of(rules, count);
		for (size_t p = 0; p < ARRAY_SIZE(protos); p++) {
			for (uint16_t port = 0; port < 230; port++) {
				bool real = policy_allows(rules, count, protos[p], port);
				bool said = dir_entry_allows(&e, protos[p], port);

				cr_assert(real || !said, "round %zu promises port %u", round, port);
				same = same && real == said;
			}
		}
		if (dir_entry_allows(&e, ICMP, 0) != policy_allows(rules, count, ICMP, 0)) {
			cr_assert(!dir_entry_allows(&e, ICMP, 0), "round %zu", round);
			same = false;
		}
		cr_assert(same || e.rule_count == DIR_RULES, "round %zu says too little", round);
		exact += same;
		cut += !same;
	}
	cr_expect(exact > 500 && cut > 300, "%zu exact, %zu cut", exact, cut);
}

Test(exit_policy, lets)
{
	static const char *const lines[] = { "reject udp 192.0.2.53", "accept udp *:53",
					     "accept tcp 198.51.100.0/24:80-443" };
	struct addr banned = addr_v4(0xc0000235), near = addr_v4(0xc0000234), web = addr_v4(0xc6336409);
	struct kern_exit_rule rules[ARRAY_SIZE(lines)];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		cr_assert_null(exit_policy_parse(lines[i], &rules[i]));
	cr_expect_not(exit_policy_lets(rules, 3, &banned, KERN_PROTO_UDP, 53));
	cr_expect(exit_policy_lets(rules, 3, &near, KERN_PROTO_UDP, 53));
	cr_expect_not(exit_policy_lets(rules, 3, &near, KERN_PROTO_UDP, 54));
	cr_expect_not(exit_policy_lets(rules, 3, &near, KERN_PROTO_TCP, 80));
	cr_expect(exit_policy_lets(rules, 3, &web, KERN_PROTO_TCP, 443));
	cr_expect_not(exit_policy_lets(rules, 3, &web, KERN_PROTO_TCP, 444));
	cr_expect_not(exit_policy_lets(rules, 0, &web, KERN_PROTO_TCP, 80));
}
