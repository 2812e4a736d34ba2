#pragma once
/* Whose a network namespace is: a caller may have the tunnel put into its own ones only. */
#include <sys/types.h>

#include "common/base/cleanup.h"

/*
 * 0 when FD is a network namespace that belongs to UID (its user namespace was made by UID) and is
 * not the one this process is in. -EINVAL no network namespace, -EPERM somebody else's, -EBUSY ours.
 */
int ctl_owner_check(int fd, uid_t uid) _must_check_;
