#include "common/ike/ike_rekey.h"

#include <errno.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"

static const struct bucket_rate peer_rate = { 1, IKE_REKEY_PERIOD, IKE_REKEY_BURST };

int ike_rekey_begin(struct ike_sa *sa)
{
	sa->rekey = calloc(1, sizeof(*sa->rekey));
	if (!sa->rekey)
		return -ENOMEM;
	ike_host_random(sa->host, sa->rekey->nonce, sizeof(sa->rekey->nonce));
	ike_host_random(sa->host, sa->rekey->dh_private, sizeof(sa->rekey->dh_private));
	return 0;
}

void ike_rekey_free(struct ike_rekey *rekey)
{
	if (!rekey)
		return;
	crypto_wipe(rekey, sizeof(*rekey));
	free(rekey);
}

void ike_rekey_build(struct ike_build *b, const uint8_t nonce[IKE_REKEY_NONCE],
		     const uint8_t dh_private[CRYPTO_DH], bool with_ke)
{
	uint8_t pub[CRYPTO_DH];

	ike_build_nonce(b, nonce, IKE_REKEY_NONCE);
	if (!with_ke)
		return;
	crypto_dh_public(dh_private, pub);
	ike_build_ke(b, IKE_DH_ID_CURVE25519, pub, sizeof(pub));
}

int ike_rekey_shared(const uint8_t dh_private[CRYPTO_DH], const struct ike_payloads *p,
		     uint8_t out[CRYPTO_DH])
{
	if (!p->ke.data || p->ke_group != IKE_DH_ID_CURVE25519 || p->ke.len != CRYPTO_DH)
		return -EBADMSG;
	return crypto_dh_shared(dh_private, p->ke.data, out);
}

uint16_t ike_rekey_error(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->notify_count; i++)
		if (p->notifies[i].type > 0 && p->notifies[i].type < IKE_NOTIFY_STATUS_FIRST)
			return p->notifies[i].type;
	return 0;
}

/* Octet by octet; what the other one only continues is lower. */
static bool lower(struct ike_view a, struct ike_view b)
{
	int r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return r < 0 || (r == 0 && a.len < b.len);
}

void ike_rekey_crossed(struct ike_rekey *rekey, struct ike_view nonce,
		       const uint8_t own[IKE_REKEY_NONCE])
{
	const struct ike_view ours = { own, IKE_REKEY_NONCE };
	const struct ike_view least = lower(ours, nonce) ? ours : nonce;

	memcpy(rekey->rival_nonce, least.data, least.len);
	rekey->rival_len = least.len;
}

bool ike_rekey_loses(const struct ike_rekey *rekey, struct ike_view nonce)
{
	const struct ike_view ours = { rekey->nonce, sizeof(rekey->nonce) };
	const struct ike_view rival = { rekey->rival_nonce, rekey->rival_len };

	return rekey->rival_len > 0 && (lower(ours, rival) || lower(nonce, rival));
}

/* Answers and returns 0, or the notify that refuses. */
static uint16_t consider(struct ike_sa *sa, const struct ike_path *path,
			 const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_REKEY_SA);

	if (!n && (p->proposal_count == 0 || p->proposals[0].protocol != IKE_PROTOCOL_IKE))
		return IKE_NOTIFY_NO_ADDITIONAL_SAS;
	if (p->proposal_count == 0 || !p->nonce.data ||
	    (n && (n->protocol != IKE_PROTOCOL_ESP || n->spi.len != IKE_ESP_SPI_SIZE)))
		return IKE_NOTIFY_INVALID_SYNTAX;
	/* Each time costs a key exchange. */
	if (sa->state != IKE_STATE_ESTABLISHED ||
	    !bucket_take(&sa->peer_rekeys, &peer_rate, ike_host_now(sa->host)))
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	return n ? ike_rekey_child_request(sa, path, p, n) : ike_rekey_ike_request(sa, path, p);
}

void ike_rekey_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p)
{
	static const uint8_t group[] = { 0, IKE_DH_ID_CURVE25519 };
	uint16_t notify = consider(sa, path, p);
	struct ike_out out;

	if (notify == 0 || sa->state == IKE_STATE_DEAD)
		return;
	ike_send_begin(sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, true);
	if (notify == IKE_NOTIFY_CHILD_SA_NOT_FOUND) {
		const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_REKEY_SA);
		struct rbuf r = rbuf_init(n->spi.data, n->spi.len);

		ike_build_notify_esp(&out.b, notify, rbuf_u32(&r));
	} else if (notify == IKE_NOTIFY_INVALID_KE_PAYLOAD) {
		ike_build_notify(&out.b, notify, group, sizeof(group));
	} else {
		ike_build_notify(&out.b, notify, NULL, 0);
	}
	ike_send_response(sa, path, &out);
	if (notify != IKE_NOTIFY_INVALID_SYNTAX)
		return;
	sa->notify = notify;
	ike_sa_end_answered(sa, IKE_END_PROTOCOL);
}
