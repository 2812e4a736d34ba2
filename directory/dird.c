#include "directory/dird.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "directory/dir_judge.h"
#include "directory/dir_serve.h"
#include "directory/dir_store.h"

enum { CHANGE_DELAY = 1000 /* milliseconds from a change to the list that has it */ };

struct dird {
	struct io_loop *loop;
	const struct dird_conf *conf;
	struct dir_store *store;
	struct dir_serve *serve;
	struct io_timer *timer; /* the next list */
	uint64_t due;           /* when TIMER fires, monotonic milliseconds */
};

static void schedule(struct dird *d, uint64_t ms)
{
	d->due = io_loop_now(d->loop) + ms;
	io_timer_start(d->timer, ms);
}

/*
 * The last list is dated in the future, or longer ago than any relay waits with its next upload.
 * The clock has jumped, or the directory was off, or the clock was wrong when it signed. What is
 * signed with a wrong clock is of use to nobody but those who keep it for later, and all relays
 * would drop out; so an upload must agree with the clock first (settle).
 */
static bool clock_in_doubt(const struct dird *d, uint64_t now)
{
	const struct dird_conf *conf = d->conf;
	uint64_t last = dir_store_published(d->store);
	uint32_t life = conf->list_life > conf->descriptor_life ? conf->list_life
								: conf->descriptor_life;

	return last != 0 && (last > now + DIR_SKEW || now > last + life);
}

static void warn_of_clock(const struct dird *d, uint64_t now)
{
	uint64_t last = dir_store_published(d->store);
	bool behind = last > now;

	log_warning("the clock is %" PRIu64 " s %s the last list: no new list before a relay's "
		    "upload agrees with the clock; set it if it is wrong; if it is right and there "
		    "are no relays: stop, remove %s/published, start",
		    behind ? last - now : now - last, behind ? "behind" : "after", d->conf->state);
}

/* A relay dates its descriptor when it uploads it: one dated now says that the clock is right. */
static void settle(struct dird *d, const struct dir_desc *desc, uint64_t now)
{
	int err;

	if (!clock_in_doubt(d, now) || now > desc->published + DIR_SKEW)
		return;
	log_info("relay %s agrees with the clock: there are lists again", desc->entry.nickname);
	dir_store_expire(d->store, now, d->conf->descriptor_life);
	err = dir_store_set_published(d->store, now);
	if (err < 0)
		log_error("cannot write in %s: %s", d->conf->state, strerror(-err));
	schedule(d, CHANGE_DELAY);
}

static int sign_list(struct dird *d)
{
	const struct dird_conf *conf = d->conf;
	uint64_t now = clock_wall(), last = dir_store_published(d->store);
	/* a list's time only ever grows */
	struct dir_list list = { .published = now > last ? now : last + 1 };
	size_t gone, len;
	uint8_t *data;
	int err;

	if (clock_in_doubt(d, now)) {
		warn_of_clock(d, now);
		return 0;
	}
	gone = dir_store_expire(d->store, now, conf->descriptor_life);
	list.fresh_until = list.published + conf->interval;
	list.valid_until = list.published + conf->list_life;
	list.count = dir_store_count(d->store);
	list.entries = calloc(list.count ? list.count : 1, sizeof(*list.entries));
	if (!list.entries)
		return -ENOMEM;
	dir_store_entries(d->store, list.entries);
	/* remembered before anyone can have seen it */
	err = dir_store_set_published(d->store, list.published);
	if (err == 0)
		err = dir_list_build(&list, &conf->key, 1, &data, &len);
	if (err == 0)
		err = dir_serve_set_list(d->serve, data, len);
	if (err == 0)
		log_debug("list %" PRIu64 ": %zu relays, %zu dropped out, %zu bytes",
			  list.published, list.count, gone, len);
	dir_list_fini(&list);
	return err;
}

static void on_timer(void *data)
{
	struct dird *d = data;
	int err = sign_list(d);

	if (err < 0)
		log_error("cannot make a new list: %s; the last one stays until it expires (state "
			  "folder %s)", strerror(-err), d->conf->state);
	schedule(d, 1000 * (uint64_t)d->conf->interval);
}

static unsigned int keep(struct dird *d, const struct dir_desc *desc, const uint8_t *data,
			 size_t len, char *say, size_t size)
{
	bool changed = false;
	int err = dir_store_put(d->store, desc, data, len, &changed);

	if (err == -EALREADY) {
		snprintf(say, size, "the descriptor is not newer than the one that is here (a "
			 "replay, or the relay's clock went back)");
		return 400;
	}
	if (err == -ENOSPC && dir_store_count(d->store) >= DIR_LIST_ENTRIES) {
		snprintf(say, size, "the list is full");
		return 503;
	}
	if (err < 0) {
		log_error("cannot keep a descriptor in %s: %s", d->conf->state, strerror(-err));
		snprintf(say, size, "the directory cannot write its state; try again later");
		return 500;
	}
	snprintf(say, size, "taken");
	if (!changed)
		return 200;
	log_info("relay %s has new values for the list", desc->entry.nickname);
	if (d->due > io_loop_now(d->loop) + CHANGE_DELAY)
		schedule(d, CHANGE_DELAY);
	return 200;
}

static unsigned int on_upload(void *user, const struct addr *from, const uint8_t *data, size_t len,
			      char *say, size_t size)
{
	struct dird *d = user;
	uint64_t now = clock_wall();
	struct dir_desc desc;
	unsigned int status;
	int err = dir_desc_parse(data, len, &desc);

	if (err < 0) {
		snprintf(say, size, "the descriptor is %s", dir_error_text(err));
		log_debug("refused an upload: %s", say);
		return 400;
	}
	status = dir_judge(d->conf, d->store, &desc, from, now, say, size);
	if (status == 200) {
		settle(d, &desc, now);
		status = keep(d, &desc, data, len, say, size);
	}
	if (status != 200)
		log_info("refused relay %s: %s", desc.entry.nickname, say);
	return status;
}

/* Relays that the operator has taken out of `relays` since they uploaded. */
static void drop_strangers(struct dird *d)
{
	for (size_t i = dir_store_count(d->store); i-- > 0;) {
		const struct dir_entry *e = &dir_store_at(d->store, i)->entry;

		if (dir_judge_allowed(d->conf, &e->identity))
			continue;
		log_info("relay %s drops out: relays does not name it", e->nickname);
		dir_store_remove(d->store, i);
	}
}

static void tell(int fd, const struct dird_conf *conf)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint e = conf->listen;
	char text[ADDR_TEXT], hex[CRYPTO_HEX];

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&ss, &e) < 0)
		e = conf->listen;
	log_info("authority %s", crypto_hex(conf->key.pub.bytes, hex));
	log_info("listening on %s", endpoint_text(&e, text));
}

static int start(struct dird *d, char *why, size_t size)
{
	const struct dird_conf *conf = d->conf;
	struct dir_serve_conf serve = dir_serve_defaults();
	int fd = dir_serve_listen(&conf->listen, why, size), err;

	if (fd < 0)
		return fd;
	err = dir_store_open(conf->state, &d->store, why, size);
	if (err < 0) {
		close(fd);
		return err;
	}
	drop_strangers(d);
	tell(fd, conf);
	serve.requests = conf->requests;
	serve.upload_max = DIR_DESC_MAX;
	serve.upload = on_upload;
	serve.user = d;
	err = dir_serve_new(d->loop, fd, &serve, &d->serve);
	if (err == 0)
		err = io_timer_new(d->loop, on_timer, d, &d->timer);
	if (err == 0)
		err = sign_list(d);
	if (err < 0) {
		snprintf(why, size, "cannot start: %s", strerror(-err));
		return err;
	}
	schedule(d, 1000 * (uint64_t)conf->interval);
	log_info("%zu relays known", dir_store_count(d->store));
	return 0;
}

int dird_new(struct io_loop *loop, const struct dird_conf *conf, struct dird **out, char *why,
	     size_t size)
{
	struct dird *d = calloc(1, sizeof(*d));
	int err;

	if (!d) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	d->loop = loop;
	d->conf = conf;
	err = start(d, why, size);
	if (err < 0) {
		dird_free(d);
		return err;
	}
	*out = d;
	return 0;
}

void dird_free(struct dird *dird)
{
	if (!dird)
		return;
	io_timer_free(dird->timer);
	dir_serve_free(dird->serve);
	dir_store_free(dird->store);
	free(dird);
}

int dird_probe(const struct dird_conf *conf, char *why, size_t size)
{
	bool busy;
	int err = dir_store_probe(conf->state, &busy, why, size), fd;

	if (err < 0)
		return err;
	fd = dir_serve_listen(&conf->listen, why, size);
	if (fd >= 0)
		close(fd);
	else if (fd != -EADDRINUSE || !busy)
		return fd;
	return 0;
}
