#include "directory/dir_judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { GOOD = 200, BAD_REQUEST = 400, FORBIDDEN = 403, CONFLICT = 409 };

static bool same_key(const struct crypto_pub *a, const struct crypto_pub *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool dir_judge_allowed(const struct dird_conf *conf, const struct crypto_pub *identity)
{
	if (conf->relay_count == 0)
		return true;
	for (size_t i = 0; i < conf->relay_count; i++)
		if (same_key(&conf->relays[i], identity))
			return true;
	return false;
}

static unsigned int judge_sender(const struct dird_conf *conf, const struct dir_entry *e,
				 const struct addr *from, char *say, size_t size)
{
	char hex[CRYPTO_HEX], text[ADDR_TEXT];

	if (!dir_judge_allowed(conf, &e->identity)) {
		snprintf(say, size, "this directory takes configured relays only; ask its operator "
			 "to add %s to relays", crypto_hex(e->identity.bytes, hex));
		return FORBIDDEN;
	}
	if (!conf->any_source && !addr_equal(&e->address, from)) {
		snprintf(say, size, "the descriptor names %s but came from another address; set "
			 "the relay's address to the one it is seen with",
			 addr_text(&e->address, text));
		return FORBIDDEN;
	}
	return GOOD;
}

static unsigned int judge_age(const struct dird_conf *conf, uint64_t published, uint64_t now,
			      char *say, size_t size)
{
	if (published > now && published - now > DIR_SKEW) {
		snprintf(say, size, "the descriptor is dated %" PRIu64 " s in the future; set the "
			 "relay's clock, or the directory's is wrong", published - now);
		return BAD_REQUEST;
	}
	if (published < now && now - published >= conf->descriptor_life) {
		snprintf(say, size, "the descriptor is %" PRIu64 " s old, %u is too old; set the "
			 "relay's clock, or the directory's is wrong", now - published,
			 conf->descriptor_life);
		return BAD_REQUEST;
	}
	return GOOD;
}

/*
 * The relay that is at an address keeps it while it uploads (each hour), so that another user of
 * its host cannot put himself in its place. After half a descriptor's life without an upload a new
 * identity may have it: its operator has lost the key, or the address has a new owner.
 */
static bool holds(const struct dird_conf *conf, const struct dir_desc *d, uint64_t now)
{
	return d->published > now || now - d->published < conf->descriptor_life / 2;
}

static unsigned int judge_place(const struct dird_conf *conf, const struct dir_store *store,
				const struct dir_desc *desc, uint64_t now, char *say, size_t size)
{
	uint32_t v4 = addr_to_v4(&desc->entry.address);
	size_t near = 0;
	bool there = false; /* in this network already */

	for (size_t i = 0; i < dir_store_count(store); i++) {
		const struct dir_desc *d = dir_store_at(store, i);
		uint32_t other = addr_to_v4(&d->entry.address);

		if (other >> 8 != v4 >> 8)
			continue;
		if (same_key(&d->entry.identity, &desc->entry.identity)) {
			there = true;
		} else if (other != v4) {
			near++;
		} else if (holds(conf, d, now)) {
			snprintf(say, size, "relay %s is at this address; remove it, or wait up to "
				 "%u s after its last upload", d->entry.nickname,
				 conf->descriptor_life / 2);
			return CONFLICT;
		}
	}
	if (!there && conf->per_network > 0 && near >= conf->per_network) {
		snprintf(say, size, "there are %zu relays in this /24 already; use another network",
			 near);
		return CONFLICT;
	}
	return GOOD;
}

unsigned int dir_judge(const struct dird_conf *conf, const struct dir_store *store,
		       const struct dir_desc *desc, const struct addr *from, uint64_t now,
		       char *say, size_t size)
{
	unsigned int status = judge_sender(conf, &desc->entry, from, say, size);

	if (status == GOOD)
		status = judge_age(conf, desc->published, now, say, size);
	if (status == GOOD)
		status = judge_place(conf, store, desc, now, say, size);
	return status;
}
