#include "common/base/log_ring.h"

#include <stdlib.h>
#include <stdbool.h>
#include <string.h>

static const struct log_ring_line *line_at(const struct log_ring *ring, uint64_t number)
{
	return &ring->lines[number % LOG_RING_LINES];
}

static uint64_t oldest(const struct log_ring *ring)
{
	return ring->last > LOG_RING_LINES ? ring->last - LOG_RING_LINES + 1 : 1;
}

static bool may_read(const struct log_ring_line *line, uid_t uid)
{
	if (!line->text)
		return false;
	return uid == 0 || line->reader == LOG_READER_ALL || line->reader == uid;
}

void log_ring_add(struct log_ring *ring, uint64_t time, uid_t reader, enum log_level level,
		  const char *text)
{
	struct log_ring_line *line = &ring->lines[++ring->last % LOG_RING_LINES];

	free(line->text);
	*line = (struct log_ring_line){ ring->last, time, reader, level, strdup(text) };
}

const struct log_ring_line *log_ring_next(const struct log_ring *ring, uint64_t after, uid_t uid)
{
	uint64_t number = oldest(ring);

	if (after >= ring->last)
		return NULL;
	for (number = after + 1 > number ? after + 1 : number; number <= ring->last; number++)
		if (may_read(line_at(ring, number), uid))
			return line_at(ring, number);
	return NULL;
}

uint64_t log_ring_tail(const struct log_ring *ring, size_t count, uid_t uid)
{
	uint64_t number = ring->last;

	for (; number >= oldest(ring); number--) {
		if (!may_read(line_at(ring, number), uid))
			continue;
		if (count == 0)
			break;
		count--;
	}
	return number;
}

void log_ring_fini(struct log_ring *ring)
{
	for (size_t i = 0; i < LOG_RING_LINES; i++)
		free(ring->lines[i].text);
}
