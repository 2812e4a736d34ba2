/* IKE_SA_INIT (RFC 7296 section 1.2): both roles, with cookies (2.6). */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"

static struct ike_view view(const void *data, size_t len)
{
	return (struct ike_view){ .data = data, .len = len };
}

/* SA, KE, nonce and what we can do, after what comes before them. 0 or -ENOSPC. */
static int build(struct ike_sa *sa, struct ike_build *b, uint8_t proposal, struct ike_half *half)
{
	static const uint8_t hashes[] = { 0, IKE_HASH_ID_IDENTITY };
	const struct ike_nat_spis spis = { sa->spi_i, sa->spi_r };
	struct ike_proposal p;
	uint8_t pub[CRYPTO_DH];

	ike_proposal_ike(proposal, &p);
	crypto_dh_public(sa->hs->dh_private, pub);
	ike_build_sa(b, &p, 1);
	ike_build_ke(b, IKE_DH_ID_CURVE25519, pub, sizeof(pub));
	ike_build_nonce(b, half->nonce, half->nonce_len);
	ike_build_notify(b, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS, hashes, sizeof(hashes));
	if (sa->initiator || sa->fragments)
		ike_build_notify(b, IKE_NOTIFY_FRAGMENTATION_SUPPORTED, NULL, 0);
	if (sa->initiator ? sa->paths.first_layer : sa->paths.nat.told)
		ike_nat_build(b, &spis, &sa->path, sa->paths.force_encap);
	return ike_build_finish(b, &half->message_len);
}

static void choose_secrets(struct ike_sa *sa, struct ike_half *half)
{
	half->nonce_len = IKE_NONCE_SIZE;
	ike_host_random(sa->host, half->nonce, half->nonce_len);
	ike_host_random(sa->host, sa->hs->dh_private, sizeof(sa->hs->dh_private));
}

static void keep(struct ike_half *half, const uint8_t *msg, size_t len, struct ike_view nonce)
{
	memcpy(half->message, msg, len);
	half->message_len = len;
	memcpy(half->nonce, nonce.data, nonce.len);
	half->nonce_len = nonce.len;
}

/* Whether the peer can check an Ed25519 signature (RFC 8420 section 2). */
static bool knows_identity_hash(const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS);

	for (size_t i = 0; n && i + 1 < n->data.len; i += 2)
		if (n->data.data[i] == 0 && n->data.data[i + 1] == IKE_HASH_ID_IDENTITY)
			return true;
	return false;
}

int ike_init_derive(struct ike_sa *sa)
{
	struct ike_handshake *hs = sa->hs;
	uint8_t shared[CRYPTO_DH];
	struct ike_seed seed = { .shared = shared, .spi_i = sa->spi_i, .spi_r = sa->spi_r,
				 .nonce_i = view(hs->i.nonce, hs->i.nonce_len),
				 .nonce_r = view(hs->r.nonce, hs->r.nonce_len) };
	int r;

	if (hs->derived)
		return 0;
	r = crypto_dh_shared(hs->dh_private, hs->dh_peer, shared);
	if (r < 0)
		return r;
	ike_keys_derive(&seed, &hs->keys);
	crypto_wipe(shared, sizeof(shared));
	crypto_wipe(hs->dh_private, sizeof(hs->dh_private));
	ike_crypt_init(&sa->out, sa->initiator ? hs->keys.ei : hs->keys.er);
	ike_crypt_init(&sa->in, sa->initiator ? hs->keys.er : hs->keys.ei);
	hs->derived = true;
	return 0;
}

/* ---- initiator ---- */

/* Sends the request, with the cookie when there is one; all else stays as it was. */
static int send_first(struct ike_sa *sa)
{
	struct ike_half *half = &sa->hs->i;
	struct ike_header h;
	struct ike_build b;
	int r;

	sa->next_id = 0;
	h = ike_send_header(sa, IKE_EXCHANGE_SA_INIT, false);
	ike_build_init(&b, half->message, IKE_BUILD_MAX, &h);
	if (sa->hs->cookie_len > 0)
		ike_build_notify(&b, IKE_NOTIFY_COOKIE, sa->hs->cookie, sa->hs->cookie_len);
	r = build(sa, &b, 1, half);
	if (r < 0)
		return r;
	ike_send_plain_request(sa, IKE_EXCHANGE_SA_INIT, half->message, half->message_len);
	return sa->state == IKE_STATE_DEAD ? -ENOMEM : 0;
}

int ike_init_start(struct ike_sa *sa)
{
	ike_path_start(sa);
	choose_secrets(sa, &sa->hs->i);
	return send_first(sa);
}

/* A cookie is asked for: the same request again, and the tries that are left go on. */
static void follow_cookie(struct ike_sa *sa, struct ike_view cookie)
{
	uint32_t tries = sa->request.tries_left, interval = sa->request.interval;

	if (cookie.len == 0 || cookie.len > IKE_COOKIE_MAX ||
	    sa->hs->cookie_rounds >= IKE_COOKIE_ROUNDS ||
	    (cookie.len == sa->hs->cookie_len &&
	     memcmp(cookie.data, sa->hs->cookie, cookie.len) == 0)) {
		sa->host->counters.dropped++;
		return;
	}
	sa->hs->cookie_rounds++;
	memcpy(sa->hs->cookie, cookie.data, cookie.len);
	sa->hs->cookie_len = cookie.len;
	if (send_first(sa) < 0)
		return;
	sa->request.tries_left = tries;
	sa->request.interval = interval;
	sa->request.next_at = ike_host_now(sa->host) + interval;
	ike_send_arm(sa);
}

/*
 * An answer without an SA: a cookie, or an error that nobody vouches for. Who saw our SPI can
 * forge one, so the error counts only when one more transmission brings nothing better.
 */
static void refused(struct ike_sa *sa, const struct ike_payloads *p)
{
	const struct ike_notify *cookie = ike_find_notify(p, IKE_NOTIFY_COOKIE);

	if (cookie) {
		follow_cookie(sa, cookie->data);
		return;
	}
	for (size_t i = 0; i < p->notify_count; i++) {
		if (p->notifies[i].type == 0 || p->notifies[i].type >= IKE_NOTIFY_STATUS_FIRST)
			continue;
		sa->host->counters.unauthenticated++;
		sa->notify = p->notifies[i].type;
		if (sa->request.tries_left > 1)
			sa->request.tries_left = 1;
		return;
	}
	sa->host->counters.malformed++;
}

static bool acceptable(const struct ike_sa *sa, const struct ike_header *h,
		       const struct ike_payloads *p)
{
	return h->spi_r != 0 && !p->sk.data && p->nonce.data && p->ke.data &&
	       ike_proposal_ike_accept(p->proposals, p->proposal_count) == 0 &&
	       p->ke_group == IKE_DH_ID_CURVE25519 && p->ke.len == CRYPTO_DH &&
	       (sa->hs->conf.auth != IKE_AUTH_ED25519 || knows_identity_hash(p));
}

void ike_init_response(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
		       const uint8_t *msg, size_t len)
{
	struct ike_host_counters *counters = &sa->host->counters;
	struct ike_payloads p;

	if (sa->state != IKE_STATE_INIT_SENT || h->flags & IKE_FLAG_INITIATOR ||
	    h->message_id != 0 || !ike_sa_path_fits(sa, path)) {
		counters->dropped++;
		return;
	}
	if (ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &p) < 0) {
		counters->malformed++;
		return;
	}
	if (p.proposal_count == 0) {
		refused(sa, &p);
		return;
	}
	if (!acceptable(sa, h, &p)) {
		counters->malformed++;
		return;
	}
	sa->spi_r = h->spi_r;
	keep(&sa->hs->r, msg, len, p.nonce);
	memcpy(sa->hs->dh_peer, p.ke.data, CRYPTO_DH);
	if (ike_init_derive(sa) < 0) {
		sa->spi_r = 0;
		counters->malformed++;
		return;
	}
	sa->received++;
	sa->notify = 0;
	sa->fragments = ike_find_notify(&p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED);
	ike_send_forget(sa);
	ike_sa_set_state(sa, IKE_STATE_AUTH_SENT);
	ike_path_float(sa, &p);
	if (sa->state == IKE_STATE_AUTH_SENT) /* not when it was closed meanwhile */
		ike_auth_start(sa);
}

/* ---- responder ---- */

/* A request being judged; nothing is kept before it is found good. */
struct attempt {
	struct ike_host *host;
	const struct ike_path *path;
	const struct ike_header *h;
	const uint8_t *msg;
	size_t len;
	struct ike_payloads p;
	uint8_t digest[CRYPTO_PRF];
	uint8_t proposal;
};

/* An unprotected answer that leaves no state behind. */
static void answer_stateless(const struct attempt *a, uint16_t notify, const void *data,
			     size_t size)
{
	const struct ike_header h = { .spi_i = a->h->spi_i, .exchange = IKE_EXCHANGE_SA_INIT,
				      .flags = IKE_FLAG_RESPONSE };
	uint8_t buf[128];
	struct ike_build b;
	size_t len;

	ike_build_init(&b, buf, sizeof(buf), &h);
	ike_build_notify(&b, notify, data, size);
	if (ike_build_finish(&b, &len) == 0)
		ike_host_send(a->host, a->path, buf, len);
}

/* The same bytes again: the same answer again, to where they came from. */
static bool answer_duplicate(const struct attempt *a)
{
	struct ike_sa *sa;

	HASH_FIND(hh_digest, a->host->by_digest, a->digest, sizeof(a->digest), sa);
	if (!sa)
		return false;
	if (sa->state == IKE_STATE_HALF_OPEN)
		ike_send_again(sa, a->path, sa->hs->r.message, sa->hs->r.message_len);
	else
		a->host->counters.dropped++;
	return true;
}

/* What all addresses behind one mark may hold: nobody can shut out those who come another way. */
static size_t share_of(const struct ike_host *host, uint32_t mark)
{
	uint32_t parts = mark ? 8 : 2;

	return ((size_t)host->conf.half_open_max + parts - 1) / parts;
}

static bool is_full(const struct attempt *a)
{
	const struct ike_limit *limit = &a->host->half_open;

	return limit->total >= a->host->conf.half_open_max ||
	       ike_limit_count_mark(limit, a->path->mark) >= share_of(a->host, a->path->mark);
}

/* Takes the room for another one from those who have most of it. */
static void make_room(const struct attempt *a)
{
	struct ike_limit *limit = &a->host->half_open;
	uint32_t from = a->path->mark;
	struct ike_limit_item *oldest;
	struct ike_sa *sa;

	if (!is_full(a))
		return;
	if (ike_limit_count_mark(limit, from) < share_of(a->host, from))
		from = ike_limit_largest(limit);
	oldest = ike_limit_oldest(limit, from);
	sa = (struct ike_sa *)((char *)oldest - offsetof(struct ike_sa, limit));
	a->host->counters.dropped++;
	if (sa->state == IKE_STATE_DEAD)
		ike_sa_release(sa);
	else
		ike_sa_end(sa, IKE_END_TIMEOUT);
}

/*
 * Room for another half-open SA? A path that holds half of its share, or a host that holds its
 * threshold, has to show a cookie, so forged addresses cannot use up anybody's share.
 */
static bool admit_half_open(const struct attempt *a)
{
	struct ike_host *host = a->host;
	const struct ike_cookie_claim claim = { .spi_i = a->h->spi_i, .nonce = a->p.nonce,
						.path = a->path };
	size_t here = ike_limit_count(&host->half_open, a->path);
	uint8_t cookie[IKE_COOKIE_SIZE];

	if (here >= host->conf.half_open_per_path || host->sa_count >= host->conf.sa_max) {
		host->counters.dropped++;
		return false;
	}
	if (host->half_open.total < host->conf.cookie_threshold && !is_full(a) &&
	    here < (host->conf.half_open_per_path + 1) / 2)
		return true;
	ike_cookie_jar_rotate(&host->jar, host->conf.ops, host->conf.user);
	if (a->p.first_is_cookie && ike_cookie_check(&host->jar, &claim, a->p.notifies[0].data))
		return true;
	ike_cookie_make(&host->jar, &claim, cookie);
	host->counters.cookies_sent++;
	answer_stateless(a, IKE_NOTIFY_COOKIE, cookie, sizeof(cookie));
	return false;
}

/* 0, or the notify that refuses it. */
static uint16_t judge(struct attempt *a)
{
	if (ike_proposal_ike_choose(a->p.proposals, a->p.proposal_count, &a->proposal) < 0 ||
	    !knows_identity_hash(&a->p))
		return IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
	if (a->p.ke_group != IKE_DH_ID_CURVE25519)
		return IKE_NOTIFY_INVALID_KE_PAYLOAD;
	return 0;
}

static void refuse(const struct attempt *a, uint16_t notify)
{
	static const uint8_t group[] = { 0, IKE_DH_ID_CURVE25519 };
	const uint8_t *data = notify == IKE_NOTIFY_INVALID_KE_PAYLOAD ? group : NULL;

	answer_stateless(a, notify, data, data ? sizeof(group) : 0);
}

static void accept_half_open(const struct attempt *a)
{
	const struct ike_nat_spis spis = { a->h->spi_i, 0 };
	struct ike_header h;
	struct ike_build b;
	struct ike_sa *sa;
	int counted;

	make_room(a);
	sa = ike_sa_new(a->host, false, a->path);
	if (!sa) {
		a->host->counters.dropped++;
		return;
	}
	sa->spi_i = a->h->spi_i;
	sa->fragments = ike_find_notify(&a->p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED);
	ike_path_start(sa);
	if (sa->paths.first_layer)
		sa->paths.nat = ike_nat_detect(&a->p, &spis, a->path);
	keep(&sa->hs->i, a->msg, a->len, a->p.nonce);
	memcpy(sa->hs->dh_peer, a->p.ke.data, CRYPTO_DH);
	memcpy(sa->digest, a->digest, sizeof(sa->digest));
	HASH_ADD(hh_digest, a->host->by_digest, digest, sizeof(sa->digest), sa);
	counted = ike_limit_enter(&a->host->half_open, a->path, &sa->limit);
	choose_secrets(sa, &sa->hs->r);
	h = ike_send_header(sa, IKE_EXCHANGE_SA_INIT, true);
	ike_build_init(&b, sa->hs->r.message, IKE_BUILD_MAX, &h);
	if (!sa->hh_digest.tbl || counted < 0 || build(sa, &b, a->proposal, &sa->hs->r) < 0) {
		ike_sa_end(sa, IKE_END_LOCAL);
		return;
	}
	sa->peer_id = 1;
	sa->received = sa->sent = 1;
	sa->expires_at = ike_host_now(a->host) + a->host->conf.half_open_life;
	ike_send_arm(sa);
	ike_host_send(a->host, a->path, sa->hs->r.message, sa->hs->r.message_len);
}

void ike_init_request(struct ike_host *host, const struct ike_path *path,
		      const struct ike_header *h, const uint8_t *msg, size_t len)
{
	struct attempt a = { .host = host, .path = path, .h = h, .msg = msg, .len = len };
	const struct crypto_chunk whole = { msg, len };
	uint16_t notify;
	int r;

	crypto_prf(host->digest_key, sizeof(host->digest_key), &whole, 1, a.digest);
	if (answer_duplicate(&a))
		return;
	r = ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &a.p);
	if (r == -EPROTO)
		answer_stateless(&a, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
				 &a.p.critical_unknown, 1);
	if (r < 0 || a.p.sk.data || a.p.proposal_count == 0 || !a.p.nonce.data || !a.p.ke.data ||
	    (a.p.ke_group == IKE_DH_ID_CURVE25519 && a.p.ke.len != CRYPTO_DH)) {
		host->counters.malformed++;
		return;
	}
	if (!admit_half_open(&a))
		return;
	notify = judge(&a);
	if (notify)
		refuse(&a, notify);
	else
		accept_half_open(&a);
}
