#include "ippriv-client/ctl_log.h"

#include <errno.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "ippriv-client/ctl_session.h"

struct follower {
	struct ctl_session session; /* first */
	struct ctl_log *log;
	struct ctl_conn *conn;
	uid_t uid;
	uint64_t after; /* the last line that it has */
	struct follower *prev, *next;
};

struct ctl_log {
	struct log_ring ring;
	struct io_timer *timer;
	struct follower *followers;
};

/* Lines are logged from within calls that must not find themselves called again: answers come later. */
static void on_line(void *user, uid_t reader, enum log_level level, const char *text)
{
	struct ctl_log *log = user;

	log_ring_add(&log->ring, clock_wall_ms(), reader, level, text);
	if (log->followers)
		io_timer_start(log->timer, 0);
}

/* A text that was cut inside a character, or holds what a peer sent, may be no UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);
	char plain[1024];
	size_t i;

	if (json)
		return json;
	for (i = 0; text[i] && i < sizeof(plain) - 1; i++)
		plain[i] = text[i] & 0x80 ? '?' : text[i];
	plain[i] = '\0';
	return json_string(plain);
}

static json_t *line_json(const struct log_ring_line *line)
{
	return json_pack("{s:I, s:s, s:o}", "time", (json_int_t)line->time, "level",
			 log_level_name(line->level), "text", text_json(line->text));
}

/* Lines after *AFTER, which moves on. All that there can be fit into one answer. */
static json_t *lines_json(const struct ctl_log *log, uid_t uid, uint64_t *after)
{
	const struct log_ring_line *line;
	json_t *lines = json_array();

	while ((line = log_ring_next(&log->ring, *after, uid))) {
		json_array_append_new(lines, line_json(line));
		*after = line->number;
	}
	return lines;
}

static void answer(struct ctl_conn *conn, json_t *lines)
{
	ctl_reply(conn, json_pack("{s:b, s:o}", "ok", true, "lines", lines));
}

static void on_timer(void *user)
{
	struct ctl_log *log = user;
	struct follower *f;

	DL_FOREACH(log->followers, f) {
		json_t *lines = lines_json(log, f->uid, &f->after);

		if (json_array_size(lines) > 0)
			ctl_reply(f->conn, json_pack("{s:s, s:o}", "event", "log", "lines", lines));
		else
			json_decref(lines);
	}
}

static void on_closed(struct ctl_session *session)
{
	struct follower *f = (struct follower *)session;

	DL_DELETE(f->log->followers, f);
	ctl_conn_set_data(f->conn, NULL);
	free(f);
}

static void follow(struct ctl_log *log, struct ctl_conn *conn, uid_t uid, uint64_t after)
{
	struct follower *f;

	if (ctl_conn_data(conn)) {
		ctl_reply_error(conn, "this connection is in use; open another");
		return;
	}
	f = calloc(1, sizeof(*f));
	if (!f) {
		ctl_reply_error(conn, "no memory left");
		return;
	}
	*f = (struct follower){ { on_closed }, log, conn, uid, after, NULL, NULL };
	DL_APPEND(log->followers, f);
	ctl_conn_set_data(conn, &f->session);
	answer(conn, lines_json(log, uid, &f->after));
}

void ctl_log_request(struct ctl_log *log, struct ctl_conn *conn, uid_t uid, const json_t *request)
{
	const json_t *lines = json_object_get(request, "lines");
	const json_t *follows = json_object_get(request, "follow");
	json_int_t count = lines ? json_integer_value(lines) : CTL_LOG_LINES;
	uint64_t after;

	if ((lines && !json_is_integer(lines)) || count < 0 || count > LOG_RING_LINES) {
		ctl_reply_error(conn, "lines is a number from 0 to %d", LOG_RING_LINES);
		return;
	}
	if (follows && !json_is_boolean(follows)) {
		ctl_reply_error(conn, "follow is true or false");
		return;
	}
	after = log_ring_tail(&log->ring, (size_t)count, uid);
	if (json_is_true(follows))
		follow(log, conn, uid, after);
	else
		answer(conn, lines_json(log, uid, &after));
}

int ctl_log_new(struct io_loop *loop, struct ctl_log **out)
{
	struct ctl_log *log = calloc(1, sizeof(*log));
	int r;

	if (!log)
		return -ENOMEM;
	r = io_timer_new(loop, on_timer, log, &log->timer);
	if (r < 0) {
		free(log);
		return r;
	}
	log_set_sink(on_line, log);
	*out = log;
	return 0;
}

void ctl_log_free(struct ctl_log *log)
{
	if (!log)
		return;
	log_set_sink(NULL, NULL);
	io_timer_free(log->timer);
	log_ring_fini(&log->ring);
	free(log);
}
