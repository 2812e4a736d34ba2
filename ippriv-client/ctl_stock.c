#include "ippriv-client/ctl_stock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "ippriv-client/ctl_roam.h"

enum {
	BACKOFF_FIRST = 500,  /* milliseconds */
	BACKOFF_MOST = 60000,
	SLOW_MS = 2500,  /* a circuit whose next hop is not up by then is not waited for */
	REDRAWS = 4,     /* of paths that end at the exit that somebody wants to leave */
	SILENT_MS = 60000, /* without a circuit that got ready: perhaps no entry could be reached */
	SLOW_MOST = 3,   /* of them at once, then building another one would only add to the load */
};

struct stocked {
	struct ctl_stock *stock;
	struct ctl_circuit *circuit;
	void *taker; /* NULL: not taken, or over */
	struct ctl_stock_wish *wish; /* that it was built for, and nobody else; NULL: anybody */
	struct ctl_stock_holder holder;
	bool released;
	bool slow; /* while it was being built: others are built beside it */
	uint64_t next_look; /* at its counters; 0: not ready so far */
	struct stocked *prev, *next;
};

struct ctl_stock {
	struct ctl_stock_conf conf;
	const struct dir_list *list;
	struct io_timer *timer;
	struct stocked *all;
	struct ctl_stock_wish *wishes;
	uint32_t last_id;
	unsigned int failures; /* in a row */
	bool away; /* the last one had no way to its entry */
	uint64_t next_try, next_poll;
	uint64_t silent_since; /* the first entry that failed since a circuit got ready; 0: none */
	bool stopping, stopped;
	bool kicked;    /* the timer is to run at once */
	bool unlisted;  /* there is no list in force, which has been said */
	struct ctl_avoid avoid;
	int path_error; /* the last ctl_path_choose's, so that it is said once */
};

static uint64_t now_ms(const struct ctl_stock *stock)
{
	return io_loop_now(stock->conf.loop);
}

/* All work is done on the timer, so that nobody is surprised in the middle of a call. */
static void kick(struct ctl_stock *stock)
{
	stock->kicked = true;
	io_timer_start(stock->timer, 0);
}

uint64_t ctl_stock_backoff(unsigned int failures, random_source random, void *ctx)
{
	uint64_t ms = BACKOFF_FIRST;

	while (failures-- > 1 && ms < BACKOFF_MOST)
		ms *= 2;
	if (ms > BACKOFF_MOST)
		ms = BACKOFF_MOST;
	return ms / 2 + random_below(random, ctx, ms / 2 + 1);
}

static enum ctl_circuit_state state_of(const struct stocked *s)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(s->circuit, &info);
	return info.state;
}

static int op_channel_open(void *user, int fd, struct ike_path *path)
{
	struct stocked *s = user;

	return ctl_ike_open(s->stock->conf.ike, fd, path);
}

static void op_channel_close(void *user, uint32_t channel)
{
	struct stocked *s = user;

	ctl_ike_close(s->stock->conf.ike, channel);
}

static int op_source(void *user, const struct addr *remote, struct addr *out)
{
	(void)user;
	return ctl_ike_source(remote, out);
}

static uint32_t op_path_mtu(void *user, const struct addr *remote)
{
	(void)user;
	return ctl_ike_path_mtu(remote);
}

static uint64_t op_now(void *user)
{
	return now_ms(((struct stocked *)user)->stock);
}

/*
 * A hop that is silent may be cut off by those before it; but where a user has chosen the exit, it
 * would be easy to bring others into suspicion.
 */
static void avoid_failed(struct ctl_stock *stock, const struct ctl_circuit_info *info, size_t failed,
			 bool silent, bool chosen)
{
	const struct dir_entry *hops = info->path->hops;

	if (failed >= CTL_CIRCUIT_HOPS)
		return;
	for (size_t i = 0; silent && !chosen && i < failed; i++)
		ctl_avoid_suspect(&stock->avoid, &hops[i].identity, now_ms(stock));
	if (failed > 0) {
		ctl_avoid_add(&stock->avoid, &hops[failed].identity, now_ms(stock));
		return;
	}
	ctl_avoid_entry(&stock->avoid, &hops[0].identity, now_ms(stock));
	if (stock->silent_since == 0)
		stock->silent_since = now_ms(stock);
}

static void unavoid(struct ctl_stock *stock, const struct ctl_circuit_info *info)
{
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		ctl_avoid_drop(&stock->avoid, &info->path->hops[i].identity);
}

/* A circuit begins to close: was it a failure, and whose? */
static void on_closing(struct stocked *s, const struct ctl_circuit_info *info)
{
	struct ctl_stock *stock = s->stock;
	unsigned int *failures;
	uint64_t wait;

	if (s->released || stock->stopping)
		return;
	avoid_failed(stock, info, info->failed_hop, info->silent, s->wish);
	if (info->ready) {
		log_write_for(s->holder.taken ? s->holder.uid : LOG_READER_ROOT, LOG_LEVEL_INFO,
			      "circuit %u has ended: %s", info->id, info->why);
		return;
	}
	if (info->moved) {
		log_info("circuit %u was not ready yet: %s", info->id, info->why);
		return;
	}
	failures = s->wish ? &s->wish->failures : &stock->failures;
	wait = ctl_stock_backoff(++*failures, crypto_random_source, NULL);
	if (s->wish) {
		s->wish->next_try = now_ms(stock) + wait;
	} else {
		stock->away = info->away;
		stock->next_try = now_ms(stock) + wait;
	}
	log_write_for(s->wish ? LOG_READER_ROOT : LOG_READER_ALL, LOG_LEVEL_WARNING,
		      "circuit %u failed: %s; the next attempt is in %.1f s", info->id, info->why,
		      (double)wait / 1000);
}

static void let_go(struct stocked *s)
{
	s->taker = NULL;
	s->wish = NULL;
	s->released = true;
	s->holder.attached = false;
}

/* After a time in which perhaps the network was to blame, the guards that others stood in for are tried again. */
static void take_guards_back(struct ctl_stock *stock)
{
	const struct guards *g = stock->conf.guards;
	bool silent = stock->silent_since && now_ms(stock) - stock->silent_since >= SILENT_MS;

	for (size_t i = 0; g && silent && i < g->count && i < stock->conf.guards_used; i++)
		ctl_avoid_drop(&stock->avoid, &g->items[i].relay);
	stock->silent_since = 0;
}

static void op_changed(void *user, struct ctl_circuit *c)
{
	struct stocked *s = user;
	struct ctl_stock *stock = s->stock;
	struct ctl_circuit_info info;
	void *taker = s->taker;

	ctl_circuit_info(c, &info);
	if (info.state == CTL_CIRCUIT_READY) {
		if (!s->wish)
			stock->failures = stock->next_try = 0;
		if (s->slow)
			unavoid(stock, &info);
		take_guards_back(stock);
		log_info("circuit %u is ready after %.3f s", info.id,
			 (double)(info.ready - info.started) / 1000);
	} else if (info.state == CTL_CIRCUIT_CLOSING) {
		on_closing(s, &info);
		if (taker) {
			let_go(s);
			stock->conf.events->lost(stock->conf.user, taker, c);
		}
	}
	kick(stock);
}

static const struct ctl_circuit_ops circuit_ops = {
	.channel_open = op_channel_open,
	.channel_close = op_channel_close,
	.source = op_source,
	.path_mtu = op_path_mtu,
	.now = op_now,
	.changed = op_changed,
};

static bool ends_at(const struct ctl_path *path, const struct crypto_pub *exit)
{
	return memcmp(&path->hops[CTL_PATH_HOPS - 1].identity, exit, sizeof(*exit)) == 0;
}

/* Somebody waits for a circuit out at another exit than this path's. */
static bool is_unwanted(const struct ctl_stock *stock, const struct ctl_path *path)
{
	const struct ctl_stock_wish *wish;

	DL_FOREACH(stock->wishes, wish)
		if (!wish->exit && wish->not_exit && ends_at(path, wish->not_exit))
			return true;
	return false;
}

static int choose_once(struct ctl_stock *stock, const struct pins pins[PINS_HOPS],
		       struct ctl_path *out)
{
	const uint64_t now = clock_wall(), listed = stock->list->published;
	const struct ctl_guard_from from = {
		.list = stock->list, .avoid = &stock->avoid, .pins = pins,
		.random = crypto_random_source,
		.now = now > listed ? now : listed, /* who sets the clock back has no guards drawn by that */
	};
	bool changed;
	int r;

	if (!stock->conf.guards)
		return ctl_path_choose(from.list, from.avoid, pins, from.random, from.ctx, out);
	r = ctl_guard_choose(stock->conf.guards, stock->conf.guards_used, &from, out, &changed);
	if (changed)
		stock->conf.events->guards_changed(stock->conf.user);
	return r;
}

/* Says once what is wrong with the list, not at every attempt. */
static bool choose(struct ctl_stock *stock, const struct ctl_stock_wish *wish,
		   struct ctl_path *out)
{
	struct pins pins[PINS_HOPS];
	int r;

	ctl_avoid_expire(&stock->avoid, now_ms(stock));
	memcpy(pins, stock->conf.pins, sizeof(pins));
	if (wish)
		pins[PINS_HOPS - 1] = *wish->exit;
	r = choose_once(stock, pins, out);
	for (size_t i = 0; !wish && r == 0 && i < REDRAWS && is_unwanted(stock, out); i++)
		r = choose_once(stock, pins, out);
	if (wish)
		return r == 0; /* who wishes is told in another way */
	if (r < 0 && r != stock->path_error)
		log_write_for(LOG_READER_ALL, LOG_LEVEL_WARNING,
			      "no path: %s; waiting for a better list",
			      r == -ENXIO ? ctl_path_why(stock->list, stock->conf.pins) :
			      r == -ESRCH ? "the relay list has no exit" :
					    "the relay list has fewer than three relays");
	stock->path_error = r;
	if (r == 0 && out->shares_net)
		log_debug("the relay list is small: two hops stand in one /16");
	return r == 0;
}

/* For WISH alone, NULL: for anybody. */
static bool start_one(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	struct ctl_circuit_conf conf = {
		.id = stock->last_id + 1,
		.host = ctl_ike_host(stock->conf.ike),
		.dp = stock->conf.dp,
		.ops = &circuit_ops,
		.rules = stock->conf.rules,
	};
	struct stocked *s;

	if (!choose(stock, wish, &conf.path))
		return false;
	s = calloc(1, sizeof(*s));
	if (!s)
		return false;
	s->stock = stock;
	s->wish = wish;
	conf.user = s;
	stock->last_id++;
	if (ctl_circuit_new(&conf, &s->circuit) < 0) {
		free(s);
		return false;
	}
	DL_APPEND(stock->all, s);
	return true;
}

static bool is_free(const struct stocked *s)
{
	return !s->taker && !s->released && state_of(s) <= CTL_CIRCUIT_READY;
}

static bool is_old(const struct stocked *s)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(s->circuit, &info);
	return info.ready && now_ms(s->stock) - info.ready >= CTL_STOCK_AGE_MS;
}

/* Tells of the change from a list in force to none, once. */
static bool have_list(struct ctl_stock *stock)
{
	bool have = stock->list && stock->list->valid_until > clock_wall();

	if (!have && stock->list && !stock->unlisted) {
		log_write_for(LOG_READER_ALL, LOG_LEVEL_WARNING,
			      "the relay list has expired; no circuits until there is a new one");
		stock->conf.events->list_wanted(stock->conf.user);
	}
	stock->unlisted = !have;
	return have;
}

bool ctl_stock_listed(const struct dir_list *list, const struct ctl_path *path)
{
	for (size_t i = 0; i < CTL_PATH_HOPS; i++) {
		const struct dir_entry *hop = &path->hops[i];
		const struct dir_entry *e = dir_list_find(list, &hop->identity);

		if (!e || e->port != hop->port || !addr_equal(&e->address, &hop->address))
			return false;
	}
	return true;
}

static void discard(struct stocked *s, const char *why)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(s->circuit, &info);
	log_info("circuit %u goes: %s", info.id, why);
	let_go(s);
	ctl_circuit_close(s->circuit);
}

/* Free circuits that nobody is to get any more. Taken ones are their user's to end. */
static void discard_unlisted(struct ctl_stock *stock)
{
	bool have = have_list(stock);
	struct ctl_circuit_info info;
	struct stocked *s;

	DL_FOREACH(stock->all, s) {
		if (!is_free(s))
			continue;
		ctl_circuit_info(s->circuit, &info);
		if (!have)
			discard(s, "the relay list has expired");
		else if (!ctl_stock_listed(stock->list, info.path))
			discard(s, "a relay of it is not listed any more");
	}
}

static bool is_slow(const struct stocked *s)
{
	return s->slow && state_of(s) == CTL_CIRCUIT_BUILDING;
}

/* Ready ones that nobody has, and may have for a while. */
static size_t count_young(const struct ctl_stock *stock)
{
	const struct stocked *s;
	size_t n = 0;

	DL_FOREACH(stock->all, s)
		n += is_free(s) && !s->wish && state_of(s) == CTL_CIRCUIT_READY && !is_old(s);
	return n;
}

/* Old ones, once there are others in their place. */
static void discard_old(struct ctl_stock *stock)
{
	struct stocked *s;

	if (count_young(stock) < stock->conf.keep)
		return;
	DL_FOREACH(stock->all, s)
		if (is_free(s) && is_old(s))
			discard(s, "it has waited for long and is replaced");
}

/* What others were built beside, once these are enough. */
static void discard_slow(struct ctl_stock *stock)
{
	size_t young = count_young(stock);
	struct stocked *s;

	DL_FOREACH(stock->all, s) {
		size_t counted = state_of(s) == CTL_CIRCUIT_READY;

		if (!s->slow || s->wish || !is_free(s) || young < stock->conf.keep + counted)
			continue;
		young -= counted;
		discard(s, "others were quicker");
	}
}

/* When it becomes slow, UINT64_MAX: never any more. */
static uint64_t slow_at(const struct stocked *s)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(s->circuit, &info);
	return s->slow || info.state != CTL_CIRCUIT_BUILDING ? UINT64_MAX : info.progress + SLOW_MS;
}

/* A relay that is dead or held up costs seconds until that is certain: nobody is to wait for it. */
static void find_slow(struct ctl_stock *stock)
{
	struct ctl_circuit_info info;
	struct stocked *s;

	DL_FOREACH(stock->all, s) {
		if (now_ms(stock) < slow_at(s))
			continue;
		ctl_circuit_info(s->circuit, &info);
		s->slow = true;
		avoid_failed(stock, &info, info.hops_up, true, s->wish);
		log_write_for(s->wish ? LOG_READER_ROOT : LOG_READER_ALL, LOG_LEVEL_INFO,
			      "circuit %u is slow: hop %zu is not up after %.1f s; it is not waited for",
			      info.id, info.hops_up + 1, SLOW_MS / 1000.0);
	}
}

/* The free circuits that do for WISH: exits as they are wanted, and not kept for others. */
static bool serves(const struct stocked *s, const struct ctl_stock_wish *wish)
{
	struct ctl_circuit_info info;

	if (!is_free(s) || (s->wish && s->wish != wish))
		return false;
	ctl_circuit_info(s->circuit, &info);
	return !wish->exit || pins_allow(wish->exit, &info.path->hops[CTL_PATH_HOPS - 1]);
}

static bool is_met(const struct ctl_stock *stock, const struct ctl_stock_wish *wish)
{
	const struct stocked *s;
	size_t slow = 0;

	DL_FOREACH(stock->all, s) {
		if (!serves(s, wish) || (!s->wish && state_of(s) != CTL_CIRCUIT_READY))
			continue;
		if (!is_slow(s) || ++slow > SLOW_MOST)
			return true;
	}
	return false;
}

static void fill_wishes(struct ctl_stock *stock)
{
	struct ctl_stock_wish *wish;

	DL_FOREACH(stock->wishes, wish)
		if (wish->exit && now_ms(stock) >= wish->next_try && !is_met(stock, wish) &&
		    !start_one(stock, wish))
			wish->next_try = now_ms(stock) + BACKOFF_FIRST;
}

/* What nobody has, ready or to be ready soon. */
static size_t count_stock(const struct ctl_stock *stock)
{
	const struct stocked *s;
	size_t n = 0, slow = 0;

	DL_FOREACH(stock->all, s)
		if (is_free(s) && !s->wish && !is_old(s))
			n += !is_slow(s) || ++slow > SLOW_MOST;
	return n;
}

static void fill(struct ctl_stock *stock)
{
	size_t have;

	if (stock->stopping)
		return;
	discard_unlisted(stock);
	discard_old(stock);
	discard_slow(stock);
	if (stock->unlisted)
		return;
	fill_wishes(stock);
	if (now_ms(stock) < stock->next_try)
		return;
	have = count_stock(stock);
	while (have < stock->conf.keep && now_ms(stock) >= stock->next_try &&
	       start_one(stock, NULL))
		have++;
}

/*
 * Each circuit at times of its own: a look may end with a question to its hops, and hops of several
 * circuits that were asked in one moment could tell that these have one owner.
 */
static void look(struct stocked *s, uint64_t now)
{
	const uint32_t every = s->stock->conf.look_every;

	if (state_of(s) != CTL_CIRCUIT_READY || now < s->next_look)
		return;
	if (s->next_look > 0)
		ctl_circuit_poll(s->circuit);
	s->next_look = now + (s->next_look > 0 ? every : 1 + crypto_random_below(every));
}

static void poll_counters(struct ctl_stock *stock)
{
	uint64_t now = now_ms(stock);
	struct stocked *s;

	DL_FOREACH(stock->all, s)
		look(s, now);
	if (now >= stock->next_poll)
		stock->next_poll = now + stock->conf.look_every;
}

static bool have_ready(const struct ctl_stock *stock)
{
	const struct stocked *s;

	DL_FOREACH(stock->all, s)
		if (!s->taker && !s->released && state_of(s) == CTL_CIRCUIT_READY)
			return true;
	return false;
}

static void rearm(struct ctl_stock *stock)
{
	uint64_t at = stock->next_poll, now = now_ms(stock);
	const struct ctl_stock_wish *wish;
	struct stocked *s;

	DL_FOREACH(stock->wishes, wish)
		if (wish->exit && wish->next_try > now && wish->next_try < at)
			at = wish->next_try;
	if (stock->next_try > now && stock->next_try < at)
		at = stock->next_try;
	DL_FOREACH(stock->all, s) {
		if (ctl_circuit_deadline(s->circuit) < at)
			at = ctl_circuit_deadline(s->circuit);
		if (state_of(s) == CTL_CIRCUIT_READY && s->next_look < at)
			at = s->next_look;
		if (slow_at(s) < at)
			at = slow_at(s);
	}
	io_timer_start(stock->timer, stock->kicked || at <= now ? 0 : at - now);
}

static void on_timer(void *data)
{
	struct ctl_stock *stock = data;
	struct stocked *s, *next;

	stock->kicked = false;
	DL_FOREACH(stock->all, s)
		ctl_circuit_tick(s->circuit);
	DL_FOREACH_SAFE(stock->all, s, next) {
		if (state_of(s) != CTL_CIRCUIT_OVER)
			continue;
		DL_DELETE(stock->all, s);
		ctl_circuit_free(s->circuit);
		free(s);
	}
	if (stock->stopping && !stock->all && !stock->stopped) {
		stock->stopped = true;
		stock->conf.events->stopped(stock->conf.user);
		return;
	}
	poll_counters(stock);
	find_slow(stock);
	fill(stock);
	rearm(stock);
	if (have_ready(stock))
		stock->conf.events->ready(stock->conf.user);
}

int ctl_stock_new(const struct ctl_stock_conf *conf, struct ctl_stock **out)
{
	struct ctl_stock *stock = calloc(1, sizeof(*stock));
	int r;

	if (!stock)
		return -ENOMEM;
	stock->conf = *conf;
	r = io_timer_new(conf->loop, on_timer, stock, &stock->timer);
	if (r < 0) {
		free(stock);
		return r;
	}
	*out = stock;
	return 0;
}

void ctl_stock_free(struct ctl_stock *stock)
{
	struct stocked *s, *next;

	if (!stock)
		return;
	DL_FOREACH_SAFE(stock->all, s, next) {
		DL_DELETE(stock->all, s);
		ctl_circuit_free(s->circuit);
		free(s);
	}
	io_timer_free(stock->timer);
	free(stock);
}

void ctl_stock_set_list(struct ctl_stock *stock, const struct dir_list *list)
{
	stock->list = list;
	kick(stock);
}

void ctl_stock_wish_add(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	if (wish->added)
		return;
	wish->added = true;
	DL_APPEND(stock->wishes, wish);
	kick(stock);
}

void ctl_stock_wish_del(struct ctl_stock *stock, struct ctl_stock_wish *wish)
{
	struct stocked *s;

	if (!wish->added)
		return;
	wish->added = false;
	DL_DELETE(stock->wishes, wish);
	DL_FOREACH(stock->all, s)
		if (s->wish == wish && is_free(s))
			discard(s, "who it was built for does not need it");
	kick(stock);
}

static bool leads_to(const struct stocked *s, const struct crypto_pub *exit)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(s->circuit, &info);
	return ends_at(info.path, exit);
}

struct ctl_circuit *ctl_stock_take(struct ctl_stock *stock, void *taker, uid_t uid,
				   const struct ctl_stock_wish *wish)
{
	struct stocked *s, *best = NULL;

	if (stock->stopping)
		return NULL;
	DL_FOREACH(stock->all, s) {
		if (state_of(s) != CTL_CIRCUIT_READY || !serves(s, wish))
			continue;
		if (!best)
			best = s;
		if (!wish->not_exit || !leads_to(s, wish->not_exit)) {
			best = s;
			break;
		}
	}
	if (!best)
		return NULL;
	best->taker = taker;
	best->wish = NULL;
	best->holder = (struct ctl_stock_holder){ true, true, uid };
	kick(stock);
	return best->circuit;
}

static struct stocked *find(struct ctl_stock *stock, const struct ctl_circuit *circuit)
{
	struct stocked *s;

	DL_FOREACH(stock->all, s)
		if (s->circuit == circuit)
			return s;
	return NULL;
}

void ctl_stock_give_back(struct ctl_stock *stock, struct ctl_circuit *circuit)
{
	struct stocked *s = find(stock, circuit);

	s->taker = NULL;
	s->holder = (struct ctl_stock_holder){ 0 };
	kick(stock);
}

void ctl_stock_release(struct ctl_stock *stock, struct ctl_circuit *circuit)
{
	let_go(find(stock, circuit));
	ctl_circuit_close(circuit);
	kick(stock);
}

size_t ctl_stock_renew(struct ctl_stock *stock)
{
	struct stocked *s;
	size_t n = 0;

	DL_FOREACH(stock->all, s) {
		if (!is_free(s))
			continue;
		discard(s, "a new identity is wanted");
		n++;
	}
	kick(stock);
	return n;
}

size_t ctl_stock_free_count(const struct ctl_stock *stock)
{
	const struct stocked *s;
	size_t n = 0;

	DL_FOREACH(stock->all, s)
		n += is_free(s);
	return n;
}

void ctl_stock_roam(struct ctl_stock *stock)
{
	struct stocked *s;

	DL_FOREACH(stock->all, s)
		ctl_roam_follow(s->circuit);
	if (stock->away) {
		stock->away = false;
		stock->failures = 0;
		stock->next_try = 0;
	}
	kick(stock);
}

void ctl_stock_stop(struct ctl_stock *stock)
{
	struct stocked *s;

	stock->stopping = true;
	DL_FOREACH(stock->all, s)
		ctl_circuit_close(s->circuit);
	kick(stock);
}

void ctl_stock_each(struct ctl_stock *stock,
		    void (*each)(void *user, struct ctl_circuit *circuit,
				 const struct ctl_stock_holder *holder),
		    void *user)
{
	struct stocked *s;

	DL_FOREACH(stock->all, s)
		each(user, s->circuit, &s->holder);
}
