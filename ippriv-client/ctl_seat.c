#include "ippriv-client/ctl_seat.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"

/* A circuit that has been attached. */
struct sitting {
	struct ctl_circuit *circuit;
	uint64_t since;    /* io_loop_now */
	uint64_t kept;     /* since when it is an old one, 0: it is not */
	uint64_t packets, moved; /* of its counters, and when they moved last */
	struct sitting *prev, *next;
};

struct ctl_seat {
	struct ctl_seat_conf conf;
	struct pins exit;
	struct ctl_stock_wish wish;
	struct crypto_pub last_exit;
	struct io_timer *timer;
	struct sitting *all, *current; /* NULL: it waits */
	unsigned int last_slot;
	bool seated;        /* once at least */
	bool over;          /* it takes no more */
	bool wants;         /* another circuit, though it has one */
	uint64_t rotate_at; /* UINT64_MAX: never */
	uint64_t look_at;   /* at old circuits; UINT64_MAX: there is none */
	unsigned int short_lived; /* circuits in a row */
	unsigned int failed;      /* to be put there, in a row */
	uint64_t patient_until; /* takes none before that */
};

static uint64_t now_ms(const struct ctl_seat *seat)
{
	return io_loop_now(seat->conf.loop);
}

static bool is_waiting(const struct ctl_seat *seat)
{
	return !seat->over && (!seat->current || seat->wants);
}

static void wish(struct ctl_seat *seat)
{
	if (is_waiting(seat))
		ctl_stock_wish_add(seat->conf.stock, &seat->wish);
	else
		ctl_stock_wish_del(seat->conf.stock, &seat->wish);
}

static void rearm(struct ctl_seat *seat)
{
	uint64_t at = UINT64_MAX, now = now_ms(seat);

	if (seat->current && !seat->wants)
		at = seat->rotate_at;
	if (is_waiting(seat) && seat->patient_until > now)
		at = seat->patient_until;
	if (at > seat->look_at)
		at = seat->look_at;
	if (at == UINT64_MAX)
		io_timer_stop(seat->timer);
	else
		io_timer_start(seat->timer, at > now ? at - now : 0);
}

/* Drawn anew each time, so that the times of one client's circuits do not tell that they are one's. */
static uint64_t draw_rotation(const struct ctl_seat *seat)
{
	uint64_t ms = (uint64_t)seat->conf.rotate * 1000;

	if (ms == 0)
		return UINT64_MAX;
	return now_ms(seat) + ms - ms / 4 + random_below(crypto_random_source, NULL, ms / 2 + 1);
}

static bool has_address(const struct ctl_seat *seat, const struct addr *address)
{
	struct ctl_circuit_info info;
	const struct sitting *s;

	DL_FOREACH(seat->all, s) {
		ctl_circuit_info(s->circuit, &info);
		if (info.lease && addr_equal(&info.lease->address, address))
			return true;
	}
	return false;
}

/* The names in use by circuits that are about to go are passed over. */
static int attach(struct ctl_seat *seat, struct ctl_circuit *c)
{
	unsigned int first = seat->seated ? seat->last_slot + 1 : 0;
	int r = -EEXIST;

	for (unsigned int i = 0; i < CTL_SEAT_SLOTS && r == -EEXIST; i++) {
		seat->last_slot = (first + i) % CTL_SEAT_SLOTS;
		r = seat->conf.ops->attach(seat->conf.user, c, seat->last_slot);
		if (!seat->seated && seat->conf.once)
			break;
	}
	return r;
}

static void attach_failed(struct ctl_seat *seat, struct ctl_circuit *c, int r)
{
	seat->over = !seat->seated && seat->conf.once;
	seat->conf.ops->failed(seat->conf.user, c, r, seat->over);
	if (r == -EEXIST)
		ctl_stock_give_back(seat->conf.stock, c);
	else
		ctl_stock_release(seat->conf.stock, c);
	seat->patient_until = now_ms(seat) + (seat->current ? CTL_SEAT_SHORT_MS :
					      ctl_stock_backoff(++seat->failed,
								crypto_random_source, NULL));
}

/* The old one, if any, has been told to keep what is its own. */
static void sit(struct ctl_seat *seat, struct sitting *s)
{
	struct ctl_circuit_info info;

	if (seat->current) {
		seat->current->kept = seat->current->moved = s->since;
		if (seat->look_at == UINT64_MAX)
			seat->look_at = s->since + CTL_SEAT_LOOK_MS;
	}
	ctl_circuit_info(s->circuit, &info);
	DL_APPEND(seat->all, s);
	seat->current = s;
	seat->seated = true;
	seat->failed = 0;
	seat->wants = false;
	seat->rotate_at = draw_rotation(seat);
	seat->last_exit = info.path->hops[CTL_PATH_HOPS - 1].identity;
	seat->wish.not_exit = &seat->last_exit;
}

static bool may_take(const struct ctl_seat *seat)
{
	return is_waiting(seat) && now_ms(seat) >= seat->patient_until &&
	       ctl_seat_count(seat) < CTL_SEAT_SLOTS;
}

static bool take(struct ctl_seat *seat)
{
	struct ctl_circuit *c = ctl_stock_take(seat->conf.stock, seat, seat->conf.uid, &seat->wish);
	struct ctl_circuit_info info;
	struct sitting *s;
	int r;

	if (!c)
		return false;
	ctl_circuit_info(c, &info);
	s = calloc(1, sizeof(*s));
	if (!s || has_address(seat, &info.lease->address)) {
		ctl_stock_release(seat->conf.stock, c); /* the next one has another, most likely */
		free(s);
		return false;
	}
	*s = (struct sitting){ .circuit = c, .since = now_ms(seat) };
	r = seat->current ? ctl_circuit_keep(seat->current->circuit) : 0;
	if (r == 0)
		r = attach(seat, c);
	if (r < 0) {
		free(s);
		attach_failed(seat, c, r);
		return false;
	}
	sit(seat, s);
	return true;
}

bool ctl_seat_offer(struct ctl_seat *seat)
{
	bool took = may_take(seat) && take(seat);

	wish(seat);
	rearm(seat);
	if (took)
		seat->conf.ops->seated(seat->conf.user, seat->current->circuit);
	return took;
}

static void sitting_free(struct ctl_seat *seat, struct sitting *s)
{
	DL_DELETE(seat->all, s);
	if (seat->current == s)
		seat->current = NULL;
	free(s);
}

/* Where connections cannot be told, packets are. */
static bool is_over(const struct ctl_seat *seat, struct sitting *s)
{
	uint64_t now = now_ms(seat);
	int flows = ctl_circuit_flows(s->circuit);
	struct dp_stats stats;

	if (ctl_circuit_stats(s->circuit, CTL_CIRCUIT_HOPS - 1, &stats) == 0 &&
	    stats.in.packets + stats.out.packets != s->packets) {
		s->packets = stats.in.packets + stats.out.packets;
		s->moved = now;
	}
	if (now - s->kept >= CTL_SEAT_OLD_MS)
		return true;
	return flows == 0 || (flows < 0 && now - s->moved >= CTL_SEAT_QUIET_MS);
}

static void look_at_old(struct ctl_seat *seat)
{
	struct ctl_circuit_info info;
	struct sitting *s, *next;
	struct ctl_circuit *c;

	seat->look_at = UINT64_MAX;
	DL_FOREACH_SAFE(seat->all, s, next) {
		if (!s->kept)
			continue;
		if (!is_over(seat, s)) {
			seat->look_at = now_ms(seat) + CTL_SEAT_LOOK_MS;
			continue;
		}
		c = s->circuit;
		ctl_circuit_info(c, &info);
		log_write_for(seat->conf.uid, LOG_LEVEL_INFO,
			      "circuit %u goes: another one has its place, and no connection of its is "
			      "left", info.id);
		sitting_free(seat, s);
		ctl_stock_release(seat->conf.stock, c);
	}
}

/* One that nothing has gone through tells nobody anything: another one would meet relays for nothing. */
static bool is_used(const struct sitting *s)
{
	struct dp_stats stats;

	return ctl_circuit_stats(s->circuit, CTL_CIRCUIT_HOPS - 1, &stats) < 0 ||
	       stats.in.packets + stats.out.packets > 0;
}

static void on_timer(void *data)
{
	struct ctl_seat *seat = data;

	if (now_ms(seat) >= seat->look_at)
		look_at_old(seat);
	if (seat->current && !seat->wants && now_ms(seat) >= seat->rotate_at) {
		seat->wants = is_used(seat->current);
		seat->rotate_at = draw_rotation(seat);
	}
	(void)ctl_seat_offer(seat);
}

void ctl_seat_lost(struct ctl_seat *seat, struct ctl_circuit *circuit)
{
	uint64_t now = now_ms(seat);
	struct sitting *s;
	bool was_current;

	DL_SEARCH_SCALAR(seat->all, s, circuit, circuit);
	if (!s)
		return;
	was_current = s == seat->current;
	if (was_current) {
		seat->short_lived = now - s->since < CTL_SEAT_SHORT_MS ? seat->short_lived + 1 : 0;
		/* once is nobody's fault */
		if (seat->short_lived > 1)
			seat->patient_until = now + ctl_stock_backoff(seat->short_lived,
								      crypto_random_source, NULL);
	}
	sitting_free(seat, s);
	if (was_current && !ctl_seat_offer(seat))
		seat->conf.ops->empty(seat->conf.user);
	else
		rearm(seat);
}

void ctl_seat_rotate(struct ctl_seat *seat)
{
	if (seat->current)
		seat->wants = true;
	(void)ctl_seat_offer(seat);
}

struct ctl_circuit *ctl_seat_circuit(const struct ctl_seat *seat)
{
	return seat->current ? seat->current->circuit : NULL;
}

size_t ctl_seat_count(const struct ctl_seat *seat)
{
	const struct sitting *s;
	size_t n;

	DL_COUNT(seat->all, s, n);
	return n;
}

int ctl_seat_new(const struct ctl_seat_conf *conf, struct ctl_seat **out)
{
	struct ctl_seat *seat = calloc(1, sizeof(*seat));
	int r;

	if (!seat)
		return -ENOMEM;
	seat->conf = *conf;
	seat->rotate_at = seat->look_at = UINT64_MAX;
	if (conf->exit) {
		seat->exit = *conf->exit;
		seat->wish.exit = &seat->exit;
	}
	r = io_timer_new(conf->loop, on_timer, seat, &seat->timer);
	if (r < 0) {
		free(seat);
		return r;
	}
	ctl_stock_wish_add(conf->stock, &seat->wish);
	*out = seat;
	return 0;
}

void ctl_seat_free(struct ctl_seat *seat)
{
	struct sitting *s, *next;

	if (!seat)
		return;
	ctl_stock_wish_del(seat->conf.stock, &seat->wish);
	DL_FOREACH_SAFE(seat->all, s, next) {
		ctl_stock_release(seat->conf.stock, s->circuit);
		DL_DELETE(seat->all, s);
		free(s);
	}
	io_timer_free(seat->timer);
	free(seat);
}
