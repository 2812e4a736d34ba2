#pragma once
/* `ippriv run -- COMMAND`: the command with the tunnel as its only network. */
#include <stdbool.h>

#include "ippriv-client/cli_child.h"

struct cli_run {
	const char *control; /* socket of the daemon */
	const char *isolate; /* runs of this name share a circuit; NULL: with nobody */
	const char *exit;    /* relays, commas between; NULL: as the daemon's configuration says */
	bool no_sockets;     /* cli_sockets.h */
	char *const *argv;   /* NULL-terminated */
};

/* Exit status: the command's, or 128 and its signal, or one of cli_child.h. */
int cli_run(const struct cli_run *run);
