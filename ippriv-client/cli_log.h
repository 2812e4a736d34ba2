#pragma once
/* `ippriv log`: what the daemon has logged, as far as the caller may know. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { CLI_LOG_LINES = 50 }; /* when nothing else is said */

/* The newest LINES; with FOLLOW those to come, too, until the daemon ends. Exit status. */
int cli_log(const char *control, int lines, bool follow);
/* One answer, a line each: time of day, level (unless it is info), text. */
void cli_log_print(FILE *out, const json_t *answer);
