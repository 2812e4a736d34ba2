#include "ippriv-client/ctl_runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "ippriv-client/ctl_owner.h"
#include "ippriv-client/ctl_session.h"
#include "ippriv-client/ctl_status.h"

struct place;

/* A connection that has attached. */
struct run {
	struct ctl_session session; /* first */
	struct place *place;
	struct ctl_conn *conn;
	bool joined;   /* it came to the namespace of another one */
	bool answered;
	struct run *prev, *next;
};

/* A network namespace, the seat in it and those who share it. */
struct place {
	struct ctl_runs *runs;
	struct ctl_seat *seat;
	int fd;
	uid_t uid;
	char name[CTL_RUNS_NAME + 1]; /* "": nobody joins */
	struct pins exit; /* count 0: as the configuration says */
	uint64_t deadline; /* for the first circuit, 0: it has been there */
	bool offered;
	struct run *members;
	struct place *prev, *next;
};

struct ctl_runs {
	struct ctl_runs_conf conf;
	struct io_timer *timer;
	struct place *places; /* in the order they came */
	struct ctl_quota quota;
};

bool ctl_runs_name_ok(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~')
			return false;
	return len > 0 && len <= CTL_RUNS_NAME;
}

static void run_free(struct run *r)
{
	ctl_conn_set_data(r->conn, NULL);
	DL_DELETE(r->place->members, r);
	free(r);
}

static void place_free(struct place *p)
{
	DL_DELETE(p->runs->places, p);
	ctl_seat_free(p->seat);
	close(p->fd);
	free(p);
}

static json_t *circuit_json(struct ctl_circuit *c, const char *key, json_t *value)
{
	struct ctl_circuit_info info;
	json_t *o = json_object();

	ctl_circuit_info(c, &info);
	json_object_set_new(o, key, value);
	json_object_set_new(o, "circuit", json_integer(info.id));
	ctl_status_lease(o, info.lease);
	return o;
}

static void answer(struct run *r, struct ctl_circuit *c)
{
	r->answered = true;
	ctl_reply_pass(r->conn, circuit_json(c, "ok", json_true()),
		       r->joined ? r->place->fd : -1);
}

static void on_seated(void *user, struct ctl_circuit *c)
{
	struct place *p = user;
	struct run *r;

	p->deadline = 0;
	DL_FOREACH(p->members, r) {
		if (r->answered)
			ctl_reply(r->conn, circuit_json(c, "event", json_string("circuit")));
		else
			answer(r, c);
	}
}

static void on_empty(void *user)
{
	struct place *p = user;
	struct run *r;

	DL_FOREACH(p->members, r)
		if (r->answered)
			ctl_reply(r->conn, json_pack("{s:s}", "event", "lost"));
}

/* Those who have no circuit yet; a seat whose last one goes is freed by sweep. */
static void refuse(struct place *p, const char *why)
{
	struct run *r, *next;

	DL_FOREACH_SAFE(p->members, r, next) {
		struct ctl_conn *conn = r->conn;

		if (r->answered)
			continue;
		run_free(r);
		ctl_reply_error(conn, "%s", why);
	}
}

static int on_attach(void *user, struct ctl_circuit *c, unsigned int slot)
{
	const struct place *p = user;
	int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : ctl_circuit_attach(c, fd, slot);
}

/* What a person reads when the circuit could not be put where it should. */
static const char *attach_error(int err)
{
	return err == -EEXIST ? "there is an interface ippriv0 in that namespace; make a new one" :
				"the kernel does not let the tunnel into that namespace";
}

static void on_failed(void *user, const struct ctl_circuit *c, int err, bool final)
{
	struct place *p = user;
	struct ctl_circuit_info info;

	ctl_circuit_info(c, &info);
	log_write_for(p->uid, LOG_LEVEL_WARNING,
		      "cannot put circuit %u into a namespace of user %u: %s", info.id, p->uid,
		      strerror(-err));
	if (final)
		refuse(p, attach_error(err));
}

static const struct ctl_seat_ops seat_ops = {
	.attach = on_attach,
	.seated = on_seated,
	.empty = on_empty,
	.failed = on_failed,
};

static void sweep(struct ctl_runs *runs)
{
	struct place *p, *next;

	DL_FOREACH_SAFE(runs->places, p, next)
		if (!p->members)
			place_free(p);
}

static size_t count_of(const struct ctl_runs *runs, uid_t uid, bool waiting)
{
	const struct place *p;
	size_t n = 0;

	DL_FOREACH(runs->places, p)
		n += p->uid == uid && (waiting || ctl_seat_circuit(p->seat));
	return n;
}

/* Who has no circuit before who wants another one; then whose user has fewest. */
static bool comes_before(const struct ctl_runs *runs, const struct place *a, const struct place *b)
{
	bool has_a = ctl_seat_circuit(a->seat), has_b = ctl_seat_circuit(b->seat);

	if (has_a != has_b)
		return has_b;
	return count_of(runs, a->uid, false) < count_of(runs, b->uid, false);
}

static struct place *next_place(const struct ctl_runs *runs)
{
	struct place *p, *best = NULL;

	DL_FOREACH(runs->places, p)
		if (!p->offered && (!best || comes_before(runs, p, best)))
			best = p;
	return best;
}

void ctl_runs_ready(struct ctl_runs *runs)
{
	struct place *p;

	DL_FOREACH(runs->places, p)
		p->offered = false;
	while ((p = next_place(runs))) {
		p->offered = true;
		(void)ctl_seat_offer(p->seat);
	}
	sweep(runs);
}

static void rearm(struct ctl_runs *runs)
{
	uint64_t now = io_loop_now(runs->conf.loop);
	const struct place *p;

	DL_FOREACH(runs->places, p) {
		if (!p->deadline)
			continue;
		io_timer_start(runs->timer, p->deadline > now ? p->deadline - now : 0);
		return;
	}
	io_timer_stop(runs->timer);
}

static const char *no_circuit(const struct ctl_runs *runs)
{
	return dir_watch_list(runs->conf.watch) ?
		       "no circuit could be built in time; the log of ippriv-client says why" :
		       "there is no relay list in force; the log of ippriv-client says why";
}

static void on_timer(void *data)
{
	struct ctl_runs *runs = data;
	uint64_t now = io_loop_now(runs->conf.loop);
	struct place *p;

	DL_FOREACH(runs->places, p)
		if (p->deadline && p->deadline <= now)
			refuse(p, no_circuit(runs));
	sweep(runs);
	rearm(runs);
}

static const char *owner_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "that descriptor is no network namespace";
	case -EBUSY:
		return "that is the daemon's own network namespace; pass one of your own";
	default:
		return "that network namespace is not yours; pass one that you made";
	}
}

/* Of UID's own, and one that has no circuit of ours. Says so when not. */
static bool is_theirs(struct ctl_conn *conn, uid_t uid, int fd)
{
	int r;

	if (fd < 0) {
		ctl_reply_error(conn, "attach needs a network namespace's descriptor");
		return false;
	}
	r = ctl_owner_check(fd, uid);
	if (r < 0)
		ctl_reply_error(conn, "%s", owner_error(r));
	return r == 0;
}

/* Says so when not. */
static bool within_limits(struct ctl_runs *runs, struct ctl_conn *conn, uid_t uid)
{
	if (uid == 0)
		return true;
	if (count_of(runs, uid, true) >= CTL_RUNS_SEATS) {
		ctl_reply_error(conn, "you have %d circuits; end an `ippriv run` first",
				CTL_RUNS_SEATS);
		return false;
	}
	if (!ctl_quota_take(&runs->quota, uid, io_loop_now(runs->conf.loop))) {
		ctl_reply_error(conn, "too many circuits in a short time; wait %d s, or run several "
				"commands in one `ippriv run -- bash`", CTL_QUOTA_EVERY_MS / 1000);
		return false;
	}
	return true;
}

/* Whether the list, if there is one, has an exit that EXIT names. Says so when not. */
static bool is_listed(const struct ctl_runs *runs, struct ctl_conn *conn, const struct pins *exit,
		      const char *text)
{
	const struct dir_list *list = dir_watch_list(runs->conf.watch);

	if (exit->count == 0 || !list)
		return true;
	for (size_t i = 0; i < list->count; i++)
		if (list->entries[i].flags & DIR_FLAG_EXIT && pins_allow(exit, &list->entries[i]))
			return true;
	ctl_reply_error(conn, "no exit in the relay list is one that --exit names: %.200s", text);
	return false;
}

/* What REQUEST says beside its command. Says what is wrong, if so. */
static bool read_request(const struct ctl_runs *runs, struct ctl_conn *conn, const json_t *request,
			 char name[CTL_RUNS_NAME + 1], struct pins *exit)
{
	const json_t *isolate = json_object_get(request, "isolate");
	const json_t *relays = json_object_get(request, "exit");
	const char *text = json_string_value(isolate);

	name[0] = '\0';
	if (isolate && (!text || !ctl_runs_name_ok(text))) {
		ctl_reply_error(conn, "isolate: a name has 1 to %d printable ASCII characters",
				CTL_RUNS_NAME);
		return false;
	}
	if (text)
		memcpy(name, text, strlen(text) + 1);
	text = json_string_value(relays);
	if (relays && (!text || pins_parse_list(text, exit) < 0)) {
		ctl_reply_error(conn, "exit: write nicknames or the 64 hex digits of identity keys, "
				"with commas between");
		return false;
	}
	return is_listed(runs, conn, exit, text);
}

static struct place *find(const struct ctl_runs *runs, uid_t uid, const char *name)
{
	struct place *p;

	DL_FOREACH(runs->places, p)
		if (name[0] && p->uid == uid && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

/* FD is taken on success. */
static struct place *place_new(struct ctl_runs *runs, uid_t uid, const char *name,
			       const struct pins *exit, int fd)
{
	struct ctl_seat_conf conf = {
		.loop = runs->conf.loop,
		.stock = runs->conf.stock,
		.ops = &seat_ops,
		.uid = uid,
		.exit = exit->count > 0 ? exit : NULL,
		.rotate = runs->conf.rotate,
		.once = true,
	};
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	conf.user = p;
	*p = (struct place){ .runs = runs, .fd = fd, .uid = uid, .exit = *exit,
			     .deadline = io_loop_now(runs->conf.loop) + CTL_RUNS_WAIT_MS };
	memcpy(p->name, name, strlen(name) + 1);
	if (ctl_seat_new(&conf, &p->seat) < 0) {
		free(p);
		return NULL;
	}
	DL_APPEND(runs->places, p);
	return p;
}

static void run_closed(struct ctl_session *session)
{
	struct run *r = (struct run *)session;
	struct ctl_runs *runs = r->place->runs;

	run_free(r);
	sweep(runs);
	rearm(runs);
}

static struct run *run_new(struct place *p, struct ctl_conn *conn, bool joined)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct run){ .session = { run_closed }, .place = p, .conn = conn, .joined = joined };
	DL_APPEND(p->members, r);
	ctl_conn_set_data(conn, &r->session);
	return r;
}

static void join(struct place *p, struct ctl_conn *conn, const struct pins *exit)
{
	struct ctl_circuit *c = ctl_seat_circuit(p->seat);
	struct run *r;

	if (exit->count > 0 && !pins_equal(exit, &p->exit)) {
		ctl_reply_error(conn, "a run of that name has other exits; take the same --exit, or "
				"another name");
		return;
	}
	r = run_new(p, conn, true);
	if (!r)
		ctl_reply_error(conn, "no memory left");
	else if (c)
		answer(r, c);
	else if (!p->deadline) {
		run_free(r);
		ctl_reply_error(conn, "the run of that name has lost its circuit and waits for "
				"another; try again");
	}
}

void ctl_runs_attach(struct ctl_runs *runs, struct ctl_conn *conn, uid_t uid,
		     const json_t *request, int fd)
{
	_cleanup_close_ int own = fd;
	char name[CTL_RUNS_NAME + 1];
	struct pins exit = { 0 };
	struct place *p;

	if (ctl_conn_data(conn)) {
		ctl_reply_error(conn, "this connection is in use; open another");
		return;
	}
	if (!read_request(runs, conn, request, name, &exit) || !is_theirs(conn, uid, own))
		return;
	p = find(runs, uid, name);
	if (p) {
		join(p, conn, &exit);
		return;
	}
	if (!within_limits(runs, conn, uid))
		return;
	p = place_new(runs, uid, name, &exit, own);
	if (p)
		(void)steal_fd(&own);
	if (!p || !run_new(p, conn, false)) {
		ctl_reply_error(conn, "no memory left");
		sweep(runs);
		return;
	}
	if (!dir_watch_list(runs->conf.watch))
		dir_watch_hurry(runs->conf.watch); /* somebody waits: do not sit the back-off out */
	ctl_runs_ready(runs);
	rearm(runs);
}

void ctl_runs_lost(void *taker, struct ctl_circuit *circuit)
{
	ctl_seat_lost(taker, circuit);
}

struct ctl_quota *ctl_runs_quota(struct ctl_runs *runs)
{
	return &runs->quota;
}

size_t ctl_runs_count(const struct ctl_runs *runs, uid_t uid)
{
	return count_of(runs, uid, true);
}

size_t ctl_runs_rotate(struct ctl_runs *runs, uid_t uid, bool all)
{
	struct place *p;
	size_t n = 0;

	DL_FOREACH(runs->places, p) {
		if (!all && p->uid != uid)
			continue;
		ctl_seat_rotate(p->seat);
		n++;
	}
	return n;
}

int ctl_runs_new(const struct ctl_runs_conf *conf, struct ctl_runs **out)
{
	struct ctl_runs *runs = calloc(1, sizeof(*runs));
	int r;

	if (!runs)
		return -ENOMEM;
	runs->conf = *conf;
	r = io_timer_new(conf->loop, on_timer, runs, &runs->timer);
	if (r < 0) {
		free(runs);
		return r;
	}
	*out = runs;
	return 0;
}

void ctl_runs_free(struct ctl_runs *runs)
{
	if (!runs)
		return;
	io_timer_free(runs->timer);
	free(runs);
}
