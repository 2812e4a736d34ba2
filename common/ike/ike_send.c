#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/base/log.h"

/* One message, or all fragments of one, one after the other. */
struct sealed {
	uint8_t buf[2 * IKE_BUILD_MAX];
	size_t len;
};

struct ike_header ike_send_header(const struct ike_sa *sa, uint8_t exchange, bool response)
{
	uint8_t flags = sa->initiator ? IKE_FLAG_INITIATOR : 0;

	return (struct ike_header){
		.spi_i = sa->spi_i, .spi_r = sa->spi_r, .exchange = exchange,
		.flags = response ? flags | IKE_FLAG_RESPONSE : flags,
		.message_id = response ? sa->peer_id : sa->next_id,
	};
}

void ike_send_begin(struct ike_sa *sa, struct ike_out *out, uint8_t exchange, bool response)
{
	struct ike_header h = ike_send_header(sa, exchange, response);

	ike_build_init(&out->b, out->buf, sizeof(out->buf), &h);
	ike_crypt_begin(&sa->out, &out->b);
}

static void transmit(struct ike_sa *sa, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	sa->sent++;
	sa->paths.spoke_at = ike_host_now(sa->host);
	while (len > 0) {
		size_t first = ike_frag_first(msg, len);

		ike_host_send(sa->host, path, msg, first);
		msg += first;
		len -= first;
	}
}

/* SA was replaced, and what it asks (TASK) it asks for the one in its place. */
static bool asks_for_another(const struct ike_sa *sa, enum ike_task task)
{
	return sa->state == IKE_STATE_CLOSING && sa->successor && task != IKE_TASK_DELETE;
}

/* Transmissions of a request for TASK. */
static uint32_t tries_of(const struct ike_sa *sa, enum ike_task task)
{
	uint32_t tries = sa->host->conf.retransmit_tries;

	if (sa->state == IKE_STATE_CLOSING && !asks_for_another(sa, task) &&
	    tries > IKE_CLOSE_TRIES)
		return IKE_CLOSE_TRIES;
	return tries;
}

void ike_send_plain_request(struct ike_sa *sa, uint8_t exchange, const uint8_t *msg, size_t len)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	uint8_t *copy = malloc(len);

	ike_send_forget(sa);
	if (!copy) {
		ike_sa_end(sa, IKE_END_LOCAL);
		return;
	}
	memcpy(copy, msg, len);
	sa->request = (struct ike_request){
		.data = copy, .len = len, .exchange = exchange, .task = sa->asking,
		.id = sa->next_id++,
		.interval = conf->retransmit_first,
		.next_at = ike_host_now(sa->host) + conf->retransmit_first,
		.tries_left = tries_of(sa, sa->asking) - 1,
	};
	ike_send_arm(sa);
	transmit(sa, ike_path_out(sa), msg, len);
}

/* Encrypts OUT. It cannot fail but by a mistake of ours; that ends this SA, and nothing else. */
static int seal(struct ike_sa *sa, struct ike_out *out, struct sealed *to)
{
	size_t size = sa->host->conf.fragment_size - (sa->path.floated ? IKE_PORT_MARKER : 0);
	int r = ike_frag_seal(&sa->out, &out->b, sa->fragments ? size : 0, to->buf,
			      sizeof(to->buf), &to->len);

	if (r < 0) {
		log_error("IKE: cannot make a message: %s; report this", strerror(-r));
		ike_sa_end(sa, IKE_END_LOCAL);
	}
	return r;
}

void ike_send_request(struct ike_sa *sa, struct ike_out *out)
{
	uint8_t exchange = out->buf[IKE_HEADER_NEXT_AT + 2];
	struct sealed sealed;

	if (seal(sa, out, &sealed) == 0)
		ike_send_plain_request(sa, exchange, sealed.buf, sealed.len);
}

void ike_send_response(struct ike_sa *sa, const struct ike_path *path, struct ike_out *out)
{
	struct sealed sealed;

	if (seal(sa, out, &sealed) < 0)
		return;
	free(sa->response);
	sa->response = malloc(sealed.len);
	sa->response_len = sealed.len;
	if (sa->response) /* without memory the peer gets this one answer only */
		memcpy(sa->response, sealed.buf, sealed.len);
	sa->peer_id++;
	transmit(sa, path, sealed.buf, sealed.len);
}

void ike_send_notify(struct ike_sa *sa, const struct ike_path *path, uint8_t exchange,
		     uint16_t notify, const void *data, size_t len)
{
	struct ike_out out;

	ike_send_begin(sa, &out, exchange, true);
	ike_build_notify(&out.b, notify, data, len);
	ike_send_response(sa, path, &out);
}

void ike_send_again(struct ike_sa *sa, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	sa->retransmitted++;
	transmit(sa, path, msg, len);
}

void ike_send_hurry(struct ike_sa *sa)
{
	struct ike_request *q = &sa->request;

	if (!q->data)
		return;
	q->interval = sa->host->conf.retransmit_first;
	q->next_at = ike_host_now(sa->host) + q->interval;
	q->tries_left = tries_of(sa, q->task) - 1;
	q->forgotten = q->final = false;
	ike_send_arm(sa);
	ike_send_again(sa, ike_path_out(sa), q->data, q->len);
}

void ike_send_forget(struct ike_sa *sa)
{
	free(sa->request.data);
	sa->request = (struct ike_request){ 0 };
}

static void earlier(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

/* When a peer that is silent until then is asked whether it is there. */
static uint64_t probe_at(const struct ike_sa *sa)
{
	uint64_t at = sa->last_heard + sa->idle;

	return at > sa->unasked_until ? at : sa->unasked_until;
}

/* When something is to be done of what the timer is for. */
static uint64_t deadline(const struct ike_sa *sa)
{
	uint64_t at = ike_child_deadline(sa);

	earlier(&at, ike_path_deadline(sa));
	if (sa->request.data)
		earlier(&at, sa->request.next_at);
	else if (sa->expires_at)
		earlier(&at, sa->expires_at);
	else if (sa->state == IKE_STATE_ESTABLISHED && !ike_task_is_wanted(sa, IKE_TASK_PROBE))
		earlier(&at, probe_at(sa));
	if (sa->state == IKE_STATE_ESTABLISHED && sa->rekey_at)
		earlier(&at, sa->rekey_at);
	earlier(&at, ike_task_deadline(sa));
	return at;
}

void ike_send_arm(struct ike_sa *sa)
{
	ike_heap_set(&sa->host->timers, &sa->timer, deadline(sa));
}

static void give_up(struct ike_sa *sa)
{
	if (sa->state == IKE_STATE_DEAD)
		ike_sa_release(sa);
	else if (sa->state == IKE_STATE_CLOSING)
		ike_sa_end(sa, sa->why);
	else
		ike_sa_end(sa, sa->notify ? IKE_END_REFUSED : IKE_END_TIMEOUT);
}

/* Out of tries, a request is repeated until then: a peer may be silent for so long. */
static uint64_t patience_end(const struct ike_sa *sa)
{
	const struct ike_request *q = &sa->request;

	if (q->forgotten || q->final ||
	    (sa->state != IKE_STATE_ESTABLISHED && !asks_for_another(sa, q->task)))
		return 0;
	return sa->last_heard + sa->tolerate;
}

static void retransmit(struct ike_sa *sa, uint64_t now)
{
	struct ike_request *q = &sa->request;
	uint64_t end = patience_end(sa);

	if (!ike_path_wait(sa))
		return;
	if (q->tries_left == 0 && end <= now) {
		give_up(sa);
		return;
	}
	if (q->interval < IKE_INTERVAL_MAX)
		q->interval *= 2;
	q->next_at = now + q->interval;
	if (q->tries_left > 0)
		q->tries_left--;
	if (q->tries_left == 0 && end > now) {
		earlier(&q->next_at, end);
		if (sa->expires_at) /* the peer's time to finish begins when it is there again */
			sa->expires_at = q->next_at + IKE_NEW_LIFE;
	}
	ike_send_arm(sa);
	ike_send_again(sa, ike_path_out(sa), q->data, q->len);
}

/* The peer has said nothing for as long as it may. */
static void doubt(struct ike_sa *sa, uint64_t now)
{
	const struct ike_host_conf *conf = &sa->host->conf;

	if (conf->ops->alive && conf->ops->alive(conf->user, sa))
		sa->last_heard = now;
	else
		ike_task_want(sa, IKE_TASK_PROBE);
}

void ike_send_tick(struct ike_sa *sa)
{
	uint64_t now = ike_host_now(sa->host);

	if (sa->request.data && sa->request.next_at <= now)
		retransmit(sa, now);
	else if (!sa->request.data && sa->expires_at && sa->expires_at <= now)
		give_up(sa);
	if (sa->state == IKE_STATE_DEAD)
		return;
	ike_frag_expire(&sa->frags[0], now);
	ike_frag_expire(&sa->frags[1], now);
	ike_child_tick(sa, now);
	if (sa->state == IKE_STATE_DEAD)
		return;
	ike_path_tick(sa, now);
	if (sa->state == IKE_STATE_ESTABLISHED && !sa->request.data &&
	    probe_at(sa) <= now)
		doubt(sa, now);
	if (sa->rekey_at && sa->rekey_at <= now) {
		sa->rekey_at = 0;
		ike_task_want(sa, IKE_TASK_REKEY);
	}
	ike_task_run(sa);
}
