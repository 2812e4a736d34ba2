#include "common/dir/dir_desc.h"

#include <errno.h>
#include <string.h>

enum {
	DESC_VERSION = 1,
	FLAGS_KNOWN = DIR_FLAG_EXIT | DIR_FLAG_IPV6 | DIR_FLAG_PSK | DIR_FLAG_EXIT6,
};

static const uint8_t desc_magic[4] = { 'I', 'P', 'p', 'D' };

static bool nickname_good(const char *name)
{
	size_t len = strnlen(name, DIR_NICKNAME + 1);

	if (len < 1 || len > DIR_NICKNAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

/*
 * Where no host of the public Internet is (RFC 6890): this host, private, the pools and carriers'
 * NAT, links, protocol assignments, 6to4 anycast, benchmarks. The documentation networks are not
 * here: test Internets use them and nobody else has them.
 */
static const struct {
	uint32_t net;
	unsigned int bits;
} not_public[] = {
	{ 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },
	{ 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0586300, 24 },
	{ 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xe0000000, 3 },
};

bool dir_address_good(const struct addr *a)
{
	uint32_t v4 = addr_to_v4(a);

	if (a->family != AF_INET)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(not_public); i++)
		if ((v4 ^ not_public[i].net) >> (32 - not_public[i].bits) == 0)
			return false;
	return true;
}

/* Global unicast, without what embeds an IPv4 address (Teredo 2001::/32, 6to4 2002::/16). */
static bool address6_good(const struct addr *a)
{
	static const uint8_t teredo[4] = { 0x20, 0x01, 0, 0 }, sixtofour[2] = { 0x20, 0x02 };
	const uint8_t *b = a->bytes;

	return a->family == AF_INET6 && b[0] >> 5 == 1 && memcmp(b, teredo, 4) != 0 &&
	       memcmp(b, sixtofour, 2) != 0;
}

int dir_entry_check(const struct dir_entry *e)
{
	if (!nickname_good(e->nickname) || !dir_address_good(&e->address) ||
	    e->port != DIR_IKE_PORT || (e->flags & ~FLAGS_KNOWN) != 0 || e->rule_count > DIR_RULES)
		return -EINVAL;
	if (e->flags & DIR_FLAG_EXIT6 && !(e->flags & DIR_FLAG_EXIT))
		return -EINVAL;
	if (e->flags & DIR_FLAG_IPV6 ? !address6_good(&e->address6) : e->address6.family != 0)
		return -EINVAL;
	for (size_t i = 0; i < e->rule_count; i++)
		if (e->rules[i].port_lo > e->rules[i].port_hi)
			return -EINVAL;
	return 0;
}

static int parse_rules(struct rbuf *r, struct dir_entry *e)
{
	e->rule_count = rbuf_u8(r);
	if (e->rule_count > DIR_RULES)
		return -EBADMSG;
	for (size_t i = 0; i < e->rule_count; i++) {
		uint8_t accept = rbuf_u8(r);

		if (accept > 1)
			return -EBADMSG;
		e->rules[i].accept = accept;
		e->rules[i].proto = rbuf_u8(r);
		e->rules[i].port_lo = rbuf_u16(r);
		e->rules[i].port_hi = rbuf_u16(r);
	}
	return r->err;
}

int dir_entry_parse(struct rbuf *r, struct dir_entry *out)
{
	struct dir_entry e = { .address.family = AF_INET };
	size_t len;
	int err;

	rbuf_copy(r, e.identity.bytes, sizeof(e.identity.bytes));
	rbuf_copy(r, e.address.bytes, 4);
	e.port = rbuf_u16(r);
	e.flags = rbuf_u16(r);
	e.bandwidth = rbuf_u32(r);
	len = rbuf_u8(r);
	if (len > DIR_NICKNAME)
		return -EBADMSG;
	rbuf_copy(r, e.nickname, len);
	if (memchr(e.nickname, 0, len))
		return r->err ? r->err : -EBADMSG;
	err = parse_rules(r, &e);
	if (err < 0)
		return err;
	if (e.flags & DIR_FLAG_IPV6) {
		e.address6.family = AF_INET6;
		rbuf_copy(r, e.address6.bytes, 16);
	}
	if (r->err)
		return r->err;
	if (dir_entry_check(&e) < 0)
		return -EBADMSG;
	*out = e;
	return 0;
}

void dir_entry_build(struct wbuf *w, const struct dir_entry *e)
{
	size_t len = strnlen(e->nickname, DIR_NICKNAME);

	wbuf_bytes(w, e->identity.bytes, sizeof(e->identity.bytes));
	wbuf_bytes(w, e->address.bytes, 4);
	wbuf_u16(w, e->port);
	wbuf_u16(w, e->flags);
	wbuf_u32(w, e->bandwidth);
	wbuf_u8(w, (uint8_t)len);
	wbuf_bytes(w, e->nickname, len);
	wbuf_u8(w, (uint8_t)e->rule_count);
	for (size_t i = 0; i < e->rule_count; i++) {
		wbuf_u8(w, e->rules[i].accept);
		wbuf_u8(w, e->rules[i].proto);
		wbuf_u16(w, e->rules[i].port_lo);
		wbuf_u16(w, e->rules[i].port_hi);
	}
	if (e->flags & DIR_FLAG_IPV6)
		wbuf_bytes(w, e->address6.bytes, 16);
}

int dir_desc_build(const struct dir_desc *d, const struct crypto_sign_key *key,
		   uint8_t out[DIR_DESC_MAX], size_t *len)
{
	struct wbuf w = wbuf_init(out, DIR_DESC_MAX);
	size_t signed_len;
	uint8_t *sig;

	if (dir_entry_check(&d->entry) < 0 ||
	    memcmp(&d->entry.identity, &key->pub, sizeof(key->pub)) != 0)
		return -EINVAL;
	wbuf_bytes(&w, desc_magic, sizeof(desc_magic));
	wbuf_u8(&w, DESC_VERSION);
	wbuf_u64(&w, d->published);
	dir_entry_build(&w, &d->entry);
	signed_len = w.len;
	sig = wbuf_reserve(&w, CRYPTO_SIG);
	if (!sig)
		return -EINVAL;
	crypto_sign_message(key, out, signed_len, sig);
	*len = w.len;
	return 0;
}

int dir_desc_parse(const uint8_t *data, size_t len, struct dir_desc *out)
{
	struct rbuf r = rbuf_init(data, len);
	const uint8_t *magic = rbuf_bytes(&r, sizeof(desc_magic)), *sig;
	uint8_t version = rbuf_u8(&r);
	struct dir_desc d = { .published = rbuf_u64(&r) };
	size_t signed_len;
	int err;

	if (r.err)
		return r.err;
	if (memcmp(magic, desc_magic, sizeof(desc_magic)) != 0)
		return -EBADMSG;
	if (version != DESC_VERSION)
		return -EOPNOTSUPP;
	err = dir_entry_parse(&r, &d.entry);
	if (err < 0)
		return err;
	signed_len = len - r.left;
	sig = rbuf_bytes(&r, CRYPTO_SIG);
	if (r.err)
		return r.err;
	if (r.left > 0)
		return -EBADMSG;
	if (crypto_verify(&d.entry.identity, data, signed_len, sig) < 0)
		return -EKEYREJECTED;
	*out = d;
	return 0;
}

bool dir_entry_allows(const struct dir_entry *e, uint8_t proto, uint16_t port)
{
	if (!(e->flags & DIR_FLAG_EXIT))
		return false;
	for (size_t i = 0; i < e->rule_count; i++) {
		const struct dir_rule *rule = &e->rules[i];

		if ((rule->proto == 0 || rule->proto == proto) && port >= rule->port_lo &&
		    port <= rule->port_hi)
			return rule->accept;
	}
	return false;
}
