#pragma once
/*
 * The command of `ippriv run` and what it leaves behind. Two processes of ours wait: the one that was
 * called ends with the command's status, the other one holds the connection to the daemon until the
 * last process that the command has left running is gone, too.
 */
#include <stdbool.h>

#include "common/base/cleanup.h"

enum { CLI_RUN_FAILED = 125, CLI_RUN_NO_EXEC = 126, CLI_RUN_NOT_FOUND = 127, CLI_RUN_SIGNAL = 128 };

struct cli_child {
	char *const *argv;
	int control; /* the connection; taken */
	int (*shut_in)(void *user); /* in the command's process, before it becomes the command */
	bool (*heard)(void *user);  /* there is something to read on CONTROL; false: it has ended */
	void *user;
};

/* Exit status: the command's, or 128 and its signal, or one of the above. */
int cli_child_run(const struct cli_child *conf);
