#include "ippriv-node/exit_policy.h"

#include <string.h>

enum {
	LINE_MAX_LEN = 80,
	SEGMENTS = 2 * KERN_EXIT_RULES + 1,
	SUMMARY_MAX = 3 * SEGMENTS + 3, /* before it is cut to DIR_RULES */
	/* Addresses a summary may pass over: two /8, what Tor's summaries pass over too. */
	PASS_OVER = 1 << 25,
};

/*
 * The default, Tor's without the ports of programs that are gone: no unsolicited mail and news, no
 * Windows services, no usual BitTorrent. Mail submission (465, 587) asks for a password and passes.
 */
static const char *const default_lines[] = {
	"reject tcp *:25",  "reject tcp *:119",       "reject any *:135-139", "reject any *:445",
	"reject tcp *:563", "reject any *:6881-6999", "accept any",
};

static const char *parse_action(const char *word, bool *accept)
{
	if (!word || (strcmp(word, "accept") && strcmp(word, "reject")))
		return "a rule starts with \"accept\" or \"reject\"";
	*accept = *word == 'a';
	return NULL;
}

static const char *parse_proto(const char *word, enum kern_proto *proto)
{
	static const struct {
		const char *name;
		enum kern_proto proto;
	} names[] = {
		{ "any", KERN_PROTO_ANY },
		{ "icmp", KERN_PROTO_ICMP },
		{ "tcp", KERN_PROTO_TCP },
		{ "udp", KERN_PROTO_UDP },
	};

	for (size_t i = 0; word && i < ARRAY_SIZE(names); i++) {
		if (strcmp(word, names[i].name) == 0) {
			*proto = names[i].proto;
			return NULL;
		}
	}
	return "the second word is \"tcp\", \"udp\", \"icmp\" or \"any\"";
}

/* A port at *TEXT, digits only; steps over it. False when there is none. */
static bool take_port(const char **text, uint16_t *out)
{
	uint32_t v = 0;
	const char *p = *text;

	for (; *p >= '0' && *p <= '9' && v <= UINT16_MAX; p++)
		v = v * 10 + (uint32_t)(*p - '0');
	if (p == *text || v > UINT16_MAX)
		return false;
	*text = p;
	*out = (uint16_t)v;
	return true;
}

static const char *parse_ports(const char *text, struct kern_exit_rule *rule)
{
	if (rule->proto == KERN_PROTO_ICMP)
		return "icmp has no ports; leave them out";
	if (!take_port(&text, &rule->port_lo))
		return "write a port as :PORT or :LO-HI, numbers up to 65535";
	rule->port_hi = rule->port_lo;
	if (*text == '-') {
		text++;
		if (!take_port(&text, &rule->port_hi))
			return "write a port as :PORT or :LO-HI, numbers up to 65535";
	}
	if (*text)
		return "write a port as :PORT or :LO-HI, numbers up to 65535";
	if (rule->port_lo > rule->port_hi)
		return "the first port is above the last; swap them";
	return NULL;
}

/* TARGET is cut in two at the colon behind it, and loses its brackets. */
static const char *parse_target(char *target, struct kern_exit_rule *rule)
{
	static const char wrong[] = "write the destination as *, an IPv4 prefix or an IPv6 prefix in "
				    "brackets, without host bits";
	bool six = *target == '[';
	char *end = six ? strchr(target, ']') : NULL;
	char *ports = strchr(end ? end : target, ':');

	if (six && (!end || (end[1] && end + 1 != ports)))
		return wrong;
	if (ports)
		*ports++ = 0;
	if (six) {
		target++;
		*end = 0;
	}
	if (*target && strcmp(target, "*") &&
	    (prefix_parse(target, &rule->dst) ||
	     rule->dst.addr.family != (six ? AF_INET6 : AF_INET)))
		return wrong;
	if (six && rule->dst.addr.family == 0)
		return wrong;
	return ports ? parse_ports(ports, rule) : NULL;
}

const char *exit_policy_parse(const char *line, struct kern_exit_rule *out)
{
	struct kern_exit_rule rule = { .port_hi = UINT16_MAX };
	char copy[LINE_MAX_LEN + 1], *rest, *word;
	const char *wrong;

	if (strlen(line) > LINE_MAX_LEN)
		return "too long for a rule; write ACTION PROTOCOL [PREFIX][:PORTS]";
	strcpy(copy, line);
	wrong = parse_action(strtok_r(copy, " \t", &rest), &rule.accept);
	if (!wrong)
		wrong = parse_proto(strtok_r(NULL, " \t", &rest), &rule.proto);
	if (wrong)
		return wrong;
	word = strtok_r(NULL, " \t", &rest);
	if (word)
		wrong = parse_target(word, &rule);
	if (wrong)
		return wrong;
	if (strtok_r(NULL, " \t", &rest))
		return "something follows the rule; write one rule a line";
	*out = rule;
	return NULL;
}

size_t exit_policy_default(struct kern_exit_rule out[KERN_EXIT_RULES])
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(default_lines); i++)
		if (!exit_policy_parse(default_lines[i], &out[count]))
			count++;
	return count;
}

/* Consecutive ports with one verdict, from 0 to 65535 without a gap. */
struct segments {
	size_t count;
	struct segment {
		uint16_t lo, hi;
		bool accept;
	} list[SEGMENTS];
};

/* ICMP has port 0 here; a rule for any protocol with ports is about TCP and UDP. */
static bool covers(const struct kern_exit_rule *rule, enum kern_proto proto, uint16_t port)
{
	bool every_port = rule->port_lo == 0 && rule->port_hi == UINT16_MAX;

	if (rule->proto != proto &&
	    (rule->proto != KERN_PROTO_ANY || (proto == KERN_PROTO_ICMP && !every_port)))
		return false;
	return rule->port_lo <= port && port <= rule->port_hi;
}

static bool is_about(const struct kern_exit_rule *rule, const struct addr *dst)
{
	return rule->dst.addr.family == 0 || prefix_contains(&rule->dst, dst);
}

bool exit_policy_lets(const struct kern_exit_rule *rules, size_t count, const struct addr *dst,
		      enum kern_proto proto, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if (covers(&rules[i], proto, port) && is_about(&rules[i], dst))
			return rules[i].accept;
	return false;
}

/*
 * Whether the IPv4 Internet as a whole can be reached on PORT: accepting a part does not count, not
 * accepting a part does as soon as the parts are more than PASS_OVER addresses.
 */
static bool open_port(const struct kern_exit_rule *rules, size_t count, enum kern_proto proto,
		      uint16_t port)
{
	uint64_t passed_over = 0;

	for (size_t i = 0; i < count; i++) {
		const struct kern_exit_rule *rule = &rules[i];

		if (!covers(rule, proto, port) || rule->dst.addr.family == AF_INET6)
			continue;
		if (rule->dst.len == 0)
			return rule->accept;
		if (rule->accept)
			continue;
		passed_over += UINT64_C(1) << (32 - rule->dst.len);
		if (passed_over > PASS_OVER)
			return false;
	}
	return false;
}

/* The next port after PORT at which any rule starts or has ended; 65536: none. */
static uint32_t next_edge(const struct kern_exit_rule *rules, size_t count, uint32_t port)
{
	uint32_t next = UINT16_MAX + 1;

	for (size_t i = 0; i < count; i++) {
		uint32_t lo = rules[i].port_lo, end = rules[i].port_hi + 1u;

		if (lo > port && lo < next)
			next = lo;
		if (end > port && end < next)
			next = end;
	}
	return next;
}

static struct segments segments_of(const struct kern_exit_rule *rules, size_t count,
				   enum kern_proto proto)
{
	struct segments s = { 0 };

	for (uint32_t port = 0, next; port <= UINT16_MAX; port = next) {
		bool accept = open_port(rules, count, proto, (uint16_t)port);

		next = next_edge(rules, count, port);
		if (s.count && s.list[s.count - 1].accept == accept)
			s.list[s.count - 1].hi = (uint16_t)(next - 1);
		else
			s.list[s.count++] = (struct segment){ (uint16_t)port, (uint16_t)(next - 1),
							      accept };
	}
	return s;
}

struct summary {
	size_t count;
	struct dir_rule rules[SUMMARY_MAX];
};

static void add(struct summary *s, bool accept, enum kern_proto proto, uint16_t lo, uint16_t hi)
{
	s->rules[s->count++] = (struct dir_rule){ accept, (uint8_t)proto, lo, hi };
}

static bool has(const struct segments *s, const struct segment *seg)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].accept == seg->accept && s->list[i].lo == seg->lo &&
		    s->list[i].hi == seg->hi)
			return true;
	return false;
}

/*
 * The segments of TCP and UDP whose verdict is ACCEPT, those they share as one rule; rejected ones
 * are followed by accepting the rest.
 */
static struct summary listing(const struct segments *tcp, const struct segments *udp, bool icmp,
			      bool accept)
{
	struct summary s = { 0 };

	add(&s, icmp, KERN_PROTO_ICMP, 0, UINT16_MAX);
	for (size_t i = 0; i < tcp->count; i++)
		if (tcp->list[i].accept == accept)
			add(&s, accept, has(udp, &tcp->list[i]) ? KERN_PROTO_ANY : KERN_PROTO_TCP,
			    tcp->list[i].lo, tcp->list[i].hi);
	for (size_t i = 0; i < udp->count; i++)
		if (udp->list[i].accept == accept && !has(tcp, &udp->list[i]))
			add(&s, accept, KERN_PROTO_UDP, udp->list[i].lo, udp->list[i].hi);
	if (!accept)
		add(&s, true, KERN_PROTO_ANY, 0, UINT16_MAX);
	return s;
}

/* TCP and UDP each in the shorter form: what it accepts, or what it rejects and then the rest. */
static struct summary by_protocol(const struct segments *tcp, const struct segments *udp, bool icmp)
{
	const struct {
		const struct segments *s;
		enum kern_proto proto;
	} protos[] = { { tcp, KERN_PROTO_TCP }, { udp, KERN_PROTO_UDP } };
	struct summary out = { 0 };

	add(&out, icmp, KERN_PROTO_ICMP, 0, UINT16_MAX);
	for (size_t p = 0; p < ARRAY_SIZE(protos); p++) {
		const struct segments *s = protos[p].s;
		size_t accepted = 0;

		for (size_t i = 0; i < s->count; i++)
			accepted += s->list[i].accept;
		for (size_t i = 0; i < s->count; i++)
			if (s->list[i].accept == (accepted <= s->count - accepted))
				add(&out, s->list[i].accept, protos[p].proto, s->list[i].lo,
				    s->list[i].hi);
		if (accepted > s->count - accepted)
			add(&out, true, protos[p].proto, 0, UINT16_MAX);
	}
	return out;
}

static bool allows(const struct dir_rule *rules, size_t count, enum kern_proto proto, uint16_t port)
{
	for (size_t i = 0; i < count; i++)
		if ((rules[i].proto == 0 || rules[i].proto == proto) && rules[i].port_lo <= port &&
		    port <= rules[i].port_hi)
			return rules[i].accept;
	return false;
}

/* Drops the leading ICMP rule when the others say the same. */
static void trim(struct summary *s)
{
	if (allows(s->rules + 1, s->count - 1, KERN_PROTO_ICMP, 0) != s->rules[0].accept)
		return;
	s->count--;
	memmove(s->rules, s->rules + 1, s->count * sizeof(s->rules[0]));
}

/* What users miss most comes first: the web, names, then the widest range. */
static uint32_t worth(const struct dir_rule *rule)
{
	const uint16_t ports[] = { 443, 80, 53 };
	uint32_t value = (uint32_t)rule->port_hi - rule->port_lo;

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (rule->proto != KERN_PROTO_ICMP && rule->port_lo <= ports[i] &&
		    ports[i] <= rule->port_hi)
			value += UINT32_C(1) << (20 - i);
	return rule->accept ? value : UINT32_MAX; /* the ICMP exception stays */
}

/* Takes accepting rules away until they fit: it promises less than it could, never more. */
static void cut(struct summary *s)
{
	while (s->count > DIR_RULES) {
		size_t least = 0;

		for (size_t i = 1; i < s->count; i++)
			if (worth(&s->rules[i]) < worth(&s->rules[least]))
				least = i;
		s->count--;
		memmove(&s->rules[least], &s->rules[least + 1],
			(s->count - least) * sizeof(s->rules[0]));
	}
}

size_t exit_policy_summary(const struct kern_exit_rule *rules, size_t count,
			   struct dir_rule out[DIR_RULES])
{
	struct segments tcp = segments_of(rules, count, KERN_PROTO_TCP);
	struct segments udp = segments_of(rules, count, KERN_PROTO_UDP);
	bool icmp = open_port(rules, count, KERN_PROTO_ICMP, 0);
	struct summary forms[] = {
		listing(&tcp, &udp, icmp, true),
		listing(&tcp, &udp, icmp, false),
		by_protocol(&tcp, &udp, icmp),
	};
	struct summary *best = &forms[0];

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		trim(&forms[i]);
		if (forms[i].count < best->count)
			best = &forms[i];
	}
	if (best->count > DIR_RULES) {
		best = &forms[0];
		cut(best);
	}
	memcpy(out, best->rules, best->count * sizeof(out[0]));
	return best->count;
}
