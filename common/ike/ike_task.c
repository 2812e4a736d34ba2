#include "common/ike/ike_sa_priv.h"

enum { RETRY_MAX = 30000, RETRY_FOR = 180000 }; /* milliseconds: an interval, all of them */

static bool ask_delete(struct ike_sa *sa)
{
	ike_info_farewell(sa, 0);
	return true;
}

static void delete_answered(struct ike_sa *sa, const struct ike_payloads *p)
{
	(void)p;
	ike_sa_end(sa, sa->why);
}

static bool ask_probe(struct ike_sa *sa)
{
	if (sa->state == IKE_STATE_CLOSING && !ike_rekey_ike_unheard(sa))
		return false;
	ike_info_probe(sa);
	return true;
}

static void probe_answered(struct ike_sa *sa, const struct ike_payloads *p)
{
	ike_info_response(sa, p);
	if (sa->state == IKE_STATE_CLOSING)
		ike_task_later(sa, IKE_TASK_PROBE, sa->host->conf.retransmit_first << IKE_OLD_SHIFT);
}

static const struct {
	/* Sends the request; false: there is nothing to ask any more. */
	bool (*ask)(struct ike_sa *sa);
	void (*answered)(struct ike_sa *sa, const struct ike_payloads *p);
} tasks[IKE_TASK_COUNT] = {
	[IKE_TASK_DELETE] = { ask_delete, delete_answered },
	[IKE_TASK_UPDATE] = { ike_mobike_ask_update, ike_mobike_updated },
	[IKE_TASK_CHECK] = { ike_mobike_ask_check, ike_mobike_checked },
	[IKE_TASK_DELETE_CHILD] = { ike_child_ask_delete, ike_child_delete_answered },
	[IKE_TASK_REKEY_CHILD] = { ike_rekey_child_ask, ike_rekey_child_answered },
	[IKE_TASK_REKEY] = { ike_rekey_ike_ask, ike_rekey_ike_answered },
	[IKE_TASK_PROBE] = { ask_probe, probe_answered },
};

void ike_task_want(struct ike_sa *sa, enum ike_task task)
{
	sa->wanted |= 1u << task;
}

void ike_task_later(struct ike_sa *sa, enum ike_task task, uint32_t delay)
{
	sa->retry[task].at = ike_host_now(sa->host) + delay;
	ike_task_want(sa, task);
	ike_send_arm(sa);
}

bool ike_task_is_wanted(const struct ike_sa *sa, enum ike_task task)
{
	return sa->wanted >> task & 1;
}

/* A candidate says nothing before it is more than that. */
static bool may_ask(const struct ike_sa *sa)
{
	return !sa->request.data && !sa->replaces && !sa->quiet &&
	       (sa->state == IKE_STATE_ESTABLISHED || sa->state == IKE_STATE_CLOSING);
}

/* A closing SA has nothing to say but that; one that was replaced has a little more. */
static bool is_pending(const struct ike_sa *sa, enum ike_task task)
{
	if (!ike_task_is_wanted(sa, task))
		return false;
	return task == IKE_TASK_DELETE || sa->state == IKE_STATE_ESTABLISHED ||
	       (sa->successor && (task == IKE_TASK_UPDATE || task == IKE_TASK_PROBE));
}

void ike_task_again(struct ike_sa *sa, enum ike_task task)
{
	struct ike_retry *r = &sa->retry[task];
	uint64_t now = ike_host_now(sa->host);
	uint32_t jitter;

	if (r->since == 0) {
		r->since = now;
		r->interval = sa->host->conf.retransmit_first;
	} else if (now - r->since >= RETRY_FOR) {
		sa->notify = IKE_NOTIFY_TEMPORARY_FAILURE;
		ike_sa_close(sa, IKE_END_REFUSED);
		return;
	}
	if (r->interval < RETRY_MAX)
		r->interval *= 2;
	ike_host_random(sa->host, &jitter, sizeof(jitter));
	r->at = now + r->interval / 2 + jitter % r->interval;
	ike_task_want(sa, task);
}

void ike_task_done(struct ike_sa *sa, enum ike_task task)
{
	sa->retry[task] = (struct ike_retry){ 0 };
}

uint64_t ike_task_deadline(const struct ike_sa *sa)
{
	uint64_t at = UINT64_MAX;

	for (enum ike_task t = IKE_TASK_NONE + 1; may_ask(sa) && t < IKE_TASK_COUNT; t++)
		if (is_pending(sa, t) && sa->retry[t].at < at)
			at = sa->retry[t].at;
	return at;
}

/* The most urgent, or IKE_TASK_NONE. */
static enum ike_task most_urgent(const struct ike_sa *sa)
{
	uint64_t now = ike_host_now(sa->host);

	for (enum ike_task t = IKE_TASK_NONE + 1; t < IKE_TASK_COUNT; t++)
		if (is_pending(sa, t) && sa->retry[t].at <= now)
			return t;
	return IKE_TASK_NONE;
}

void ike_task_run(struct ike_sa *sa)
{
	bool asked = false;

	while (!asked && may_ask(sa)) {
		sa->asking = most_urgent(sa);
		if (sa->asking == IKE_TASK_NONE)
			break;
		sa->wanted &= ~(1u << sa->asking);
		asked = tasks[sa->asking].ask(sa);
	}
	sa->asking = IKE_TASK_NONE;
	if (sa->state != IKE_STATE_DEAD)
		ike_send_arm(sa);
}

void ike_task_answered(struct ike_sa *sa, enum ike_task task, const struct ike_payloads *p)
{
	if (task == IKE_TASK_NONE)
		ike_info_response(sa, p);
	else
		tasks[task].answered(sa, p);
}
