#pragma once
/*
 * What we want to ask of the peer: one request is out at a time (RFC 7296 section 2.3), the others
 * wait here. Only for the files of this folder.
 */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

enum ike_task { /* the most urgent first */
	IKE_TASK_NONE,         /* a request that nobody waits for in here */
	IKE_TASK_DELETE,       /* the IKE SA */
	IKE_TASK_UPDATE,       /* to agree to our new path */
	IKE_TASK_CHECK,        /* whether the peer is where it seems to be */
	IKE_TASK_DELETE_CHILD,
	IKE_TASK_REKEY_CHILD,
	IKE_TASK_REKEY,        /* the IKE SA */
	IKE_TASK_PROBE,
	IKE_TASK_COUNT,
};

/* A task that the peer refused for now. */
struct ike_retry {
	uint64_t at, since; /* SINCE 0: it was not refused lately */
	uint32_t interval;
};

/* The request for TASK is to go out as soon as no other waits for its answer: see ike_task_run. */
void ike_task_want(struct ike_sa *sa, enum ike_task task);
bool ike_task_is_wanted(const struct ike_sa *sa, enum ike_task task);
/* The same, but not before DELAY milliseconds have passed. */
void ike_task_later(struct ike_sa *sa, enum ike_task task, uint32_t delay);
/*
 * The same, but after a while, which grows and is not the same at both sides: the peer could not
 * do it now (TEMPORARY_FAILURE and the like). After minutes of that the IKE SA is closed.
 */
void ike_task_again(struct ike_sa *sa, enum ike_task task);
/* It was done: the next refusal is the first. */
void ike_task_done(struct ike_sa *sa, enum ike_task task);
/* When the next of what is wanted may be asked; UINT64_MAX: nothing, or an answer comes first. */
uint64_t ike_task_deadline(const struct ike_sa *sa);
/* Asks what is most urgent unless a request is out; arms the timer. Not for a dead SA. */
void ike_task_run(struct ike_sa *sa);
/* The answer to our request for TASK; the request is forgotten already. */
void ike_task_answered(struct ike_sa *sa, enum ike_task task, const struct ike_payloads *p);
