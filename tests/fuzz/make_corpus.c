/*
 * make_corpus DIR: writes the seeds of every target to DIR/NAME/, made of real messages: sessions
 * between two hosts of ours, strongSwan's, and the builders' documents. The folder corpus beside
 * this was made so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dir/sample.h"
#include "ike_script.h"
#include "tests/vectors/libreswan.h"
#include "tests/vectors/strongswan.h"

enum { SCRIPT_MAX = 16384 };

static const char *corpus;

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Writes PREFIX (its size is PREFIX_LEN) and DATA as the seed NAME of TARGET. */
static void write_seed(const char *target, const char *name, const void *prefix, size_t prefix_len,
		       const void *data, size_t len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(1);
	}
	must(prefix_len == 0 || fwrite(prefix, 1, prefix_len, file) == prefix_len);
	must(len == 0 || fwrite(data, 1, len, file) == len);
	must(fclose(file) == 0);
}

static void seed(const char *target, const char *name, uint8_t first, const void *data, size_t len)
{
	write_seed(target, name, &first, 1, data, len);
}

/* ---- IKE: sessions, as scripts against either side ---- */

struct session {
	const char *name;
	uint8_t one, two; /* settings */
	size_t messages;
	struct wbuf script[2]; /* against A, against B */
	uint8_t bytes[2][SCRIPT_MAX];
	struct pair pair;
};

static struct wbuf *script_of(struct session *s, const struct pair_side *side)
{
	return &s->script[side == &s->pair.b];
}

/* The chain of payloads as { type, options, size, body }*. */
static void put_chain(struct wbuf *w, uint8_t type, const uint8_t *data, size_t len)
{
	struct rbuf r = rbuf_init(data, len);

	while (type != IKE_PAYLOAD_NONE && r.left >= IKE_PAYLOAD_HEADER_SIZE) {
		uint8_t next = rbuf_u8(&r), options = rbuf_u8(&r) & IKE_PAYLOAD_CRITICAL;
		size_t size = rbuf_u16(&r) - (size_t)IKE_PAYLOAD_HEADER_SIZE;
		const uint8_t *body = rbuf_bytes(&r, size);

		must(body);
		if (type == IKE_PAYLOAD_AUTH)
			options |= SCRIPT_PROVE;
		if ((type == IKE_PAYLOAD_NOTIFY || type == IKE_PAYLOAD_DELETE) &&
		    body[0] == IKE_PROTOCOL_ESP && body[1] == IKE_ESP_SPI_SIZE)
			options |= SCRIPT_CHILD;
		wbuf_u8(w, type);
		wbuf_u8(w, options);
		wbuf_u16(w, (uint16_t)size);
		wbuf_bytes(w, body, size);
		type = next;
	}
}

static struct ike_sa *find(const struct pair_side *side, const struct ike_header *h)
{
	struct ike_sa *sa, *next;

	HASH_ITER(hh, side->host->by_spi, sa, next) {
		if (sa->spi_i == h->spi_i && sa->spi_r == h->spi_r)
			return sa;
	}
	return NULL;
}

/* A message or fragment under encryption to TO becomes SEALED or PIECE. */
static void put_sealed(struct session *s, struct pair_side *to, const struct ike_header *h,
		       const uint8_t *msg, size_t len)
{
	const struct ike_sa *from = find(pair_other(to), h);
	uint8_t plain[PAIR_MESSAGE_MAX], options;
	struct wbuf *w = script_of(s, to);
	struct ike_payloads p;
	size_t size, at;
	char name[96];

	must(from);
	must(ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &p) == 0);
	must(ike_crypt_open(&from->out, msg, p.sk, plain, &size) == 0);
	options = h->flags & IKE_FLAG_RESPONSE ? SCRIPT_RESPONSE : 0;
	if (find(to, h) == pair_sa(to, true))
		options |= SCRIPT_NEWEST;
	snprintf(name, sizeof(name), "%s_%02zu", s->name, s->messages);
	if (p.fragment > 0) {
		wbuf_u8(w, SCRIPT_PIECE | options);
		wbuf_u16(w, p.fragment);
		wbuf_u16(w, p.fragment_total);
		wbuf_u8(w, h->exchange);
		wbuf_u8(w, p.sk_next);
		wbuf_u16(w, (uint16_t)(size + 1));
		wbuf_bytes(w, plain, size);
		wbuf_u8(w, 0); /* pad length */
		seed("ike_parse", name, 0, msg, len);
		return;
	}
	wbuf_u8(w, SCRIPT_SEALED | options);
	wbuf_u8(w, h->exchange);
	at = w->len;
	wbuf_u16(w, 0);
	put_chain(w, p.sk_next, plain, size);
	wbuf_patch_u16(w, at, (uint16_t)(w->len - at - 2));
	write_seed("ike_parse", name, (const uint8_t[]){ 1, p.sk_next }, 2, plain, size);
}

static void put_clear(struct session *s, struct pair_side *to, const uint8_t *msg, size_t len)
{
	struct wbuf *w = script_of(s, to);
	char name[96];

	wbuf_u8(w, SCRIPT_MENDED);
	wbuf_u16(w, (uint16_t)len);
	wbuf_bytes(w, msg, len);
	snprintf(name, sizeof(name), "%s_%02zu", s->name, s->messages);
	seed("ike_parse", name, 0, msg, len);
}

static void tap(void *data, struct pair_side *to, const uint8_t *msg, size_t len)
{
	struct session *s = data;
	struct ike_header h;

	s->messages++;
	must(ike_parse_header(msg, len, &h) == 0);
	if (h.next == IKE_PAYLOAD_SK || h.next == IKE_PAYLOAD_SKF)
		put_sealed(s, to, &h, msg, len);
	else
		put_clear(s, to, msg, len);
}

static struct session *begin(const char *name, uint8_t one, uint8_t two)
{
	struct session *s = calloc(1, sizeof(*s));
	struct pair_conf conf = script_settings(one, two);

	must(s);
	s->name = name;
	s->one = one;
	s->two = two;
	for (int i = 0; i < 2; i++)
		s->script[i] = wbuf_init(s->bytes[i], SCRIPT_MAX);
	pair_start(&s->pair, &conf, tap, s);
	return s;
}

/* Side A or B acts; what follows of it runs to its end. */
static void act(struct session *s, struct pair_side *side, enum script_act what)
{
	wbuf_u8(script_of(s, side), (uint8_t)(SCRIPT_ACT | SCRIPT_NEWEST | what << 4));
	script_act(side, what, true);
	pair_settle(&s->pair);
}

/* The attack on either side; what is in clear also when it is too late for it. */
static void end(struct session *s)
{
	static const char *const sides[] = { "initiator", "responder" };
	enum pair_phase phase = s->one / SCRIPT_PHASE % 4;

	for (uint8_t side = 0; side < 2; side++) {
		bool sealed = phase >= PAIR_PHASE_AUTH;
		uint8_t settings[3] = { (uint8_t)(s->one | side), s->two };
		char name[96];

		snprintf(name, sizeof(name), "%s_%s", s->name, sides[side]);
		must(!s->script[side].err);
		write_seed(sealed ? "ike_sealed" : "ike_clear", name, settings, 3, s->bytes[side],
			   s->script[side].len);
		if (sealed)
			continue;
		snprintf(name, sizeof(name), "late_%s_%s", s->name, sides[side]);
		settings[0] |= (uint8_t)(PAIR_PHASE_ESTABLISHED * SCRIPT_PHASE);
		write_seed("ike_clear", name, settings, 3, s->bytes[side], s->script[side].len);
	}
	pair_end(&s->pair);
	free(s);
}

/* Settings for PHASE. The scripts hold what happens from there on. */
static uint8_t in_phase(enum pair_phase phase, uint8_t options)
{
	return (uint8_t)(phase * SCRIPT_PHASE | options);
}

/* Drops what was recorded on the way to the phase. */
static struct session *begin_at(const char *name, enum pair_phase phase, uint8_t one, uint8_t two)
{
	struct session *s = begin(name, in_phase(phase, one), two);

	if (phase == PAIR_PHASE_ESTABLISHED)
		s->script[0].len = s->script[1].len = 0;
	pair_settle(&s->pair);
	return s;
}

static void make_sessions(void)
{
	static const struct {
		const char *name;
		enum pair_phase phase;
		uint8_t one, two;
	} handshakes[] = {
		{ "init_client", PAIR_PHASE_INIT, 0, 0 },
		{ "init_relay", PAIR_PHASE_INIT, SCRIPT_ED25519 | SCRIPT_NO_LEASE, 0 },
		{ "init_cookie", PAIR_PHASE_INIT, SCRIPT_COOKIES, 0 },
		{ "init_first_layer", PAIR_PHASE_INIT, SCRIPT_FIRST_LAYER, 0 },
		{ "auth_client", PAIR_PHASE_AUTH, 0, 0 },
		{ "auth_relay", PAIR_PHASE_AUTH, SCRIPT_ED25519 | SCRIPT_NO_LEASE,
		  SCRIPT_INITIAL_CONTACT },
		{ "auth_psk", PAIR_PHASE_AUTH, 0, SCRIPT_PSK },
		{ "auth_address6", PAIR_PHASE_AUTH, 0, SCRIPT_ADDRESS6 },
		{ "auth_refused", PAIR_PHASE_AUTH, SCRIPT_REFUSE, 0 },
		{ "auth_no_lease", PAIR_PHASE_AUTH, SCRIPT_NO_LEASE, 0 },
		{ "auth_first_layer", PAIR_PHASE_AUTH, SCRIPT_FIRST_LAYER, SCRIPT_ENCAP },
		{ "auth_fragments", PAIR_PHASE_AUTH, SCRIPT_FIRST_LAYER, SCRIPT_SMALL_FRAGMENTS },
	};
	static const struct {
		const char *name;
		enum script_act by_a, by_b;
	} acts[] = {
		{ "probe", SCRIPT_ACT_PROBE, SCRIPT_ACT_PROBE },
		{ "close", SCRIPT_ACT_PROBE, SCRIPT_ACT_CLOSE },
		{ "closed", SCRIPT_ACT_CLOSE, SCRIPT_ACT_HEARD },
		{ "moved", SCRIPT_ACT_MOVE, SCRIPT_ACT_MAPPING },
		{ "mapped", SCRIPT_ACT_SPOKE, SCRIPT_ACT_MAPPING },
		{ "rekeyed_child", SCRIPT_ACT_REKEY_CHILD, SCRIPT_ACT_REKEY_CHILD },
		{ "rekeyed", SCRIPT_ACT_REKEY, SCRIPT_ACT_REKEY },
		{ "rekeyed_both", SCRIPT_ACT_REKEY_CHILD, SCRIPT_ACT_REKEY },
	};
	struct session *s;

	for (size_t i = 0; i < ARRAY_SIZE(handshakes); i++)
		end(begin_at(handshakes[i].name, handshakes[i].phase, handshakes[i].one,
			     handshakes[i].two));
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		s = begin_at(acts[i].name, PAIR_PHASE_ESTABLISHED, SCRIPT_FIRST_LAYER, 0);
		act(s, &s->pair.a, acts[i].by_a);
		act(s, &s->pair.b, acts[i].by_b);
		end(s);
	}
}

/* More half-open SAs than there is room for: cookies, and the oldest goes. */
static void make_crowd(void)
{
	const uint8_t one = (uint8_t)(SCRIPT_RESPONDER | PAIR_PHASE_INIT * SCRIPT_PHASE);
	uint8_t script[16] = { one, SCRIPT_FEW };

	memset(script + 3, (uint8_t)(SCRIPT_ACT | SCRIPT_ACT_INITIATE << 4), sizeof(script) - 4);
	script[sizeof(script) - 1] = SCRIPT_SETTLE;
	write_seed("ike_clear", "crowd", NULL, 0, script, sizeof(script));
}

/* Messages that others have sent. */
static void make_foreign(void)
{
	const uint8_t inner[] = { 1, IKE_PAYLOAD_IDI, 1, IKE_PAYLOAD_IDR };

	seed("ike_parse", "strongswan_init_request", 0, strongswan_init_request,
	     sizeof(strongswan_init_request));
	seed("ike_parse", "strongswan_init_response", 0, strongswan_init_response,
	     sizeof(strongswan_init_response));
	write_seed("ike_parse", "strongswan_auth_request", inner, 2, strongswan_auth_request_plain,
		   sizeof(strongswan_auth_request_plain));
	write_seed("ike_parse", "strongswan_auth_response", inner + 2, 2,
		   strongswan_auth_response_plain, sizeof(strongswan_auth_response_plain));
	seed("ike_parse", "libreswan_init_request", 0, libreswan_init_request,
	     sizeof(libreswan_init_request));
}

/* ---- directory ---- */

static void make_descriptors(void)
{
	struct dir_entry entries[] = { sample_alpha(), sample_bravo() };
	uint8_t data[DIR_DESC_MAX], upload[5 + DIR_DESC_MAX];
	struct crypto_sign_key key;
	size_t len;

	for (uint8_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct dir_desc d = { .published = SAMPLE_NOW - 60, .entry = entries[i] };
		struct wbuf w = wbuf_init(upload, sizeof(upload));

		key = sample_key((uint8_t)(i + 1));
		must(dir_desc_build(&d, &key, data, &len) == 0);
		seed("dir", i ? "desc_bravo" : "desc_alpha", 0, data, len);
		seed("dir", i ? "signed_bravo" : "signed_alpha", 1, data, len - CRYPTO_SIG);
		wbuf_u32(&w, addr_to_v4(&entries[i].address));
		wbuf_u8(&w, (uint8_t)(i ? 2 : 7));
		wbuf_bytes(&w, data, len - CRYPTO_SIG);
		seed("dir", i ? "upload_bravo" : "upload_alpha", 4, upload, w.len);
	}
}

static void make_lists(void)
{
	size_t len, signatures = 1 + 3 * (CRYPTO_SIGN_PUB + CRYPTO_SIG);
	_cleanup_free_ uint8_t *data = sample_list(SAMPLE_NOW, 3, &len);

	seed("dir", "list", 2, data, len);
	seed("dir", "list_signed", 3, data, len - signatures);
}

/* ---- HTTP and the control socket ---- */

static void make_text(const char *target, const char *name, uint8_t first, const char *text)
{
	seed(target, name, first, text, strlen(text));
}

static void make_http(void)
{
	struct dir_desc d = { .published = SAMPLE_NOW, .entry = sample_alpha() };
	struct crypto_sign_key key = sample_key(1);
	uint8_t request[1024], desc[DIR_DESC_MAX];
	size_t len, list_len;
	_cleanup_free_ uint8_t *list = sample_list(SAMPLE_NOW, 1, &list_len);
	int head;

	must(dir_desc_build(&d, &key, desc, &len) == 0);
	head = snprintf((char *)request, sizeof(request), "POST /descriptor HTTP/1.1\r\nHost: d\r\n"
			"Content-Length: %zu\r\n\r\n", len);
	memcpy(request + head, desc, len);
	seed("http", "upload", 1, request, (size_t)head + len);
	head = snprintf((char *)request, sizeof(request), "HTTP/1.1 200 OK\r\n"
			"Content-Length: %zu\r\n\r\n", list_len);
	memcpy(request + head, list, list_len);
	seed("http", "fetched", 0, request, (size_t)head + list_len);
	make_text("http", "get", 1, "GET /list HTTP/1.1\r\nHost: d\r\n\r\n");
	make_text("http", "head", 1, "HEAD /list HTTP/1.0\r\n\r\n");
	make_text("http", "chunked", 1, "POST /descriptor HTTP/1.1\r\nHost: d\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n4\r\nIPpD\r\n0\r\n\r\n");
	make_text("http", "too_big", 1, "POST /descriptor HTTP/1.1\r\nHost: d\r\n"
		  "Content-Length: 99999\r\nExpect: 100-continue\r\n\r\n");
	make_text("http", "refused", 0, "HTTP/1.1 403 no\r\nContent-Length: 6\r\n\r\nnot u\n");
	make_text("http", "fetched_chunked", 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		  "\r\n4\r\nIPpL\r\n0\r\n\r\n");
	make_text("http", "redirect", 0, "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\n"
		  "Content-Length: 0\r\n\r\n");
}

static void make_control(void)
{
	make_text("ctl", "echo", 1, "{\"command\":\"echo\",\"n\":7}\n");
	make_text("ctl", "two", 1, "{\"command\":\"status\"}\n{\"command\":\"close\"}\n");
	make_text("ctl", "no_command", 1, "{\"x\":[1,2.5,null,true,\"\\u00e9\"]}\n");
	make_text("ctl", "no_object", 1, "[]\n");
	make_text("ctl", "answer", 0, "{\"ok\":true,\"circuit\":3,\"address\":\"100.64.0.7\"}\n");
	make_text("ctl", "error", 0, "{\"error\":\"too many clients; try again later\"}\n");
	make_text("ctl", "hung_up", 0, "{\"ok\":");
}

/* IPv4 to an entry and to others, IPv6 with an extension header. */
static void make_packets(void)
{
	static const uint8_t esp[] = { 8, 0, 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 50, 0, 0, 198, 51, 100, 9,
				       192, 0, 2, 1, 1, 2, 3, 4, 0, 0, 0, 1 };
	static const uint8_t floated[] = { 8, 0, 0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0, 198, 51, 100,
					   9, 192, 0, 2, 1, 17, 148, 17, 148, 0, 9, 0, 0, 255 };
	static const uint8_t probe[] = "\x08\x00\x45\x00\x00\x2e\x00\x01\x00\x00\x40\x11\x00\x00"
				       "\xc6\x33\x64\x09\xc0\x00\x02\x02\x27\x10\x00\x35\x00\x1a\x00"
				       "\x00" "0123456789abcdef07";
	static const uint8_t report[] = { 0x86, 0xdd, 0x60, 0, 0, 0, 0, 12, 0, 1, 0xfe, 0x80, [41] = 1,
					  [42] = 58, 0, 5, 2, 0, 0, 1, 0, 143, 0, 0, 0 };

	write_seed("leak", "esp", NULL, 0, esp, sizeof(esp));
	write_seed("leak", "floated", NULL, 0, floated, sizeof(floated));
	write_seed("leak", "probe", NULL, 0, probe, sizeof(probe) - 1);
	write_seed("leak", "report", NULL, 0, report, sizeof(report));
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make_corpus DIR\n");
		return 2;
	}
	corpus = argv[1];
	mkdir(corpus, 0755);
	must(crypto_init() == 0);
	make_sessions();
	make_crowd();
	make_foreign();
	make_descriptors();
	make_lists();
	make_http();
	make_control();
	make_packets();
	return 0;
}
