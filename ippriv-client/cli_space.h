#pragma once
/*
 * A place for a command that knows no network but the tunnel: network and mount namespace of its
 * own (and a user namespace when the caller is not root).
 */
#include "ippriv-client/cli_why.h"

/* Moves this process there; single-threaded yet. 0, or -errno with one line in WHY. */
int cli_space_enter(char *why, size_t size) _must_check_;
