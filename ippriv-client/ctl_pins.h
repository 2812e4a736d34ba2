#pragma once
/* Relays that the configuration allows at one place of a path: `entry`, `middle` or `exit`. */
#include "common/dir/dir_list.h"

enum { CTL_PINS = 64 };

/*
 * A nickname is what a relay says of itself, and several may say the same: it serves where all
 * relays are one's own. An identity key is proof.
 */
struct ctl_pin {
	bool is_key;
	struct crypto_pub key;
	char nickname[DIR_NICKNAME + 1];
};

struct ctl_pins {
	size_t count; /* 0: any relay */
	struct ctl_pin pins[CTL_PINS];
};

/* An identity key (64 hex digits) or a nickname. 0 or -EINVAL. */
int ctl_pin_parse(const char *text, struct ctl_pin *out) _must_check_;
bool ctl_pins_allow(const struct ctl_pins *pins, const struct dir_entry *e);
