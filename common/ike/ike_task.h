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
	IKE_TASK_PROBE,
	IKE_TASK_COUNT,
};

/* The request for TASK is to go out as soon as no other waits for its answer: see ike_task_run. */
void ike_task_want(struct ike_sa *sa, enum ike_task task);
bool ike_task_is_wanted(const struct ike_sa *sa, enum ike_task task);
/* Asks what is most urgent unless a request is out; arms the timer. Not for a dead SA. */
void ike_task_run(struct ike_sa *sa);
/* The answer to our request for TASK; the request is forgotten already. */
void ike_task_answered(struct ike_sa *sa, enum ike_task task, const struct ike_payloads *p);
