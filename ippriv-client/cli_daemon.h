#pragma once
/* The way to ippriv-client. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/base/cleanup.h"

/* Of `ippriv`, but for `run` (cli_run.h). */
enum { CLI_GOOD, CLI_FAILED, CLI_USAGE };

/* A connection to the control socket at PATH, or -errno with one line logged. */
int cli_daemon_connect(const char *path) _must_check_;
/*
 * Sends REQUEST (taken; NULL: no memory was left) through FD and waits for the answer. CLI_GOOD with
 * ANSWER, else CLI_FAILED with one line logged.
 */
int cli_daemon_ask(int fd, json_t *request, json_t **answer) _must_check_;
/* Sends COMMAND alone, and prints the answer by PRINT or as JSON. Exit status. */
int cli_daemon_show(const char *path, const char *command, bool json,
		    void (*print)(FILE *out, const json_t *answer)) _must_check_;
/*
 * Sends REQUEST (taken) on a connection of its own. CLI_GOOD with *ANSWER (the caller's), or another
 * exit status with one line logged, also for an answer that is an error.
 */
int cli_daemon_call(const char *path, json_t *request, json_t **answer) _must_check_;
