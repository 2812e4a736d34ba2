#pragma once
/* `ippriv status`: what the daemon has, for people or as JSON. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Asks the daemon behind CONTROL and prints. Exit status. */
int cli_status(const char *control, bool json);
/* The daemon's answer as text for people. */
void cli_status_print(FILE *out, const json_t *answer);
