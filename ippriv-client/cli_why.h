#pragma once
/* How the parts of `ippriv run` say what failed: one line for a person, and an error. */
#include <stddef.h>

#include "common/base/cleanup.h"

/* Writes the line into WHY and returns -errno of the call before (-EIO when there is none). */
int cli_why(char *why, size_t size, const char *fmt, ...) _printf_(3, 4);
