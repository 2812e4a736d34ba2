#include "common/conf/conf.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/conf/conf_text.h"

struct conf_value {
	int line; /* 0: not in the file */
	char *string;
	struct conf_strings strings;
	uint32_t number;
	bool truth;
	struct addr addr;
	struct prefix prefix;
};

struct reading {
	const char *path;
	const struct conf_key *keys;
	size_t count;
	struct conf_value *values; /* one a key */
	char *why;
	size_t why_size;
	int err; /* the first error, whose text is in WHY */
};

/* libconfuse gives its callbacks no user data; its lexer makes it single-threaded anyway. */
static struct reading *current;

/* Records the first error only; control characters of the file do not reach the terminal. */
static int fail(struct reading *r, int line, const char *fmt, ...) _printf_(3, 4);
static int fail(struct reading *r, int line, const char *fmt, ...)
{
	size_t used;
	va_list args;

	if (r->err < 0)
		return r->err;
	r->err = -EINVAL;
	if (r->why_size == 0)
		return r->err;
	snprintf(r->why, r->why_size, "%s:%d: ", r->path, line);
	used = strlen(r->why);
	va_start(args, fmt);
	vsnprintf(r->why + used, r->why_size - used, fmt, args);
	va_end(args);
	for (char *p = r->why; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return r->err;
}

static int fail_memory(struct reading *r, int line)
{
	fail(r, line, "out of memory; free some and try again");
	return r->err = -ENOMEM;
}

/* Digits only, between MIN and MAX. */
static bool parse_uint(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || v > UINT32_MAX)
			return false;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	*out = (uint32_t)v;
	return v >= min && v <= max;
}

/* The text is good as it stands, says the key's own judge. */
static int check_string(struct reading *r, const struct conf_key *key, const char *text, int line)
{
	const char *wrong = key->check ? key->check(text) : NULL;

	return wrong ? fail(r, line, "\"%s\" is wrong for %s: %s", text, key->name, wrong) : 0;
}

static int add_item(struct reading *r, const struct conf_key *key, struct conf_strings *s,
		    const char *text, int line)
{
	if (s->count == CONF_STRINGS_MAX)
		return fail(r, line, "%s has too many items; give at most %d", key->name,
			    CONF_STRINGS_MAX);
	if (check_string(r, key, text, line) < 0)
		return r->err;
	s->items[s->count] = strdup(text);
	if (!s->items[s->count])
		return fail_memory(r, line);
	s->lines[s->count++] = line;
	return 0;
}

static int parse_value(struct reading *r, const struct conf_key *key, struct conf_value *v,
		       const char *text, int line)
{
	int truth;

	switch (key->type) {
	case CONF_STRING:
		if (check_string(r, key, text, line) < 0)
			return r->err;
		v->string = strdup(text);
		return v->string ? 0 : fail_memory(r, line);
	case CONF_STRINGS:
		return add_item(r, key, &v->strings, text, line);
	case CONF_UINT:
		if (parse_uint(text, key->min, key->max, &v->number))
			return 0;
		return fail(r, line, "\"%s\" is wrong for %s; give a number from %u to %u", text,
			    key->name, key->min, key->max);
	case CONF_BOOL:
		truth = cfg_parse_boolean(text);
		v->truth = truth == 1;
		if (truth == 0 || truth == 1)
			return 0;
		return fail(r, line, "\"%s\" is wrong for %s; give true or false", text, key->name);
	case CONF_ADDR:
		if (addr_parse(text, &v->addr) == 0)
			return 0;
		return fail(r, line, "\"%s\" is wrong for %s; give an address like 192.0.2.1",
			    text, key->name);
	case CONF_PREFIX:
		if (prefix_parse(text, &v->prefix) == 0)
			return 0;
		return fail(r, line, "\"%s\" is wrong for %s; give a prefix like 192.0.2.0/24, "
			    "host bits zero", text, key->name);
	}
	return fail(r, line, "%s has no type", key->name);
}

/* One value, of a list too. An assignment clears the option, so its first value finds itself. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
	struct reading *r = current;
	size_t i = 0;
	struct conf_value *v;

	while (i < r->count && strcmp(r->keys[i].name, opt->name) != 0)
		i++;
	if (i == r->count)
		return -1;
	v = &r->values[i];
	if (v->line && opt->nvalues == 1) {
		fail(r, cfg->line, "%s stands in line %d already; keep one of them", opt->name,
		     v->line);
		return -1;
	}
	if (!v->line)
		v->line = cfg->line;
	*(const char **)result = text;
	return parse_value(r, &r->keys[i], v, text, cfg->line) < 0 ? -1 : 0;
}

static void fail_unknown(struct reading *r, int line, const char *name)
{
	char known[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < r->count && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 r->keys[i].name);
	fail(r, line, "unknown key %s; known are: %s", name, known);
}

/* What libconfuse finds itself: unknown keys and syntax. */
static void on_error(cfg_t *cfg, const char *fmt, va_list args) _printf_(2, 0);
static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
	static const char unknown[] = "no such option '";
	char text[256];

	vsnprintf(text, sizeof(text), fmt, args);
	if (strncmp(text, unknown, sizeof(unknown) - 1) == 0) {
		text[strcspn(text + sizeof(unknown) - 1, "'") + sizeof(unknown) - 1] = '\0';
		fail_unknown(current, cfg->line, text + sizeof(unknown) - 1);
		return;
	}
	fail(current, cfg->line, "%s; write key = value, or key = { value, value }", text);
}

/* The whole list went when an empty one was assigned after it; libconfuse calls nobody for that. */
static int check_emptied(struct reading *r, cfg_t *cfg)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->values[i].strings.count != cfg_size(cfg, r->keys[i].name) &&
		    r->keys[i].type == CONF_STRINGS)
			return fail(r, r->values[i].line, "%s is given twice; keep one of them",
				    r->keys[i].name);
	return 0;
}

static int check_required(struct reading *r, int last_line)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->keys[i].required && !r->values[i].line)
			return fail(r, last_line, "%s is missing; add a line %s = ...",
				    r->keys[i].name, r->keys[i].name);
	return 0;
}

static int parse(struct reading *r, const struct conf_text *text)
{
	cfg_opt_t *opts = calloc(r->count + 1, sizeof(*opts));
	cfg_t *cfg;
	int err;

	if (!opts)
		return fail_memory(r, 1);
	for (size_t i = 0; i < r->count; i++)
		opts[i] = (cfg_opt_t){
			.name = r->keys[i].name,
			.type = CFGT_STR,
			.flags = CFGF_NODEFAULT |
				 (r->keys[i].type == CONF_STRINGS ? CFGF_LIST : CFGF_NONE),
			.parsecb = on_value,
		};
	cfg = cfg_init(opts, CFGF_NONE);
	free(opts);
	if (!cfg)
		return fail_memory(r, 1);
	cfg_set_error_function(cfg, on_error);
	current = r;
	err = cfg_parse_buf(cfg, text->data);
	if (err != CFG_SUCCESS)
		fail(r, cfg->line, "does not parse; write key = value, or key = { value, value }");
	else if (check_emptied(r, cfg) == 0)
		check_required(r, text->lines);
	current = NULL;
	cfg_free(cfg);
	return r->err;
}

/* Hands V over to the caller's variable; V keeps nothing. */
static void commit(const struct conf_key *key, struct conf_value *v)
{
	switch (key->type) {
	case CONF_STRING:
		free(*(char **)key->value);
		*(char **)key->value = v->string;
		v->string = NULL;
		break;
	case CONF_STRINGS:
		conf_strings_fini(key->value);
		*(struct conf_strings *)key->value = v->strings;
		v->strings.count = 0;
		break;
	case CONF_UINT:
		*(uint32_t *)key->value = v->number;
		break;
	case CONF_BOOL:
		*(bool *)key->value = v->truth;
		break;
	case CONF_ADDR:
		*(struct addr *)key->value = v->addr;
		break;
	case CONF_PREFIX:
		*(struct prefix *)key->value = v->prefix;
		break;
	}
}

int conf_read(const char *path, const struct conf_key *keys, size_t count, char *why,
	      size_t why_size)
{
	struct conf_text text = { 0 };
	struct reading r = {
		.path = path, .keys = keys, .count = count, .why = why, .why_size = why_size,
	};
	int err = conf_text_read(path, &text, why, why_size);

	if (err < 0)
		return err;
	r.values = calloc(count + 1, sizeof(*r.values));
	err = r.values ? parse(&r, &text) : fail_memory(&r, 1);
	for (size_t i = 0; r.values && i < count; i++) {
		if (err == 0 && r.values[i].line)
			commit(&keys[i], &r.values[i]);
		if (err == 0 && keys[i].line)
			*keys[i].line = r.values[i].line;
		free(r.values[i].string);
		conf_strings_fini(&r.values[i].strings);
	}
	free(r.values);
	free(text.data);
	return err;
}

void conf_strings_fini(struct conf_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	memset(s, 0, sizeof(*s));
}
