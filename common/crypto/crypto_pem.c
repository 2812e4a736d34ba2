#include "common/crypto/crypto_pem.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

enum { DER_MAX = 48 };

/* What stands before the 32 bytes of the seed (RFC 8410 section 7), of the public key (section 4). */
static const uint8_t private_head[16] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
					  0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
static const uint8_t public_head[12] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
					 0x03, 0x21, 0x00 };

static void print(const char *label, const uint8_t *head, size_t head_len, const uint8_t key[32],
		  char out[CRYPTO_PEM_MAX])
{
	char text[sodium_base64_ENCODED_LEN(DER_MAX, sodium_base64_VARIANT_ORIGINAL)];
	uint8_t der[DER_MAX];

	memcpy(der, head, head_len);
	memcpy(der + head_len, key, 32);
	sodium_bin2base64(text, sizeof(text), der, head_len + 32, sodium_base64_VARIANT_ORIGINAL);
	snprintf(out, CRYPTO_PEM_MAX, "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, text,
		 label);
	sodium_memzero(der, sizeof(der));
	sodium_memzero(text, sizeof(text));
}

void crypto_pem_private(const struct crypto_sign_key *key, char out[CRYPTO_PEM_MAX])
{
	print("PRIVATE KEY", private_head, sizeof(private_head), key->seed, out);
}

void crypto_pem_public(const struct crypto_pub *pub, char out[CRYPTO_PEM_MAX])
{
	print("PUBLIC KEY", public_head, sizeof(public_head), pub->bytes, out);
}

int crypto_pem_print(const char *key)
{
	struct crypto_sign_key pair = { 0 };
	char text[CRYPTO_PEM_MAX], why[512];
	int err = 0;

	if (crypto_hex_parse(key, pair.pub.bytes) == 0) {
		crypto_pem_public(&pair.pub, text);
	} else {
		err = crypto_key_load(key, &pair);
		if (err < 0) {
			crypto_key_why(err, key, "ippriv-node", why, sizeof(why));
			log_error("%s", why);
			return err;
		}
		crypto_pem_private(&pair, text);
	}
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		err = -errno;
	crypto_wipe(text, sizeof(text));
	crypto_sign_key_wipe(&pair);
	return err;
}
