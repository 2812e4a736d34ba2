/* Rekeying of the child SA (RFC 7296 sections 1.3.3, 2.8, 2.17): both roles. */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_ts.h"

static void spi_bytes(uint32_t spi, uint8_t out[IKE_ESP_SPI_SIZE])
{
	struct wbuf w = wbuf_init(out, IKE_ESP_SPI_SIZE);

	wbuf_u32(&w, spi);
}

/* What an exchange led to. SHARED: CRYPTO_DH bytes, NULL: no key exchange. */
struct agreed {
	struct ike_esp esp;
	struct ike_view nonce_i, nonce_r;
	const uint8_t *shared;
	bool initiator; /* of the exchange, which may be the other side than that of the IKE SA */
};

static void make_child(const struct ike_sa *sa, uint32_t spi_in, const struct agreed *a,
		       struct ike_child *child)
{
	*child = (struct ike_child){ .spi_in = spi_in, .spi_out = a->esp.spi, .encr = a->esp.encr,
				     .esn = a->esp.esn, .ts_local = sa->children->ts_local,
				     .ts_remote = sa->children->ts_remote };
	child->key_in.len = child->key_out.len = IKE_KEY_SIZE;
	ike_keys_child(sa->sk_d, a->shared, a->nonce_i, a->nonce_r,
		       a->initiator ? child->key_out.bytes : child->key_in.bytes,
		       a->initiator ? child->key_in.bytes : child->key_out.bytes);
}

/* ---- our request ---- */

static void send_request(struct ike_sa *sa)
{
	const struct ike_rekey *rekey = sa->rekey;
	const struct ike_children *c = sa->children;
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	size_t count;
	uint8_t spi[IKE_ESP_SPI_SIZE];
	struct ike_out out;

	spi_bytes(rekey->new_in, spi);
	count = ike_proposal_esp(spi, sa->host->conf.ciphers, offers);
	ike_proposal_esp_offer_dh(offers);
	ike_send_begin(sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, false);
	ike_build_notify_esp(&out.b, IKE_NOTIFY_REKEY_SA, rekey->old_in);
	ike_build_sa(&out.b, offers, count);
	ike_rekey_build(&out.b, rekey->nonce, rekey->dh_private, true);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSI, c->ts_local.items, c->ts_local.count);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSR, c->ts_remote.items, c->ts_remote.count);
	ike_send_request(sa, &out);
}

bool ike_rekey_child_ask(struct ike_sa *sa)
{
	const struct ike_slot *old = ike_child_current(sa);
	struct ike_slot *slot;

	if (!old || !old->due || ike_child_replacement(sa, old))
		return false;
	if (ike_child_choose(sa, &slot) < 0) {
		ike_task_again(sa, IKE_TASK_REKEY_CHILD);
		return false;
	}
	if (ike_rekey_begin(sa) < 0) {
		ike_child_free(sa, slot);
		ike_task_again(sa, IKE_TASK_REKEY_CHILD);
		return false;
	}
	sa->rekey->old_in = old->spi_in;
	sa->rekey->new_in = slot->spi_in;
	send_request(sa);
	return true;
}

/* What the peer has and we do not want: it goes, and where nothing is gained we try again. */
static void refuse(struct ike_sa *sa, struct ike_slot *slot, bool again)
{
	slot->state = IKE_CHILD_REFUSED;
	ike_task_want(sa, IKE_TASK_DELETE_CHILD);
	if (again)
		ike_task_again(sa, IKE_TASK_REKEY_CHILD);
}

/* The answer's child SA. 0, or -EBADMSG when it is not what was asked for. */
static int read_answer(const struct ike_sa *sa, const struct ike_rekey *rekey,
		       const struct ike_payloads *p, struct ike_child *child)
{
	const struct ike_children *c = sa->children;
	struct agreed a = { .nonce_i = { rekey->nonce, sizeof(rekey->nonce) }, .nonce_r = p->nonce,
			    .initiator = true };
	struct ike_ts_list local, remote;
	uint8_t shared[CRYPTO_DH];

	if (!p->nonce.data ||
	    ike_proposal_esp_accept_dh(p->proposals, p->proposal_count,
				       sa->host->conf.ciphers, &a.esp) < 0 ||
	    ike_child_by_out(sa, a.esp.spi) ||
	    ike_ts_accept(&p->ts_i, &c->ts_local, &local) < 0 ||
	    !ike_ts_list_covers(&local, &c->ts_local) ||
	    ike_ts_accept(&p->ts_r, &c->ts_remote, &remote) < 0 ||
	    !ike_ts_list_covers(&remote, &c->ts_remote))
		return -EBADMSG;
	if (a.esp.dh) {
		if (ike_rekey_shared(rekey->dh_private, p, shared) < 0)
			return -EBADMSG;
		a.shared = shared;
	}
	make_child(sa, rekey->new_in, &a, child);
	crypto_wipe(shared, sizeof(shared));
	return 0;
}

/* Into use, both halves, and the old one out of it. */
static void take(struct ike_sa *sa, struct ike_slot *old, struct ike_slot *slot,
		 const struct ike_child *child)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	int r;

	slot->spi_out = child->spi_out;
	r = conf->ops->child_add(conf->user, sa, child, old->spi_in, false);
	if (sa->state == IKE_STATE_DEAD)
		return;
	if (r < 0) {
		refuse(sa, slot, true);
		return;
	}
	ike_child_retire(sa, old);
	slot->state = IKE_CHILD_CURRENT;
	sa->rekeys++;
	ike_task_done(sa, IKE_TASK_REKEY_CHILD);
	ike_task_want(sa, IKE_TASK_DELETE_CHILD);
}

static void failed(struct ike_sa *sa, const struct ike_slot *old, uint16_t error)
{
	if (error == IKE_NOTIFY_INVALID_SYNTAX) {
		sa->notify = error;
		ike_sa_end(sa, IKE_END_PROTOCOL);
		return;
	}
	if (!old || old->state != IKE_CHILD_CURRENT || ike_child_replacement(sa, old))
		return;
	if (error == IKE_NOTIFY_CHILD_SA_NOT_FOUND) { /* and there is no other */
		sa->notify = error;
		ike_sa_close(sa, IKE_END_REFUSED);
		return;
	}
	ike_task_again(sa, IKE_TASK_REKEY_CHILD);
}

static void answered(struct ike_sa *sa, const struct ike_rekey *rekey, const struct ike_payloads *p)
{
	struct ike_slot *slot = ike_child_by_in(sa, rekey->new_in);
	struct ike_slot *old = ike_child_by_in(sa, rekey->old_in);
	uint16_t error = ike_rekey_error(p);
	struct ike_child child;

	if (error) {
		ike_child_free(sa, slot);
		failed(sa, old, error);
	} else if (read_answer(sa, rekey, p, &child) < 0) {
		refuse(sa, slot, true);
	} else if (!old || old->state != IKE_CHILD_CURRENT || ike_rekey_loses(rekey, p->nonce)) {
		slot->spi_out = child.spi_out;
		refuse(sa, slot, false);
	} else {
		take(sa, old, slot, &child);
	}
	crypto_wipe(&child, sizeof(child));
}

void ike_rekey_child_answered(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct ike_rekey *rekey = sa->rekey;

	sa->rekey = NULL;
	if (sa->state == IKE_STATE_ESTABLISHED)
		answered(sa, rekey, p);
	ike_rekey_free(rekey);
}

/* ---- the peer's request ---- */

/* 0 with *OLD, or why there is nothing to rekey. */
static uint16_t find_old(const struct ike_sa *sa, const struct ike_notify *n, struct ike_slot **old)
{
	struct rbuf r = rbuf_init(n->spi.data, n->spi.len);

	*old = ike_child_by_out(sa, rbuf_u32(&r));
	if (sa->request.task == IKE_TASK_REKEY)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	if (!*old || (*old)->state == IKE_CHILD_LINGERING)
		return IKE_NOTIFY_CHILD_SA_NOT_FOUND;
	if ((*old)->state != IKE_CHILD_CURRENT || ike_child_replacement(sa, *old))
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	return 0;
}

/* Algorithms and selectors. 0, or the notify that refuses. */
static uint16_t judge(const struct ike_sa *sa, const struct ike_payloads *p, struct ike_esp *esp)
{
	const struct ike_children *c = sa->children;
	struct ike_ts_list local, remote;

	if (ike_proposal_esp_choose_dh(p->proposals, p->proposal_count,
				       sa->host->conf.ciphers,
				       p->ke.data ? p->ke_group : 0, esp) < 0 ||
	    ike_child_by_out(sa, esp->spi))
		return IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
	if (esp->dh && (!p->ke.data || p->ke_group != IKE_DH_ID_CURVE25519))
		return IKE_NOTIFY_INVALID_KE_PAYLOAD;
	local = ike_ts_narrow(&p->ts_r, &c->ts_local);
	remote = ike_ts_narrow(&p->ts_i, &c->ts_remote);
	if (!ike_ts_list_covers(&local, &c->ts_local) || !ike_ts_list_covers(&remote, &c->ts_remote))
		return IKE_NOTIFY_TS_UNACCEPTABLE;
	return 0;
}

/* Secrets of ours for one answer. */
struct secrets {
	uint8_t nonce[IKE_REKEY_NONCE], dh_private[CRYPTO_DH];
};

/* The inbound half, and what is needed for the other one later. 0, or the notify that refuses. */
static uint16_t install(struct ike_sa *sa, const struct ike_slot *old, struct ike_slot *slot,
			const struct agreed *a)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	struct ike_child child; /* the callee may end SA, and with it goes what the slot has */
	int r;

	slot->values = malloc(sizeof(*slot->values));
	if (!slot->values)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	make_child(sa, slot->spi_in, a, &child);
	*slot->values = child;
	slot->spi_out = a->esp.spi;
	slot->replaces = old->spi_in;
	r = conf->ops->child_add(conf->user, sa, &child, old->spi_in, true);
	crypto_wipe(&child, sizeof(child));
	if (r < 0 || sa->state == IKE_STATE_DEAD)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	slot->state = IKE_CHILD_NEW;
	slot->over_at = ike_host_now(sa->host) + IKE_NEW_LIFE;
	return 0;
}

static void answer(struct ike_sa *sa, const struct ike_path *path, const struct ike_slot *slot,
		   const struct ike_esp *esp, const struct secrets *s)
{
	const struct ike_children *c = sa->children;
	uint8_t spi[IKE_ESP_SPI_SIZE];
	struct ike_proposal chosen;
	struct ike_out out;

	spi_bytes(slot->spi_in, spi);
	ike_proposal_esp_answer(esp, spi, &chosen);
	ike_send_begin(sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, true);
	ike_build_sa(&out.b, &chosen, 1);
	ike_rekey_build(&out.b, s->nonce, s->dh_private, esp->dh);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSI, c->ts_remote.items, c->ts_remote.count);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSR, c->ts_local.items, c->ts_local.count);
	ike_send_response(sa, path, &out);
}

static uint16_t grant(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p,
		      const struct ike_slot *old, const struct ike_esp *esp)
{
	struct agreed a = { .esp = *esp, .nonce_i = p->nonce };
	uint8_t shared[CRYPTO_DH];
	struct ike_slot *slot;
	struct secrets s;
	uint16_t notify;

	ike_host_random(sa->host, &s, sizeof(s));
	a.nonce_r = (struct ike_view){ s.nonce, sizeof(s.nonce) };
	if (esp->dh && ike_rekey_shared(s.dh_private, p, shared) < 0)
		return IKE_NOTIFY_INVALID_SYNTAX;
	if (esp->dh)
		a.shared = shared;
	if (ike_child_choose(sa, &slot) < 0)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	notify = install(sa, old, slot, &a);
	if (sa->state != IKE_STATE_DEAD && notify == 0) {
		answer(sa, path, slot, esp, &s);
		if (sa->state != IKE_STATE_DEAD && sa->request.task == IKE_TASK_REKEY_CHILD &&
		    sa->rekey->old_in == old->spi_in)
			ike_rekey_crossed(sa->rekey, p->nonce, s.nonce);
	} else if (sa->state != IKE_STATE_DEAD) {
		ike_child_free(sa, slot);
	}
	crypto_wipe(shared, sizeof(shared));
	crypto_wipe(&s, sizeof(s));
	return notify;
}

uint16_t ike_rekey_child_request(struct ike_sa *sa, const struct ike_path *path,
				 const struct ike_payloads *p, const struct ike_notify *n)
{
	struct ike_slot *old;
	struct ike_esp esp;
	uint16_t notify = find_old(sa, n, &old);

	if (notify == 0)
		notify = judge(sa, p, &esp);
	return notify ? notify : grant(sa, path, p, old, &esp);
}
