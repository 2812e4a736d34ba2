#pragma once
/*
 * Log lines on standard error, one a line, journald-style priority prefix when standard error is
 * the journal. A relay logs no client address above debug level.
 */
#include "common/base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Process-wide, set once in main before anything logs. NAME is borrowed. */
void log_init(const char *name, enum log_level most);
/* "error", "warning", "info", "debug" to a level; -1 when it is none of them. */
int log_level_parse(const char *text);
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
