#include "ippriv-node/node_conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/inner_mtu.h"
#include "common/base/log.h"
#include "common/conf/conf_authorities.h"
#include "common/conf/conf_check.h"
#include "common/dir/dir_watch.h"
#include "common/metrics/metrics_serve.h"
#include "ippriv-node/exit_policy.h"

/* The file's values before they are put together, and the lines to point at. */
struct draft {
	const char *path;
	struct conf_authorities a;
	struct conf_strings exit_rules;
	char *nat_ports, *log_level, *metrics;
	int address_line, address6_line, listen_line, peer_circuits_line, identity_line, pool_line, dns_line, nat_line,
	    state_line, silence_line, liveness_line, exit6_line;
	char *why;
	size_t why_size;
};

static int fail(const struct draft *d, int line, const char *fmt, ...) _printf_(3, 4);
static int fail(const struct draft *d, int line, const char *fmt, ...)
{
	int used = line ? snprintf(d->why, d->why_size, "%s:%d: ", d->path, line)
			: snprintf(d->why, d->why_size, "%s: ", d->path); /* a default */
	va_list args;

	va_start(args, fmt);
	if (used > 0 && (size_t)used < d->why_size)
		vsnprintf(d->why + used, d->why_size - (size_t)used, fmt, args);
	va_end(args);
	return -EINVAL;
}

static const char *check_nickname(const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	size_t len = strlen(value);

	if (len == 0 || len > DIR_NICKNAME || strspn(value, letters) != len)
		return "no nickname; write 1 to 16 letters, digits and hyphens";
	return NULL;
}

static const char *check_rule(const char *value)
{
	struct kern_exit_rule rule;

	return exit_policy_parse(value, &rule);
}

static int set_trust(struct draft *d, const char *authorities, struct node_conf *c)
{
	struct conf_authorities *a = &d->a;
	int err = conf_authorities_complete(a, d->path, authorities, d->why, d->why_size), line;
	const char *wrong;
	size_t bad;

	if (err < 0)
		return err;
	c->directory = a->directory;
	a->directory = NULL;
	wrong = dir_trust_parse(a->keys.items, a->keys.count, a->threshold, &c->trust, &bad);
	if (!wrong)
		return 0;
	line = a->threshold_line && a->threshold > a->keys.count ? a->threshold_line
								 : a->keys.lines[bad];
	d->path = a->path;
	return fail(d, line, "%s", wrong);
}

static int set_addresses(const struct draft *d, struct node_conf *c)
{
	struct kern_firewall *fw = &c->firewall;

	if (c->address.family != AF_INET)
		return fail(d, d->address_line, "address: only IPv4 for now; give an IPv4 address");
	if (prefix_contains(&fw->pools, &c->address))
		return fail(d, d->address_line, "address: lies in 100.64.0.0/10, which relays assign "
						"from; give a public address");
	if (c->listen.family == 0)
		c->listen = c->address;
	if (c->listen.family != AF_INET || prefix_contains(&fw->pools, &c->listen))
		return fail(d, d->listen_line, "listen: give an IPv4 address of this machine, not in "
					       "100.64.0.0/10");
	if (c->address6.family == AF_INET)
		return fail(d, d->address6_line, "address6: give an IPv6 address of this machine");
	if (!prefix_within(&c->pool, &fw->pools) || c->pool.len > 30)
		return fail(d, d->pool_line, "pool: must lie in 100.64.0.0/10 and be /30 or larger");
	if (c->dns.family == AF_INET6)
		return fail(d, d->dns_line, "dns: only IPv4 for now; give an IPv4 address");
	fw->address = c->listen;
	fw->pool = c->pool;
	return 0;
}

static int set_exit(const struct draft *d, struct node_conf *c)
{
	struct kern_firewall *fw = &c->firewall;
	unsigned int lo, hi;
	int end = 0;

	if (fw->exit6 && !fw->exit)
		return fail(d, d->exit6_line, "exit6: needs `exit = true`, IPv6 goes out where IPv4 does");

	if (sscanf(d->nat_ports, "%5u-%5u%n", &lo, &hi, &end) != 2 || d->nat_ports[end] ||
	    lo < 1024 || lo > hi || hi > 65535)
		return fail(d, d->nat_line, "nat_ports: write LO-HI between 1024 and 65535");
	fw->nat_port_lo = (uint16_t)lo;
	fw->nat_port_hi = (uint16_t)hi;
	for (size_t i = 0; i < d->exit_rules.count; i++)
		exit_policy_parse(d->exit_rules.items[i], &fw->rules[fw->rule_count++]);
	if (fw->rule_count == 0)
		fw->rule_count = exit_policy_default(fw->rules);
	return 0;
}

static int set_limits(const struct draft *d, struct node_conf *c)
{
	if (!d->peer_circuits_line)
		c->peer_circuits = (c->max_circuits + 1) / 2;
	else if (c->peer_circuits > c->max_circuits)
		return fail(d, d->peer_circuits_line, "peer_circuits: more than `max_circuits`, %u, "
						      "give no more", c->max_circuits);
	if (c->client_silence < c->liveness)
		return fail(d, d->silence_line ? d->silence_line : d->liveness_line,
			    "client_silence: %u, less than `liveness`, %u, which is when a client is "
			    "asked; give as much or more", c->client_silence, c->liveness);
	return 0;
}

bool node_conf_outsleeps(const struct node_conf *conf)
{
	return conf->client_silence > conf->child_life / 2;
}

/* Clients reach it through the exit, whose firewall lets nothing into such networks. */
static int set_dns(const struct draft *d, const struct node_conf *c)
{
	if (!c->firewall.exit || c->dns.family == 0)
		return 0;
	if (addr_equal(&c->dns, &c->address) || addr_equal(&c->dns, &c->listen))
		return fail(d, d->dns_line, "dns: is this relay itself, which clients cannot reach; "
					    "give a resolver on another host");
	if (!dir_address_good(&c->dns))
		return fail(d, d->dns_line, "dns: not a public address, and an exit lets clients "
					    "reach no others; give a public resolver");
	return 0;
}

static int set_identity(const struct draft *d, struct node_conf *c)
{
	int err = crypto_key_load(c->identity, &c->key);
	uint8_t seed[CRYPTO_SIGN_SEED];
	char text[512];

	if (err == -ENOENT && !d->identity_line) {
		c->key_later = true;
		crypto_random(seed, sizeof(seed));
		crypto_sign_key_from_seed(seed, &c->key);
		crypto_wipe(seed, sizeof(seed));
		return 0;
	}
	if (err == 0)
		return 0;
	crypto_key_why(err, c->identity, "ippriv-node", text, sizeof(text));
	return fail(d, d->identity_line, "%s", text);
}

/* The folder need not be there, but it must be possible to make it. */
static int set_state(const struct draft *d, const struct node_conf *c)
{
	size_t len = strlen(c->state);
	struct stat st;
	char *parent;
	bool good;

	if (len > NODE_STATE_MAX)
		return fail(d, d->state_line, "state: too long; give a shorter path");
	if (stat(c->state, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : fail(d, d->state_line, "state: %s is no folder; "
						      "give another", c->state);
	if (errno != ENOENT)
		return fail(d, d->state_line, "state: %s: %s; give another", c->state,
			    strerror(errno));
	parent = strdup(c->state);
	if (!parent)
		return -ENOMEM;
	while (len > 1 && parent[len - 1] == '/')
		parent[--len] = '\0';
	strrchr(parent, '/')[1] = '\0';
	good = stat(parent, &st) == 0 && S_ISDIR(st.st_mode);
	free(parent);
	return good ? 0 : fail(d, d->state_line, "state: %s cannot be made, the folder above it is "
						 "not there; make that", c->state);
}

/* What has no nickname is known by its key. */
static int set_nickname(struct node_conf *c)
{
	char hex[CRYPTO_HEX];

	if (c->nickname)
		return 0;
	crypto_hex(c->key.pub.bytes, hex);
	return asprintf(&c->nickname, "ippriv-%.8s", hex) < 0 ? -ENOMEM : 0;
}

int node_conf_make_key(struct node_conf *conf, char *why, size_t size)
{
	char hex[CRYPTO_HEX];
	int err = crypto_key_create(conf->identity, &conf->key);

	if (err < 0) {
		snprintf(why, size, "%s: cannot make a key: %s; make that folder, or name another "
			 "file as `identity`", conf->identity, strerror(-err));
		return err;
	}
	conf->key_later = false;
	conf->entry.identity = conf->key.pub;
	if (conf->nickname_by_key) {
		free(conf->nickname);
		conf->nickname = NULL;
		if (set_nickname(conf) < 0)
			return -ENOMEM;
		snprintf(conf->entry.nickname, sizeof(conf->entry.nickname), "%s", conf->nickname);
	}
	log_info("%s: made a key, its public half is %s", conf->identity,
		 crypto_hex(conf->key.pub.bytes, hex));
	return 0;
}

static int set_entry(const struct draft *d, struct node_conf *c)
{
	struct dir_entry *e = &c->entry;

	*e = (struct dir_entry){ .identity = c->key.pub, .address = c->address, .port = DIR_IKE_PORT,
				 .bandwidth = c->bandwidth };
	snprintf(e->nickname, sizeof(e->nickname), "%s", c->nickname);
	if (c->firewall.exit) {
		e->flags |= c->firewall.exit6 ? DIR_FLAG_EXIT | DIR_FLAG_EXIT6 : DIR_FLAG_EXIT;
		e->rule_count = exit_policy_summary(c->firewall.rules, c->firewall.rule_count,
						    e->rules);
	}
	if (dir_entry_check(e) < 0)
		return fail(d, d->address_line, "address: not one that others can reach; give a "
						"public address of this machine");
	if (c->address6.family == 0)
		return 0;
	e->flags |= DIR_FLAG_IPV6;
	e->address6 = c->address6;
	if (dir_entry_check(e) < 0)
		return fail(d, d->address6_line, "address6: not one that others can reach; give a "
						 "public address of this machine");
	return 0;
}

static int set_defaults(struct draft *d, struct node_conf *c)
{
	d->nat_ports = strdup("16384-65535");
	d->log_level = strdup("info");
	d->a.threshold = 1;
	c->identity = strdup(NODE_KEY_PATH);
	c->control = strdup("/run/ippriv-node/control");
	c->state = strdup("/var/lib/ippriv-node");
	c->firewall.client_connections = 1024;
	c->firewall.mss = INNER_MTU - TCP_IP_HEADERS;
	c->bandwidth = 10000;
	c->max_circuits = 60000;
	c->circuit_rate = 500;
	c->peer_rate = 100;
	c->liveness = 30;
	c->client_silence = 900;
	c->child_life = 3600;
	c->child_kilobytes = 64 << 20;
	c->ike_life = 4 * 3600;
	c->refresh = 600;
	c->metrics_every = 300;
	prefix_parse("100.64.0.0/10", &c->firewall.pools);
	prefix_parse("100.64.0.0/16", &c->pool);
	snprintf(c->firewall.table, sizeof(c->firewall.table), "ippriv_node");
	return d->nat_ports && d->log_level && c->identity && c->control && c->state ? 0 : -ENOMEM;
}

static int read_file(struct draft *d, struct node_conf *c)
{
	const struct conf_key keys[] = {
		{ .name = "address", .type = CONF_ADDR, .value = &c->address, .required = true,
		  .line = &d->address_line },
		{ .name = "address6", .type = CONF_ADDR, .value = &c->address6,
		  .line = &d->address6_line },
		{ .name = "listen", .type = CONF_ADDR, .value = &c->listen,
		  .line = &d->listen_line },
		{ .name = "identity", .type = CONF_STRING, .value = &c->identity,
		  .check = conf_check_path, .line = &d->identity_line },
		{ .name = "nickname", .type = CONF_STRING, .value = &c->nickname,
		  .check = check_nickname },
		{ .name = "directory", .type = CONF_STRING, .value = &d->a.directory,
		  .check = conf_check_url },
		{ .name = "authorities", .type = CONF_STRINGS, .value = &d->a.keys,
		  .check = conf_check_key },
		{ .name = "threshold", .type = CONF_UINT, .value = &d->a.threshold, .min = 1,
		  .max = DIR_LIST_AUTHORITIES, .line = &d->a.threshold_line },
		{ .name = "pool", .type = CONF_PREFIX, .value = &c->pool, .line = &d->pool_line },
		{ .name = "dns", .type = CONF_ADDR, .value = &c->dns, .line = &d->dns_line },
		{ .name = "exit", .type = CONF_BOOL, .value = &c->firewall.exit },
		{ .name = "exit6", .type = CONF_BOOL, .value = &c->firewall.exit6,
		  .line = &d->exit6_line },
		{ .name = "exit_policy", .type = CONF_STRINGS, .value = &d->exit_rules,
		  .check = check_rule },
		{ .name = "nat_ports", .type = CONF_STRING, .value = &d->nat_ports,
		  .line = &d->nat_line },
		{ .name = "client_connections", .type = CONF_UINT,
		  .value = &c->firewall.client_connections, .min = 1, .max = 1000000 },
		{ .name = "bandwidth", .type = CONF_UINT, .value = &c->bandwidth, .min = 1,
		  .max = 100000000 },
		{ .name = "max_circuits", .type = CONF_UINT, .value = &c->max_circuits, .min = 1,
		  .max = 1000000 },
		{ .name = "circuit_rate", .type = CONF_UINT, .value = &c->circuit_rate, .min = 1,
		  .max = 100000 },
		{ .name = "peer_circuits", .type = CONF_UINT, .value = &c->peer_circuits,
		  .min = 1, .max = 1000000, .line = &d->peer_circuits_line },
		{ .name = "peer_rate", .type = CONF_UINT, .value = &c->peer_rate, .min = 1,
		  .max = 100000 },
		{ .name = "client_silence", .type = CONF_UINT, .value = &c->client_silence,
		  .min = 1, .max = 86400, .line = &d->silence_line },
		{ .name = "child_life", .type = CONF_UINT, .value = &c->child_life, .min = 5,
		  .max = 86400 },
		{ .name = "child_kilobytes", .type = CONF_UINT, .value = &c->child_kilobytes,
		  .min = 100, .max = UINT32_MAX },
		{ .name = "ike_life", .type = CONF_UINT, .value = &c->ike_life, .min = 5,
		  .max = 7 * 86400 },
		{ .name = "liveness", .type = CONF_UINT, .value = &c->liveness, .min = 1,
		  .max = 3600, .line = &d->liveness_line },
		{ .name = "refresh", .type = CONF_UINT, .value = &c->refresh, .min = 1,
		  .max = 86400 },
		{ .name = "control", .type = CONF_STRING, .value = &c->control,
		  .check = conf_check_socket },
		{ .name = "state", .type = CONF_STRING, .value = &c->state,
		  .check = conf_check_path, .line = &d->state_line },
		{ .name = "metrics", .type = CONF_STRING, .value = &d->metrics,
		  .check = metrics_serve_check },
		{ .name = "metrics_every", .type = CONF_UINT, .value = &c->metrics_every,
		  .min = 60, .max = 86400 },
		{ .name = "log_level", .type = CONF_STRING, .value = &d->log_level,
		  .check = conf_check_level },
	};

	return conf_read(d->path, keys, ARRAY_SIZE(keys), d->why, d->why_size);
}

int node_conf_read(const char *path, const char *authorities, struct node_conf *out, char *why,
		   size_t size)
{
	struct draft d = { .path = path, .why = why, .why_size = size };
	struct node_conf c = { 0 };
	int err;

	snprintf(why, size, "%s: no memory", path);
	err = set_defaults(&d, &c);
	if (err == 0)
		err = read_file(&d, &c);
	if (err == 0)
		err = set_addresses(&d, &c);
	if (err == 0)
		err = set_limits(&d, &c);
	if (err == 0)
		err = set_exit(&d, &c);
	if (err == 0)
		err = set_dns(&d, &c);
	if (err == 0)
		err = set_identity(&d, &c);
	if (err == 0)
		err = set_state(&d, &c);
	c.nickname_by_key = !c.nickname;
	if (err == 0)
		err = set_nickname(&c);
	if (err == 0)
		err = set_entry(&d, &c);
	if (err == 0)
		err = set_trust(&d, authorities, &c);
	if (err == 0)
		c.log_level = log_level_parse(d.log_level);
	if (err == 0 && d.metrics)
		err = endpoint_parse(d.metrics, &c.metrics); /* has been judged */
	conf_authorities_fini(&d.a);
	conf_strings_fini(&d.exit_rules);
	free(d.nat_ports);
	free(d.log_level);
	free(d.metrics);
	if (err < 0) {
		node_conf_fini(&c);
		return err;
	}
	*out = c;
	crypto_wipe(&c, sizeof(c));
	return 0;
}

void node_conf_fini(struct node_conf *conf)
{
	free(conf->identity);
	free(conf->nickname);
	free(conf->directory);
	free(conf->control);
	free(conf->state);
	crypto_sign_key_wipe(&conf->key);
}
