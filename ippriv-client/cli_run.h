#pragma once
/* `ippriv run -- COMMAND`: the command with the tunnel as its only network. */

enum { CLI_RUN_FAILED = 125, CLI_RUN_NO_EXEC = 126, CLI_RUN_NOT_FOUND = 127, CLI_RUN_SIGNAL = 128 };

/*
 * Runs ARGV (NULL-terminated) through the daemon behind CONTROL. Exit status: the command's, or 128
 * and its signal, or one of the above.
 */
int cli_run(const char *control, char *const *argv);
