/* A message of an existing IKE SA: window, role, decryption, then its exchange. */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>

/* Message IDs: window of one each way (RFC 7296 section 2.3). */
static bool is_duplicate(const struct ike_sa *sa, const struct ike_header *h)
{
	return sa->response && h->message_id == sa->peer_id - 1;
}

static bool expects_request(const struct ike_sa *sa, const struct ike_header *h)
{
	switch (sa->state) {
	case IKE_STATE_INIT_SENT:
	case IKE_STATE_AUTH_SENT:
		return false;
	case IKE_STATE_HALF_OPEN:
		return h->message_id == sa->peer_id && h->exchange == IKE_EXCHANGE_AUTH;
	case IKE_STATE_ESTABLISHED:
	case IKE_STATE_CLOSING:
		return h->message_id == sa->peer_id || is_duplicate(sa, h);
	case IKE_STATE_DEAD:
		return is_duplicate(sa, h);
	}
	return false;
}

static bool expects_response(const struct ike_sa *sa, const struct ike_header *h)
{
	return sa->state != IKE_STATE_INIT_SENT && sa->request.data &&
	       sa->request.id == h->message_id && sa->request.exchange == h->exchange;
}

/* Checks and decrypts: what the peer put inside SK, in PLAIN. 0 or -errno. */
static int open_message(struct ike_sa *sa, const struct ike_header *h, const uint8_t *msg,
			size_t len, uint8_t *plain, struct ike_view *inner, uint8_t *first)
{
	struct ike_payloads outer;
	size_t plain_len;

	/* No exchange of ours has a payload in clear beside SK. */
	if (h->next != IKE_PAYLOAD_SK ||
	    ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &outer) < 0) {
		sa->host->counters.malformed++;
		return -EBADMSG;
	}
	if ((sa->hs && ike_init_derive(sa) < 0) ||
	    ike_crypt_open(&sa->in, msg, outer.sk, plain, &plain_len) < 0) {
		sa->host->counters.unauthenticated++;
		return -EBADMSG;
	}
	*inner = (struct ike_view){ .data = plain, .len = plain_len };
	*first = outer.sk_next;
	return 0;
}

static void handle_response(struct ike_sa *sa, const struct ike_payloads *p, int parsed)
{
	enum ike_task task = sa->request.task;

	ike_send_forget(sa);
	if (sa->state == IKE_STATE_DEAD)
		ike_sa_release(sa);
	else if (parsed < 0 && sa->state != IKE_STATE_CLOSING)
		ike_sa_fail(sa, IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
	else if (sa->state == IKE_STATE_AUTH_SENT)
		ike_auth_response(sa, p);
	else
		ike_task_answered(sa, task, p);
}

/* Refuses a request; what is FATAL ends the SA for both sides (RFC 7296 section 2.21). */
static void refuse(struct ike_sa *sa, const struct ike_path *path, uint8_t exchange,
		   uint16_t notify, const void *data, size_t len, bool fatal)
{
	ike_send_notify(sa, path, exchange, notify, data, len);
	if (!fatal)
		return;
	sa->notify = notify;
	ike_sa_end_answered(sa, IKE_END_PROTOCOL);
}

static void handle_request(struct ike_sa *sa, const struct ike_path *path, uint8_t exchange,
			   const struct ike_payloads *p, int parsed)
{
	bool half_open = sa->state == IKE_STATE_HALF_OPEN;

	if (parsed == -EPROTO)
		refuse(sa, path, exchange, IKE_NOTIFY_UNSUPPORTED_CRITICAL_PAYLOAD,
		       &p->critical_unknown, 1, half_open);
	else if (parsed < 0)
		refuse(sa, path, exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0, true);
	else if (half_open)
		ike_auth_request(sa, path, p);
	else if (exchange == IKE_EXCHANGE_INFORMATIONAL)
		ike_info_request(sa, path, p);
	else if (exchange == IKE_EXCHANGE_CREATE_CHILD_SA)
		refuse(sa, path, exchange, IKE_NOTIFY_NO_ADDITIONAL_SAS, NULL, 0, false);
	else
		refuse(sa, path, exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0, true);
}

void ike_input(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	       const uint8_t *msg, size_t len)
{
	bool response = h->flags & IKE_FLAG_RESPONSE;
	uint8_t plain[IKE_MESSAGE_MAX], first;
	struct ike_payloads p;
	struct ike_view inner;
	int parsed;

	if (!(response ? expects_response(sa, h) : expects_request(sa, h)) ||
	    !ike_path_may_come(sa, path)) {
		sa->host->counters.dropped++;
		return;
	}
	if (open_message(sa, h, msg, len, plain, &inner, &first) < 0)
		return;
	sa->received++;
	if (!response && is_duplicate(sa, h)) {
		ike_send_again(sa, path, sa->response, sa->response_len);
		return;
	}
	sa->last_heard = ike_host_now(sa->host);
	if (sa->state == IKE_STATE_HALF_OPEN)
		ike_path_decrypted(sa, path);
	sa->paths.check.there = ike_path_equal(path, &sa->paths.check.path);
	parsed = ike_parse_payloads(first, inner.data, inner.len, &p);
	if (response)
		handle_response(sa, &p, parsed);
	else
		handle_request(sa, path, h->exchange, &p, parsed);
	if (!response && parsed == 0)
		ike_mobike_heard(sa, path, &p);
	if (sa->state != IKE_STATE_DEAD)
		ike_task_run(sa);
}
