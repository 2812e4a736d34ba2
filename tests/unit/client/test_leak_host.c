/* What a leak test reads of its host, and the routes of a hostile network. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "ippriv-client/leak_host.h"
#include "ippriv-client/leak_net.h"

static char path[] = "/tmp/ippriv-leak-XXXXXX";

static const char *file(const char *text)
{
	static int fd = -1;

	if (fd < 0)
		fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, 0), 0);
	cr_assert_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return path;
}

static void teardown(void)
{
	unlink(path);
}

TestSuite(leak_host, .fini = teardown);

Test(leak_host, resolver_is_the_first_that_is_not_the_host_itself)
{
	char text[ADDR_TEXT];
	struct addr a;

	cr_assert_eq(leak_host_resolver(file("# nameserver 1.1.1.1\nnameserver 127.0.0.53\n"
					     "nameserver ::1\n nameserver 192.0.2.7 \n"
					     "nameserver 192.0.2.8\n"), &a), 0);
	cr_expect_str_eq(addr_text(&a, text), "192.0.2.7");
	cr_expect_eq(leak_host_resolver(file("nameserver 127.0.0.1\nnameserver here\n"), &a), -ENOENT);
	cr_expect_eq(leak_host_resolver("/nonexistent", &a), -ENOENT);
}

Test(leak_host, default_route_is_the_first_that_is_no_tunnel)
{
	static const char head[] = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
	char all[1024], link[LEAK_NAME], text[ADDR_TEXT];
	struct addr a;

	snprintf(all, sizeof(all), "%s%s", head,
		 "ippriv0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
		 "eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
		 "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	cr_assert_eq(leak_host_default(file(all), link, &a), 0);
	cr_expect_str_eq(link, "eth0");
	cr_expect_str_eq(addr_text(&a, text), "192.0.2.1");
	cr_expect_eq(leak_host_default(file(head), link, &a), -ENOENT);
}

Test(leak_host, tunnels_of_ours_are_known_by_name)
{
	cr_expect(leak_host_ours("lo"));
	cr_expect(leak_host_ours("ippriv0"));
	cr_expect_not(leak_host_ours("eth0"));
	cr_expect_not(leak_host_ours("leaktest0"));
}

Test(leak_host, hostile_routes_lead_to_the_gateway_and_on_the_link)
{
	struct leak_plan plan = { .link = "eth0", .gateway = { AF_INET, { 192, 0, 2, 1 } } };
	struct leak_net_routes routes;
	size_t on_link = 0;

	for (uint8_t i = 1; i <= LEAK_ADDRESSES_MAX; i++)
		leak_addresses_add(&plan.entries, &(struct addr){ AF_INET, { 203, 0, 113, i } });
	plan.server = (struct addr){ AF_INET, { 203, 0, 113, 99 } };
	leak_net_rogue(&plan, &routes);
	cr_assert_eq(routes.count, 5 + LEAK_ADDRESSES_MAX);
	cr_expect_eq(routes.route[0].dst.len, 1);
	cr_expect_eq(routes.route[1].dst.len, 1);
	for (size_t i = 0; i < routes.count; i++) {
		cr_expect_str_eq(routes.route[i].link, "eth0");
		on_link += routes.route[i].gateway.family == 0;
	}
	cr_expect_eq(on_link, 1);
	plan.gateway.family = 0;
	leak_net_rogue(&plan, &routes);
	cr_expect_eq(routes.count, 0);
}
