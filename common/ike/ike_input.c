/* A message of an existing IKE SA: window, role, decryption, then its exchange. */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>

/* Message IDs do not wrap (RFC 7296 section 2.2): in time there is a new IKE SA, or none. */
enum { IKE_IDS_LOW = 0x100000, IKE_IDS_OUT = 0x100 }; /* so many are left */

static void check_ids(struct ike_sa *sa)
{
	uint32_t left = UINT32_MAX - (sa->next_id > sa->peer_id ? sa->next_id : sa->peer_id);

	if (sa->state != IKE_STATE_ESTABLISHED || sa->replaces || left > IKE_IDS_LOW)
		return;
	if (left <= IKE_IDS_OUT)
		ike_sa_close(sa, IKE_END_PROTOCOL);
	else if (!sa->ids_low)
		ike_task_want(sa, IKE_TASK_REKEY);
	sa->ids_low = true;
}

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
		return (h->message_id == sa->peer_id && sa->peer_id < UINT32_MAX) ||
		       is_duplicate(sa, h);
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

/*
 * The payload in clear: SK, or SKF where both know it. No exchange of ours has others beside it.
 * 0 or -EBADMSG.
 */
static int parse_outer(const struct ike_sa *sa, const struct ike_header *h, const uint8_t *msg,
		       size_t len, struct ike_payloads *out)
{
	if ((h->next == IKE_PAYLOAD_SK || (h->next == IKE_PAYLOAD_SKF && sa->fragments)) &&
	    ike_parse_payloads(h->next, msg + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, out) == 0)
		return 0;
	sa->host->counters.malformed++;
	return -EBADMSG;
}

/*
 * Whether it is worth decrypting. Of all fragments of a repeated request the first one asks for the
 * answer again, and the others do not (RFC 7383 section 2.6.1).
 */
static bool wants(const struct ike_sa *sa, const struct ike_header *h, bool duplicate,
		  const struct ike_payloads *outer)
{
	bool response = h->flags & IKE_FLAG_RESPONSE;

	if (duplicate || outer->fragment == 0)
		return outer->fragment <= 1;
	return ike_frag_wants(sa->frags[response], h->message_id, outer, ike_host_now(sa->host));
}

/* What the peer put inside of OUTER, in PLAIN. 0 or -errno. */
static int decrypt(struct ike_sa *sa, const uint8_t *msg, const struct ike_payloads *outer,
		   uint8_t *plain, size_t *len)
{
	if ((!sa->hs || ike_init_derive(sa) == 0) &&
	    ike_crypt_open(&sa->in, msg, outer->sk, plain, len) == 0)
		return 0;
	sa->host->counters.unauthenticated++;
	return -EBADMSG;
}

/*
 * From a fragment to the message: 0 when PLAIN has all of it, else -errno. A message that came as
 * one makes fragments of it useless.
 */
static int gather(struct ike_sa *sa, const struct ike_header *h, const struct ike_payloads *outer,
		  uint8_t *plain, size_t *len, uint8_t *first)
{
	struct ike_frag **frag = &sa->frags[h->flags & IKE_FLAG_RESPONSE ? 1 : 0];
	int r;

	*first = outer->sk_next;
	if (outer->fragment == 0) {
		ike_frag_free(frag);
		return 0;
	}
	r = ike_frag_keep(frag, h->message_id, outer, plain, *len, ike_host_now(sa->host));
	if (r == 0)
		*len = ike_frag_join(frag, plain, first);
	else if (r != -EAGAIN)
		sa->host->counters.malformed++;
	return r;
}

static void handle_response(struct ike_sa *sa, const struct ike_payloads *p, int parsed)
{
	enum ike_task task = sa->request.task;

	ike_send_forget(sa);
	if (sa->state == IKE_STATE_DEAD)
		ike_sa_release(sa);
	else if (parsed < 0 && sa->state == IKE_STATE_CLOSING)
		ike_sa_end(sa, sa->why);
	else if (parsed < 0)
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

	if (sa->replaces && !(parsed == 0 && ike_info_deletes(p)))
		ike_rekey_ike_claimed(sa);
	if (sa->state == IKE_STATE_DEAD)
		return;
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
		ike_rekey_request(sa, path, p);
	else
		refuse(sa, path, exchange, IKE_NOTIFY_INVALID_SYNTAX, NULL, 0, true);
}

void ike_input(struct ike_sa *sa, const struct ike_path *path, const struct ike_header *h,
	       const uint8_t *msg, size_t len)
{
	bool response = h->flags & IKE_FLAG_RESPONSE;
	bool duplicate = !response && is_duplicate(sa, h);
	uint8_t plain[IKE_MESSAGE_MAX], first;
	size_t plain_len;
	struct ike_payloads p;
	int parsed;

	_Static_assert((int)IKE_FRAGMENT_BYTES_MAX <= (int)IKE_MESSAGE_MAX, "PLAIN holds them all");
	if (!(response ? expects_response(sa, h) : expects_request(sa, h)) ||
	    !ike_path_may_come(sa, path)) {
		sa->host->counters.dropped++;
		return;
	}
	if (response && h->next == IKE_PAYLOAD_NOTIFY) {
		ike_stray_answered(sa, path, h, msg, len);
		return;
	}
	if (parse_outer(sa, h, msg, len, &p) < 0)
		return;
	if (!wants(sa, h, duplicate, &p)) {
		sa->host->counters.dropped++;
		return;
	}
	if (decrypt(sa, msg, &p, plain, &plain_len) < 0)
		return;
	sa->received++;
	if (duplicate) {
		ike_send_again(sa, path, sa->response, sa->response_len);
		return;
	}
	if (gather(sa, h, &p, plain, &plain_len, &first) < 0)
		return;
	sa->last_heard = ike_host_now(sa->host);
	sa->quiet = false;
	if (sa->state == IKE_STATE_HALF_OPEN)
		ike_path_decrypted(sa, path);
	sa->paths.check.there = ike_path_equal(path, &sa->paths.check.path);
	parsed = ike_parse_payloads(first, plain, plain_len, &p);
	if (parsed == 0 && p.sk.data) /* encrypted twice */
		parsed = -EBADMSG;
	if (response)
		handle_response(sa, &p, parsed);
	else
		handle_request(sa, path, h->exchange, &p, parsed);
	if (!response && parsed == 0)
		ike_mobike_heard(sa, path, &p);
	check_ids(sa);
	if (sa->state != IKE_STATE_DEAD)
		ike_task_run(sa);
}
