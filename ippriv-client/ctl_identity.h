#pragma once
/*
 * "new-identity": what the caller does from now on shares no circuit with what it did. Answers {"ok",
 * "replaced"}, the number of free circuits that were closed, and are built anew along other paths.
 */
#include "common/ctl/ctl.h"
#include "ippriv-client/ctl_quota.h"
#include "ippriv-client/ctl_stock.h"

/* For user UID at NOW (milliseconds). Others than root pay for each circuit out of QUOTA. */
void ctl_identity_renew(struct ctl_stock *stock, struct ctl_quota *quota, uint64_t now,
			struct ctl_conn *conn, uid_t uid);
