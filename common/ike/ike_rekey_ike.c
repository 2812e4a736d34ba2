/*
 * Rekeying of the IKE SA (RFC 7296 sections 1.3.2, 2.18): both roles. The new one is made by the
 * answer. It takes the place of the old one (children, data, path) at once, unless both sides asked:
 * then each makes two, one of them a candidate until it is clear which one stays (2.8.2).
 */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"

static void spi_bytes(uint64_t spi, uint8_t out[IKE_SPI_SIZE])
{
	struct wbuf w = wbuf_init(out, IKE_SPI_SIZE);

	wbuf_u64(&w, spi);
}

static void build(struct ike_build *b, uint8_t number, uint64_t spi,
		  const uint8_t nonce[IKE_REKEY_NONCE], const uint8_t dh_private[CRYPTO_DH])
{
	uint8_t bytes[IKE_SPI_SIZE];
	struct ike_proposal p;

	spi_bytes(spi, bytes);
	ike_proposal_ike(number, &p);
	p.spi = (struct ike_view){ bytes, sizeof(bytes) };
	ike_build_sa(b, &p, 1);
	ike_rekey_build(b, nonce, dh_private, true);
}

/* The new SA of the exchange over OLD, which SEED tells about, with its keys. NULL: no memory. */
static struct ike_sa *make(struct ike_sa *old, bool initiator, const struct ike_seed *seed)
{
	struct ike_sa *sa = ike_sa_successor(old, initiator, seed->spi_i, seed->spi_r);
	struct ike_keys keys;

	if (!sa)
		return NULL;
	ike_keys_rekey(old->sk_d, seed, &keys);
	memcpy(sa->sk_d, keys.d, sizeof(sa->sk_d));
	ike_crypt_init(&sa->out, initiator ? keys.ei : keys.er);
	ike_crypt_init(&sa->in, initiator ? keys.er : keys.ei);
	ike_keys_wipe(&keys);
	return sa;
}

/* The one whose place SA took has waited long enough for what the peer still has to say over it. */
static void drop_predecessor(struct ike_sa *sa)
{
	struct ike_sa *before = ike_sa_find(sa->host, sa->predecessor);

	if (!before || before->successor != sa->spi_local)
		return;
	if (before->state == IKE_STATE_DEAD)
		ike_sa_release(before);
	else
		ike_sa_end(before, IKE_END_LOCAL);
}

/* SA stands in the place of OLD. */
static void replace(struct ike_sa *old, struct ike_sa *sa)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	bool closing = old->state == IKE_STATE_CLOSING;

	drop_predecessor(old);
	ike_sa_inherit(sa, old);
	ike_sa_set_state(old, IKE_STATE_CLOSING);
	old->expires_at = ike_host_now(old->host) + IKE_NEW_LIFE;
	old->successor = sa->spi_local;
	ike_send_arm(old);
	sa->rekeys++;
	sa->ike_rekeys++;
	if (sa->known)
		conf->ops->replaced(conf->user, old, sa);
	if (closing)
		ike_sa_close(sa, old->why);
	if (sa->state != IKE_STATE_DEAD)
		ike_task_run(sa);
}

/*
 * The same, but the peer knows SA only when it has our answer. Until it says something over SA, or
 * OLD has ended, it is asked nothing over SA; over OLD, whether it is there and, after a move, to
 * agree to where we are: it may be waiting for our answer elsewhere.
 */
static void replace_quietly(struct ike_sa *old, struct ike_sa *sa)
{
	sa->quiet = true;
	replace(old, sa);
	if (old->state == IKE_STATE_CLOSING)
		ike_task_later(old, IKE_TASK_PROBE, old->host->conf.retransmit_first << IKE_OLD_SHIFT);
}

bool ike_rekey_ike_unheard(const struct ike_sa *sa)
{
	const struct ike_sa *successor = ike_sa_find(sa->host, sa->successor);

	return successor && successor->predecessor == sa->spi_local && successor->quiet;
}

void ike_rekey_ike_closing(struct ike_sa *sa)
{
	struct ike_sa *old = ike_sa_find(sa->host, sa->predecessor);

	if (old && old->state == IKE_STATE_CLOSING && ike_rekey_ike_unheard(old)) {
		ike_task_want(old, IKE_TASK_DELETE);
		ike_task_run(old);
	}
	sa->quiet = false;
}

void ike_rekey_ike_ended(struct ike_sa *sa)
{
	struct ike_sa *successor = ike_sa_find(sa->host, sa->successor);

	if (!ike_rekey_ike_unheard(sa))
		return;
	successor->quiet = false;
	if (successor->state != IKE_STATE_DEAD)
		ike_send_arm(successor);
}

/* The candidate that the peer's request made, while ours waits; NULL: none (any more). */
static struct ike_sa *rival_of(const struct ike_sa *sa, const struct ike_rekey *rekey)
{
	struct ike_sa *rival = ike_sa_find(sa->host, rekey->rival_spi);

	return rival && rival->replaces == sa->spi_local && rival->state != IKE_STATE_DEAD ?
	       rival : NULL;
}

/* ---- our request ---- */

bool ike_rekey_ike_ask(struct ike_sa *sa)
{
	struct ike_rekey *rekey;
	struct ike_out out;

	if (ike_rekey_begin(sa) < 0) {
		ike_task_again(sa, IKE_TASK_REKEY);
		return false;
	}
	rekey = sa->rekey;
	rekey->spi = ike_sa_choose_spi(sa->host);
	ike_send_begin(sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, false);
	build(&out.b, 1, rekey->spi, rekey->nonce, rekey->dh_private);
	ike_send_request(sa, &out);
	return true;
}

static struct ike_sa *read_answer(struct ike_sa *sa, const struct ike_rekey *rekey,
				  const struct ike_payloads *p)
{
	uint8_t shared[CRYPTO_DH];
	struct ike_seed seed = { .shared = shared, .spi_i = rekey->spi, .nonce_r = p->nonce,
				 .nonce_i = { rekey->nonce, sizeof(rekey->nonce) } };
	struct ike_sa *made;

	if (!p->nonce.data || ike_sa_find(sa->host, rekey->spi) ||
	    ike_proposal_ike_accept_spi(p->proposals, p->proposal_count, &seed.spi_r) < 0 ||
	    ike_rekey_shared(rekey->dh_private, p, shared) < 0)
		return NULL;
	made = make(sa, true, &seed);
	crypto_wipe(shared, sizeof(shared));
	return made;
}

static void failed(struct ike_sa *sa, struct ike_sa *rival, uint16_t error)
{
	if (rival) {
		replace_quietly(sa, rival);
	} else if (error == IKE_NOTIFY_INVALID_SYNTAX) {
		sa->notify = error;
		ike_sa_end(sa, IKE_END_PROTOCOL);
	} else if (sa->state == IKE_STATE_ESTABLISHED) {
		ike_task_again(sa, IKE_TASK_REKEY);
	}
}

/* MADE is not to be: the peer, who has it too, hears so from us, who asked for it. */
static void discard(struct ike_sa *made)
{
	made->replaces = 0;
	ike_sa_close(made, IKE_END_LOCAL);
}

static void answered(struct ike_sa *sa, const struct ike_rekey *rekey, const struct ike_payloads *p)
{
	struct ike_sa *rival = rival_of(sa, rekey), *made;
	uint16_t error = ike_rekey_error(p);

	if (error) {
		if (!rekey->lost)
			failed(sa, rival, error);
		return;
	}
	made = read_answer(sa, rekey, p);
	if (!made && !rekey->lost) {
		ike_sa_fail(sa, IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
	} else if (rekey->lost || (rival && ike_rekey_loses(rekey, p->nonce))) {
		if (made)
			discard(made);
		if (!rekey->lost)
			replace_quietly(sa, rival);
	} else {
		replace(sa, made);
		ike_task_want(sa, IKE_TASK_DELETE);
	}
}

void ike_rekey_ike_answered(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct ike_rekey *rekey = sa->rekey;

	sa->rekey = NULL;
	answered(sa, rekey, p);
	ike_rekey_free(rekey);
}

/* ---- the peer's request ---- */

/* Whether we are at something that a new IKE SA would disturb (2.25.2). */
static bool busy(const struct ike_sa *sa)
{
	switch (sa->request.task) {
	case IKE_TASK_NONE:
	case IKE_TASK_PROBE:
		return false;
	case IKE_TASK_REKEY:
		return sa->rekey->rival_len > 0; /* for the second time */
	default:
		return true;
	}
}

static void answer(struct ike_sa *sa, const struct ike_path *path, uint8_t number, uint64_t spi,
		   const uint8_t nonce[IKE_REKEY_NONCE], const uint8_t dh_private[CRYPTO_DH])
{
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, true);
	build(&out.b, number, spi, nonce, dh_private);
	ike_send_response(sa, path, &out);
}

/* Both asked: MADE waits for the answer to our request, or for what the peer makes of it. */
static void keep_candidate(struct ike_sa *sa, struct ike_sa *made)
{
	sa->rekey->rival_spi = made->spi_local;
	made->expires_at = ike_host_now(sa->host) + IKE_NEW_LIFE;
	ike_send_arm(made);
}

uint16_t ike_rekey_ike_request(struct ike_sa *sa, const struct ike_path *path,
			       const struct ike_payloads *p)
{
	uint8_t shared[CRYPTO_DH], nonce[IKE_REKEY_NONCE], dh_private[CRYPTO_DH], number;
	struct ike_seed seed = { .shared = shared, .nonce_i = p->nonce,
				 .nonce_r = { nonce, sizeof(nonce) } };
	struct ike_sa *made;

	if (busy(sa))
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	if (ike_proposal_ike_choose_spi(p->proposals, p->proposal_count, &number,
					&seed.spi_i) < 0)
		return IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
	if (!p->ke.data || p->ke_group != IKE_DH_ID_CURVE25519)
		return IKE_NOTIFY_INVALID_KE_PAYLOAD;
	ike_host_random(sa->host, nonce, sizeof(nonce));
	ike_host_random(sa->host, dh_private, sizeof(dh_private));
	if (ike_rekey_shared(dh_private, p, shared) < 0)
		return IKE_NOTIFY_INVALID_SYNTAX;
	seed.spi_r = ike_sa_choose_spi(sa->host);
	made = make(sa, false, &seed);
	crypto_wipe(shared, sizeof(shared));
	if (!made)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	answer(sa, path, number, seed.spi_r, nonce, dh_private);
	crypto_wipe(dh_private, sizeof(dh_private));
	if (sa->state == IKE_STATE_DEAD) {
		ike_sa_end(made, IKE_END_LOCAL);
	} else if (sa->request.task == IKE_TASK_REKEY) {
		ike_rekey_crossed(sa->rekey, p->nonce, nonce);
		keep_candidate(sa, made);
	} else {
		replace_quietly(sa, made);
	}
	return 0;
}

void ike_rekey_ike_claimed(struct ike_sa *sa)
{
	struct ike_sa *old = ike_sa_find(sa->host, sa->replaces);

	if (old && old->state != IKE_STATE_DEAD && old->rekey &&
	    rival_of(old, old->rekey) == sa) {
		old->rekey->lost = true;
		replace(old, sa);
	} else { /* ours is gone, and so is what it stood for */
		sa->replaces = 0;
		ike_sa_close(sa, IKE_END_LOCAL);
	}
}

void ike_rekey_ike_closed(struct ike_sa *sa)
{
	struct ike_sa *rival = sa->rekey ? rival_of(sa, sa->rekey) : NULL;

	if (!rival)
		return;
	sa->rekey->lost = true;
	replace(sa, rival);
}
