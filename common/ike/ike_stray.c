#include "common/ike/ike_stray.h"

#include "common/ike/ike_sa_priv.h"

enum { /* bytes of the shortest encrypted message */
	SEALED_MIN = IKE_HEADER_SIZE + IKE_PAYLOAD_HEADER_SIZE + IKE_SK_IV_SIZE + 1 +
		     CRYPTO_AEAD_TAG,
};

static const struct bucket_rate answer_rate = { 1, IKE_STRAY_INTERVAL, IKE_STRAY_BURST };

static bool deserves_answer(const struct ike_host *host, const struct ike_header *h, size_t len)
{
	return host->conf.responder && !host->closing && !(h->flags & IKE_FLAG_RESPONSE) &&
	       h->spi_i != 0 && h->spi_r != 0 && len >= SEALED_MIN &&
	       (h->next == IKE_PAYLOAD_SK || h->next == IKE_PAYLOAD_SKF);
}

void ike_stray_answer(struct ike_host *host, const struct ike_path *path,
		      const struct ike_header *h, size_t len)
{
	struct ike_header answer = { .spi_i = h->spi_i, .spi_r = h->spi_r,
				     .exchange = h->exchange, .message_id = h->message_id };
	uint8_t buf[IKE_HEADER_SIZE + 8];
	struct ike_build b;
	size_t size;

	host->counters.dropped++;
	if (!deserves_answer(host, h, len) ||
	    !bucket_take(&host->stray, &answer_rate, ike_host_now(host)))
		return;
	answer.flags = (~h->flags & IKE_FLAG_INITIATOR) | IKE_FLAG_RESPONSE;
	ike_build_init(&b, buf, sizeof(buf), &answer);
	ike_build_notify(&b, IKE_NOTIFY_INVALID_IKE_SPI, NULL, 0);
	if (ike_build_finish(&b, &size) == 0)
		ike_host_send(host, path, buf, size);
}

/* At once, and then seldom: what is left of the request's life is short already. */
static void hurry(struct ike_sa *sa)
{
	struct ike_request *q = &sa->request;

	if (q->forgotten)
		return;
	q->forgotten = true;
	if (q->tries_left > IKE_STRAY_TRIES)
		q->tries_left = IKE_STRAY_TRIES;
	q->interval = sa->host->conf.retransmit_first;
	q->next_at = ike_host_now(sa->host) + q->interval;
	ike_send_arm(sa);
}

void ike_stray_answered(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
			const uint8_t *msg, size_t len)
{
	struct ike_host_counters *counters = &sa->host->counters;
	struct ike_payloads p;

	if (!ike_sa_path_fits(sa, path) ||
	    ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &p) < 0 ||
	    !ike_find_notify(&p, IKE_NOTIFY_INVALID_IKE_SPI)) {
		counters->malformed++;
		return;
	}
	counters->unauthenticated++;
	hurry(sa);
}
