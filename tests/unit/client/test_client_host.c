/* What the host was told and how that is carried out, on a kernel that keeps books. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/fake_kern.h"
#include "common/base/mark.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/host_state.h"
#include "ippriv-client/host_url.h"

static struct prefix net(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	return p;
}

Test(host_state, is_read_as_it_was_written)
{
	struct host_state s = { .up = true, .lockdown = true }, back;
	char text[HOST_STATE_TEXT];

	for (; s.net_count < HOST_STATE_NETS; s.net_count++)
		s.nets[s.net_count] = net("2001:db8:1234:5678:9abc:def0:1234:5678/128");
	cr_assert_lt(host_state_build(&s, text), sizeof(text));
	cr_assert_eq(host_state_parse(text, &back), 0);
	cr_assert(back.up && back.lockdown && back.net_count == HOST_STATE_NETS);
	cr_assert(prefix_equal(&back.nets[15], &s.nets[15]));
	s = (struct host_state){ .lockdown = true };
	host_state_build(&s, text);
	cr_assert_str_eq(text, "lockdown\n");
	cr_assert(host_state_shut(&s));
	s.lockdown = false;
	cr_assert_eq(host_state_build(&s, text), 0);
	cr_assert_eq(host_state_parse(text, &back), 0);
	cr_assert_not(host_state_shut(&back));
}

Test(host_state, anything_else_is_refused)
{
	static const char *const bad[] = { "up", "up\nup\n", "down\n", "up \n", "\n", "exclude \n",
					   "exclude 0.0.0.0/0\n", "exclude 192.0.2.1/24\n",
					   "exclude 192.0.0.0/7\n", "exclude 2000::/3\n" };
	struct host_state s = { .up = true };
	char many[HOST_STATE_TEXT] = "";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(host_state_parse(bad[i], &s), -EBADMSG, "%s", bad[i]);
	for (int i = 0; i <= HOST_STATE_NETS; i++)
		strcat(many, "exclude 192.0.2.0/24\n");
	cr_assert_eq(host_state_parse(many, &s), -EBADMSG);
	memset(many, 'u', sizeof(many) - 1);
	cr_assert_eq(host_state_parse(many, &s), -EBADMSG);
	cr_assert(s.up && s.net_count == 0); /* untouched */
}

Test(host_state, survives_in_its_folder)
{
	char folder[] = "/tmp/ippriv-host-XXXXXX", path[64], why[256];
	const struct host_state told = { .up = true, .net_count = 1, .nets = { net("10.0.0.0/8") } };
	struct host_state s;
	FILE *f;

	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/host", folder);
	cr_assert_eq(host_state_load(folder, &s, why, sizeof(why)), 0);
	cr_assert_not(host_state_shut(&s));
	cr_assert_eq(host_state_save(folder, &told), 0);
	cr_assert_eq(host_state_load(folder, &s, why, sizeof(why)), 0);
	cr_assert(s.up && s.net_count == 1);
	f = fopen(path, "w");
	fputs("up\nnonsense\n", f);
	fclose(f);
	cr_assert_eq(host_state_load(folder, &s, why, sizeof(why)), -EBADMSG);
	cr_assert(strstr(why, path) && strstr(why, "mend or remove"));
	unlink(path);
	rmdir(folder);
}

Test(host_url, port_and_name)
{
	static const struct {
		const char *url;
		uint16_t port;
		bool named;
	} cases[] = {
		{ "http://192.0.2.1:8080", 8080, false },
		{ "http://192.0.2.1/", 80, false },
		{ "https://192.0.2.1", 443, false },
		{ "http://[2001:db8::1]:81/x", 81, false },
		{ "http://[2001:db8::1]", 80, false },
		{ "http://dir.example.org", 80, true },
		{ "https://dir.example.org:8443/", 8443, true },
		{ "http://dir.example.org:99999", 0, true },
		{ "http://dir.example.org:x", 0, true },
	};
	bool named;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_expect_eq(host_url_port(cases[i].url, &named), cases[i].port, "%s", cases[i].url);
		cr_expect_eq(named, cases[i].named, "%s", cases[i].url);
	}
}

static struct fake_kern kernel;

static void start(void)
{
	fake_kern_init(&kernel);
}

static void end(void)
{
	fake_kern_fini(&kernel);
}

TestSuite(dp_host, .init = start, .fini = end);

static struct dp_host_conf conf_with(size_t nets)
{
	return (struct dp_host_conf){ .list_port = 8080, .net_count = nets,
				      .nets = { net("192.168.7.0/24"), net("2001:db8::/32") } };
}

/* The rule that leads into our table, and what stands before it. */
Test(dp_host, rules_lead_all_but_exceptions_into_the_table)
{
	const struct dp_host_conf conf = conf_with(2);
	size_t tunnel = 0, past = 0, unreachable = 0;

	cr_assert_eq(dp_host_route(&kernel.ops, &conf), 0);
	for (size_t i = 0; i < kernel.count; i++) {
		const struct kern_op *op = &kernel.standing[i];

		if (op->type == KERN_OP_ROUTE) {
			cr_assert(op->route.unreachable && op->route.table == DP_HOST_TABLE);
			unreachable++;
		} else if (op->rule.table == DP_HOST_TABLE && !op->rule.invert) {
			cr_assert(op->rule.mark.mask && op->rule.priority < 60);
		} else if (op->rule.table == DP_HOST_TABLE) {
			cr_assert(op->rule.mark.mask && op->rule.priority > 60);
			cr_assert_eq(op->rule.to.addr.family, 0);
			tunnel++;
		} else {
			cr_assert_eq(op->rule.table, KERN_TABLE_MAIN);
			cr_assert(op->rule.proto || op->rule.to.len > 0, "a rule for everything");
			cr_assert_eq(op->rule.local, op->rule.proto != 0, "containers' names leave");
			past++;
		}
	}
	cr_assert_eq(unreachable, 2); /* of both families */
	cr_assert_eq(tunnel, 2);
	cr_assert_eq(past, 3 + 2 + 1); /* ports, networks, what finds printers */
	cr_assert_eq(dp_host_unroute(&kernel.ops, &conf), 0);
	cr_assert_eq(kernel.count, 0);
	cr_assert_eq(kernel.wrong, 0);
}

Test(dp_host, what_stands_already_is_no_error)
{
	const struct dp_host_conf conf = conf_with(0);

	cr_assert_eq(dp_host_route(&kernel.ops, &conf), 0);
	cr_assert_eq(dp_host_route(&kernel.ops, &conf), 0);
	kernel.fail_at = kernel.adds + 3;
	cr_assert_eq(dp_host_route(&kernel.ops, &conf), -ENOMEM);
}

Test(dp_host, the_firewall_is_replaced_and_goes_once)
{
	const struct dp_host_conf conf = conf_with(1);
	const struct dp_host_seats none = { 0 };
	const struct dp_host_seats seats = { .addresses = { [2] = addr_v4(0x64400001) },
					     .has_names = true, .names = 2,
					     .resolver = addr_v4(0x09090909) };

	cr_assert_eq(dp_host_shut(&kernel.ops, &conf, &none), 0);
	cr_assert_not(kernel.shield.has_names);
	cr_assert_eq(dp_host_shut(&kernel.ops, &conf, &seats), 0);
	cr_assert(kernel.shield.list_port == 8080 && kernel.shield.net_count == 1);
	cr_assert(kernel.shield.has_names && kernel.shield.names == 2);
	cr_assert(addr_equal(&kernel.shield.tunnel[2], &seats.addresses[2]));
	cr_assert(addr_equal(&kernel.shield.resolver, &seats.resolver));
	cr_assert_eq(fake_kern_count(&kernel, KERN_OP_SHIELD), 1);
	cr_assert_eq(dp_host_pass(&kernel.ops, 7, 60), 0);
	cr_assert_eq(dp_host_stop(&kernel.ops, 7), 0);
	cr_assert_eq(dp_host_open(&kernel.ops), 0);
	cr_assert_eq(kernel.wrong, 0);
	cr_assert_eq(dp_host_open(&kernel.ops), -ENOENT);
}

/* What an old circuit keeps, beside one that has the default route. */
Test(dp_host, a_circuit_has_rules_of_its_own)
{
	const struct dp_host_conf conf = conf_with(1);
	const struct addr inner = addr_v4(0x64400001), other = addr_v4(0x64400002);
	struct kern_op ops[2][DP_HOST_LEAD];
	uint32_t last = 0;

	cr_assert_eq(dp_host_lead(&inner, "ippriv0", 0, 0x49600007, NULL, ops[0]), DP_HOST_LEAD);
	cr_assert_eq(dp_host_lead(&other, "ippriv3", 3, 0x49600008, NULL, ops[1]), DP_HOST_LEAD);
	cr_assert_eq(dp_host_route(&kernel.ops, &conf), 0);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(kern_plan_add(&kernel.ops, ops[i], DP_HOST_LEAD), 0);
	cr_assert(ops[1][0].route.table == 0x49600008 && !ops[1][0].route.replace);
	cr_assert(ops[1][4].route.table == DP_HOST_TABLE && ops[1][4].route.replace);
	for (size_t i = 1; i <= 3; i++) {
		const struct kern_rule *a = &ops[0][i].rule, *b = &ops[1][i].rule;

		cr_assert(a->priority > last && a->priority == b->priority && a->priority < 69);
		cr_assert(a->table == 0x49600007 && b->table == 0x49600008);
		cr_assert(a->mark.mask ? a->mark.value != b->mark.value && !a->from.len :
					 prefix_contains(&a->from, &inner) && a->from.len == 32);
		cr_assert((a->mark.value & MARK_EITHER) != MARK_OURS, "nobody goes straight by it");
		last = a->priority;
	}
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(kern_plan_del(&kernel.ops, ops[i], DP_HOST_LEAD), 0);
	cr_assert_eq(dp_host_unroute(&kernel.ops, &conf), 0);
	cr_assert(kernel.count == 0 && kernel.wrong == 0);
}

Test(dp_host, and_of_ipv6_but_for_names)
{
	const struct addr inner = { AF_INET6, { 0xfd, 0x49, [15] = 1 } };
	struct kern_op ops[DP_HOST_LEAD] = { 0 };

	cr_assert_eq(dp_host_lead(&inner, "ippriv2", 2, 0x49600009, NULL, ops), DP_HOST_LEAD - 1);
	for (size_t i = 0; i < DP_HOST_LEAD - 1; i++) {
		bool route = i == 0 || i == 3;

		cr_assert_eq(ops[i].type, route ? KERN_OP_ROUTE : KERN_OP_RULE);
		cr_assert_eq(route ? ops[i].route.dst.addr.family : ops[i].rule.family, AF_INET6);
		if (route)
			cr_assert(addr_equal(&ops[i].route.source, &inner), "not another link's");
	}
	cr_assert(ops[1].rule.from.len == 128 && addr_equal(&ops[1].rule.from.addr, &inner));
	cr_assert_eq(ops[2].rule.mark.value, MARK_SEAT(2));
	cr_assert(ops[3].route.table == DP_HOST_TABLE && ops[3].route.replace);
}
