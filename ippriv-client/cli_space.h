#pragma once
/*
 * A place for a command that knows no network but the tunnel: network and mount namespace of its
 * own (and a user namespace when the caller is not root), name lookups through the tunnel only.
 */
#include <stddef.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

/* Moves this process there; single-threaded yet. 0, or -errno with one line in WHY. */
int cli_space_enter(char *why, size_t size) _must_check_;
/*
 * Puts a resolv.conf with these servers over the system's, and hides the sockets of resolvers that
 * run outside. Call after cli_space_enter. 0, or -errno with one line in WHY.
 */
int cli_space_resolver(const struct addr *servers, size_t count, char *why, size_t size) _must_check_;
