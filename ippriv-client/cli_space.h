#pragma once
/*
 * A place for a command that knows no network but the tunnel: network and mount namespace of its
 * own (and a user namespace when the caller is not root).
 */
#include "ippriv-client/cli_why.h"

/*
 * Makes a network namespace, lo up, to which nobody connects, in a user namespace of its own unless
 * root asks; this process stays where it is, single-threaded yet. 0 with a descriptor of it in *NET,
 * the caller's, or -errno with one line in WHY.
 */
int cli_space_make(int *net, char *why, size_t size) _must_check_;
/*
 * Moves this process into NET, which it or another process of the same user has made, and into a mount
 * namespace of its own. 0, or -errno with one line in WHY.
 */
int cli_space_enter(int net, char *why, size_t size) _must_check_;
