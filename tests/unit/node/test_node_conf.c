/* The relay's configuration: defaults, every key, and for each mistake one line that points at it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "ippriv-node/node_conf.h"

#define KEY_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_2 "0202020202020202020202020202020202020202020202020202020202020202"

/* Lines that are enough, all of them needed. */
enum { ADDRESS, IDENTITY, NICKNAME, DIRECTORY, AUTHORITIES, LINES };

static char dir[] = "/tmp/test_node_conf.XXXXXX";
static char key[64], conf[64], authorities[64], identity[128];
static const char *lines[LINES] = {
	[ADDRESS] = "address = 203.0.113.2",
	[NICKNAME] = "nickname = \"relay-B\"",
	[DIRECTORY] = "directory = \"http://192.0.2.1:8080\"",
	[AUTHORITIES] = "authorities = { \"" KEY_1 "\" }",
};
static struct crypto_pub pub;
static char why[512];

static void setup(void)
{
	struct crypto_sign_key k;

	cr_assert_geq(crypto_init(), 0);
	cr_assert(mkdtemp(dir));
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(authorities, sizeof(authorities), "%s/authorities", dir);
	snprintf(identity, sizeof(identity), "identity = \"%s\"", key);
	lines[IDENTITY] = identity;
	cr_assert_eq(crypto_key_create(key, &k), 0);
	pub = k.pub;
	crypto_sign_key_wipe(&k);
}

static void teardown(void)
{
	unlink(key);
	unlink(conf);
	unlink(authorities);
	rmdir(dir);
}

TestSuite(node_conf, .init = setup, .fini = teardown);

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

/* The lines without OMIT (LINES: all), then MORE. */
static int read_with(int omit, const char *more, struct node_conf *out)
{
	FILE *f = fopen(conf, "w");

	cr_assert(f);
	for (int i = 0; i < LINES; i++)
		if (i != omit)
			fprintf(f, "%s\n", lines[i]);
	fputs(more, f);
	fclose(f);
	return node_conf_read(conf, authorities, out, why, sizeof(why));
}

/* MORE, in place of OMIT, is refused: WHY is one line that names file, LINE and SAYS. */
static void refused(int omit, const char *more, int line, const char *says)
{
	struct node_conf c;
	char at[128];

	memset(why, 0, sizeof(why));
	cr_expect_lt(read_with(omit, more, &c), 0, "\"%s\" passes", more);
	snprintf(at, sizeof(at), "%s:%d: ", conf, line);
	cr_expect_eq(strncmp(why, at, strlen(at)), 0, "\"%s\" is not at line %d: %s", more, line, why);
	cr_expect(strstr(why, says), "\"%s\" without \"%s\": %s", more, says, why);
	cr_expect_null(strchr(why, '\n'));
}

Test(node_conf, defaults)
{
	struct addr address = addr_v4(0xcb007102);
	struct node_conf c;

	cr_assert_eq(read_with(LINES, "", &c), 0, "%s", why);
	cr_expect(addr_equal(&c.address, &address));
	cr_expect_eq(memcmp(&c.key.pub, &pub, sizeof(pub)), 0);
	cr_expect_str_eq(c.nickname, "relay-B");
	cr_expect_str_eq(c.directory, "http://192.0.2.1:8080");
	cr_expect_str_eq(c.control, "/run/ippriv-node/control");
	cr_expect_str_eq(c.state, "/var/lib/ippriv-node");
	cr_expect_eq(c.trust.count, (size_t)1);
	cr_expect_eq(c.trust.threshold, (size_t)1);
	cr_expect_eq(addr_to_v4(&c.pool.addr), 0x64400000u);
	cr_expect_eq(c.pool.len, 16);
	cr_expect_eq(c.dns.family, 0);
	cr_expect_eq(c.log_level, LOG_LEVEL_INFO);
	cr_expect_eq(c.liveness, 30u);
	cr_expect_eq(c.client_silence, 900u);
	cr_expect(addr_equal(&c.listen, &address));
	cr_expect_eq(c.child_life, 3600u);
	cr_expect_eq(c.child_kilobytes, 64u << 20);
	cr_expect_eq(c.ike_life, 14400u);
	cr_expect_eq(c.max_circuits, 60000u);
	cr_expect_eq(c.peer_circuits, 30000u);
	cr_expect(prefix_equal(&c.firewall.pool, &c.pool));
	cr_expect_eq(c.firewall.pools.len, 10);
	cr_expect(addr_equal(&c.firewall.address, &address));
	cr_expect_str_eq(c.firewall.table, "ippriv_node");
	cr_expect_eq(c.metrics.addr.family, 0, "nobody has asked for them");
	cr_expect_eq(c.metrics_every, 300u);
	cr_expect_not(c.firewall.exit, "nobody is an exit by accident");
	cr_expect_gt(c.firewall.rule_count, (size_t)0);
	cr_expect_eq(c.firewall.nat_port_lo, 16384);
	cr_expect_eq(c.firewall.nat_port_hi, 65535);
	cr_expect_eq(c.firewall.client_connections, 1024u);
	cr_expect_eq(memcmp(&c.entry.identity, &pub, sizeof(pub)), 0);
	cr_expect_eq(c.entry.port, 500);
	cr_expect_eq(c.entry.flags & DIR_FLAG_EXIT, 0);
	cr_expect_eq(c.entry.rule_count, (size_t)0);
	cr_expect_eq(c.entry.flags & DIR_FLAG_IPV6, 0);
	cr_expect_eq(c.address6.family, 0);
	node_conf_fini(&c);
}

Test(node_conf, every_key)
{
	struct addr dns = addr_v4(0xcb007135), listen = addr_v4(0x0a000002);
	struct node_conf c;

	cr_assert_eq(read_with(AUTHORITIES,
			       "authorities = { \"" KEY_2 "\", \"" KEY_1 "\" }\nthreshold = 2\n"
			       "pool = 100.65.0.0/24\ndns = 203.0.113.53\nexit = yes\n"
			       "exit_policy = { \"accept tcp *:443\", \"reject any *\" }\n"
			       "nat_ports = \"20000-20999\"\nbandwidth = 7\nmax_circuits = 8\n"
			       "client_connections = 99\nlisten = 10.0.0.2\ncircuit_rate = 11\n"
			       "peer_circuits = 5\npeer_rate = 12\nclient_silence = 13\n"
			       "exit6 = true\n"
			       "address6 = \"2001:db8::7\"\nchild_life = 14\nchild_kilobytes = 150\nike_life = 16\n"
			       "liveness = 9\nrefresh = 10\ncontrol = \"/tmp/c\"\n"
			       "state = \"/tmp\"\nlog_level = debug\n", &c), 0, "%s", why);
	cr_expect_eq(c.trust.count, (size_t)2);
	cr_expect_eq(c.trust.threshold, (size_t)2);
	cr_expect_eq(addr_to_v4(&c.firewall.pool.addr), 0x64410000u);
	cr_expect_eq(c.firewall.pool.len, 24);
	cr_expect(addr_equal(&c.dns, &dns));
	cr_expect(c.firewall.exit && c.firewall.exit6);
	cr_expect(c.entry.flags & DIR_FLAG_EXIT6);
	cr_expect_eq(c.firewall.rule_count, (size_t)2);
	cr_expect_eq(c.firewall.rules[0].port_lo, 443);
	cr_expect_eq(c.firewall.nat_port_lo, 20000);
	cr_expect_eq(c.firewall.nat_port_hi, 20999);
	cr_expect_eq(c.firewall.client_connections, 99u);
	cr_expect_eq(c.entry.bandwidth, 7u);
	cr_expect_eq(c.max_circuits, 8u);
	cr_expect_eq(c.liveness, 9u);
	cr_expect_eq(c.refresh, 10u);
	cr_expect(addr_equal(&c.listen, &listen));
	cr_expect(addr_equal(&c.firewall.address, &listen), "what NAPT makes of clients");
	cr_expect_eq(addr_to_v4(&c.entry.address), 0xcb007102u);
	cr_expect(addr_equal(&c.address6, &c.entry.address6));
	cr_expect_eq(c.address6.bytes[15], 7);
	cr_expect(c.entry.flags & DIR_FLAG_IPV6);
	cr_expect_eq(c.circuit_rate, 11u);
	cr_expect_eq(c.peer_circuits, 5u);
	cr_expect_eq(c.peer_rate, 12u);
	cr_expect_eq(c.client_silence, 13u);
	cr_expect_eq(c.child_life, 14u);
	cr_expect_eq(c.child_kilobytes, 150u);
	cr_expect_eq(c.ike_life, 16u);
	cr_expect_str_eq(c.control, "/tmp/c");
	cr_expect_str_eq(c.state, "/tmp");
	cr_expect_eq(c.log_level, LOG_LEVEL_DEBUG);
	cr_expect(dir_entry_allows(&c.entry, IPPROTO_TCP, 443));
	cr_expect_not(dir_entry_allows(&c.entry, IPPROTO_TCP, 80));
	node_conf_fini(&c);
}

Test(node_conf, what_must_be_there)
{
	refused(ADDRESS, "", 4, "address is missing");
	refused(LINES, "colour = red\n", 6, "unknown key colour");
	refused(LINES, "\nnickname = \"twice\"\n", 7, "line 3 already");
}

Test(node_conf, authorities_in_a_file_of_their_own)
{
	struct node_conf c;

	cr_expect_lt(read_with(DIRECTORY, "", &c), 0);
	cr_expect(strstr(why, conf) && strstr(why, "directory is missing") && strstr(why, authorities),
		  "%s", why);
	cr_expect_lt(read_with(AUTHORITIES, "", &c), 0);
	cr_expect(strstr(why, "authorities is missing"), "%s", why);
	write_file(authorities, "directory = \"http://192.0.2.9\"\n"
				"authorities = { \"" KEY_2 "\", \"" KEY_1 "\" }\nthreshold = 2\n");
	cr_assert_eq(read_with(AUTHORITIES, "", &c), 0, "%s", why);
	cr_expect_str_eq(c.directory, "http://192.0.2.1:8080");
	cr_expect_eq(c.trust.count, (size_t)2);
	cr_expect_eq(c.trust.threshold, (size_t)2);
	node_conf_fini(&c);
	cr_assert_eq(read_with(DIRECTORY, "", &c), 0, "%s", why);
	cr_expect_str_eq(c.directory, "http://192.0.2.9");
	cr_expect_eq(c.trust.count, (size_t)1);
	cr_expect_eq(c.trust.threshold, (size_t)1, "goes with the keys");
	node_conf_fini(&c);
	refused(AUTHORITIES, "threshold = 2\n", 5, "in another file");
}

Test(node_conf, errors_in_the_file_of_authorities)
{
	struct node_conf c;

	write_file(authorities, "authorities = { \"" KEY_2 "\" }\nthreshold = 2\n");
	cr_expect_lt(read_with(AUTHORITIES, "", &c), 0);
	cr_expect(strstr(why, authorities) == why && strstr(why, ":2: ") && strstr(why, "threshold"),
		  "%s", why);
	write_file(authorities, "authorities = { \"" KEY_2 "\" }\nexit = true\n");
	cr_expect_lt(read_with(AUTHORITIES, "", &c), 0);
	cr_expect(strstr(why, authorities) == why && strstr(why, "unknown key exit"), "%s", why);
	write_file(authorities, "directory = \"http://192.0.2.1\"\n");
	cr_expect_lt(read_with(AUTHORITIES, "", &c), 0);
	cr_expect(strstr(why, "authorities is missing"), "%s", why);
}

Test(node_conf, one_line_is_enough)
{
	struct node_conf c;
	char hex[CRYPTO_HEX], name[64];
	FILE *f = fopen(conf, "w");

	cr_assert(f);
	fprintf(f, "%s\n", lines[ADDRESS]);
	fclose(f);
	write_file(authorities, "directory = \"http://192.0.2.9\"\nauthorities = { \"" KEY_2 "\" }\n");
	cr_assert_eq(node_conf_read(conf, authorities, &c, why, sizeof(why)), 0, "%s", why);
	cr_expect_str_eq(c.identity, NODE_KEY_PATH);
	cr_expect(c.key_later == (access(NODE_KEY_PATH, F_OK) < 0));
	snprintf(name, sizeof(name), "ippriv-%.8s", crypto_hex(c.key.pub.bytes, hex));
	cr_expect_str_eq(c.nickname, name);
	cr_expect_str_eq(c.entry.nickname, name);
	cr_expect_not(c.firewall.exit);

	free(c.identity);
	c.identity = strdup("/nonexistent/node.key");
	cr_expect_eq(node_conf_make_key(&c, why, sizeof(why)), -ENOENT);
	cr_expect(strstr(why, "make that folder"), "%s", why);
	unlink(key);
	free(c.identity);
	c.identity = strdup(key);
	cr_assert_eq(node_conf_make_key(&c, why, sizeof(why)), 0, "%s", why);
	cr_expect_eq(access(key, R_OK), 0);
	cr_expect_not(c.key_later);
	snprintf(name, sizeof(name), "ippriv-%.8s", crypto_hex(c.key.pub.bytes, hex));
	cr_expect_str_eq(c.entry.nickname, name);
	cr_expect_eq(memcmp(&c.entry.identity, &c.key.pub, sizeof(c.key.pub)), 0);
	node_conf_fini(&c);
}

Test(node_conf, addresses)
{
	static const struct {
		int omit;
		const char *text, *says;
	} cases[] = {
		{ ADDRESS, "address = 203.0.113\n", "give an address" },
		{ ADDRESS, "address = relay.example.net\n", "give an address" },
		{ ADDRESS, "address = \"2001:db8::1\"\n", "IPv4" },
		{ ADDRESS, "address = 100.64.0.1\n", "100.64.0.0/10" },
		{ ADDRESS, "address = 100.127.255.255\n", "100.64.0.0/10" },
		{ ADDRESS, "address = 127.0.0.1\n", "others can reach" },
		{ ADDRESS, "address = 10.1.2.3\n", "others can reach" },
		{ ADDRESS, "address = 192.168.1.1\n", "others can reach" },
		{ ADDRESS, "address = 0.0.0.0\n", "others can reach" },
		{ ADDRESS, "address = 224.0.0.1\n", "others can reach" },
		{ ADDRESS, "address = 169.254.1.1\n", "others can reach" },
		{ LINES, "address6 = 203.0.113.2\n", "IPv6" },
		{ LINES, "address6 = \"fe80::1\"\n", "others can reach" },
		{ LINES, "address6 = \"::1\"\n", "others can reach" },
		{ LINES, "listen = 100.64.0.1\n", "100.64.0.0/10" },
		{ LINES, "listen = \"2001:db8::1\"\n", "IPv4" },
		{ LINES, "pool = 10.0.0.0/16\n", "100.64.0.0/10" },
		{ LINES, "pool = 100.0.0.0/8\n", "100.64.0.0/10" },
		{ LINES, "pool = 100.128.0.0/16\n", "100.64.0.0/10" },
		{ LINES, "pool = 100.64.0.0/31\n", "/30 or larger" },
		{ LINES, "pool = 100.64.0.1/16\n", "host bits" },
		{ LINES, "pool = \"2001:db8::/64\"\n", "100.64.0.0/10" },
		{ LINES, "dns = \"2001:db8::1\"\n", "IPv4" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i].omit, cases[i].text, cases[i].omit == LINES ? 6 : 5, cases[i].says);
}

Test(node_conf, resolver_of_an_exit)
{
	static const char *const bad[] = { "203.0.113.2", "127.0.0.53", "10.0.0.1", "192.168.1.1",
					   "100.64.0.1", "100.100.0.1", "169.254.1.1", "0.0.0.0",
					   "224.0.0.1" };
	struct node_conf c;
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "exit = true\ndns = %s\n", bad[i]);
		refused(LINES, text, 7, i == 0 ? "itself" : "public");
	}
	cr_assert_eq(read_with(LINES, "dns = 10.0.0.1\n", &c), 0, "nobody gets out here: %s", why);
	node_conf_fini(&c);
	cr_assert_eq(read_with(LINES, "exit = true\n", &c), 0, "%s", why);
	node_conf_fini(&c);
}

Test(node_conf, state_folder)
{
	static const char *const good[] = { "/", "/tmp", "/tmp/", "/made-later", "/tmp/made-later//" };
	struct node_conf c;
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "state = \"%s\"\n", good[i]);
		cr_expect_eq(read_with(LINES, text, &c), 0, "%s", why);
		node_conf_fini(&c);
	}
	snprintf(text, sizeof(text), "state = \"%s\"\n", key);
	refused(LINES, text, 6, "is no folder");
	snprintf(text, sizeof(text), "state = \"%s/below\"\n", key);
	refused(LINES, text, 6, "give another");
	snprintf(text, sizeof(text), "state = \"%s/not/there\"\n", dir);
	refused(LINES, text, 6, "folder above it");
	refused(LINES, "state = \"state\"\n", 6, "begin it with /");
}

Test(node_conf, other_values)
{
	static const struct {
		int omit;
		const char *text, *says;
	} cases[] = {
		{ NICKNAME, "nickname = \"\"\n", "1 to 16" },
		{ NICKNAME, "nickname = \"two words\"\n", "1 to 16" },
		{ NICKNAME, "nickname = \"seventeen-letters\"\n", "1 to 16" },
		{ DIRECTORY, "directory = \"192.0.2.1\"\n", "http://" },
		{ AUTHORITIES, "authorities = { \"01\" }\n", "64 hex digits" },
		{ AUTHORITIES, "authorities = { \"" KEY_1 "\", \"" KEY_1 "\" }\n", "twice" },
		{ LINES, "threshold = 0\n", "threshold" },
		{ LINES, "threshold = 2\n", "number of authorities" },
		{ LINES, "exit = maybe\n", "true or false" },
		{ LINES, "exit6 = true\n", "exit = true" },
		{ LINES, "exit_policy = { \"accept tcp *:99999\" }\n", "exit_policy" },
		{ LINES, "exit_policy = { \"allow tcp *:80\" }\n", "exit_policy" },
		{ LINES, "nat_ports = \"80-90\"\n", "between 1024 and 65535" },
		{ LINES, "nat_ports = \"3000-2000\"\n", "between 1024 and 65535" },
		{ LINES, "nat_ports = \"3000-70000\"\n", "between 1024 and 65535" },
		{ LINES, "nat_ports = \"3000-4000x\"\n", "between 1024 and 65535" },
		{ LINES, "nat_ports = \"3000\"\n", "between 1024 and 65535" },
		{ LINES, "bandwidth = 0\n", "bandwidth" },
		{ LINES, "bandwidth = -1\n", "bandwidth" },
		{ LINES, "max_circuits = 1000001\n", "max_circuits" },
		{ LINES, "client_connections = 0\n", "client_connections" },
		{ LINES, "liveness = 3601\n", "from 1 to 3600" },
		{ LINES, "client_silence = 29\n", "less than `liveness`, 30" },
		{ LINES, "liveness = 901\n", "less than `liveness`, 901" },
		{ LINES, "peer_circuits = 60001\n", "more than `max_circuits`" },
		{ LINES, "child_life = 4\n", "from 5 to" },
		{ LINES, "ike_life = 604801\n", "from 5 to" },
		{ LINES, "child_kilobytes = 99\n", "from 100 to" },
		{ LINES, "refresh = 0\n", "from 1 to" },
		{ LINES, "control = \"control\"\n", "begin it with /" },
		{ LINES, "log_level = loud\n", "log level" },
		{ LINES, "metrics = \"0.0.0.0:9500\"\n", "this host alone" },
		{ LINES, "metrics = \"9500\"\n", "127.0.0.1:9500" },
		{ LINES, "metrics_every = 59\n", "from 60 to" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i].omit, cases[i].text, cases[i].omit == LINES ? 6 : 5, cases[i].says);
}

Test(node_conf, sleep_that_outlasts_the_keys)
{
	cr_expect_not(node_conf_outsleeps(&(struct node_conf){ .client_silence = 900,
							       .child_life = 3600 }));
	cr_expect_not(node_conf_outsleeps(&(struct node_conf){ .client_silence = 1800,
							       .child_life = 3600 }));
	cr_expect(node_conf_outsleeps(&(struct node_conf){ .client_silence = 1801,
							   .child_life = 3600 }));
}

Test(node_conf, points_into_lists)
{
	refused(AUTHORITIES, "authorities = {\n\"" KEY_1 "\",\n\"" KEY_1 "\" }\n", 7, "twice");
	refused(LINES, "exit_policy = {\n\"accept tcp *:80\",\n\"accept\" }\n", 8, "exit_policy");
	refused(LINES, "\nthreshold = 3\n", 7, "number of authorities");
}

static void write_key(const char *text, mode_t mode)
{
	write_file(key, text);
	cr_assert_eq(chmod(key, mode), 0);
}

Test(node_conf, key_file)
{
	cr_assert_eq(chmod(key, 0640), 0);
	refused(LINES, "", 2, "chmod 600");
	write_key("garbage\n", 0600);
	refused(LINES, "", 2, "no key file");
	write_key("", 0600);
	refused(LINES, "", 2, "no key file");
	write_key(KEY_1 KEY_1 "\n", 0600);
	refused(LINES, "", 2, "no key file");
	unlink(key);
	refused(LINES, "", 2, "--keygen");
	refused(IDENTITY, "identity = \"key\"\n", 5, "begin it with /");
}
