#pragma once
/*
 * The text of a configuration file, made ready for libconfuse: comments are blanked (libconfuse 3.3
 * counts a comment line several times), and what its lexer would drop or replace in silence is
 * refused: comments of other kinds, stray characters, ${variables}, strings over several lines.
 */
#include <stddef.h>

#include "common/base/cleanup.h"

enum { CONF_TEXT_MAX = 1 << 20 };

struct conf_text {
	char *data; /* malloc'ed, NUL at the end, no other NUL */
	int lines;  /* number of the last line, at least 1 */
};

/* 0, or -errno with a line in WHY that names PATH and, when the text is wrong, the line. */
int conf_text_read(const char *path, struct conf_text *out, char *why,
		   size_t why_size) _must_check_;
