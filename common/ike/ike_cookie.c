#include "common/ike/ike_cookie.h"

#include <string.h>

#include "common/base/buf.h"

void ike_cookie_jar_init(struct ike_cookie_jar *jar, const struct ike_ops *ops, void *user)
{
	ops->random(user, jar->current, sizeof(jar->current));
	ops->random(user, jar->previous, sizeof(jar->previous));
	jar->version = 1;
	jar->made_at = ops->now(user);
}

void ike_cookie_jar_rotate(struct ike_cookie_jar *jar, const struct ike_ops *ops, void *user)
{
	uint64_t now = ops->now(user), age = now - jar->made_at;

	if (age < IKE_COOKIE_PERIOD)
		return;
	if (age < 2 * IKE_COOKIE_PERIOD)
		memcpy(jar->previous, jar->current, sizeof(jar->previous));
	else
		ops->random(user, jar->previous, sizeof(jar->previous));
	ops->random(user, jar->current, sizeof(jar->current));
	jar->version++;
	jar->made_at = now;
}

static void make(const uint8_t secret[CRYPTO_PRF], uint8_t version,
		 const struct ike_cookie_claim *claim, uint8_t out[IKE_COOKIE_SIZE])
{
	const struct addr *a = &claim->path->remote.addr;
	uint8_t numbers[1 + sizeof(a->bytes) + 4 + 8];
	struct wbuf w = wbuf_init(numbers, sizeof(numbers));
	struct crypto_chunk chunks[] = { { claim->nonce.data, claim->nonce.len },
					 { numbers, sizeof(numbers) } };

	wbuf_u8(&w, a->family);
	wbuf_bytes(&w, a->bytes, sizeof(a->bytes));
	wbuf_u32(&w, claim->path->mark);
	wbuf_u64(&w, claim->spi_i);
	out[0] = version;
	crypto_prf(secret, CRYPTO_PRF, chunks, ARRAY_SIZE(chunks), out + 1);
}

void ike_cookie_make(const struct ike_cookie_jar *jar, const struct ike_cookie_claim *claim,
		     uint8_t out[IKE_COOKIE_SIZE])
{
	make(jar->current, jar->version, claim, out);
}

bool ike_cookie_check(const struct ike_cookie_jar *jar, const struct ike_cookie_claim *claim,
		      struct ike_view cookie)
{
	uint8_t expected[IKE_COOKIE_SIZE];

	if (cookie.len != sizeof(expected))
		return false;
	if (cookie.data[0] == jar->version)
		make(jar->current, jar->version, claim, expected);
	else if (cookie.data[0] == (uint8_t)(jar->version - 1))
		make(jar->previous, cookie.data[0], claim, expected);
	else
		return false;
	return crypto_equal(expected, cookie.data, sizeof(expected));
}

void ike_cookie_jar_wipe(struct ike_cookie_jar *jar)
{
	crypto_wipe(jar, sizeof(*jar));
}
