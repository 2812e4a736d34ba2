#include "common/ike/ike_host_priv.h"

#include <errno.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/ike/ike_sa_priv.h"
#include "common/ike/ike_ts.h"

static void enter(struct ike_host *host)
{
	host->depth++;
}

/* SAs that ended are freed when nobody on the stack can hold them any more. */
static void leave(struct ike_host *host)
{
	struct ike_sa *sa;

	if (--host->depth > 0)
		return;
	while ((sa = host->garbage)) {
		host->garbage = sa->next_garbage;
		ike_sa_free(sa);
	}
}

static void set_default(uint32_t *value, uint32_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

int ike_host_new(const struct ike_host_conf *conf, struct ike_host **out)
{
	struct ike_host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->conf = *conf;
	set_default(&host->conf.retransmit_first, 500);
	set_default(&host->conf.retransmit_tries, 6);
	set_default(&host->conf.half_open_life, 30000);
	set_default(&host->conf.liveness, 30000);
	set_default(&host->conf.cookie_threshold, 64);
	set_default(&host->conf.half_open_max, 1024);
	set_default(&host->conf.half_open_per_path, 16);
	set_default(&host->conf.sa_max, 65536);
	set_default(&host->conf.child_linger, 5000);
	set_default(&host->conf.keepalive, 20000);
	set_default(&host->conf.fragment_size, 1200);
	ike_cookie_jar_init(&host->jar, conf->ops, conf->user);
	ike_host_random(host, host->digest_key, sizeof(host->digest_key));
	*out = host;
	return 0;
}

void ike_host_free(struct ike_host *host)
{
	if (!host)
		return;
	enter(host);
	host->closing = true;
	while (host->by_spi) {
		struct ike_sa *sa = host->by_spi;

		if (sa->state == IKE_STATE_DEAD)
			ike_sa_release(sa);
		else
			ike_sa_end(sa, IKE_END_LOCAL);
	}
	leave(host);
	ike_heap_fini(&host->timers);
	ike_cookie_jar_wipe(&host->jar);
	crypto_wipe(host->digest_key, sizeof(host->digest_key));
	crypto_sign_key_wipe(&host->conf.key);
	free(host);
}

int ike_host_initiate(struct ike_host *host, const struct ike_init_conf *conf, void *data,
		      struct ike_sa **out)
{
	struct ike_slot *child;
	struct ike_sa *sa;
	int r;

	if (!ike_ts_list_valid(&conf->ts_local) || !ike_ts_list_valid(&conf->ts_remote) ||
	    (conf->auth != IKE_AUTH_ED25519 && conf->initial_contact))
		return -EINVAL;
	if (host->closing)
		return -ESHUTDOWN;
	if (host->sa_count >= host->conf.sa_max)
		return -ENOSPC;
	enter(host);
	sa = ike_sa_new(host, true, &conf->path);
	r = sa ? 0 : -ENOMEM;
	if (r == 0) {
		sa->hs->conf = *conf;
		sa->data = data;
		r = ike_child_choose(sa, &child);
	}
	if (r == 0)
		r = ike_init_start(sa);
	if (r == 0) {
		sa->known = true;
		*out = sa;
	} else if (sa) {
		ike_sa_end(sa, IKE_END_LOCAL);
	}
	leave(host);
	return r;
}

static struct ike_sa *find(const struct ike_host *host, const struct ike_header *h)
{
	bool from_initiator = h->flags & IKE_FLAG_INITIATOR;
	uint64_t local = from_initiator ? h->spi_r : h->spi_i;
	struct ike_sa *sa;

	HASH_FIND(hh, host->by_spi, &local, sizeof(local), sa);
	return sa && sa->initiator != from_initiator ? sa : NULL;
}

static void dispatch_init(struct ike_host *host, const struct ike_path *path,
			  const struct ike_header *h, const uint8_t *msg, size_t len)
{
	struct ike_sa *sa;

	if (h->flags & IKE_FLAG_RESPONSE) {
		sa = find(host, h);
		if (sa && sa->initiator)
			ike_init_response(sa, path, h, msg, len);
		else
			host->counters.dropped++;
	} else if (host->conf.responder && !host->closing && h->flags & IKE_FLAG_INITIATOR &&
		   h->spi_r == 0 && h->message_id == 0) {
		ike_init_request(host, path, h, msg, len);
	} else {
		host->counters.dropped++;
	}
}

static void dispatch(struct ike_host *host, const struct ike_path *path,
		     const struct ike_header *h, const uint8_t *msg, size_t len)
{
	struct ike_sa *sa;

	if (h->exchange == IKE_EXCHANGE_SA_INIT) {
		dispatch_init(host, path, h, msg, len);
		return;
	}
	sa = find(host, h);
	if (!sa)
		ike_stray_answer(host, path, h, len);
	else if (sa->spi_i == h->spi_i && sa->spi_r == h->spi_r)
		ike_input(sa, path, h, msg, len);
	else
		host->counters.dropped++;
}

void ike_host_input(struct ike_host *host, const struct ike_path *path, const uint8_t *msg,
		    size_t len)
{
	struct ike_header h;

	host->counters.received++;
	if (len == 1 && msg[0] == IKE_PORT_KEEPALIVE) {
		host->counters.dropped++;
		return;
	}
	if (len > IKE_MESSAGE_MAX || ike_parse_header(msg, len, &h) < 0) {
		host->counters.malformed++;
		return;
	}
	enter(host);
	dispatch(host, path, &h, msg, len);
	leave(host);
}

void ike_host_close(struct ike_host *host, struct ike_sa *sa)
{
	enter(host);
	ike_sa_close(sa, IKE_END_LOCAL);
	leave(host);
}

void ike_host_drop(struct ike_host *host, struct ike_sa *sa, enum ike_end why)
{
	enter(host);
	ike_sa_end(sa, why);
	leave(host);
}

void ike_host_probe(struct ike_host *host, struct ike_sa *sa)
{
	enter(host);
	if (sa->state == IKE_STATE_ESTABLISHED && !sa->request.data)
		ike_task_want(sa, IKE_TASK_PROBE);
	if (sa->state != IKE_STATE_DEAD)
		ike_task_run(sa);
	leave(host);
}

void ike_host_probe_briefly(struct ike_host *host, struct ike_sa *sa, uint32_t tries)
{
	struct ike_request *request = &sa->request;

	ike_host_probe(host, sa);
	if (sa->state == IKE_STATE_ESTABLISHED && request->tries_left >= tries)
		request->tries_left = tries - 1;
}

void ike_host_probe_finally(struct ike_host *host, struct ike_sa *sa, uint32_t tries)
{
	struct ike_request *request = &sa->request;

	sa->quiet = false; /* no time for what the peer may still say over its predecessor */
	if (request->data && !request->forgotten) /* it may have been waiting for a minute */
		ike_send_hurry(sa);
	ike_host_probe_briefly(host, sa, tries);
	request->final = sa->state == IKE_STATE_ESTABLISHED && request->data;
}

void ike_host_set_patience(struct ike_host *host, struct ike_sa *sa, uint32_t idle,
			   uint32_t tolerate)
{
	struct ike_sa *old = ike_sa_find(host, sa->predecessor);

	enter(host);
	sa->idle = idle ? idle : host->conf.liveness;
	sa->tolerate = tolerate;
	if (old && ike_rekey_ike_unheard(old))
		old->tolerate = tolerate;
	if (sa->state != IKE_STATE_DEAD)
		ike_send_arm(sa);
	leave(host);
}

void ike_host_put_off(struct ike_host *host, struct ike_sa *sa, uint64_t until)
{
	enter(host);
	sa->unasked_until = until;
	if (sa->state != IKE_STATE_DEAD)
		ike_send_arm(sa);
	leave(host);
}

void ike_host_rekey_child(struct ike_host *host, struct ike_sa *sa, uint32_t spi)
{
	ike_host_rekey_child_later(host, sa, spi, 0);
}

void ike_host_rekey_child_later(struct ike_host *host, struct ike_sa *sa, uint32_t spi,
				uint32_t delay)
{
	struct ike_slot *current = ike_child_current(sa);

	if (!current || sa->state != IKE_STATE_ESTABLISHED ||
	    (spi != current->spi_in && spi != current->spi_out) ||
	    sa->request.task == IKE_TASK_REKEY_CHILD)
		return;
	enter(host);
	current->due = true;
	if (delay > 0 && !ike_task_is_wanted(sa, IKE_TASK_REKEY_CHILD))
		ike_task_later(sa, IKE_TASK_REKEY_CHILD, delay);
	ike_task_want(sa, IKE_TASK_REKEY_CHILD);
	ike_task_run(sa);
	leave(host);
}

void ike_host_rekey(struct ike_host *host, struct ike_sa *sa)
{
	if (sa->state != IKE_STATE_ESTABLISHED || sa->request.task == IKE_TASK_REKEY)
		return;
	enter(host);
	ike_task_want(sa, IKE_TASK_REKEY);
	ike_task_run(sa);
	leave(host);
}

int ike_host_move(struct ike_host *host, struct ike_sa *sa, const struct ike_path *path)
{
	int r;

	enter(host);
	r = ike_mobike_move(sa, path);
	leave(host);
	return r;
}

void ike_host_mapping(struct ike_host *host, struct ike_sa *sa, const struct endpoint *remote)
{
	enter(host);
	ike_mobike_mapping(sa, remote);
	leave(host);
}

void ike_host_spoke(struct ike_host *host, struct ike_sa *sa)
{
	sa->paths.spoke_at = ike_host_now(host); /* the timer finds out when it is due */
}

void ike_host_heard(struct ike_host *host, struct ike_sa *sa)
{
	sa->last_heard = ike_host_now(host); /* the timer finds out when it is due */
}

uint64_t ike_host_deadline(const struct ike_host *host)
{
	const struct ike_heap_item *first = ike_heap_first(&host->timers);

	return first ? first->at : UINT64_MAX;
}

void ike_host_tick(struct ike_host *host)
{
	struct ike_heap_item *first;

	enter(host);
	while ((first = ike_heap_first(&host->timers)) && first->at <= ike_host_now(host))
		ike_send_tick((struct ike_sa *)((char *)first - offsetof(struct ike_sa, timer)));
	leave(host);
}

void ike_host_counters(const struct ike_host *host, struct ike_host_counters *out)
{
	*out = host->counters;
	out->half_open = host->half_open.total;
	out->sas = host->sa_count;
}
