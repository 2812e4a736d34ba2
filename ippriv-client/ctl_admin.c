#include "ippriv-client/ctl_admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "ippriv-client/ctl_identity.h"
#include "ippriv-client/ctl_log.h"
#include "ippriv-client/ctl_owner.h"
#include "ippriv-client/ctl_quota.h"
#include "ippriv-client/ctl_session.h"
#include "ippriv-client/ctl_status.h"

/* Somebody who has asked for a circuit; the taker of it. */
struct guest {
	struct ctl_session session; /* first */
	struct ctl_admin *admin;
	struct ctl_conn *conn;
	uid_t uid;
	int fd;            /* its network namespace, -1 once that was handed on */
	uint64_t deadline; /* while it waits */
	struct ctl_circuit *circuit; /* NULL: it waits */
	struct guest *prev, *next;
};

struct ctl_admin {
	struct io_loop *loop;
	struct ctl_server *server;
	struct io_timer *timer;
	struct ctl_stock *stock;
	struct dir_watch *watch;
	struct ctl_log *log;
	struct guest *guests; /* in the order they came */
	struct ctl_quota quota;
};

/* What a command gets. */
struct request {
	struct ctl_conn *conn;
	uid_t uid;
	json_t *json; /* borrowed */
	int fd;       /* a network namespace that came along, or -1; a command may steal it */
};

static void guest_free(struct guest *g)
{
	DL_DELETE(g->admin->guests, g);
	ctl_conn_set_data(g->conn, NULL);
	if (g->fd >= 0)
		close(g->fd);
	free(g);
}

static void refuse(struct guest *g, const char *why)
{
	struct ctl_conn *conn = g->conn;

	guest_free(g);
	ctl_reply_error(conn, "%s", why);
}

/* What a person reads when the circuit could not be put where it should. */
static const char *seat_error(int err)
{
	return err == -EEXIST ? "there is an interface ippriv0 in that namespace; make a new one" :
				"the kernel does not let the tunnel into that namespace";
}

static void seat(struct guest *g, struct ctl_circuit *c)
{
	struct ctl_circuit_info info;
	json_t *answer;
	int r;

	r = ctl_circuit_attach(c, steal_fd(&g->fd));
	if (r < 0) {
		log_write_for(g->uid, LOG_LEVEL_WARNING,
			      "cannot put a circuit into a namespace of user %u: %s", g->uid,
			      strerror(-r));
		if (r == -EEXIST)
			ctl_stock_give_back(g->admin->stock, c);
		else
			ctl_stock_release(g->admin->stock, c);
		refuse(g, seat_error(r));
		return;
	}
	g->circuit = c;
	ctl_circuit_info(c, &info);
	answer = json_pack("{s:b, s:i}", "ok", true, "circuit", (int)info.id);
	ctl_status_lease(answer, info.lease);
	ctl_reply(g->conn, answer);
}

static size_t count_of(const struct ctl_admin *admin, uid_t uid, bool waiting)
{
	const struct guest *g;
	size_t n = 0;

	DL_FOREACH(admin->guests, g)
		n += g->uid == uid && (waiting || g->circuit);
	return n;
}

/* The first of those that wait whose user has fewest circuits. */
static struct guest *next_guest(const struct ctl_admin *admin)
{
	struct guest *g, *best = NULL;

	DL_FOREACH(admin->guests, g)
		if (!g->circuit && (!best || count_of(admin, g->uid, false) <
						     count_of(admin, best->uid, false)))
			best = g;
	return best;
}

void ctl_admin_ready(struct ctl_admin *admin)
{
	struct ctl_circuit *c;
	struct guest *g;

	while ((g = next_guest(admin)) && (c = ctl_stock_take(admin->stock, g, g->uid)))
		seat(g, c);
}

static void rearm(struct ctl_admin *admin)
{
	uint64_t now = io_loop_now(admin->loop);
	struct guest *g;

	DL_FOREACH(admin->guests, g) {
		if (g->circuit)
			continue;
		io_timer_start(admin->timer, g->deadline > now ? g->deadline - now : 0);
		return;
	}
	io_timer_stop(admin->timer);
}

static void on_timer(void *data)
{
	struct ctl_admin *admin = data;
	uint64_t now = io_loop_now(admin->loop);
	struct guest *g, *next;

	DL_FOREACH_SAFE(admin->guests, g, next)
		if (!g->circuit && g->deadline <= now)
			refuse(g, dir_watch_list(admin->watch) ?
					  "no circuit could be built in time; the log of "
					  "ippriv-client says why" :
					  "there is no relay list in force; the log of "
					  "ippriv-client says why");
	rearm(admin);
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

static void guest_left(struct ctl_session *session)
{
	struct guest *g = (struct guest *)session;
	struct ctl_circuit *circuit = g->circuit;
	struct ctl_admin *admin = g->admin;

	guest_free(g);
	if (circuit)
		ctl_stock_release(admin->stock, circuit);
	rearm(admin);
}

/* Says so when not. */
static bool within_limits(struct ctl_admin *admin, struct ctl_conn *conn, uid_t uid)
{
	if (uid == 0)
		return true;
	if (count_of(admin, uid, true) >= CTL_ADMIN_CIRCUITS) {
		ctl_reply_error(conn, "you have %d circuits; end an `ippriv run` first",
				CTL_ADMIN_CIRCUITS);
		return false;
	}
	if (!ctl_quota_take(&admin->quota, uid, io_loop_now(admin->loop))) {
		ctl_reply_error(conn, "too many circuits in a short time; wait %d s, or run several "
				"commands in one `ippriv run -- bash`", CTL_QUOTA_EVERY_MS / 1000);
		return false;
	}
	return true;
}

static void attach(struct ctl_admin *admin, struct request *request)
{
	_cleanup_close_ int own = steal_fd(&request->fd);
	struct ctl_conn *conn = request->conn;
	uid_t uid = request->uid;
	struct guest *g;
	int r;

	if (own < 0) {
		ctl_reply_error(conn, "attach needs a network namespace's descriptor");
		return;
	}
	if (ctl_conn_data(conn)) {
		ctl_reply_error(conn, "this connection is in use; open another");
		return;
	}
	r = ctl_owner_check(own, uid);
	if (r < 0) {
		ctl_reply_error(conn, "%s", owner_error(r));
		return;
	}
	if (!within_limits(admin, conn, uid))
		return;
	g = calloc(1, sizeof(*g));
	if (!g) {
		ctl_reply_error(conn, "no memory left");
		return;
	}
	*g = (struct guest){ .session = { guest_left }, .admin = admin, .conn = conn, .uid = uid,
			     .fd = steal_fd(&own) };
	g->deadline = io_loop_now(admin->loop) + CTL_ADMIN_WAIT_MS;
	DL_APPEND(admin->guests, g);
	ctl_conn_set_data(conn, &g->session);
	if (!dir_watch_list(admin->watch))
		dir_watch_hurry(admin->watch); /* somebody waits: do not sit the back-off out */
	ctl_admin_ready(admin);
	rearm(admin);
}

static void circuits(struct ctl_admin *admin, struct request *request)
{
	ctl_reply(request->conn, ctl_status_circuits(admin->stock, io_loop_now(admin->loop),
						     request->uid));
}

static void new_identity(struct ctl_admin *admin, struct request *request)
{
	ctl_identity_renew(admin->stock, &admin->quota, io_loop_now(admin->loop), request->conn,
			   request->uid);
}

static void show_log(struct ctl_admin *admin, struct request *request)
{
	ctl_log_request(admin->log, request->conn, request->uid, request->json);
}

static void status(struct ctl_admin *admin, struct request *request)
{
	ctl_reply(request->conn, ctl_status_build(admin->stock, dir_watch_list(admin->watch),
						  io_loop_now(admin->loop), request->uid));
}

static const struct {
	const char *name;
	void (*run)(struct ctl_admin *admin, struct request *request);
} commands[] = {
	{ "status", status },
	{ "circuits", circuits },
	{ "new-identity", new_identity },
	{ "log", show_log },
	{ "attach", attach },
};

static void refuse_unknown(struct ctl_conn *conn)
{
	char known[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t len = strlen(known);

		snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
			 commands[i].name);
	}
	ctl_reply_error(conn, "unknown command; known are: %s", known);
}

static void on_request(void *user, struct ctl_conn *conn, uid_t uid, json_t *json, int fd)
{
	struct request request = { conn, uid, json, fd };
	const char *name = json_string_value(json_object_get(json, "command"));
	struct ctl_admin *admin = user;
	size_t i = 0;

	while (i < ARRAY_SIZE(commands) && strcmp(commands[i].name, name) != 0)
		i++;
	if (!admin->stock)
		ctl_reply_error(conn, "ippriv-client is still starting; try again");
	else if (i < ARRAY_SIZE(commands))
		commands[i].run(admin, &request);
	else
		refuse_unknown(conn);
	if (request.fd >= 0)
		close(request.fd);
}

static void on_closed(void *user, struct ctl_conn *conn)
{
	struct ctl_session *session = ctl_conn_data(conn);

	(void)user;
	if (session)
		session->closed(session);
}

void ctl_admin_lost(void *taker)
{
	struct guest *g = taker;
	struct ctl_conn *conn = g->conn;

	guest_free(g);
	ctl_conn_close(conn);
}

static const struct ctl_handler handler = { .request = on_request, .closed = on_closed };

int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out)
{
	struct ctl_admin *admin = calloc(1, sizeof(*admin));
	int r;

	if (!admin)
		return -ENOMEM;
	admin->loop = loop;
	r = io_timer_new(loop, on_timer, admin, &admin->timer);
	if (r == 0)
		r = ctl_log_new(loop, &admin->log);
	if (r == 0)
		r = ctl_server_new(loop, path, 0666, &handler, admin, &admin->server);
	if (r < 0) {
		ctl_log_free(admin->log);
		io_timer_free(admin->timer);
		free(admin);
		return r;
	}
	*out = admin;
	return 0;
}

void ctl_admin_serve(struct ctl_admin *admin, struct ctl_stock *stock,
		     struct dir_watch *watch)
{
	admin->stock = stock;
	admin->watch = watch;
}

void ctl_admin_free(struct ctl_admin *admin)
{
	if (!admin)
		return;
	ctl_server_free(admin->server);
	ctl_log_free(admin->log);
	io_timer_free(admin->timer);
	free(admin);
}
