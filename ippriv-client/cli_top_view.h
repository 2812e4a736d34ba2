#pragma once
/* The picture of `ippriv top`, made of two answers to "circuits": pure. */
#include <jansson.h>
#include <stdio.h>

struct cli_top_size {
	unsigned int width, height; /* columns and lines, at least 1 */
};

/*
 * Writes at most SIZE.height lines of at most SIZE.width columns. Rates are what NOW has more than
 * BEFORE, a second; BEFORE may be NULL, then they are not known.
 */
void cli_top_view(FILE *out, const json_t *before, const json_t *now, struct cli_top_size size);
