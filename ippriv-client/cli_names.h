#pragma once
/*
 * How a command looks names up: through the tunnel, whatever the host does to its own files later.
 * A mount on a file or directory falls off, in all mount namespaces, when somebody renames another
 * over it or removes it; so nothing here is mounted on what the host replaces.
 *
 *   /etc  read-only, the host's with resolv.conf and nsswitch.conf of our own above it (overlay)
 *   /run  a tmpfs of our own, with what was there bound into it, without the name services' sockets
 */
#include "common/base/addr.h"
#include "ippriv-client/cli_why.h"

enum { CLI_NAMES_SERVERS = 4 };

/*
 * In a mount namespace of our own (cli_space_enter). 0 with a descriptor of resolv.conf in *FILE, the
 * caller's, or -errno with one line in WHY.
 */
int cli_names_cover(const struct addr *servers, size_t count, int *file, char *why,
		    size_t size) _must_check_;
/* Other SERVERS for those who look into resolv.conf from now on; libc looks before each lookup. */
int cli_names_change(int file, const struct addr *servers, size_t count) _must_check_;
