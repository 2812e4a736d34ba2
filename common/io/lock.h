#pragma once
/*
 * One daemon of a kind per network namespace: an abstract Unix socket as a lock that the kernel
 * drops with the process and that each namespace has its own of.
 */
#include "common/base/cleanup.h"

/* A descriptor that holds NAME until closed, -EADDRINUSE when somebody has it, or -errno. */
int lock_take(const char *name) _must_check_;
