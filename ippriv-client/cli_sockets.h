#pragma once
/*
 * `--no-sockets`: the command cannot make sockets by which it would reach programs outside of its
 * network namespace: Unix sockets (D-Bus, X11, agents, wherever their files lie) and AF_VSOCK. Pairs of
 * connected Unix sockets still work.
 */
#include "common/base/cleanup.h"

/* In force for whatever this process executes, set-user-ID programs gain nothing then. 0 or -errno. */
int cli_sockets_close(void) _must_check_;
