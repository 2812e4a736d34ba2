#include "common/dir/dir_list.h"

#include <errno.h>
#include <string.h>

enum {
	LIST_VERSION = 1,
	LIST_HEAD = 4 + 1 + 3 * 8 + 2,
	ENTRY_MIN = CRYPTO_SIGN_PUB + 4 + 2 + 2 + 4 + 1 + 1 + 1, /* nickname of one letter, no rule */
	SIGNATURE = CRYPTO_SIGN_PUB + CRYPTO_SIG,
};

static const uint8_t list_magic[4] = { 'I', 'P', 'p', 'L' };

void dir_list_fini(struct dir_list *list)
{
	free(list->entries);
	*list = (struct dir_list){ 0 };
}

static int compare_entries(const void *a, const void *b)
{
	const struct dir_entry *x = a, *y = b;

	return memcmp(&x->identity, &y->identity, sizeof(x->identity));
}

/* A signature as on the wire starts with its key. */
static int compare_signatures(const void *a, const void *b)
{
	return memcmp(a, b, CRYPTO_SIGN_PUB);
}

static bool times_good(const struct dir_list *list)
{
	return list->published <= list->fresh_until && list->fresh_until <= list->valid_until;
}

static int build_body(struct wbuf *w, struct dir_list *list)
{
	if (list->count > DIR_LIST_ENTRIES || !times_good(list))
		return -EINVAL;
	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), compare_entries);
	wbuf_bytes(w, list_magic, sizeof(list_magic));
	wbuf_u8(w, LIST_VERSION);
	wbuf_u64(w, list->published);
	wbuf_u64(w, list->fresh_until);
	wbuf_u64(w, list->valid_until);
	wbuf_u16(w, (uint16_t)list->count);
	for (size_t i = 0; i < list->count; i++) {
		const struct dir_entry *e = &list->entries[i];

		if (dir_entry_check(e) < 0 || (i > 0 && compare_entries(e - 1, e) == 0))
			return -EINVAL;
		dir_entry_build(w, e);
	}
	return w->err < 0 ? -EINVAL : 0;
}

static int build_signatures(struct wbuf *w, const struct crypto_sign_key *keys, size_t count)
{
	size_t body = w->len;
	uint8_t *first;

	wbuf_u8(w, (uint8_t)count);
	first = wbuf_reserve(w, count * SIGNATURE);
	if (!first)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		uint8_t *p = first + i * SIGNATURE;

		memcpy(p, keys[i].pub.bytes, CRYPTO_SIGN_PUB);
		crypto_sign_message(&keys[i], w->start, body, p + CRYPTO_SIGN_PUB);
	}
	qsort(first, count, SIGNATURE, compare_signatures);
	for (size_t i = 1; i < count; i++)
		if (compare_signatures(first + (i - 1) * SIGNATURE, first + i * SIGNATURE) == 0)
			return -EINVAL;
	return 0;
}

int dir_list_build(struct dir_list *list, const struct crypto_sign_key *keys, size_t key_count,
		   uint8_t **out, size_t *len)
{
	size_t size = LIST_HEAD + list->count * DIR_ENTRY_MAX + 1 + key_count * SIGNATURE;
	_cleanup_free_ uint8_t *data = NULL;
	struct wbuf w;
	int err;

	if (list->count > DIR_LIST_ENTRIES || key_count > DIR_LIST_AUTHORITIES)
		return -EINVAL;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	w = wbuf_init(data, size);
	err = build_body(&w, list);
	if (err == 0)
		err = build_signatures(&w, keys, key_count);
	if (err < 0)
		return err;
	*len = w.len;
	*out = data;
	data = NULL;
	return 0;
}

static int parse_head(struct rbuf *r, struct dir_list *list)
{
	const uint8_t *magic = rbuf_bytes(r, sizeof(list_magic));
	uint8_t version = rbuf_u8(r);

	list->published = rbuf_u64(r);
	list->fresh_until = rbuf_u64(r);
	list->valid_until = rbuf_u64(r);
	list->count = rbuf_u16(r);
	if (r->err)
		return r->err;
	if (memcmp(magic, list_magic, sizeof(list_magic)) != 0)
		return -EBADMSG;
	if (version != LIST_VERSION)
		return -EOPNOTSUPP;
	if (!times_good(list) || list->count > DIR_LIST_ENTRIES)
		return -EBADMSG;
	/* so that what is allocated for the entries is bounded by what really came */
	return list->count > r->left / ENTRY_MIN ? -EMSGSIZE : 0;
}

/* Allocates LIST->entries, the caller's also on failure. */
static int parse_entries(struct rbuf *r, struct dir_list *list)
{
	int err;

	if (list->count == 0)
		return 0;
	list->entries = calloc(list->count, sizeof(*list->entries));
	if (!list->entries)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		struct dir_entry *e = &list->entries[i];

		err = dir_entry_parse(r, e);
		if (err < 0)
			return err;
		if (i > 0 && compare_entries(e - 1, e) >= 0)
			return -EBADMSG;
	}
	return 0;
}

static bool trusted(const struct dir_trust *trust, const uint8_t key[CRYPTO_SIGN_PUB])
{
	for (size_t i = 0; i < trust->count; i++)
		if (memcmp(trust->keys[i].bytes, key, CRYPTO_SIGN_PUB) == 0)
			return true;
	return false;
}

/* BODY_LEN bytes at BODY are signed; R stands at the signature count. */
static int verify(struct rbuf *r, const uint8_t *body, size_t body_len,
		  const struct dir_trust *trust)
{
	size_t count = rbuf_u8(r), valid = 0;
	const uint8_t *first;

	if (!r->err && count > DIR_LIST_AUTHORITIES)
		return -EBADMSG;
	first = rbuf_bytes(r, count * SIGNATURE);
	if (r->err)
		return r->err;
	if (r->left > 0)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = first + i * SIGNATURE;
		struct crypto_pub key;

		if (i > 0 && compare_signatures(p - SIGNATURE, p) >= 0)
			return -EBADMSG;
		memcpy(key.bytes, p, sizeof(key.bytes));
		if (trusted(trust, p) &&
		    crypto_verify(&key, body, body_len, p + CRYPTO_SIGN_PUB) == 0)
			valid++;
	}
	return valid < trust->threshold ? -EKEYREJECTED : 0;
}

static int judge_times(const struct dir_list *list, uint64_t now, uint64_t newest)
{
	if (now > list->valid_until)
		return -ESTALE;
	if (list->published > now && list->published - now > DIR_SKEW)
		return -ESTALE;
	return list->published < newest ? -EALREADY : 0;
}

int dir_list_parse(const uint8_t *data, size_t len, const struct dir_trust *trust, uint64_t now,
		   uint64_t newest, struct dir_list *out)
{
	struct rbuf r = rbuf_init(data, len);
	struct dir_list list = { 0 };
	int err;

	if (trust->threshold < 1 || trust->threshold > trust->count ||
	    trust->count > DIR_LIST_AUTHORITIES)
		return -EINVAL;
	err = parse_head(&r, &list);
	if (err == 0)
		err = parse_entries(&r, &list);
	if (err == 0)
		err = verify(&r, data, len - r.left, trust);
	if (err == 0)
		err = judge_times(&list, now, newest);
	if (err < 0) {
		dir_list_fini(&list);
		return err;
	}
	*out = list;
	return 0;
}

const char *dir_error_text(int err)
{
	switch (err) {
	case 0:
		return "good";
	case -EMSGSIZE:
		return "truncated: it ends too early; try again";
	case -EBADMSG:
		return "malformed: no such document; check the URL and both programs' versions";
	case -EOPNOTSUPP:
		return "of a format version that this program does not know; upgrade it";
	case -EKEYREJECTED:
		return "not validly signed by those who must sign it; check the configured keys";
	case -ESTALE:
		return "expired, or dated in the future; check the clocks here and at the directory";
	case -EALREADY:
		return "older than one that was accepted before: a replay; try again later";
	case -EINVAL:
		return "not to be judged: the threshold must be 1 to the number of authorities";
	case -ENOMEM:
		return "too big for this machine's memory";
	default:
		return strerror(-err);
	}
}

const struct dir_entry *dir_list_find(const struct dir_list *list,
				      const struct crypto_pub *identity)
{
	struct dir_entry key = { .identity = *identity };

	if (list->count == 0)
		return NULL;
	return bsearch(&key, list->entries, list->count, sizeof(key), compare_entries);
}
