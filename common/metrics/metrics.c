#include "common/metrics/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { MIB = 1 << 20, FEW = 8, GROW = 4096 };

static void append(struct metrics_text *t, const char *fmt, ...) _printf_(2, 3);
static void append(struct metrics_text *t, const char *fmt, ...)
{
	va_list args;
	char *grown;
	int need;

	if (t->err)
		return;
	va_start(args, fmt);
	need = vsnprintf(t->text + t->len, t->size - t->len, fmt, args);
	va_end(args);
	if (need >= 0 && (size_t)need < t->size - t->len) {
		t->len += (size_t)need;
		return;
	}
	grown = need < 0 ? NULL : realloc(t->text, t->len + (size_t)need + GROW);
	if (!grown) {
		t->err = -ENOMEM;
		return;
	}
	t->text = grown;
	t->size = t->len + (size_t)need + GROW;
	va_start(args, fmt);
	t->len += (size_t)vsnprintf(t->text + t->len, t->size - t->len, fmt, args);
	va_end(args);
}

void metrics_family(struct metrics_text *t, enum metrics_kind kind, const char *name,
		    const char *help)
{
	append(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
	       kind == METRICS_COUNTER ? "counter" : "gauge");
}

static void append_label(struct metrics_text *t, const char *name, const char *value,
			 const char **before)
{
	if (!value)
		return;
	append(t, "%s%s=\"%s\"", *before, name, value);
	*before = ",";
}

void metrics_value(struct metrics_text *t, const char *name, const struct metrics_labels *labels,
		   uint64_t value)
{
	const char *before = "{";

	append(t, "%s", name);
	append_label(t, "role", labels->role, &before);
	append_label(t, "dir", labels->dir, &before);
	append_label(t, "reason", labels->reason, &before);
	append(t, "%s %" PRIu64 "\n", *before == ',' ? "}" : "", value);
}

void metrics_one(struct metrics_text *t, enum metrics_kind kind, const char *name, const char *help,
		 uint64_t value)
{
	metrics_family(t, kind, name, help);
	metrics_value(t, name, &(struct metrics_labels){ 0 }, value);
}

void metrics_fini(struct metrics_text *t)
{
	free(t->text);
	*t = (struct metrics_text){ 0 };
}

uint64_t metrics_round_bytes(uint64_t bytes)
{
	return bytes - bytes % MIB;
}

uint64_t metrics_round_events(uint64_t events)
{
	return events - events % FEW;
}

uint64_t metrics_round_crowd(uint64_t count)
{
	uint64_t over = count % FEW;

	return over == 0 ? count : count + (FEW - over);
}
