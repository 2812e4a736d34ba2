#pragma once
/*
 * "new-identity": what the caller does from now on shares no circuit with what it did. Answers {"ok",
 * "replaced", "runs", "host"}: free circuits that were closed and are built anew along other paths, runs
 * of the caller's whose new connections get another circuit as soon as there is one, and whether the host
 * is up and gets another one, too, which is for root to ask.
 */
#include "common/ctl/ctl.h"
#include "ippriv-client/ctl_host.h"
#include "ippriv-client/ctl_runs.h"

/* For user UID at NOW (milliseconds), root: for everybody. Others pay for each circuit. */
void ctl_identity_renew(struct ctl_stock *stock, struct ctl_runs *runs, struct ctl_host *host,
			uint64_t now, struct ctl_conn *conn, uid_t uid);
