#pragma once
/* The directory's configuration file as one plain, checked struct. */
#include "common/conf/conf.h"
#include "common/dir/dir_list.h"

struct dird_conf {
	struct endpoint listen;        /* port 0: any free one */
	struct crypto_sign_key key;    /* this authority's */
	char *state;                   /* folder, made when missing */
	size_t relay_count;            /* 0: any relay */
	struct crypto_pub relays[CONF_STRINGS_MAX];
	uint32_t interval;             /* seconds between lists */
	uint32_t list_life;            /* seconds a list is valid */
	uint32_t descriptor_life;      /* seconds since it was published, then the relay drops out */
	uint32_t requests;             /* a minute from one address, 0: any number */
	bool any_source;               /* take descriptors from other addresses than they name */
	uint32_t per_network;          /* relays in one /24 at most, 0: any number */
	int log_level;
};

/*
 * Reads and judges PATH: values, the key file, and what depends on another. 0, or -errno with one
 * line in WHY. OUT is set on success only.
 */
int dird_conf_read(const char *path, struct dird_conf *out, char *why, size_t size) _must_check_;
void dird_conf_fini(struct dird_conf *conf); /* wipes the key */
