#include "directory/dird_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/conf/conf_check.h"

/* The values as they stand in the file, before what needs more than one of them. */
struct raw {
	char *listen, *identity, *state, *log_level;
	struct conf_strings relays;
	int identity_line, interval_line, list_life_line;
};

static void raw_fini(struct raw *raw)
{
	free(raw->listen);
	free(raw->identity);
	free(raw->state);
	free(raw->log_level);
	conf_strings_fini(&raw->relays);
}

static const char *check_listen(const char *value)
{
	struct endpoint e;

	return endpoint_parse(value, &e) < 0 ? "write ADDRESS:PORT, like 192.0.2.1:7080" : NULL;
}

static int read_raw(const char *path, struct raw *raw, struct dird_conf *c, char *why, size_t size)
{
	const struct conf_key keys[] = {
		{ .name = "listen", .type = CONF_STRING, .value = &raw->listen, .required = true,
		  .check = check_listen },
		{ .name = "identity", .type = CONF_STRING, .value = &raw->identity,
		  .required = true, .check = conf_check_path, .line = &raw->identity_line },
		{ .name = "state", .type = CONF_STRING, .value = &raw->state,
		  .check = conf_check_path },
		{ .name = "relays", .type = CONF_STRINGS, .value = &raw->relays,
		  .check = conf_check_key },
		{ .name = "interval", .type = CONF_UINT, .value = &c->interval, .min = 1,
		  .max = 24 * 3600, .line = &raw->interval_line },
		{ .name = "list_life", .type = CONF_UINT, .value = &c->list_life, .min = 2,
		  .max = 7 * 24 * 3600, .line = &raw->list_life_line },
		{ .name = "descriptor_life", .type = CONF_UINT, .value = &c->descriptor_life,
		  .min = 1, .max = DIR_DESC_LIFE },
		{ .name = "requests_per_minute", .type = CONF_UINT, .value = &c->requests,
		  .max = 1000000 },
		{ .name = "any_source", .type = CONF_BOOL, .value = &c->any_source },
		{ .name = "per_network", .type = CONF_UINT, .value = &c->per_network, .max = 256 },
		{ .name = "log_level", .type = CONF_STRING, .value = &raw->log_level,
		  .check = conf_check_level },
	};

	return conf_read(path, keys, ARRAY_SIZE(keys), why, size);
}

static int take_key(const char *path, const struct raw *raw, struct dird_conf *c, char *why,
		    size_t size)
{
	int err = crypto_key_load(raw->identity, &c->key), used;

	if (err == 0)
		return 0;
	used = snprintf(why, size, "%s:%d: ", path, raw->identity_line);
	if (used > 0 && (size_t)used < size)
		crypto_key_why(err, raw->identity, "ippriv-directory", why + used,
			       size - (size_t)used);
	return err;
}

/* RAW's own judges have passed each value; what fails here fails for lack of something else. */
static int take_raw(struct raw *raw, struct dird_conf *c)
{
	int err = endpoint_parse(raw->listen, &c->listen);

	for (size_t i = 0; err == 0 && i < raw->relays.count; i++)
		err = crypto_hex_parse(raw->relays.items[i], c->relays[i].bytes);
	c->relay_count = raw->relays.count;
	c->log_level = raw->log_level ? log_level_parse(raw->log_level) : LOG_LEVEL_INFO;
	if (err < 0)
		return err;
	c->state = raw->state ? raw->state : strdup("/var/lib/ippriv-directory");
	raw->state = NULL;
	return c->state ? 0 : -ENOMEM;
}

int dird_conf_read(const char *path, struct dird_conf *out, char *why, size_t size)
{
	_cleanup_(raw_fini) struct raw raw = { 0 };
	struct dird_conf c = {
		.interval = 60,
		.list_life = 3 * 3600,
		.descriptor_life = 3 * 3600,
		.requests = 120,
		.per_network = 16,
	};
	int err = read_raw(path, &raw, &c, why, size);

	if (err < 0)
		return err;
	if (c.interval >= c.list_life) {
		snprintf(why, size, "%s:%d: interval (%u) must be less than list_life (%u), or "
			 "lists expire before the next one", path,
			 raw.interval_line ? raw.interval_line : raw.list_life_line, c.interval,
			 c.list_life);
		return -EINVAL;
	}
	err = take_raw(&raw, &c);
	if (err < 0)
		snprintf(why, size, "%s: %s", path, strerror(-err));
	else
		err = take_key(path, &raw, &c, why, size);
	if (err < 0) {
		dird_conf_fini(&c);
		return err;
	}
	*out = c;
	crypto_sign_key_wipe(&c.key);
	return 0;
}

void dird_conf_fini(struct dird_conf *conf)
{
	crypto_sign_key_wipe(&conf->key);
	free(conf->state);
	conf->state = NULL;
}
