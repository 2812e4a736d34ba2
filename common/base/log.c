#include "common/base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	const char *name;
	enum log_level most;
	bool journal;
	log_sink sink;
	void *user;
} log_state = { "ippriv", LOG_LEVEL_INFO, false, NULL, NULL };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_init(const char *name, enum log_level most)
{
	log_state.name = name;
	log_state.most = most;
	log_state.journal = getenv("JOURNAL_STREAM") != NULL;
}

int log_level_parse(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(level_names[i], text) == 0)
			return (int)i;
	return -1;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_set_sink(log_sink sink, void *user)
{
	log_state.sink = sink;
	log_state.user = user;
}

/* The time of day, in front of every line while debugging; the journal has its own. */
static const char *clock_text(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;

	out[0] = '\0';
	if (log_state.most < LOG_LEVEL_DEBUG || log_state.journal)
		return out;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	snprintf(out, size, "%02d:%02d:%02d.%03ld ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 now.tv_nsec / 1000000);
	return out;
}

static void _printf_(3, 0) write_line(uid_t reader, enum log_level level, const char *fmt, va_list args)
{
	static const char *const prefix[] = { "<3>", "<4>", "<6>", "<7>" };
	char line[1024], clock[32];

	if (level > log_state.most)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	fprintf(stderr, "%s%s%s: %s\n", log_state.journal ? prefix[level] : "",
		clock_text(clock, sizeof(clock)), log_state.name, line);
	if (log_state.sink)
		log_state.sink(log_state.user, reader, level, line);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(LOG_READER_ROOT, level, fmt, args);
	va_end(args);
}

void log_write_for(uid_t reader, enum log_level level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	write_line(reader, level, fmt, args);
	va_end(args);
}
