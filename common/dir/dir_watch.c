#include "common/dir/dir_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/dir/dir_http.h"
#include "common/dir/dir_pace.h"

enum {
	FETCH_TIMEOUT = 20,    /* seconds */
	HURRY_GAP = 3000,      /* milliseconds between hurried fetches */
	STATE_TEXT = 32 + ADDR_TEXT,
};

/* Outlives the watch when a fetch is under way. */
struct fetch {
	struct dir_watch *watch; /* NULL: nobody wants it any more */
	char *url;
	uint32_t mark;
	bool indirect; /* first without the mark */
	struct dir_http_stop *stop;
	struct addr last, reached;
	uint8_t *data;
	size_t len;
	int err;
	char why[256];
};

struct dir_watch {
	struct io_loop *loop;
	struct dir_watch_conf conf;
	struct io_timer *timer;
	struct fetch *fetch;
	struct dir_list list;
	bool have, indirect;
	uint64_t newest;     /* published time of the newest list ever accepted */
	struct addr reached; /* where the directory was then; no family: unknown */
	uint64_t last_hurry; /* milliseconds of the loop */
	struct dir_pace pace;
};

static void fetch_free(struct fetch *f)
{
	free(f->url);
	dir_http_stop_free(f->stop);
	free(f->data);
	free(f);
}

static void fetch_work(void *data)
{
	struct fetch *f = data;

	struct dir_http_to to = { .url = f->url, .timeout = FETCH_TIMEOUT,
				  .mark = f->indirect ? 0 : f->mark, .stop = f->stop,
				  .last = f->last, .reached = &f->reached };

	f->err = dir_http_fetch(&to, &f->data, &f->len, f->why, sizeof(f->why));
	if (f->err == 0 || f->err == -ECANCELED || !f->indirect)
		return;
	to.mark = f->mark;
	f->err = dir_http_fetch(&to, &f->data, &f->len, f->why, sizeof(f->why));
}

/* The time, and in the second line the address, which an older version did not write. */
static int state_load(struct dir_watch *w)
{
	_cleanup_close_ int fd = open(w->conf.state, O_RDONLY | O_CLOEXEC);
	char text[STATE_TEXT] = "", address[ADDR_TEXT];
	int n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	n = sscanf(text, "%" SCNu64 "%45s", &w->newest, address);
	if (n < 1 || (n == 2 && addr_parse(address, &w->reached) < 0))
		return -EBADMSG;
	return 0;
}

static void fetch_failed(struct dir_watch *w, const char *why)
{
	uint32_t wait = dir_pace_failed(&w->pace);

	log_write_for(LOG_READER_ALL, LOG_LEVEL_WARNING,
		      "no new relay list from %s: %s; next try in %u s", w->conf.url, why,
		      wait / 1000);
	io_timer_start(w->timer, wait);
}

static void remember(struct dir_watch *w, const struct addr *reached)
{
	char text[STATE_TEXT], address[ADDR_TEXT] = "";
	int len, err;

	if (w->newest == w->list.published && addr_equal(&w->reached, reached))
		return;
	w->newest = w->list.published;
	w->reached = *reached;
	if (!w->conf.state)
		return;
	if (reached->family != 0)
		addr_text(reached, address);
	len = snprintf(text, sizeof(text), "%" PRIu64 "\n%s%s", w->newest, address,
		       *address ? "\n" : "");
	err = file_replace(w->conf.state, text, (size_t)len);
	if (err < 0)
		log_warning("cannot write %s: %s", w->conf.state, strerror(-err));
}

/* A list that was verified; its entries are the watch's from here on. */
static void take(struct dir_watch *w, struct dir_list *list, const struct addr *reached)
{
	bool newer = !w->have || list->published != w->list.published;

	io_timer_start(w->timer, dir_pace_taken(&w->pace, list, newer, clock_wall()));
	if (!newer) {
		dir_list_fini(list);
		return;
	}
	log_write_for(LOG_READER_ALL, LOG_LEVEL_INFO, "relay list with %zu relays", list->count);
	if (w->have)
		dir_list_fini(&w->list);
	w->list = *list;
	w->have = true;
	remember(w, reached);
	w->conf.list(w->conf.user, &w->list);
}

/* A list that was taken while this clock was ahead keeps all others out until its time comes. */
static void tell_of_future(const struct dir_watch *w)
{
	uint64_t now = clock_wall();

	if (w->newest <= now + DIR_SKEW)
		return;
	log_write_for(LOG_READER_ALL, LOG_LEVEL_WARNING,
		      "the newest list so far is dated %" PRIu64 " s in the future; set this clock, "
		      "or when it is right stop%s%s and start again", w->newest - now,
		      w->conf.state ? ", remove " : "", w->conf.state ? w->conf.state : "");
}

static void fetch_judge(struct dir_watch *w, const struct fetch *f)
{
	struct dir_list list;
	int err = f->err;

	if (err < 0) {
		fetch_failed(w, f->why);
		return;
	}
	err = dir_list_parse(f->data, f->len, &w->conf.trust, clock_wall(), w->newest, &list);
	if (err == -EALREADY)
		tell_of_future(w);
	if (err < 0)
		fetch_failed(w, dir_error_text(err));
	else
		take(w, &list, &f->reached);
}

static void fetch_done(void *data)
{
	struct fetch *f = data;

	if (f->watch) {
		f->watch->fetch = NULL;
		fetch_judge(f->watch, f);
	}
	fetch_free(f);
}

static void start_fetch(void *data)
{
	struct dir_watch *w = data;
	struct fetch *f;

	if (w->fetch)
		return;
	f = calloc(1, sizeof(*f));
	if (f) {
		f->mark = w->conf.mark;
		f->indirect = w->indirect;
		f->last = w->reached;
	}
	if (!f || !(f->url = strdup(w->conf.url)) || dir_http_stop_new(&f->stop) < 0 ||
	    io_work(w->loop, fetch_work, fetch_done, f) < 0) {
		if (f)
			fetch_free(f);
		fetch_failed(w, "out of memory or threads");
		return;
	}
	f->watch = w;
	w->fetch = f;
}

void dir_watch_indirect(struct dir_watch *w, bool indirect)
{
	w->indirect = indirect;
}

int dir_watch_new(struct io_loop *loop, const struct dir_watch_conf *conf, struct dir_watch **out)
{
	struct dir_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->conf = *conf;
	w->pace = dir_pace_start(conf->refresh);
	err = conf->state ? state_load(w) : 0;
	if (err < 0)
		log_error("%s: %s; it keeps the time of the newest relay list: mend or remove it",
			  conf->state, err == -EBADMSG ? "no number in it" : strerror(-err));
	else
		err = io_timer_new(loop, start_fetch, w, &w->timer);
	if (err < 0) {
		free(w);
		return err;
	}
	start_fetch(w);
	*out = w;
	return 0;
}

void dir_watch_free(struct dir_watch *w)
{
	if (!w)
		return;
	if (w->fetch) {
		w->fetch->watch = NULL;
		dir_http_stop(w->fetch->stop);
	}
	if (w->have)
		dir_list_fini(&w->list);
	io_timer_free(w->timer);
	free(w);
}

void dir_watch_hurry(struct dir_watch *w)
{
	uint64_t now = io_loop_now(w->loop);

	if (now - w->last_hurry < HURRY_GAP)
		return;
	w->last_hurry = now;
	start_fetch(w);
}

const struct dir_list *dir_watch_list(const struct dir_watch *w)
{
	return w->have && w->list.valid_until > clock_wall() ? &w->list : NULL;
}

bool dir_watch_reached(const struct dir_watch *w)
{
	return w->reached.family != 0;
}

const char *dir_trust_parse(char *const *hex, size_t count, uint32_t threshold,
			    struct dir_trust *out, size_t *bad)
{
	struct dir_trust trust = { .count = count, .threshold = threshold };

	*bad = 0;
	if (count == 0 || count > DIR_LIST_AUTHORITIES)
		return "authorities: give 1 to 16 keys";
	if (threshold == 0 || threshold > count)
		return "threshold: must be 1 to the number of authorities";
	for (size_t i = 0; i < count; i++) {
		*bad = i;
		if (crypto_hex_parse(hex[i], trust.keys[i].bytes) < 0)
			return "authorities: not a key of 64 hex digits";
		for (size_t k = 0; k < i; k++)
			if (memcmp(&trust.keys[k], &trust.keys[i], sizeof(trust.keys[i])) == 0)
				return "authorities: a key stands there twice; remove one";
	}
	*out = trust;
	return NULL;
}
