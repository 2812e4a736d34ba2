#include "common/crypto/crypto.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Hex digits into OUT; their count in bytes. */
static size_t unhex(const char *hex, uint8_t *out, size_t size)
{
	size_t n = strlen(hex) / 2;

	cr_assert_leq(n, size);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(sscanf(hex + 2 * i, "%2hhx", &out[i]), 1);
	return n;
}

static void assert_hex(const uint8_t *got, size_t len, const char *expected)
{
	uint8_t bytes[256];

	cr_assert_eq(unhex(expected, bytes, sizeof(bytes)), len);
	cr_assert_arr_eq(got, bytes, len);
}

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(crypto, .init = setup);

/* RFC 7748 section 5.2 */
Test(crypto, x25519_scalar_multiplication)
{
	static const char *const v[][3] = {
		{ "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
		{ "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		uint8_t k[CRYPTO_DH], u[CRYPTO_DH], out[CRYPTO_DH];

		unhex(v[i][0], k, sizeof(k));
		unhex(v[i][1], u, sizeof(u));
		cr_assert_eq(crypto_dh_shared(k, u, out), 0);
		assert_hex(out, sizeof(out), v[i][2]);
	}
}

/* RFC 7748 section 5.2: 1000 rounds */
Test(crypto, x25519_iterated)
{
	uint8_t k[CRYPTO_DH] = { 9 }, u[CRYPTO_DH] = { 9 }, out[CRYPTO_DH];

	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(crypto_dh_shared(k, u, out), 0);
		memcpy(u, k, sizeof(u));
		memcpy(k, out, sizeof(k));
		if (i == 0)
			assert_hex(k, sizeof(k), "422c8e7a6227d7bca1350b3e2bb7279f"
						 "7897b87bb6854b783c60e80311ae3079");
	}
	assert_hex(k, sizeof(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* RFC 7748 section 6.1 */
Test(crypto, x25519_key_agreement)
{
	static const char shared[] =
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
	uint8_t a[CRYPTO_DH], b[CRYPTO_DH], pub_a[CRYPTO_DH], pub_b[CRYPTO_DH], out[CRYPTO_DH];

	unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a, sizeof(a));
	unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, sizeof(b));
	crypto_dh_public(a, pub_a);
	assert_hex(pub_a, sizeof(pub_a),
		   "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	crypto_dh_public(b, pub_b);
	assert_hex(pub_b, sizeof(pub_b),
		   "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	cr_assert_eq(crypto_dh_shared(a, pub_b, out), 0);
	assert_hex(out, sizeof(out), shared);
	cr_assert_eq(crypto_dh_shared(b, pub_a, out), 0);
	assert_hex(out, sizeof(out), shared);
}

/* Points of small order give zero (RFC 7748 section 6.1), which RFC 8031 refuses. */
Test(crypto, x25519_small_order)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	uint8_t k[CRYPTO_DH], u[CRYPTO_DH], out[CRYPTO_DH];

	crypto_random(k, sizeof(k));
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		unhex(points[i], u, sizeof(u));
		cr_assert_eq(crypto_dh_shared(k, u, out), -EBADMSG, "%s", points[i]);
	}
}

/* RFC 4231: test cases 1 to 4, 6, 7 (5 is of a truncated output) */
Test(crypto, hmac_sha_256)
{
	static const struct {
		const char *key, *data, *mac;
	} v[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "dddddddddddddddddddddddddddddddddddddddddddddddddd"
		  "dddddddddddddddddddddddddddddddddddddddddddddddddd",
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ "0102030405060708090a0b0c0d0e0f10111213141516171819",
		  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	};
	static const char large[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	static const char larger[] =
		"This is a test using a larger than block-size key and a larger than block-size "
		"data. The key needs to be hashed before being used by the HMAC algorithm.";
	uint8_t key[131], data[64], mac[CRYPTO_PRF];

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		size_t key_len = unhex(v[i].key, key, sizeof(key));
		size_t len = unhex(v[i].data, data, sizeof(data));

		/* cut anywhere, also with empty chunks: always the same */
		for (size_t cut = 0; cut <= len; cut++) {
			struct crypto_chunk chunks[] = { { data, cut }, { NULL, 0 },
							 { data + cut, len - cut } };

			crypto_prf(key, key_len, chunks, 3, mac);
			assert_hex(mac, sizeof(mac), v[i].mac);
		}
	}
	memset(key, 0xaa, sizeof(key));
	crypto_prf(key, 131, &(struct crypto_chunk){ large, sizeof(large) - 1 }, 1, mac);
	assert_hex(mac, sizeof(mac),
		   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	crypto_prf(key, 131, &(struct crypto_chunk){ larger, sizeof(larger) - 1 }, 1, mac);
	assert_hex(mac, sizeof(mac),
		   "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* RFC 7296 section 2.13: T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n); every length. */
Test(crypto, prf_plus_by_its_definition)
{
	static const uint8_t key[] = "a key of SKEYSEED";
	uint8_t expected[255 * CRYPTO_PRF], out[255 * CRYPTO_PRF + 1], previous[CRYPTO_PRF];
	struct crypto_chunk seed[] = { { "Ni", 2 }, { "Nr", 2 }, { NULL, 0 }, { "SPIiSPIr", 8 } };

	for (unsigned int n = 1; n <= 255; n++) {
		uint8_t number = (uint8_t)n;
		struct crypto_chunk parts[] = { { previous, n == 1 ? 0 : sizeof(previous) },
						{ "NiNrSPIiSPIr", 12 }, { &number, 1 } };

		crypto_prf(key, sizeof(key), parts, 3, expected + (n - 1) * CRYPTO_PRF);
		memcpy(previous, expected + (n - 1) * CRYPTO_PRF, sizeof(previous));
	}
	for (size_t len = 0; len <= sizeof(expected); len += len < 200 ? 1 : 997) {
		memset(out, 0xee, sizeof(out));
		cr_assert_eq(crypto_prf_plus(key, sizeof(key), seed, 4, out, len), 0);
		if (len > 0)
			cr_assert_arr_eq(out, expected, len);
		cr_assert_eq(out[len], 0xee, "nothing past the end");
	}
	cr_assert_eq(crypto_prf_plus(key, sizeof(key), seed, 4, out, sizeof(expected)), 0);
	cr_assert_arr_eq(out, expected, sizeof(expected));
	cr_assert_eq(crypto_prf_plus(key, sizeof(key), seed, 4, out, sizeof(expected) + 1), -EINVAL);
}

/* A value computed with Python's hmac module: 80 bytes from key 0x0b x 32, seed 0..63. */
Test(crypto, prf_plus_value)
{
	uint8_t key[32], seed[64], out[80];

	memset(key, 0x0b, sizeof(key));
	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	cr_assert_eq(crypto_prf_plus(key, sizeof(key),
				     &(struct crypto_chunk){ seed, sizeof(seed) }, 1, out,
				     sizeof(out)), 0);
	assert_hex(out, sizeof(out), "9a218a973b50f72a4aef37134e1a407219dafb86471e63690fef3cc58c999fb1"
				     "33f003a1c4dcff0d8ede52303aab96f7cec666f60f59f40105881900efc8ef2d"
				     "cc90e5289552e7af9e6ad54c1e85aa65");
}

/* FIPS 180-4 examples */
Test(crypto, sha256)
{
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	uint8_t out[32];

	crypto_sha256(NULL, 0, out);
	assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_sha256((struct crypto_chunk[]){ { "a", 1 }, { NULL, 0 }, { "bc", 2 } }, 3, out);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256(&(struct crypto_chunk){ two, sizeof(two) - 1 }, 1, out);
	assert_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* RFC 8439 section 2.8.2 */
static const char sunscreen[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
	"future, sunscreen would be it.";
enum { SUNSCREEN = sizeof(sunscreen) - 1 };

static void aead_inputs(uint8_t key[32], uint8_t nonce[12], uint8_t aad[12])
{
	unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, 32);
	unhex("070000004041424344454647", nonce, 12);
	unhex("50515253c0c1c2c3c4c5c6c7", aad, 12);
}

Test(crypto, aead_seal_and_open)
{
	uint8_t key[32], nonce[12], aad[12], box[SUNSCREEN + CRYPTO_AEAD_TAG], out[SUNSCREEN];

	aead_inputs(key, nonce, aad);
	crypto_seal(key, nonce, aad, sizeof(aad), sunscreen, SUNSCREEN, box);
	assert_hex(box, sizeof(box), "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
				     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
				     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
				     "3ff4def08e4b7a9de576d26586cec64b6116"
				     "1ae10b594f09e26a7e902ecbd0600691");
	cr_assert_eq(crypto_open(key, nonce, aad, sizeof(aad), box, sizeof(box), out), 0);
	cr_assert_arr_eq(out, sunscreen, SUNSCREEN);
}

Test(crypto, aead_in_place)
{
	uint8_t key[32], nonce[12], aad[12], buf[SUNSCREEN + CRYPTO_AEAD_TAG];

	aead_inputs(key, nonce, aad);
	memcpy(buf, sunscreen, SUNSCREEN);
	crypto_seal(key, nonce, aad, sizeof(aad), buf, SUNSCREEN, buf);
	assert_hex(buf + SUNSCREEN, CRYPTO_AEAD_TAG, "1ae10b594f09e26a7e902ecbd0600691");
	cr_assert_eq(crypto_open(key, nonce, aad, sizeof(aad), buf, sizeof(buf), buf), 0);
	cr_assert_arr_eq(buf, sunscreen, SUNSCREEN);
}

/* Every bit of box, nonce, key and associated data counts; nothing unverified comes out. */
Test(crypto, aead_refuses_changes)
{
	uint8_t in[4][SUNSCREEN + CRYPTO_AEAD_TAG], zero[SUNSCREEN] = { 0 }, out[SUNSCREEN];
	size_t lens[4] = { 32, 12, 12, SUNSCREEN + CRYPTO_AEAD_TAG };

	aead_inputs(in[0], in[1], in[2]);
	crypto_seal(in[0], in[1], in[2], 12, sunscreen, SUNSCREEN, in[3]);
	for (size_t part = 0; part < 4; part++)
		for (size_t bit = 0; bit < lens[part] * 8; bit++) {
			in[part][bit / 8] ^= (uint8_t)(1 << bit % 8);
			memset(out, 0, sizeof(out));
			cr_assert_eq(crypto_open(in[0], in[1], in[2], 12, in[3], lens[3], out),
				     -EBADMSG, "part %zu bit %zu", part, bit);
			cr_assert_arr_eq(out, zero, sizeof(out));
			in[part][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	for (size_t len = 0; len < lens[3]; len++)
		cr_assert_eq(crypto_open(in[0], in[1], in[2], 12, in[3], len, out),
			     len < CRYPTO_AEAD_TAG ? -EMSGSIZE : -EBADMSG);
	cr_assert_eq(crypto_open(in[0], in[1], in[2], 11, in[3], lens[3], out), -EBADMSG);
	cr_assert_eq(crypto_open(in[0], in[1], in[2], 12, in[3], lens[3], out), 0);
}

Test(crypto, aead_of_nothing)
{
	uint8_t key[32] = { 1 }, nonce[12] = { 2 }, tag[CRYPTO_AEAD_TAG], out[1] = { 7 };

	crypto_seal(key, nonce, NULL, 0, NULL, 0, tag);
	cr_assert_eq(crypto_open(key, nonce, NULL, 0, tag, sizeof(tag), out), 0);
	cr_assert_eq(out[0], 7);
	cr_assert_eq(crypto_open(key, nonce, "x", 1, tag, sizeof(tag), out), -EBADMSG);
}

/* RFC 8032 section 7.1: TEST 1, 2, 3, SHA(abc) */
Test(crypto, ed25519)
{
	static const struct {
		const char *seed, *pub, *msg, *sig;
	} v[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
		  "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
		  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
		{ "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
		  "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
		  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		  "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
		  "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		uint8_t seed[32], msg[64], sig[CRYPTO_SIG];
		size_t len = unhex(v[i].msg, msg, sizeof(msg));
		struct crypto_sign_key key, wiped = { 0 };

		unhex(v[i].seed, seed, sizeof(seed));
		crypto_sign_key_from_seed(seed, &key);
		assert_hex(key.pub.bytes, 32, v[i].pub);
		crypto_sign_message(&key, msg, len, sig);
		assert_hex(sig, sizeof(sig), v[i].sig);
		cr_assert_eq(crypto_verify(&key.pub, msg, len, sig), 0);
		cr_assert_eq(crypto_verify(&key.pub, "other", 5, sig), -EBADMSG);
		for (size_t bit = 0; bit < sizeof(sig) * 8; bit++) {
			sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_eq(crypto_verify(&key.pub, msg, len, sig), -EBADMSG);
			sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		key.pub.bytes[0] ^= 1;
		cr_assert_eq(crypto_verify(&key.pub, msg, len, sig), -EBADMSG);
		crypto_sign_key_wipe(&key);
		cr_assert_eq(memcmp(&key, &wiped, sizeof(key)), 0);
	}
}

/* A key of small order, under which one signature fits every message. */
Test(crypto, ed25519_small_order_key)
{
	struct crypto_pub pub = { .bytes = { 1 } };
	uint8_t sig[CRYPTO_SIG] = { 1 };

	cr_assert_eq(crypto_verify(&pub, "any", 3, sig), -EBADMSG);
}

Test(crypto, hex)
{
	static const char text[] = "00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff01";
	static const char *const bad[] = {
		"", "00", "00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff0",
		"00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff011",
		"00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff0g",
		"00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff 1",
		" 0ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff01",
		"00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff0\n",
		"0x00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff",
	};
	uint8_t bytes[32];
	char out[CRYPTO_HEX];

	cr_assert_eq(crypto_hex_parse(text, bytes), 0);
	cr_assert_eq(bytes[1], 0xff);
	cr_assert_str_eq(crypto_hex(bytes, out), text);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(bytes, 0x5a, sizeof(bytes));
		cr_assert_eq(crypto_hex_parse(bad[i], bytes), -EINVAL, "[%s]", bad[i]);
		for (size_t k = 0; k < sizeof(bytes); k++)
			cr_assert_eq(bytes[k], 0x5a);
	}
}

Test(crypto, small_helpers)
{
	uint8_t a[16], b[16], zero[16] = { 0 };
	bool seen[3] = { false };

	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	cr_assert_not(crypto_equal(a, b, sizeof(a)));
	cr_assert(crypto_equal(a, a, sizeof(a)));
	memcpy(b, a, sizeof(b));
	b[15] ^= 0x80;
	cr_assert_not(crypto_equal(a, b, sizeof(a)));
	cr_assert(crypto_equal(a, b, 15));
	crypto_wipe(a, sizeof(a));
	cr_assert_arr_eq(a, zero, sizeof(a));
	for (int i = 0; i < 300; i++) {
		uint32_t v = crypto_random_below(3);

		cr_assert_lt(v, 3u);
		seen[v] = true;
	}
	cr_assert(seen[0] && seen[1] && seen[2]);
}

static void write_file(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

Test(crypto, key_files)
{
	char dir[] = "/tmp/ippriv-key.XXXXXX", path[64], text[80] = "", hex[CRYPTO_HEX];
	struct crypto_sign_key made, loaded;
	struct stat st;
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	umask(0);
	cr_assert_eq(crypto_key_load(path, &loaded), -ENOENT);
	cr_assert_eq(crypto_key_create(path, &made), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600u);
	cr_assert_eq(crypto_key_load(path, &loaded), 0);
	cr_assert_eq(memcmp(&made, &loaded, sizeof(made)), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(read(fd, text, sizeof(text) - 1), 65);
	close(fd);
	cr_assert_eq(text[64], '\n');
	text[64] = '\0';
	cr_assert_str_eq(text, crypto_hex(made.seed, hex));
	/* a second one does not replace the first */
	cr_assert_eq(crypto_key_create(path, &made), -EEXIST);
	cr_assert_eq(crypto_key_load(path, &made), 0);
	cr_assert_eq(memcmp(&made, &loaded, sizeof(made)), 0);
	unlink(path);
	rmdir(dir);
}

/* What systemd's LoadCredential= gives goes before the file that is named. */
Test(crypto, key_files_of_a_service)
{
	static const char own[] = "00000000000000000000000000000000000000000000000000000000000000aa\n";
	static const char copy[] = "00000000000000000000000000000000000000000000000000000000000000bb\n";
	char dir[] = "/tmp/ippriv-key.XXXXXX", path[64], given[64];
	struct crypto_sign_key key;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node.key", dir);
	write_file(path, own, 65, 0600);
	snprintf(given, sizeof(given), "%s/given", dir);
	setenv("CREDENTIALS_DIRECTORY", given, 1);
	cr_assert_eq(mkdir(given, 0700), 0);
	cr_assert_eq(crypto_key_load(path, &key), 0);
	cr_expect_eq(key.seed[31], 0xaa, "none is given");
	snprintf(given, sizeof(given), "%s/given/node.key", dir);
	write_file(given, copy, 65, 0440);
	cr_assert_eq(crypto_key_load(path, &key), 0);
	cr_expect_eq(key.seed[31], 0xbb);
	cr_assert_eq(crypto_key_load("node.key", &key), 0);
	cr_expect_eq(key.seed[31], 0xbb);
	write_file(given, copy, 65, 0444);
	cr_expect_eq(crypto_key_load(path, &key), -EPERM);
	unlink(given);
	*strrchr(given, '/') = '\0';
	rmdir(given);
	write_file(path, own, 65, 0440);
	cr_expect_eq(crypto_key_load(path, &key), -EPERM, "the file itself is for its owner alone");
	unlink(path);
	rmdir(dir);
}

Test(crypto, key_files_in_words)
{
	static const struct {
		int err;
		const char *says;
	} cases[] = {
		{ -ENOENT, "make a key with `prog --keygen /k`" },
		{ -EPERM, "`chmod 600 /k`" },
		{ -EACCES, "run as its owner" },
		{ -EBADMSG, "no key file; make one with `prog --keygen" },
		{ -EIO, "Input/output error; name another" },
	};
	char why[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		crypto_key_why(cases[i].err, "/k", "prog", why, sizeof(why));
		cr_expect_eq(strncmp(why, "/k: ", 4), 0, "%s", why);
		cr_expect_not_null(strstr(why, cases[i].says), "%s", why);
		cr_expect_null(strchr(why, '\n'), "%s", why);
	}
}

Test(crypto, key_files_modes_and_garbage)
{
	static const char good[] = "00ff10a9bcde0f1234567890abcdef00112233445566778899aabbccddeeff01\n";
	static const mode_t open_modes[] = { 0640, 0604, 0610, 0620, 0602, 0601, 0644, 0666, 0777 };
	char dir[] = "/tmp/ippriv-key.XXXXXX", path[64], bad[sizeof(good) + 1];
	struct crypto_sign_key key, before;

	memset(&before, 0x5a, sizeof(before));
	key = before;
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/key", dir);
	for (size_t i = 0; i < ARRAY_SIZE(open_modes); i++) {
		write_file(path, good, 65, open_modes[i]);
		cr_assert_eq(crypto_key_load(path, &key), -EPERM, "%o", open_modes[i]);
	}
	for (size_t len = 0; len < 65; len++) {
		write_file(path, good, len, 0600);
		cr_assert_eq(crypto_key_load(path, &key), -EBADMSG, "%zu bytes", len);
	}
	memcpy(bad, good, sizeof(good));
	bad[65] = '\n';
	write_file(path, bad, 66, 0600);
	cr_assert_eq(crypto_key_load(path, &key), -EBADMSG);
	for (size_t i = 0; i < 65; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i] = i % 2 ? 'x' : '\0';
		write_file(path, bad, 65, 0600);
		cr_assert_eq(crypto_key_load(path, &key), -EBADMSG, "at %zu", i);
	}
	cr_assert_eq(crypto_key_load(dir, &key), -EBADMSG);
	cr_assert_eq(memcmp(&key, &before, sizeof(key)), 0, "no result on failure");
	write_file(path, good, 65, 0400);
	cr_assert_eq(crypto_key_load(path, &key), 0);
	cr_assert_eq(key.seed[1], 0xff);
	unlink(path);
	rmdir(dir);
}

/* What the kernel says of the CPU, where it says it in this way. */
Test(crypto, has_aes)
{
	char line[8192], *word;
	bool x86 = false, aes = false, clmul = false;
	FILE *f = fopen("/proc/cpuinfo", "r");

	cr_assert_eq(crypto_init(), 0);
	while (f && !x86 && fgets(line, sizeof(line), f)) {
		x86 = strncmp(line, "flags", 5) == 0;
		for (word = x86 ? strtok(line, " \n") : NULL; word; word = strtok(NULL, " \n")) {
			aes = aes || strcmp(word, "aes") == 0;
			clmul = clmul || strcmp(word, "pclmulqdq") == 0;
		}
	}
	if (f)
		fclose(f);
	if (!x86)
		cr_skip("no x86 flags in /proc/cpuinfo");
	cr_assert_eq(crypto_has_aes(), aes && clmul);
}
