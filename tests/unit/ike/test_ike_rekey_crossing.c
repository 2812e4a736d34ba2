/*
 * Both sides begin something at the same time, and the messages cross in every order there is: every
 * choice of what happens next is made once (what one side begins, which datagram arrives, which one
 * is lost or comes twice), each time from the start. Time passes when nothing is on the way.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_rekey.h"

enum {
	FLIGHT_MAX = 16,
	CHOICES_MAX = 64,
	ACTS_MAX = 4,
	BRANCHING = 24,        /* choices that are all tried; then the first goes on */
	SETTLE = 130000,       /* milliseconds until nothing may be left */
	PATHS_MAX = 60000,
};

enum act { ACT_NONE, ACT_CHILD, ACT_IKE, ACT_CLOSE, ACT_DELETE };

struct scenario {
	enum act a[2], b[2];   /* what each side begins, in order */
	unsigned int losses, doubles;
	bool ends;             /* both have to be gone at the end, else up and renewed */
	bool either;           /* or what the first one to act wants; but both the same */
};

/* One way through, and which choices made it. */
struct walk {
	const struct scenario *s;
	struct duo duo;
	struct duo_record *a, *b;
	struct flight {
		struct duo_side *to;
		size_t len;
		uint8_t msg[600];
	} flight[FLIGHT_MAX];
	size_t in_flight;
	unsigned int acted_a, acted_b, losses, doubles;
	unsigned int taken[CHOICES_MAX], width[CHOICES_MAX];
	size_t steps;
	bool calm; /* no more choices: everything arrives in order */
};

static struct walk w;

static bool catch(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct flight *f = &w.flight[w.in_flight++];

	cr_assert(w.in_flight < FLIGHT_MAX && *len <= sizeof(f->msg));
	f->to = from == &d->a ? &d->b : &d->a;
	f->len = *len;
	memcpy(f->msg, msg, *len);
	return false;
}

static struct flight take(size_t k)
{
	struct flight f = w.flight[k];

	memmove(&w.flight[k], &w.flight[k + 1], (--w.in_flight - k) * sizeof(f));
	return f;
}

static void arrive(const struct flight *f)
{
	struct ike_path path = duo_path_to(f->to);

	ike_host_input(f->to->host, &path, f->msg, f->len);
}

static bool is_up(const struct duo_record *r)
{
	struct ike_sa_info info;

	if (!r->sa)
		return false;
	ike_sa_info(r->sa, &info);
	return info.state == IKE_STATE_ESTABLISHED;
}

/* A Delete of the child SA in use, which this engine never sends by itself. */
static void delete_child(struct duo_record *r)
{
	struct ike_out out;

	if (!is_up(r) || r->sa->request.data)
		return;
	ike_send_begin(r->sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_delete(&out.b, true, r->sending);
	r->sa->asking = IKE_TASK_DELETE_CHILD;
	ike_send_request(r->sa, &out);
	r->sa->asking = IKE_TASK_NONE;
}

static void act(struct duo_record *r, enum act act)
{
	if (!r->sa)
		return;
	switch (act) {
	case ACT_NONE: break;
	case ACT_CHILD: ike_host_rekey_child(r->side->host, r->sa, r->sending); break;
	case ACT_IKE: ike_host_rekey(r->side->host, r->sa); break;
	case ACT_CLOSE: ike_host_close(r->side->host, r->sa); break;
	case ACT_DELETE: delete_child(r); break;
	}
}

/* A fresh start; the same seed gives the same messages. */
static void begin(const struct scenario *s, uint64_t seed)
{
	const struct ike_host_conf conf = { .retransmit_first = 500, .retransmit_tries = 7,
					    .child_linger = 1000, .liveness = 120000 };
	struct ike_init_conf init;

	duo_init(&w.duo, seed);
	duo_start(&w.duo, &conf);
	init = duo_client(&w.duo);
	w.a = duo_connect(&w.duo, &init);
	w.b = duo_last(&w.duo.b);
	w.s = s;
	w.duo.tap = catch;
	w.in_flight = w.acted_a = w.acted_b = w.losses = w.doubles = 0;
	w.steps = 0;
	w.calm = false;
}

/* Which of WIDTH ways this walk goes. */
static unsigned int choose(unsigned int width)
{
	if (w.calm || width <= 1 || w.steps == BRANCHING)
		return 0;
	w.width[w.steps] = width;
	return w.taken[w.steps++];
}

static bool more(const enum act acts[2], unsigned int done)
{
	return done < 2 && acts[done] != ACT_NONE;
}

/* One of all that can happen now. False: nothing can. */
static bool step(void)
{
	unsigned int n = (unsigned int)w.in_flight, can_a = more(w.s->a, w.acted_a);
	unsigned int can_b = more(w.s->b, w.acted_b), k;
	unsigned int lose = w.losses < w.s->losses ? n : 0, twice = w.doubles < w.s->doubles ? n : 0;
	struct flight f;

	if (n + can_a + can_b == 0)
		return false;
	k = choose(n + can_a + can_b + lose + twice);
	if (k < can_a) {
		act(w.a, w.s->a[w.acted_a++]);
		return true;
	}
	k -= can_a;
	if (k < can_b) {
		act(w.b, w.s->b[w.acted_b++]);
		return true;
	}
	k -= can_b;
	if (k < n) {
		f = take(k);
		arrive(&f);
	} else if (k < n + lose) {
		take(k - n);
		w.losses++;
	} else {
		f = w.flight[k - n - lose];
		w.doubles++;
		arrive(&f);
	}
	return true;
}

static void pass_time(void)
{
	uint64_t a = ike_host_deadline(w.duo.a.host), b = ike_host_deadline(w.duo.b.host);
	uint64_t at = a < b ? a : b;

	if (at > w.duo.now)
		w.duo.now = at;
	ike_host_tick(a <= b ? w.duo.a.host : w.duo.b.host);
}

static bool nothing_to_come(uint64_t until)
{
	uint64_t a = ike_host_deadline(w.duo.a.host), b = ike_host_deadline(w.duo.b.host);

	return (a < b ? a : b) > until;
}

/* Whoever is up can be read by the other one. */
static void assert_flow(void)
{
	if (is_up(w.a) && is_up(w.b) && !w.s->ends && !w.s->either)
		duo_rekey_assert(&w.duo, w.a, w.b);
}

static bool has(const enum act acts[2], enum act act)
{
	return acts[0] == act || acts[1] == act;
}

static void assert_end(void)
{
	const struct scenario *s = w.s;

	if (s->ends || (s->either && !w.a->sa)) {
		cr_assert(!w.a->sa && !w.b->sa);
		cr_assert_eq(duo_counters(&w.duo.a).sas, 0);
		cr_assert_eq(duo_counters(&w.duo.b).sas, 0);
		return;
	}
	duo_rekey_assert_rest(&w.duo, w.a, w.b);
	if (has(s->a, ACT_CHILD) || has(s->b, ACT_CHILD))
		cr_assert_neq(w.a->sending, w.a->child.spi_in);
	if (has(s->a, ACT_IKE) || has(s->b, ACT_IKE))
		cr_assert(w.a->replacements > 0 && w.a->replacements == w.b->replacements);
}

static void run(const struct scenario *s, uint64_t seed)
{
	uint64_t until;

	begin(s, seed);
	if (s->losses + s->doubles > 0) { /* both at once, else there is too much to try */
		act(w.a, s->a[w.acted_a++]);
		act(w.b, s->b[w.acted_b++]);
	}
	until = w.duo.now + SETTLE;
	while (w.duo.now < until) {
		bool happened = step();

		assert_flow();
		if (happened)
			continue;
		if (nothing_to_come(until))
			break;
		pass_time();
		assert_flow();
	}
	w.duo.now = until;
	assert_end();
	w.duo.tap = NULL;
	duo_fini(&w.duo);
}

/* The next walk in the order of choices. False: that was the last one. */
static bool next_walk(void)
{
	while (w.steps > 0) {
		size_t last = w.steps - 1;

		if (++w.taken[last] < w.width[last])
			return true;
		w.taken[last] = 0;
		w.steps--;
	}
	return false;
}

static void run_all(const struct scenario *s, uint64_t seed)
{
	size_t walks = 0;

	memset(&w, 0, sizeof(w));
	do {
		run(s, seed);
		cr_assert_lt(++walks, PATHS_MAX, "too many to try them all");
	} while (next_walk());
	cr_assert_gt(walks, 1);
}

/* Which nonce is the lowest is a matter of the seed: several. */
static void run_seeds(struct scenario s, unsigned int losses, unsigned int doubles,
		      uint64_t seeds)
{
	s.losses = losses;
	s.doubles = doubles;
	for (uint64_t seed = 1; seed <= seeds; seed++)
		run_all(&s, seed);
}

static void cross(struct scenario s)
{
	run_seeds(s, 0, 0, 6);
	run_seeds(s, 1, 0, 2);
	run_seeds(s, 0, 1, 2);
}

#define CROSS(name, ...) \
	Test(ike_rekey_crossing, name) { cross((struct scenario){ __VA_ARGS__ }); }

CROSS(child_and_child, .a = { ACT_CHILD }, .b = { ACT_CHILD })
CROSS(ike_and_ike, .a = { ACT_IKE }, .b = { ACT_IKE })
CROSS(child_and_ike, .a = { ACT_CHILD }, .b = { ACT_IKE })
CROSS(ike_and_child, .a = { ACT_IKE }, .b = { ACT_CHILD })
CROSS(child_and_close, .a = { ACT_CHILD }, .b = { ACT_CLOSE }, .ends = true)
CROSS(close_and_child, .a = { ACT_CLOSE }, .b = { ACT_CHILD }, .ends = true)
CROSS(ike_and_close, .a = { ACT_IKE }, .b = { ACT_CLOSE }, .ends = true)
CROSS(close_and_ike, .a = { ACT_CLOSE }, .b = { ACT_IKE }, .ends = true)
CROSS(close_and_close, .a = { ACT_CLOSE }, .b = { ACT_CLOSE }, .ends = true)
CROSS(child_then_close, .a = { ACT_CHILD, ACT_CLOSE }, .ends = true)
CROSS(ike_then_close, .a = { ACT_IKE, ACT_CLOSE }, .ends = true)
CROSS(child_and_delete, .a = { ACT_CHILD }, .b = { ACT_DELETE }, .either = true)
CROSS(ike_and_delete, .a = { ACT_IKE }, .b = { ACT_DELETE }, .ends = true)
CROSS(delete_and_delete, .a = { ACT_DELETE }, .b = { ACT_DELETE }, .ends = true)
