#pragma once
/* `ippriv circuits`: one line for each. `ippriv new-identity`. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Asks the daemon behind CONTROL and prints. Exit status. */
int cli_circuits(const char *control, bool json);
int cli_new_identity(const char *control);
/* The daemon's answer to "circuits" as a table. */
void cli_circuits_print(FILE *out, const json_t *answer);
