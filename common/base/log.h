#pragma once
/*
 * Log lines on standard error, one a line, journald-style priority prefix when standard error is
 * the journal. A relay logs no client address above debug level.
 */
#include <sys/types.h>

#include "common/base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Process-wide, set once in main before anything logs. NAME is borrowed. */
void log_init(const char *name, enum log_level most);
/* "error", "warning", "info", "debug" to a level; -1 when it is none of them. */
int log_level_parse(const char *text);
void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);
/*
 * The same, for a line that READER may see, too, where a daemon shows its log to users (log_ring.h).
 * What other lines say is root's alone.
 */
void log_write_for(uid_t reader, enum log_level level, const char *fmt, ...) _printf_(3, 4);

enum { LOG_READER_ROOT = 0 };
#define LOG_READER_ALL ((uid_t)-1)

/* Who else gets the lines that are written, one without its end; called by the thread that writes. */
typedef void (*log_sink)(void *user, uid_t reader, enum log_level level, const char *text);
/* One for the process; NULL: none. */
void log_set_sink(log_sink sink, void *user);
const char *log_level_name(enum log_level level);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
