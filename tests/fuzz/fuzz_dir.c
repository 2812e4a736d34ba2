/*
 * The directory's documents: descriptor, signed list, and what an authority thinks of an upload.
 * The first byte says which, and whether the rest is signed here with test keys, so that a change
 * of any byte gets past the signature. What is accepted has to be what the builder makes of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory/dir_judge.h"

enum mode { MODE_DESC, MODE_DESC_SIGNED, MODE_LIST, MODE_LIST_SIGNED, MODE_UPLOAD, MODE_COUNT };

enum {
	AUTHORITIES = 3,
	BODY_MAX = 1 << 16,
	IDENTITY_AT = 4 + 1 + 8, /* in a descriptor */
	SIGNATURE = CRYPTO_SIGN_PUB + CRYPTO_SIG,
	NOW = 1800000000,
};

static struct crypto_sign_key relay, authorities[AUTHORITIES];
static struct dir_store *store;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct crypto_sign_key key_of(uint8_t byte)
{
	uint8_t seed[CRYPTO_SIGN_SEED];
	struct crypto_sign_key key;

	memset(seed, byte, sizeof(seed));
	crypto_sign_key_from_seed(seed, &key);
	return key;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(&((const struct crypto_sign_key *)a)->pub,
		      &((const struct crypto_sign_key *)b)->pub, sizeof(struct crypto_pub));
}

static void remove_store(void)
{
	dir_store_free(store);
}

/* A relay that the authority knows, so that an upload can be in its way. */
static void put_relay(uint8_t byte, uint32_t address)
{
	struct crypto_sign_key key = key_of(byte);
	struct dir_desc desc = { .published = NOW - 3600,
				 .entry = { .identity = key.pub, .address = addr_v4(address),
					    .port = DIR_IKE_PORT, .nickname = "known" } };
	uint8_t data[DIR_DESC_MAX];
	size_t len;
	bool changed;

	must(dir_desc_build(&desc, &key, data, &len) == 0);
	must(dir_store_put(store, &desc, data, len, &changed) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[256], why[256];
	const char *tmp = getenv("TMPDIR");

	(void)argc;
	(void)argv;
	must(crypto_init() == 0);
	relay = key_of(1);
	for (uint8_t i = 0; i < AUTHORITIES; i++)
		authorities[i] = key_of((uint8_t)(0xa1 + i));
	qsort(authorities, AUTHORITIES, sizeof(*authorities), by_key);
	snprintf(path, sizeof(path), "%s/fuzz_dir.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(path) && dir_store_open(path, &store, why, sizeof(why)) == 0);
	put_relay(2, 0xc6336402);
	put_relay(3, 0xc6336403);
	put_relay(4, 0xc0000204);
	atexit(remove_store);
	return 0;
}

static void check_entry(const struct dir_entry *e)
{
	must(dir_entry_check(e) == 0 && e->rule_count <= DIR_RULES);
	(void)dir_entry_allows(e, IPPROTO_TCP, 443);
	must(e->flags & DIR_FLAG_EXIT || !dir_entry_allows(e, IPPROTO_UDP, 53));
}

/* ---- descriptor ---- */

/* BODY with the relay's identity and its signature. Returns the size. */
static size_t sign_desc(const uint8_t *body, size_t len, uint8_t out[BODY_MAX])
{
	if (len > BODY_MAX - CRYPTO_SIG)
		len = BODY_MAX - CRYPTO_SIG;
	memcpy(out, body, len);
	if (len >= IDENTITY_AT + sizeof(relay.pub))
		memcpy(out + IDENTITY_AT, &relay.pub, sizeof(relay.pub));
	crypto_sign_message(&relay, out, len, out + len);
	return len + CRYPTO_SIG;
}

static bool desc(const uint8_t *data, size_t len, struct dir_desc *out)
{
	uint8_t again[DIR_DESC_MAX];
	size_t again_len;

	if (dir_desc_parse(data, len, out) < 0)
		return false;
	check_entry(&out->entry);
	if (memcmp(&out->entry.identity, &relay.pub, sizeof(relay.pub)) == 0) {
		must(dir_desc_build(out, &relay, again, &again_len) == 0);
		must(again_len == len && memcmp(again, data, len) == 0);
	}
	return true;
}

/* ---- list ---- */

static size_t sign_list(const uint8_t *body, size_t len, uint8_t out[BODY_MAX])
{
	uint8_t *p;

	if (len > BODY_MAX - 1 - AUTHORITIES * SIGNATURE)
		len = BODY_MAX - 1 - AUTHORITIES * SIGNATURE;
	memcpy(out, body, len);
	p = out + len;
	*p++ = AUTHORITIES;
	for (size_t i = 0; i < AUTHORITIES; i++) {
		memcpy(p, &authorities[i].pub, CRYPTO_SIGN_PUB);
		crypto_sign_message(&authorities[i], out, len, p + CRYPTO_SIGN_PUB);
		p += SIGNATURE;
	}
	return len + 1 + AUTHORITIES * SIGNATURE;
}

static void list(const uint8_t *data, size_t len)
{
	struct dir_trust trust = { .count = AUTHORITIES, .threshold = 2 };
	_cleanup_free_ uint8_t *again = NULL;
	struct dir_list got;
	size_t again_len;

	for (size_t i = 0; i < AUTHORITIES; i++)
		trust.keys[i] = authorities[i].pub;
	if (dir_list_parse(data, len, &trust, NOW, NOW - 3600, &got) < 0)
		return;
	must(got.count <= DIR_LIST_ENTRIES && got.valid_until >= NOW);
	for (size_t i = 0; i < got.count; i++) {
		check_entry(&got.entries[i]);
		must(dir_list_find(&got, &got.entries[i].identity) == &got.entries[i]);
	}
	must(dir_list_build(&got, authorities, AUTHORITIES, &again, &again_len) == 0);
	/* what was signed is the same; by whom may differ */
	must(len >= again_len - AUTHORITIES * SIGNATURE - 1 &&
	     memcmp(again, data, again_len - AUTHORITIES * SIGNATURE - 1) == 0);
	dir_list_fini(&got);
}

/* ---- upload ---- */

/* Four bytes of the address it comes from, one of configuration, then the descriptor. */
static void upload(const uint8_t *data, size_t len)
{
	struct rbuf r = rbuf_init(data, len);
	struct addr from = addr_v4(rbuf_u32(&r));
	uint8_t settings = rbuf_u8(&r), body[BODY_MAX];
	struct dird_conf conf = { .descriptor_life = 86400, .per_network = settings % 4,
				  .any_source = settings & 4, .relay_count = settings & 8 ? 1 : 0,
				  .relays = { relay.pub } };
	struct dir_desc d;
	char say[256] = "";
	unsigned int status;

	if (r.err || !desc(body, sign_desc(r.p, r.left, body), &d))
		return;
	status = dir_judge(&conf, store, &d, &from, NOW, say, sizeof(say));
	must(status == 200 || (status >= 400 && status < 500 && say[0]));
	must(status != 200 || conf.any_source || addr_equal(&from, &d.entry.address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t body[BODY_MAX];
	struct dir_desc d;

	if (size < 1)
		return 0;
	switch ((enum mode)(data[0] % MODE_COUNT)) {
	case MODE_DESC:
		desc(data + 1, size - 1, &d);
		break;
	case MODE_DESC_SIGNED:
		desc(body, sign_desc(data + 1, size - 1, body), &d);
		break;
	case MODE_LIST:
		list(data + 1, size - 1);
		break;
	case MODE_LIST_SIGNED:
		list(body, sign_list(data + 1, size - 1, body));
		break;
	case MODE_UPLOAD:
		upload(data + 1, size - 1);
		break;
	case MODE_COUNT:
		break;
	}
	return 0;
}
