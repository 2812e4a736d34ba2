#pragma once
/* Relays that the configuration allows at one place of a path: `entry`, `middle` or `exit`. */
#include "common/dir/dir_list.h"

enum { PINS_HOPS = 3, PINS_MAX = 64 };

/*
 * A nickname is what a relay says of itself, and several may say the same: it serves where all
 * relays are one's own. An identity key is proof.
 */
struct pin {
	bool is_key;
	struct crypto_pub key;
	char nickname[DIR_NICKNAME + 1];
};

struct pins {
	size_t count; /* 0: any relay */
	struct pin pins[PINS_MAX];
};

/* An identity key (64 hex digits) or a nickname. 0 or -EINVAL. */
int pins_parse(const char *text, struct pin *out) _must_check_;
bool pins_allow(const struct pins *pins, const struct dir_entry *e);
/* Several with commas between, at most PINS_MAX. 0 or -EINVAL; *OUT is then untouched. */
int pins_parse_list(const char *text, struct pins *out) _must_check_;
/* The same ones in the same order. */
bool pins_equal(const struct pins *a, const struct pins *b);
