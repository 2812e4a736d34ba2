#include "ippriv-client/cli_why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int cli_why(char *why, size_t size, const char *fmt, ...)
{
	int err = errno;
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, size, fmt, args);
	va_end(args);
	return err ? -err : -EIO;
}
