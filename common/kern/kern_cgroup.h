#pragma once
/* Control groups (version 2) whose sockets bear a mark from the start, so that they are routed by it. */
#include <stdint.h>

#include "common/base/cleanup.h"

/*
 * Each socket that a process in the group behind FD (its folder) makes from now on bears MARK. Again:
 * replaces. Holds until the group is removed. 0 or -errno; needs CAP_SYS_ADMIN.
 */
int kern_cgroup_mark(int fd, uint32_t mark) _must_check_;
