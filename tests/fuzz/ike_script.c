#include "ike_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAIT_UNIT = 16,   /* milliseconds */
	RECORDS_MAX = 64, /* of one attack */
	FIRST_IV = 1 << 30,
};

struct script {
	struct pair *pair;
	struct pair_side *target;
	struct rbuf r;
	bool sealed;
	bool acted; /* something was done that a stranger cannot do */
	uint64_t next_iv;
};

struct pair_conf script_settings(uint8_t one, uint8_t two)
{
	return (struct pair_conf){
		.phase = one / SCRIPT_PHASE % 4,
		.auth = one & SCRIPT_ED25519 ? IKE_AUTH_ED25519 :
			two & SCRIPT_PSK ? IKE_AUTH_PSK : IKE_AUTH_NULL,
		.want_lease = !(one & SCRIPT_NO_LEASE),
		.cookies = one & SCRIPT_COOKIES,
		.first_layer = one & SCRIPT_FIRST_LAYER,
		.refusal = one & SCRIPT_REFUSE ? -EBUSY : 0,
		.initial_contact = two & SCRIPT_INITIAL_CONTACT,
		.force_encap = two & SCRIPT_ENCAP,
		.prefer_chacha = two & SCRIPT_CHACHA,
		.small_fragments = two & SCRIPT_SMALL_FRAGMENTS,
		.rekeying = two & SCRIPT_REKEYING,
		.few = two & SCRIPT_FEW,
		.address6 = two & SCRIPT_ADDRESS6,
	};
}

/* The bytes of a field with its size in front, cut where the input ends. */
static struct ike_view field(struct rbuf *r)
{
	struct ike_view v = { .len = rbuf_u16(r) };

	if (v.len > r->left)
		v.len = r->left;
	v.data = rbuf_bytes(r, v.len);
	return v;
}

static struct ike_path path_of(const struct script *s, const struct ike_sa *sa, uint8_t options)
{
	struct ike_path path = sa ? sa->path : pair_path(s->target);

	if (options & SCRIPT_ELSEWHERE)
		path.remote.addr.bytes[3] ^= 1;
	return path;
}

/* From a block of its own, so that a read past its end is seen. */
static void input(const struct script *s, const struct ike_path *path, const uint8_t *msg,
		  size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	if (!exact)
		abort();
	if (len > 0)
		memcpy(exact, msg, len);
	ike_host_input(s->target->host, path, exact, len);
	free(exact);
}

/* ---- in clear ---- */

static void raw(struct script *s, uint8_t options)
{
	const struct ike_sa *sa = pair_sa(s->target, options & SCRIPT_NEWEST);
	struct ike_path path = path_of(s, sa, options);
	struct ike_view v = field(&s->r);

	if (options & SCRIPT_MARK)
		path.mark = 0x10000;
	input(s, &path, v.data, v.len);
}

static void mended(struct script *s, uint8_t options)
{
	const struct ike_sa *sa = pair_sa(s->target, options & SCRIPT_NEWEST);
	struct ike_path path = path_of(s, sa, options);
	struct ike_view v = field(&s->r);
	uint8_t msg[PAIR_MESSAGE_MAX];
	struct wbuf w = wbuf_init(msg, sizeof(msg));

	if (v.len < IKE_HEADER_SIZE || v.len > sizeof(msg))
		return;
	memcpy(msg, v.data, v.len);
	if (sa) {
		wbuf_u64(&w, sa->spi_i);
		if (sa->spi_r != 0)
			wbuf_u64(&w, sa->spi_r);
	}
	w.len = IKE_HEADER_LENGTH_AT;
	wbuf_u32(&w, (uint32_t)v.len);
	input(s, &path, msg, v.len);
}

/* ---- encrypted ---- */

/* Keys with which the peer of SA encrypts. False: there are none yet. */
static bool peer_crypt(struct script *s, const struct ike_sa *sa, struct ike_crypt *out)
{
	const struct ike_sa *peer = pair_peer(s->target, sa);

	if (!sa->hs || sa->hs->derived)
		*out = sa->in;
	else if (peer && (!peer->hs || peer->hs->derived))
		*out = peer->out;
	else
		return false;
	out->next_iv = FIRST_IV + s->next_iv++;
	return true;
}

static struct ike_header header(const struct ike_sa *sa, uint8_t exchange, uint8_t options)
{
	bool response = options & SCRIPT_RESPONSE;
	struct ike_header h = { .spi_i = sa->spi_i, .spi_r = sa->spi_r, .exchange = exchange,
				.message_id = sa->peer_id };

	if (response)
		h.message_id = sa->request.id;
	if (options & SCRIPT_OTHER_ID)
		h.message_id--;
	h.flags = (sa->initiator ? 0 : IKE_FLAG_INITIATOR) | (response ? IKE_FLAG_RESPONSE : 0);
	return h;
}

/* What the peer of SA proves with the ID body; its AUTH payload's body in OUT. Returns its size. */
static size_t prove(const struct script *s, const struct ike_sa *peer, struct ike_view id,
		    uint8_t out[4 + IKE_PROOF_MAX])
{
	const struct ike_handshake *hs = peer->hs;
	const struct ike_half *own = peer->initiator ? &hs->i : &hs->r;
	const struct ike_half *other = peer->initiator ? &hs->r : &hs->i;
	struct ike_signed what = {
		.message = { own->message, own->message_len },
		.nonce = { other->nonce, other->nonce_len },
		.id = id,
		.sk_p = peer->initiator ? hs->keys.pi : hs->keys.pr,
	};

	memset(out, 0, 4);
	switch (peer->initiator ? s->pair->conf.auth : IKE_AUTH_ED25519) {
	case IKE_AUTH_NULL:
		out[0] = IKE_AUTH_METHOD_NULL;
		ike_proof_null(&what, out + 4);
		return 4 + CRYPTO_PRF;
	case IKE_AUTH_PSK:
		out[0] = IKE_AUTH_METHOD_PSK;
		ike_proof_psk(&what, out + 4);
		return 4 + CRYPTO_PRF;
	case IKE_AUTH_ED25519:
		break;
	}
	out[0] = IKE_AUTH_METHOD_SIGNATURE;
	ike_proof_sign(&what, &pair_other(s->target)->key, out + 4);
	return 4 + IKE_PROOF_SIGNATURE;
}

/* One payload with its generic header, which the next one's type completes. */
static void put_payload(struct ike_build *b, uint8_t type, uint8_t options, const uint8_t *body,
			size_t len)
{
	size_t at = b->w.len;

	wbuf_u8(&b->w, IKE_PAYLOAD_NONE);
	wbuf_u8(&b->w, options & SCRIPT_CRITICAL);
	wbuf_u16(&b->w, (uint16_t)(IKE_PAYLOAD_HEADER_SIZE + len));
	wbuf_bytes(&b->w, body, len);
	if (b->w.err)
		return;
	b->w.start[b->next_at] = type;
	b->next_at = at;
}

static void put_payloads(const struct script *s, const struct ike_sa *sa, struct ike_build *b,
			 struct rbuf r)
{
	const struct ike_sa *peer = pair_peer(s->target, sa);
	uint8_t body[PAIR_MESSAGE_MAX];
	struct ike_view id = { 0 };
	struct ike_sa_info info;

	ike_sa_info(sa, &info);
	while (r.left >= 4) {
		uint8_t type = rbuf_u8(&r), options = rbuf_u8(&r);
		struct ike_view v = field(&r);
		struct wbuf w = wbuf_init(body, sizeof(body));

		if (v.len > sizeof(body))
			return;
		wbuf_bytes(&w, v.data, v.len);
		if (type == IKE_PAYLOAD_IDI || type == IKE_PAYLOAD_IDR)
			id = v;
		if (type == IKE_PAYLOAD_AUTH && options & SCRIPT_PROVE && id.data && peer &&
		    peer->hs && peer->hs->derived)
			w.len = prove(s, peer, id, body);
		if (options & SCRIPT_CHILD && w.len >= 8) {
			struct wbuf spi = wbuf_init(body + 4, 4);

			wbuf_u32(&spi, info.child_out);
		}
		put_payload(b, type, options, body, w.len);
	}
}

/* Sends what stands in B, up to SK's or SKF's own fields, with PLAIN (its pad octets in it) behind. */
static void send_sealed(const struct script *s, const struct ike_sa *sa, uint8_t options,
			const struct ike_crypt *crypt, struct ike_build *b, struct ike_view plain)
{
	uint8_t nonce[CRYPTO_AEAD_NONCE], *msg = b->w.start;
	struct wbuf iv = wbuf_init(nonce + IKE_KEY_SALT, IKE_SK_IV_SIZE);
	struct ike_path path = path_of(s, sa, options);
	size_t at = b->w.len, len;

	memcpy(nonce, crypt->salt, IKE_KEY_SALT);
	wbuf_u64(&iv, crypt->next_iv);
	wbuf_bytes(&b->w, iv.start, IKE_SK_IV_SIZE);
	wbuf_bytes(&b->w, plain.data, plain.len);
	wbuf_reserve(&b->w, CRYPTO_AEAD_TAG);
	if (b->w.err)
		return;
	len = b->w.len;
	wbuf_patch_u16(&b->w, IKE_HEADER_LENGTH_AT + 2, (uint16_t)len);
	wbuf_patch_u16(&b->w, IKE_HEADER_SIZE + 2, (uint16_t)(len - IKE_HEADER_SIZE));
	crypto_seal(crypt->key, nonce, msg, at, msg + at + IKE_SK_IV_SIZE, plain.len,
		    msg + at + IKE_SK_IV_SIZE);
	input(s, &path, msg, len);
}

/* Header of a message and generic header of its only payload. */
static void put_head(struct ike_build *b, uint8_t buf[PAIR_MESSAGE_MAX],
		     const struct ike_header *h, uint8_t type, uint8_t first)
{
	ike_build_init(b, buf, PAIR_MESSAGE_MAX, h);
	buf[IKE_HEADER_NEXT_AT] = type;
	wbuf_u8(&b->w, first);
	wbuf_u8(&b->w, 0);
	wbuf_u16(&b->w, 0);
}

static void sealed(struct script *s, uint8_t options)
{
	struct ike_sa *sa = pair_sa(s->target, options & SCRIPT_NEWEST);
	uint8_t exchange = rbuf_u8(&s->r), msg[PAIR_MESSAGE_MAX], plain[PAIR_MESSAGE_MAX];
	struct ike_view v = field(&s->r);
	struct ike_crypt crypt;
	struct ike_header h;
	struct ike_build b, inner;

	if (!sa || !s->sealed || !peer_crypt(s, sa, &crypt))
		return;
	h = header(sa, exchange, options);
	if (options & SCRIPT_CHAIN) {
		if (v.len == 0)
			return;
		put_head(&b, msg, &h, IKE_PAYLOAD_SK, v.data[0]);
		v = (struct ike_view){ v.data + 1, v.len - 1 };
	} else {
		ike_build_init(&inner, plain, sizeof(plain), &h);
		put_payloads(s, sa, &inner, rbuf_init(v.data, v.len));
		wbuf_u8(&inner.w, 0); /* pad length */
		put_head(&b, msg, &h, IKE_PAYLOAD_SK, plain[IKE_HEADER_NEXT_AT]);
		v = (struct ike_view){ plain + IKE_HEADER_SIZE, inner.w.len - IKE_HEADER_SIZE };
	}
	send_sealed(s, sa, options, &crypt, &b, v);
}

/* RFC 7383 section 2.5: one fragment, encrypted by itself. */
static void piece(struct script *s, uint8_t options)
{
	struct ike_sa *sa = pair_sa(s->target, options & SCRIPT_NEWEST);
	uint16_t number = rbuf_u16(&s->r), total = rbuf_u16(&s->r);
	uint8_t exchange = rbuf_u8(&s->r), first = rbuf_u8(&s->r), msg[PAIR_MESSAGE_MAX];
	struct ike_view v = field(&s->r);
	struct ike_crypt crypt;
	struct ike_header h;
	struct ike_build b;

	if (!sa || !s->sealed || !peer_crypt(s, sa, &crypt))
		return;
	h = header(sa, exchange, options);
	put_head(&b, msg, &h, IKE_PAYLOAD_SKF, first);
	wbuf_u16(&b.w, number);
	wbuf_u16(&b.w, total);
	send_sealed(s, sa, options, &crypt, &b, v);
}

/* ---- the rest ---- */

void script_act(struct pair_side *side, enum script_act act, bool newest)
{
	struct ike_sa *sa = pair_sa(side, newest);
	struct ike_sa_info info;
	struct ike_path path;

	if (act == SCRIPT_ACT_INITIATE)
		pair_initiate(side->pair);
	if (!sa || sa->state == IKE_STATE_DEAD)
		return;
	switch (act) {
	case SCRIPT_ACT_PROBE:
		ike_host_probe(side->host, sa);
		break;
	case SCRIPT_ACT_CLOSE:
		ike_host_close(side->host, sa);
		break;
	case SCRIPT_ACT_DROP:
		ike_host_drop(side->host, sa, IKE_END_TIMEOUT);
		break;
	case SCRIPT_ACT_HEARD:
		ike_host_heard(side->host, sa);
		break;
	case SCRIPT_ACT_PROBE_BRIEFLY:
		ike_host_probe_briefly(side->host, sa, 1);
		break;
	case SCRIPT_ACT_PATIENCE:
		ike_host_set_patience(side->host, sa, 5000, 600000);
		break;
	case SCRIPT_ACT_MOVE:
		path = sa->path;
		path.local.addr.bytes[3] ^= 4;
		(void)!ike_host_move(side->host, sa, &path);
		break;
	case SCRIPT_ACT_MAPPING:
		path = sa->path;
		path.remote.port ^= 0x1000;
		ike_host_mapping(side->host, sa, &path.remote);
		break;
	case SCRIPT_ACT_SPOKE:
		ike_host_spoke(side->host, sa);
		break;
	case SCRIPT_ACT_REKEY_CHILD:
		ike_sa_info(sa, &info);
		ike_host_rekey_child(side->host, sa, info.child_in);
		break;
	case SCRIPT_ACT_REKEY:
		ike_host_rekey(side->host, sa);
		break;
	case SCRIPT_ACT_INITIATE:
	case SCRIPT_ACT_COUNT:
		break;
	}
}

static void step(struct script *s)
{
	uint8_t first = rbuf_u8(&s->r);

	s->acted |= first % 8 == SCRIPT_WAIT || first % 8 == SCRIPT_ACT;
	switch ((enum script_op)(first % 8)) {
	case SCRIPT_RAW:
		raw(s, first);
		break;
	case SCRIPT_MENDED:
		mended(s, first);
		break;
	case SCRIPT_SEALED:
		sealed(s, first);
		break;
	case SCRIPT_PIECE:
		piece(s, first);
		break;
	case SCRIPT_DELIVER:
		for (int i = first / 8 % 4; i >= 0; i--)
			pair_deliver(s->pair);
		break;
	case SCRIPT_WAIT:
		pair_wait(s->pair, (uint32_t)rbuf_u16(&s->r) * WAIT_UNIT);
		break;
	case SCRIPT_ACT:
		script_act(s->target, first / 16 % SCRIPT_ACT_COUNT, first & SCRIPT_NEWEST);
		break;
	case SCRIPT_SETTLE:
		pair_settle(s->pair);
		break;
	}
}

/* How the first SA of SIDE stands; false: it is not up. */
static bool stands(const struct pair_side *side, struct ike_sa_info *out)
{
	if (side->count == 0 || !side->records[0].sa)
		return false;
	ike_sa_info(side->records[0].sa, out);
	return out->state == IKE_STATE_ESTABLISHED;
}

/* Who holds no key cannot end an SA that is up, or send it another way. */
static void check_stands(const struct pair_side *side, const struct ike_sa_info *before)
{
	struct ike_sa_info after;

	if (!stands(side, &after) || after.spi_i != before->spi_i ||
	    after.spi_r != before->spi_r || after.encap != before->encap ||
	    after.child_in != before->child_in || after.child_out != before->child_out ||
	    !addr_equal(&after.path.remote.addr, &before->path.remote.addr) ||
	    after.path.remote.port != before->path.remote.port ||
	    !addr_equal(&after.path.local.addr, &before->path.local.addr))
		abort();
}

void script_run(const uint8_t *data, size_t len, bool sealed)
{
	static struct pair pair;
	struct script s = { .pair = &pair, .r = rbuf_init(data, len), .sealed = sealed };
	uint8_t one = rbuf_u8(&s.r), two = rbuf_u8(&s.r), three = rbuf_u8(&s.r);
	struct pair_conf conf = script_settings(one, two);
	struct ike_sa_info a, b;
	bool up;

	pair_start(&pair, &conf, NULL, NULL);
	s.target = one & SCRIPT_RESPONDER ? &pair.b : &pair.a;
	pair.meddle = three / SCRIPT_MEDDLE;
	pair.meddle_in = three % SCRIPT_MEDDLE;
	s.acted = pair.meddle != PAIR_MEDDLE_NOT;
	up = stands(&pair.a, &a) && stands(&pair.b, &b);
	for (int i = 0; i < RECORDS_MAX && s.r.left > 0; i++)
		step(&s);
	if (up && !sealed && !s.acted) {
		check_stands(&pair.a, &a);
		check_stands(&pair.b, &b);
	}
	pair_end(&pair);
}
