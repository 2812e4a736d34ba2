/*
 * Sessions between an initiator and a responder of ours, recorded as captures that tshark reads: in
 * the folder that IPPRIV_RECORD names, for each session
 *   NAME.pcap     its datagrams as the receiver saw them
 *   NAME.keys     lines for Wireshark's table ikev2_decryption_table
 *   NAME.expect   a line for each packet: its number, exchange, request or response, message ID,
 *                 what it is, and the types of its payloads, as our own parser sees them; for the
 *                 last piece of a message those of the whole
 *
 * What it is: clear, sealed, or piece (of a sealed one, RFC 7383). tshark 4.0 stops at an ID of no
 * data, which ID_NULL has to be (RFC 7619): a sealed message with one is called null-id, and comes
 * again without the ID as rest, which nobody sent, so that the other payloads are dissected.
 *
 * tshark 4.0 knows no ChaCha20-Poly1305 in IKEv2. So what is encrypted is opened with the session's
 * own keys, and sealed again in place, bytes for bytes as long, with AES-GCM-256, which takes keys,
 * salts and IVs of the same sizes. All else of a message stays as it was sent.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/base/inner6.h"
#include "common/ike/ike_sa_priv.h"
#include "ike/duo_assert.h"
#include "ike/natbox.h"
#include "pcap.h"

enum { KEYS_MAX = 16 };

/* Keys of one IKE SA. */
struct session_keys {
	uint64_t spi_i, spi_r;
	struct ike_crypt i, r; /* from initiator, from responder */
};

static struct duo duo;
static struct natbox box;
static struct session_keys keys[KEYS_MAX];
static size_t key_count;
static uint64_t times[ARRAY_SIZE(duo.log)];
static FILE *pcap, *expect;
static size_t packets; /* in the capture */

static FILE *create(const char *name, const char *ending)
{
	const char *folder = getenv("IPPRIV_RECORD");
	char path[512];
	FILE *file;

	cr_assert_not_null(folder, "set IPPRIV_RECORD to a folder");
	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, ending);
	file = fopen(path, "wb");
	cr_assert_not_null(file, "%s", path);
	return file;
}

/* ---- keys ---- */

static struct session_keys *find_keys(uint64_t spi_i, uint64_t spi_r)
{
	for (size_t i = 0; i < key_count; i++)
		if (keys[i].spi_i == spi_i && keys[i].spi_r == spi_r)
			return &keys[i];
	return NULL;
}

/* Remembers the keys of the SA that sends MSG. */
static bool tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct ike_sa *sa, *next;
	struct ike_header h;

	times[d->logged - 1] = d->now;
	cr_assert_eq(ike_parse_header(msg, *len, &h), 0);
	if (h.exchange == IKE_EXCHANGE_SA_INIT || find_keys(h.spi_i, h.spi_r))
		return true;
	HASH_ITER(hh, from->host->by_spi, sa, next) {
		if (sa->spi_i != h.spi_i || sa->spi_r != h.spi_r)
			continue;
		cr_assert_lt(key_count, KEYS_MAX);
		keys[key_count++] = (struct session_keys){
			.spi_i = h.spi_i, .spi_r = h.spi_r,
			.i = sa->initiator ? sa->out : sa->in,
			.r = sa->initiator ? sa->in : sa->out,
		};
	}
	return true;
}

static void print_key(FILE *file, const struct ike_crypt *c)
{
	for (size_t i = 0; i < sizeof(c->key); i++)
		fprintf(file, "%02x", c->key[i]);
	for (size_t i = 0; i < sizeof(c->salt); i++)
		fprintf(file, "%02x", c->salt[i]);
	fputc(',', file);
}

static void write_keys(const char *name)
{
	FILE *file = create(name, "keys");

	for (size_t i = 0; i < key_count; i++) {
		fprintf(file, "%016" PRIx64 ",%016" PRIx64 ",", keys[i].spi_i, keys[i].spi_r);
		print_key(file, &keys[i].i);
		print_key(file, &keys[i].r);
		fputs("\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"\n", file);
	}
	cr_assert_eq(fclose(file), 0);
}

/* ---- messages ---- */

/* Types of the payloads in a chain, to EXPECT. */
static void print_types(uint8_t type, const uint8_t *data, size_t len)
{
	struct rbuf r = rbuf_init(data, len);

	while (type != IKE_PAYLOAD_NONE) {
		uint8_t next = rbuf_u8(&r);

		fprintf(expect, " %u", type);
		rbuf_u8(&r);
		rbuf_bytes(&r, rbuf_u16(&r) - (size_t)IKE_PAYLOAD_HEADER_SIZE);
		cr_assert_eq(r.err, 0);
		type = next;
	}
	cr_assert_eq(r.left, 0);
}

/* What is inside of a message, or of its fragments so far. */
struct inside {
	uint8_t first;
	size_t len;
	uint8_t bytes[2 * DUO_MESSAGE_MAX];
};

static const struct ike_crypt *crypt_of(const struct ike_header *h)
{
	const struct session_keys *k = find_keys(h->spi_i, h->spi_r);

	cr_assert_not_null(k);
	return h->flags & IKE_FLAG_INITIATOR ? &k->i : &k->r;
}

/* SK, which lies in MSG, from ChaCha20-Poly1305 to AES-GCM; what was in it to the end of INSIDE. */
static void reseal(const struct ike_header *h, uint8_t *msg, const struct ike_payloads *p,
		   struct inside *inside)
{
	const struct ike_crypt *c = crypt_of(h);
	uint8_t plain[DUO_MESSAGE_MAX], nonce[CRYPTO_AEAD_NONCE];
	uint8_t *sk = msg + (p->sk.data - msg);
	size_t len, sealed = p->sk.len - IKE_SK_IV_SIZE - CRYPTO_AEAD_TAG;

	cr_assert_eq(ike_crypt_open(c, msg, p->sk, plain, &len), 0);
	cr_assert_eq(len + 1, sealed, "nobody pads"); /* the pad octet is behind it in PLAIN */
	memcpy(nonce, c->salt, IKE_KEY_SALT);
	memcpy(nonce + IKE_KEY_SALT, sk, IKE_SK_IV_SIZE);
	crypto_aead_aes256gcm_encrypt(sk + IKE_SK_IV_SIZE, NULL, plain, sealed, msg,
				      (size_t)(sk - msg), NULL, nonce, c->key);
	if (p->fragment <= 1)
		*inside = (struct inside){ .first = p->sk_next };
	cr_assert_leq(len, sizeof(inside->bytes) - inside->len);
	memcpy(inside->bytes + inside->len, plain, len);
	inside->len += len;
}

static void write_packet(const struct duo_datagram *g, uint64_t ms, const uint8_t *msg, size_t len)
{
	cr_assert_eq(pcap_udp(pcap, ms, &g->path.remote, &g->path.local,
			      g->path.floated ? IKE_PORT_MARKER : 0, msg, len), 0);
	packets++;
}

static void print_packet(const struct ike_header *h, const char *kind)
{
	fprintf(expect, "%zu %u %s %u %s", packets, h->exchange,
		h->flags & IKE_FLAG_RESPONSE ? "response" : "request", h->message_id, kind);
}

/* The ID comes first and has only its type and three reserved octets. */
static bool begins_with_null_id(const struct inside *inside)
{
	return inside->first == IKE_PAYLOAD_IDI && inside->bytes[3] == IKE_PAYLOAD_HEADER_SIZE + 4;
}

/* The message once more without its first payload, under an IV of its own. */
static void write_rest(const struct duo_datagram *g, uint64_t ms, const struct ike_header *h,
		       const struct inside *inside)
{
	const struct ike_crypt *c = crypt_of(h);
	const uint8_t iv[IKE_SK_IV_SIZE] = { 0xff };
	uint8_t msg[DUO_MESSAGE_MAX], nonce[CRYPTO_AEAD_NONCE];
	size_t skip = IKE_PAYLOAD_HEADER_SIZE + 4, at, plain, len;
	struct ike_build b;

	ike_build_init(&b, msg, sizeof(msg), h);
	ike_build_sk_begin(&b, iv);
	msg[b.next_at] = inside->bytes[0];
	wbuf_bytes(&b.w, inside->bytes + skip, inside->len - skip);
	cr_assert_eq(ike_build_sk_end(&b, CRYPTO_AEAD_TAG, &at, &plain, &len), 0);
	memcpy(nonce, c->salt, IKE_KEY_SALT);
	memcpy(nonce + IKE_KEY_SALT, iv, IKE_SK_IV_SIZE);
	crypto_aead_aes256gcm_encrypt(msg + at, NULL, msg + at, plain, msg, at - sizeof(iv), NULL,
				      nonce, c->key);
	write_packet(g, ms, msg, len);
	print_packet(h, "rest");
	fprintf(expect, " %u", IKE_PAYLOAD_SK);
	print_types(inside->bytes[0], inside->bytes + skip, inside->len - skip);
	fputc('\n', expect);
}

static void write_message(const struct duo_datagram *g, uint64_t ms)
{
	static struct inside inside;
	uint8_t msg[DUO_MESSAGE_MAX];
	struct ike_payloads p;
	struct ike_header h;
	bool null_id;

	memcpy(msg, g->msg, g->len);
	cr_assert_eq(ike_parse_header(msg, g->len, &h), 0);
	cr_assert_eq(ike_parse_payloads(h.next, msg + IKE_HEADER_SIZE, g->len - IKE_HEADER_SIZE,
					&p), 0);
	if (p.sk.data)
		reseal(&h, msg, &p, &inside);
	write_packet(g, ms, msg, g->len);
	null_id = p.sk.data && p.fragment == 0 && begins_with_null_id(&inside);
	print_packet(&h, null_id ? "null-id" : p.fragment ? "piece" : p.sk.data ? "sealed" : "clear");
	if (!p.sk.data)
		print_types(h.next, msg + IKE_HEADER_SIZE, g->len - IKE_HEADER_SIZE);
	else
		fprintf(expect, " %u", h.next);
	if (p.sk.data && p.fragment == p.fragment_total)
		print_types(inside.first, inside.bytes, inside.len);
	fputc('\n', expect);
	if (null_id)
		write_rest(g, ms, &h, &inside);
}

/* Writes the session that was, and ends it. */
static void finish(const char *name)
{
	pcap = create(name, "pcap");
	expect = create(name, "expect");
	cr_assert_eq(pcap_begin(pcap), 0);
	cr_assert(duo.logged > 0 && duo.logged < ARRAY_SIZE(duo.log));
	for (size_t i = 0; i < duo.logged; i++)
		write_message(duo.log[i], times[i]);
	cr_assert_eq(fclose(pcap), 0);
	cr_assert_eq(fclose(expect), 0);
	write_keys(name);
	duo_fini(&duo);
}

/* ---- sessions ---- */

/* Each session has its own SEED, so that no two have the same SPIs. */
static void start(uint64_t seed, const struct ike_host_conf *conf)
{
	cr_assert_eq(sodium_init() < 0, 0);
	if (!crypto_aead_aes256gcm_is_available()) {
		fputs("skipped: libsodium wants a processor with AES instructions\n", stderr);
		cr_skip_test();
	}
	duo_init(&duo, seed);
	duo_start(&duo, conf);
	duo.tap = tap;
	duo.recording = true;
}

static void end_session(struct duo_record *i)
{
	ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 1000);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
}

Test(record, client_with_cookie)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(101, NULL);
	duo.b.host->conf.cookie_threshold = 0;
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	ike_host_probe(duo.b.host, duo_last(&duo.b)->sa);
	duo_settle(&duo);
	end_session(i);
	finish("client");
}

/* One that asks for an IPv6 address, too, and gets it. */
Test(record, client_of_both_families)
{
	const struct prefix any6 = { .addr.family = AF_INET6 };
	struct ike_init_conf conf;
	struct duo_record *i;

	start(104, NULL);
	duo.b.lease.address6 = inner6_addr(&duo.b.lease.address);
	duo.b.local.items[duo.b.local.count++] = any6;
	conf = duo_client(&duo);
	conf.want_address6 = true;
	conf.ts_local.items[conf.ts_local.count++] = any6;
	conf.ts_remote.items[conf.ts_remote.count++] = any6;
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	cr_assert(addr_equal(&i->lease.address6, &duo.b.lease.address6));
	ike_host_rekey_child(duo.a.host, i->sa, i->sending);
	duo_settle(&duo);
	end_session(i);
	finish("client6");
}

Test(record, relays)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(102, NULL);
	conf = duo_relay(&duo);
	conf.initial_contact = true;
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	ike_host_close(duo.b.host, duo_last(&duo.b)->sa);
	duo_run(&duo, duo.now + 1000);
	duo_assert_gone(i, IKE_END_PEER, 0);
	finish("relays");
}

Test(record, refused)
{
	struct ike_init_conf conf;

	start(103, NULL);
	duo.b.admit_result = -EACCES;
	conf = duo_client(&duo);
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED,
			IKE_NOTIFY_AUTHENTICATION_FAILED);
	finish("refused");
}

/* ---- the first layer ---- */

static struct duo_record *connect_first(uint64_t seed, const char *address, const char *nat)
{
	const struct ike_host_conf host = { .first_layer = true };
	struct ike_init_conf conf;
	struct duo_record *i;

	start(seed, &host);
	natbox_start(&box, &duo, address);
	if (nat)
		natbox_translate(&box, nat);
	conf = duo_client(&duo);
	conf.path = natbox_first_path(&box);
	conf.first_layer = true;
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	return i;
}

static void move(struct duo_record *i, const char *address)
{
	struct ike_path path;
	unsigned int moves = i->moves;

	natbox_readdress(&box, address);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
	duo_run(&duo, duo.now + 2000);
	cr_assert_eq(i->moves, moves + 1);
}

/* Behind a NAT, then at two addresses without one, the last of another family. */
Test(record, roaming)
{
	struct duo_record *i = connect_first(104, "10.0.0.2", "203.0.113.9");

	move(i, "198.51.100.77");
	move(i, "2001:db8:7::7");
	end_session(i);
	finish("roaming");
}

Test(record, fragments)
{
	const struct ike_host_conf host = { .fragment_size = 200 };
	struct ike_init_conf conf;
	struct duo_record *i;
	size_t pieces = 0;

	start(105, &host);
	conf = duo_relay(&duo);
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	end_session(i);
	for (size_t k = 0; k < duo.logged; k++)
		pieces += duo.log[k]->msg[IKE_HEADER_NEXT_AT] == IKE_PAYLOAD_SKF;
	cr_assert_geq(pieces, 4, "request and answer of IKE_AUTH are split");
	finish("fragments");
}

/* ---- rekeying ---- */

static void rekey_child(const struct duo_record *who)
{
	struct ike_sa_info info;

	ike_sa_info(who->sa, &info);
	ike_host_rekey_child(who->side->host, who->sa, info.child_in);
}

/* By each side, by both at once, and once more under the keys that came of it. */
static void rekey_all(struct duo_record *i, struct duo_record *r)
{
	struct duo_record *const both[] = { i, r };
	struct ike_sa_info info;

	for (size_t k = 0; k < ARRAY_SIZE(both); k++) {
		rekey_child(both[k]);
		duo_run(&duo, duo.now + 10000);
		ike_host_rekey(both[k]->side->host, both[k]->sa);
		duo_run(&duo, duo.now + 10000);
	}
	rekey_child(i);
	rekey_child(r);
	duo_run(&duo, duo.now + 10000);
	ike_host_rekey(duo.a.host, i->sa);
	ike_host_rekey(duo.b.host, r->sa);
	duo_run(&duo, duo.now + 10000);
	ike_sa_info(i->sa, &info);
	cr_assert_eq(info.ike_rekeys, 3);
	cr_assert_geq(info.rekeys, 6);
}

Test(record, rekeyings)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(106, NULL);
	conf = duo_relay(&duo);
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	rekey_all(i, duo_last(&duo.b));
	end_session(i);
	finish("rekeyings");
}

Test(record, shared_key)
{
	struct ike_init_conf conf;
	struct duo_record *i;

	start(107, NULL);
	conf = duo_client(&duo);
	conf.auth = IKE_AUTH_PSK;
	i = duo_connect(&duo, &conf);
	duo_assert_up(i);
	end_session(i);
	finish("shared_key");
}
