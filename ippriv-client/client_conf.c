#include "ippriv-client/client_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/conf/conf_authorities.h"
#include "common/conf/conf_check.h"
#include "common/metrics/metrics_serve.h"

static int set_defaults(struct client_conf *c, char **level)
{
	c->child_life = 3600;
	c->child_kilobytes = 64 << 20;
	c->ike_life = 14400;
	c->keepalive = 20;
	c->guards = 2;
	c->rotate = 3600;
	c->circuits = 1;
	c->liveness = 30;
	c->metrics_every = 300;
	c->control = strdup("/run/ippriv/control");
	c->state = strdup("/var/lib/ippriv-client");
	*level = strdup("info");
	return c->control && c->state && *level ? 0 : -ENOMEM;
}

static int read_trust(const struct conf_authorities *a, struct dir_trust *out, char *why,
		      size_t size)
{
	size_t bad;
	const char *wrong = dir_trust_parse(a->keys.items, a->keys.count, a->threshold, out, &bad);
	int line = a->threshold_line;

	if (!wrong)
		return 0;
	if (line == 0 || strncmp(wrong, "threshold", strlen("threshold")) != 0)
		line = a->keys.lines[bad];
	snprintf(why, size, "%s:%d: %s", a->path, line, wrong);
	return -EINVAL;
}

static const char *check_encapsulation(const char *value)
{
	return strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 ?
		       "neither \"auto\" (in UDP behind a NAT) nor \"always\"" :
		       NULL;
}

/* What ciphers = "…" may say. */
static const char *const cipher_names[] = {
	[CLIENT_CIPHERS_AUTO] = "auto",
	[CLIENT_CIPHERS_AES] = "aes",
	[CLIENT_CIPHERS_CHACHA] = "chacha",
};

static size_t find_ciphers(const char *value)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(cipher_names) && strcmp(value, cipher_names[i]) != 0)
		i++;
	return i;
}

static const char *check_ciphers(const char *value)
{
	return find_ciphers(value) == ARRAY_SIZE(cipher_names) ?
		       "none of \"auto\", \"aes\" (offered first), \"chacha\" (alone)" :
		       NULL;
}

static const char *check_pin(const char *value)
{
	struct pin pin;

	return pins_parse(value, &pin) < 0 ?
		       "no relay; write its nickname or the 64 hex digits of its identity key" :
		       NULL;
}

/* The table's check has judged each item. */
static int read_pins(const struct conf_strings *names, struct pins *out)
{
	int r = 0;

	_Static_assert((int)PINS_MAX >= (int)CONF_STRINGS_MAX, "a list in the file fits");
	for (size_t i = 0; i < names->count && r == 0; i++)
		r = pins_parse(names->items[i], &out->pins[i]);
	out->count = names->count;
	return r;
}

int client_conf_read(const char *path, const char *authorities, struct client_conf *out, char *why,
		     size_t why_size)
{
	_cleanup_free_ char *level = NULL, *encapsulation = NULL, *ciphers = NULL, *metrics = NULL;
	struct client_conf c = { 0 };
	struct conf_authorities a = { .threshold = 1 };
	struct conf_strings pins[PINS_HOPS] = { 0 };
	const struct conf_key keys[] = {
		{ .name = "directory", .type = CONF_STRING, .value = &a.directory,
		  .check = conf_check_url },
		{ .name = "authorities", .type = CONF_STRINGS, .value = &a.keys,
		  .check = conf_check_key },
		{ .name = "threshold", .type = CONF_UINT, .value = &a.threshold, .min = 1,
		  .max = DIR_LIST_AUTHORITIES, .line = &a.threshold_line },
		{ .name = "circuits", .type = CONF_UINT, .value = &c.circuits, .min = 1,
		  .max = CLIENT_CONF_CIRCUITS },
		{ .name = "control", .type = CONF_STRING, .value = &c.control,
		  .check = conf_check_socket },
		{ .name = "state", .type = CONF_STRING, .value = &c.state,
		  .check = conf_check_path },
		{ .name = "liveness", .type = CONF_UINT, .value = &c.liveness, .min = 1,
		  .max = 3600 },
		{ .name = "child_life", .type = CONF_UINT, .value = &c.child_life, .min = 4,
		  .max = 86400 },
		/* so many are far from the end of 32-bit sequence numbers even in small packets */
		{ .name = "child_kilobytes", .type = CONF_UINT, .value = &c.child_kilobytes,
		  .min = 100, .max = 64 << 20 },
		{ .name = "ike_life", .type = CONF_UINT, .value = &c.ike_life, .min = 4,
		  .max = 604800 },
		{ .name = "encapsulation", .type = CONF_STRING, .value = &encapsulation,
		  .check = check_encapsulation },
		{ .name = "ciphers", .type = CONF_STRING, .value = &ciphers,
		  .check = check_ciphers },
		{ .name = "keepalive", .type = CONF_UINT, .value = &c.keepalive, .min = 1,
		  .max = 3600 },
		{ .name = "guards", .type = CONF_UINT, .value = &c.guards, .max = CLIENT_CONF_GUARDS },
		{ .name = "rotate", .type = CONF_UINT, .value = &c.rotate, .max = 7 * 86400 },
		{ .name = "entry", .type = CONF_STRINGS, .value = &pins[0], .check = check_pin },
		{ .name = "middle", .type = CONF_STRINGS, .value = &pins[1], .check = check_pin },
		{ .name = "exit", .type = CONF_STRINGS, .value = &pins[2], .check = check_pin },
		{ .name = "metrics", .type = CONF_STRING, .value = &metrics,
		  .check = metrics_serve_check },
		{ .name = "metrics_every", .type = CONF_UINT, .value = &c.metrics_every, .min = 60,
		  .max = 86400 },
		{ .name = "log_level", .type = CONF_STRING, .value = &level,
		  .check = conf_check_level },
	};
	int r;

	snprintf(why, why_size, "%s: no memory left", path ? path : authorities);
	r = set_defaults(&c, &level);
	if (r == 0 && path)
		r = conf_read(path, keys, ARRAY_SIZE(keys), why, why_size);
	if (r == 0)
		r = conf_authorities_complete(&a, path, authorities, why, why_size);
	if (r == 0)
		r = metrics ? endpoint_parse(metrics, &c.metrics) : 0; /* has been judged */
	if (r == 0)
		r = read_trust(&a, &c.trust, why, why_size);
	for (size_t hop = 0; hop < PINS_HOPS; hop++) {
		if (r == 0)
			r = read_pins(&pins[hop], &c.pins[hop]);
		conf_strings_fini(&pins[hop]);
	}
	c.directory = a.directory;
	a.directory = NULL;
	conf_authorities_fini(&a);
	if (r < 0) {
		client_conf_fini(&c);
		return r;
	}
	c.log_level = (enum log_level)log_level_parse(level);
	c.force_encap = encapsulation && strcmp(encapsulation, "always") == 0;
	c.ciphers = ciphers ? (enum client_ciphers)find_ciphers(ciphers) : CLIENT_CIPHERS_AUTO;
	*out = c;
	return 0;
}

void client_conf_fini(struct client_conf *conf)
{
	free(conf->directory);
	free(conf->control);
	free(conf->state);
	*conf = (struct client_conf){ 0 };
}
