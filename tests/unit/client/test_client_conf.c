#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-client/client_conf.h"

#define KEY_1 "0101010101010101010101010101010101010101010101010101010101010101"
#define KEY_2 "0202020202020202020202020202020202020202020202020202020202020202"
#define MINIMUM "directory = \"http://192.0.2.1:8080\"\nauthorities = { \"" KEY_1 "\" }\n"

static char path[] = "/tmp/test_client_conf.XXXXXX";
static const char *authorities = "/nonexistent/authorities";
static char why[512];

static int read_text(const char *text, struct client_conf *out)
{
	char name[sizeof(path)];
	int fd, r;

	memcpy(name, path, sizeof(path));
	fd = mkstemp(name);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = client_conf_read(name, authorities, out, why, sizeof(why));
	unlink(name);
	return r;
}

Test(client_conf, defaults)
{
	struct client_conf c;

	cr_assert_eq(read_text(MINIMUM, &c), 0, "%s", why);
	cr_assert_str_eq(c.directory, "http://192.0.2.1:8080");
	cr_assert_eq(c.trust.count, 1);
	cr_assert_eq(c.trust.threshold, 1);
	cr_assert_eq(c.trust.keys[0].bytes[31], 1);
	cr_assert_eq(c.circuits, 1);
	cr_assert_eq(c.liveness, 30);
	cr_assert_eq(c.child_life, 3600);
	cr_assert_eq(c.child_kilobytes, 64u << 20);
	cr_assert_eq(c.ike_life, 14400);
	cr_assert_eq(c.keepalive, 20);
	cr_assert_not(c.force_encap);
	cr_assert_eq(c.metrics.addr.family, 0);
	cr_assert_eq(c.metrics_every, 300);
	cr_assert_eq(c.ciphers, CLIENT_CIPHERS_AUTO);
	cr_assert_str_eq(c.control, "/run/ippriv/control");
	cr_assert_str_eq(c.state, "/var/lib/ippriv-client");
	cr_assert_eq(c.log_level, LOG_LEVEL_INFO);
	client_conf_fini(&c);
}

Test(client_conf, every_key)
{
	struct client_conf c;

	cr_assert_eq(read_text("directory = \"http://192.0.2.1\"\n"
			       "authorities = { \"" KEY_2 "\", \"" KEY_1 "\" }\n"
			       "threshold = 2\ncircuits = 3\ncontrol = \"/tmp/c\"\nstate = \"/tmp/s\"\n"
			       "liveness = 5\nchild_life = 60\nchild_kilobytes = 1200\n"
			       "ike_life = 600\nencapsulation = \"always\"\nkeepalive = 7\n"
			       "ciphers = \"aes\"\nmetrics = \"[::1]:9500\"\nmetrics_every = 77\n"
			       "log_level = debug\nentry = { \"n1\" }\n"
			       "exit = { \"n2\", \"" KEY_2 "\" }\n", &c), 0, "%s", why);
	cr_assert_eq(c.trust.count, 2);
	cr_assert_eq(c.trust.threshold, 2);
	cr_assert_eq(c.trust.keys[0].bytes[0], 2);
	cr_assert_eq(c.circuits, 3);
	cr_assert_eq(c.liveness, 5);
	cr_assert_eq(c.child_life, 60);
	cr_assert_eq(c.child_kilobytes, 1200);
	cr_assert_eq(c.ike_life, 600);
	cr_assert_eq(c.keepalive, 7);
	cr_assert(c.force_encap);
	cr_assert_eq(c.ciphers, CLIENT_CIPHERS_AES);
	cr_assert_eq(c.metrics.addr.family, AF_INET6);
	cr_assert_eq(c.metrics.port, 9500);
	cr_assert_eq(c.metrics_every, 77);
	cr_assert_str_eq(c.control, "/tmp/c");
	cr_assert_str_eq(c.state, "/tmp/s");
	cr_assert_eq(c.log_level, LOG_LEVEL_DEBUG);
	cr_assert_eq(c.pins[0].count, 1);
	cr_assert_str_eq(c.pins[0].pins[0].nickname, "n1");
	cr_assert_eq(c.pins[1].count, 0);
	cr_assert_eq(c.pins[2].count, 2);
	cr_assert(c.pins[2].pins[1].is_key && c.pins[2].pins[1].key.bytes[0] == 2);
	client_conf_fini(&c);
}

Test(client_conf, errors_say_where)
{
	static const struct {
		const char *text, *line, *says;
	} cases[] = {
		{ "directory = \"http://192.0.2.1\"\n", ":", "authorities" },
		{ "authorities = { \"" KEY_1 "\" }\n", ":", "directory" },
		{ MINIMUM "bandwidth = 4\n", ":3:", "bandwidth" },
		{ MINIMUM "circuits = 0\n", ":3:", "circuits" },
		{ MINIMUM "circuits = 17\n", ":3:", "circuits" },
		{ MINIMUM "liveness = 0\n", ":3:", "liveness" },
		{ MINIMUM "child_life = 3\n", ":3:", "child_life" },
		{ MINIMUM "child_kilobytes = 0\n", ":3:", "child_kilobytes" },
		{ MINIMUM "ike_life = 0\n", ":3:", "ike_life" },
		{ MINIMUM "encapsulation = never\n", ":3:", "always" },
		{ MINIMUM "ciphers = rot13\n", ":3:", "chacha" },
		{ MINIMUM "keepalive = 0\n", ":3:", "keepalive" },
		{ MINIMUM "metrics = \"192.0.2.1:9500\"\n", ":3:", "this host alone" },
		{ MINIMUM "metrics_every = 1\n", ":3:", "60" },
		{ MINIMUM "log_level = loud\n", ":3:", "level" },
		{ MINIMUM "control = \"run/control\"\n", ":3:", "control" },
		{ MINIMUM "state = \"here\"\n", ":3:", "state" },
		{ MINIMUM "entry = { n1,\n\"no such name\" }\n", ":4:", "nickname" },
		{ MINIMUM "middle = { \"\" }\n", ":3:", "nickname" },
		{ MINIMUM "threshold = 2\n", ":3:", "threshold" },
		{ "directory = \"192.0.2.1\"\nauthorities = { \"" KEY_1 "\" }\n", ":1:", "directory" },
		{ "directory = \"http://192.0.2.1\"\nauthorities = { \"0101\" }\n", ":2:", "key" },
		{ "directory = \"http://192.0.2.1\"\nauthorities = { \"" KEY_1 "\",\n\"" KEY_1 "\" }\n",
		  ":3:", "twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct client_conf c = { .circuits = 99 };

		cr_assert_lt(read_text(cases[i].text, &c), 0, "%s", cases[i].text);
		cr_assert(strstr(why, cases[i].line), "%s", why);
		cr_assert(strstr(why, cases[i].says), "%s", why);
		cr_assert_null(strchr(why, '\n'));
		cr_assert_eq(c.circuits, 99, "the result was touched");
	}
}

Test(client_conf, authorities_alone_are_enough)
{
	struct client_conf c;
	char name[sizeof(path)];
	int fd;

	cr_assert_eq(client_conf_read(NULL, authorities, &c, why, sizeof(why)), -ENOENT);
	cr_assert(strstr(why, authorities), "%s", why);
	memcpy(name, path, sizeof(path));
	fd = mkstemp(name);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, MINIMUM, strlen(MINIMUM)), (ssize_t)strlen(MINIMUM));
	close(fd);
	cr_assert_eq(client_conf_read(NULL, name, &c, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(c.directory, "http://192.0.2.1:8080");
	cr_assert_eq(c.trust.count, 1);
	cr_assert_eq(c.circuits, 1);
	cr_assert_str_eq(c.state, "/var/lib/ippriv-client");
	client_conf_fini(&c);
	authorities = name;
	cr_assert_eq(read_text("circuits = 4\n", &c), 0, "%s", why);
	cr_assert_eq(c.circuits, 4);
	cr_assert_eq(c.trust.count, 1);
	client_conf_fini(&c);
	unlink(name);
}

Test(client_conf, no_file)
{
	struct client_conf c;

	cr_assert_lt(client_conf_read("/nonexistent/client.conf", authorities, &c, why, sizeof(why)), 0);
	cr_assert(strstr(why, "/nonexistent/client.conf"), "%s", why);
}
