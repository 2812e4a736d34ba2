#pragma once
/*
 * A configuration file (libconfuse: `key = value`, lists in braces, # comments) read into typed
 * values by a table. Every error is one line "FILE:LINE: what is wrong; what to do".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

enum conf_type {
	CONF_STRING,      /* char *: malloc'ed or NULL, the default too (freed when replaced) */
	CONF_STRINGS,     /* struct conf_strings, the default too */
	CONF_UINT,        /* uint32_t, decimal, min..max */
	CONF_BOOL,        /* bool: true yes on, false no off */
	CONF_ADDR,        /* struct addr, IPv4 or IPv6 */
	CONF_PREFIX,      /* struct prefix */
};

enum { CONF_STRINGS_MAX = 64 };

struct conf_strings {
	size_t count;
	char *items[CONF_STRINGS_MAX]; /* malloc'ed */
	int lines[CONF_STRINGS_MAX];   /* where each stands, for later errors */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	void *value;       /* holds the default before, the value after */
	bool required;
	uint32_t min, max; /* CONF_UINT */
	/*
	 * Judges a CONF_STRING or each item of CONF_STRINGS: NULL when good, else what is wrong
	 * and what to do. An empty list { } counts as not given.
	 */
	const char *(*check)(const char *value);
	int *line; /* where to put the line it stands in, 0: not given; NULL: nobody asks */
};

/*
 * Reads PATH. 0, or -errno with one line in WHY: the file cannot be read, does not parse, has an
 * unknown key, a key twice, a bad value, lacks a required key (then LINE is the last one). An
 * unreadable file has no LINE. Values are set on success only. Not for two threads at a time.
 */
int conf_read(const char *path, const struct conf_key *keys, size_t count, char *why,
	      size_t why_size) _must_check_;
void conf_strings_fini(struct conf_strings *s);
