#include "common/crypto/crypto_pem.h"

#include <criterion/criterion.h>

/* The key pair of RFC 8410 section 10, public half in 10.1, private key in 10.3. */
Test(crypto_pem, rfc8410)
{
	struct crypto_sign_key key;
	uint8_t seed[CRYPTO_SIGN_SEED];
	char text[CRYPTO_PEM_MAX];

	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(crypto_hex_parse(
			     "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842", seed),
		     0);
	crypto_sign_key_from_seed(seed, &key);
	crypto_pem_private(&key, text);
	cr_assert_str_eq(text, "-----BEGIN PRIVATE KEY-----\n"
			       "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
			       "-----END PRIVATE KEY-----\n");
	crypto_pem_public(&key.pub, text);
	cr_assert_str_eq(text, "-----BEGIN PUBLIC KEY-----\n"
			       "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
			       "-----END PUBLIC KEY-----\n");
}
