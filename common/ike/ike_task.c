#include "common/ike/ike_sa_priv.h"

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
	ike_info_probe(sa);
	return true;
}

static const struct {
	/* Sends the request; false: there is nothing to ask any more. */
	bool (*ask)(struct ike_sa *sa);
	void (*answered)(struct ike_sa *sa, const struct ike_payloads *p);
} tasks[IKE_TASK_COUNT] = {
	[IKE_TASK_DELETE] = { ask_delete, delete_answered },
	[IKE_TASK_UPDATE] = { ike_mobike_ask_update, ike_mobike_updated },
	[IKE_TASK_CHECK] = { ike_mobike_ask_check, ike_mobike_checked },
	[IKE_TASK_PROBE] = { ask_probe, ike_info_response },
};

void ike_task_want(struct ike_sa *sa, enum ike_task task)
{
	sa->wanted |= 1u << task;
}

bool ike_task_is_wanted(const struct ike_sa *sa, enum ike_task task)
{
	return sa->wanted >> task & 1;
}

/* The most urgent, or IKE_TASK_NONE. A closing SA has nothing to say but that. */
static enum ike_task most_urgent(const struct ike_sa *sa)
{
	for (enum ike_task t = IKE_TASK_NONE + 1; t < IKE_TASK_COUNT; t++) {
		if (sa->state == IKE_STATE_CLOSING && t != IKE_TASK_DELETE)
			break;
		if (ike_task_is_wanted(sa, t))
			return t;
	}
	return IKE_TASK_NONE;
}

static bool may_ask(const struct ike_sa *sa)
{
	return !sa->request.data &&
	       (sa->state == IKE_STATE_ESTABLISHED || sa->state == IKE_STATE_CLOSING);
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
