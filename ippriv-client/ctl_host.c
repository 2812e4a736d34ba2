#include "ippriv-client/ctl_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "ippriv-client/host_url.h"

enum { RETRY_MS = 250 }; /* the interface of a circuit that is closing still has the name */

struct ctl_host {
	struct ctl_host_conf conf;
	uint16_t list_port;
	bool named;
	struct host_state state;
	struct ctl_stock *stock;
	struct dir_watch *watch;
	struct ctl_stock_wish any;   /* no wish */
	struct ctl_circuit *circuit; /* NULL: none */
	struct io_timer *timer;
	uint64_t retry_at;
};

static struct dp_host_conf wanted(const struct ctl_host *host, const struct host_state *s)
{
	struct dp_host_conf conf = { .list_port = host->list_port, .net_count = s->net_count };

	memcpy(conf.nets, s->nets, s->net_count * sizeof(s->nets[0]));
	return conf;
}

static struct dp_host_seat seat_of(const struct ctl_circuit *c)
{
	struct dp_host_seat seat = { 0 };
	struct ctl_circuit_info info;

	if (!c)
		return seat;
	ctl_circuit_info(c, &info);
	seat.address = info.lease->address;
	for (size_t i = 0; i < info.lease->dns_count && !seat.resolver.family; i++)
		if (info.lease->dns[i].family == AF_INET)
			seat.resolver = info.lease->dns[i];
	return seat;
}

/* The firewall for STATE, with the tunnel as CIRCUIT makes it. */
static int shut(const struct ctl_host *host, const struct host_state *state,
		const struct ctl_circuit *circuit)
{
	struct dp_host_conf conf = wanted(host, state);
	struct dp_host_seat seat = seat_of(circuit);

	return dp_host_shut(host->conf.kern, &conf, &seat);
}

static int route(const struct ctl_host *host, const struct host_state *state)
{
	struct dp_host_conf conf = wanted(host, state);

	return dp_host_route(host->conf.kern, &conf);
}

static int unroute(const struct ctl_host *host, const struct host_state *state)
{
	struct dp_host_conf conf = wanted(host, state);

	return dp_host_unroute(host->conf.kern, &conf);
}

/* An exit that gives another address could take one that the host reaches, or its own. */
static bool lease_ok(const struct ctl_circuit *c)
{
	const struct prefix pools = { addr_v4(0x64400000), 10 };
	struct ctl_circuit_info info;

	ctl_circuit_info(c, &info);
	return prefix_contains(&pools, &info.lease->address);
}

static void later(struct ctl_host *host)
{
	host->retry_at = io_loop_now(host->conf.loop) + RETRY_MS;
	io_timer_start(host->timer, RETRY_MS);
}

static void sit(struct ctl_host *host, struct ctl_circuit *c)
{
	struct ctl_circuit_info info;
	int r = lease_ok(c) ? shut(host, &host->state, c) : -ERANGE;

	if (r == 0)
		r = ctl_circuit_attach_host(c, 0);
	ctl_circuit_info(c, &info);
	if (r == 0) {
		host->circuit = c;
		dir_watch_indirect(host->watch, true);
		log_info("the host goes through circuit %u", info.id);
		if (!seat_of(c).resolver.family)
			log_warning("its exit has named no resolver: the host cannot look up names");
		return;
	}
	if (r == -EEXIST) {
		ctl_stock_give_back(host->stock, c);
	} else {
		log_warning("the host cannot go through circuit %u: %s", info.id,
			    r == -ERANGE ? "its exit gave an address that is not a relay's to give" :
					   dp_host_error(host->conf.kern));
		ctl_stock_release(host->stock, c);
	}
	if (shut(host, &host->state, NULL) < 0)
		log_warning("the firewall names a circuit that is not there: %s",
			    dp_host_error(host->conf.kern));
	later(host);
}

void ctl_host_ready(struct ctl_host *host)
{
	struct ctl_circuit *c;

	if (!host->stock || !host->state.up || host->circuit ||
	    io_loop_now(host->conf.loop) < host->retry_at)
		return;
	c = ctl_stock_take(host->stock, host, 0, &host->any);
	if (c)
		sit(host, c);
}

static void on_timer(void *data)
{
	ctl_host_ready(data);
}

static void stand_up(struct ctl_host *host)
{
	host->circuit = NULL;
	dir_watch_indirect(host->watch, false);
}

bool ctl_host_lost(struct ctl_host *host, void *taker)
{
	if (taker != host)
		return false;
	stand_up(host);
	log_warning("the host's circuit is lost; nothing passes until there is another");
	if (shut(host, &host->state, NULL) < 0)
		log_warning("the firewall names a circuit that is gone: %s",
			    dp_host_error(host->conf.kern));
	ctl_host_ready(host);
	return true;
}

/* Refuses with a line: the kernel's words, or those of the state's file. */
static void refuse(const struct ctl_host *host, struct ctl_conn *conn, const char *what, int r)
{
	ctl_reply_error(conn, "%s: %s (%s); nothing was changed", what,
			dp_host_error(host->conf.kern), strerror(-r));
}

static bool save(const struct ctl_host *host, struct ctl_conn *conn, const struct host_state *s)
{
	int r = host_state_save(host->conf.folder, s);

	if (r < 0)
		ctl_reply_error(conn, "cannot write %s/host: %s", host->conf.folder, strerror(-r));
	return r == 0;
}

/* Back to what was, which the kernel has had before. */
static void restore(struct ctl_host *host, const struct host_state *tried)
{
	(void)unroute(host, tried);
	if (host->state.up && route(host, &host->state) < 0)
		log_error("the host's routes: %s", dp_host_error(host->conf.kern));
	if (host_state_shut(&host->state))
		(void)shut(host, &host->state, host->circuit);
	else
		(void)dp_host_open(host->conf.kern);
	if (host_state_save(host->conf.folder, &host->state) < 0)
		log_error("cannot write %s/host", host->conf.folder);
}

static bool same_nets(const struct host_state *a, const struct host_state *b)
{
	bool same = a->net_count == b->net_count;

	for (size_t i = 0; same && i < a->net_count; i++)
		same = prefix_equal(&a->nets[i], &b->nets[i]);
	return same;
}

/* What is told for the host and its exceptions: the file first, the firewall, then the routes. */
static void put(struct ctl_host *host, struct ctl_conn *conn, const struct host_state *s)
{
	int r;

	if (!save(host, conn, s))
		return;
	r = shut(host, s, host->circuit);
	if (r == 0 && host->state.up && !same_nets(s, &host->state))
		(void)unroute(host, &host->state);
	if (r == 0 && s->up)
		r = route(host, s);
	if (r < 0) {
		refuse(host, conn, "cannot shut the host", r);
		restore(host, s);
		return;
	}
	host->state = *s;
	ctl_host_ready(host);
	ctl_reply(conn, json_pack("{s:b}", "ok", true));
}

/* False: said why. */
static bool parse_nets(struct ctl_conn *conn, const json_t *list, struct host_state *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item), *why = "that is no network; write an "
								   "address or ADDRESS/BITS";
		struct prefix net;

		if (out->net_count == HOST_STATE_NETS) {
			ctl_reply_error(conn, "at most %d networks can be excluded", HOST_STATE_NETS);
			return false;
		}
		if (text && prefix_parse(text, &net) == 0)
			why = host_state_net_error(&net);
		if (why) {
			ctl_reply_error(conn, "%.64s: %s", text ? text : "?", why);
			return false;
		}
		out->nets[out->net_count++] = net;
	}
	return true;
}

static void do_up(struct ctl_host *host, struct ctl_conn *conn, const json_t *request)
{
	struct host_state s = { .up = true, .lockdown = host->state.lockdown };
	char why[256];

	if (!parse_nets(conn, json_object_get(request, "exclude"), &s))
		return;
	if (host->named && !dir_watch_reached(host->watch))
		ctl_reply_error(conn, "directory = \"%.128s\": where that is is not known before there "
				"was a list, and cannot be looked up without a tunnel; try again when "
				"`ippriv status` shows a list", host->conf.directory);
	else if (dp_host_check(why, sizeof(why)) < 0)
		ctl_reply_error(conn, "%s", why);
	else
		put(host, conn, &s);
}

/* The file last: who dies on the way starts shut. */
static void open_up(struct ctl_host *host, struct ctl_conn *conn, const struct host_state *s)
{
	struct ctl_circuit *c = host->circuit;
	int r = unroute(host, &host->state), r2 = 0;

	if (c) {
		stand_up(host);
		ctl_stock_release(host->stock, c);
	}
	if (!host_state_shut(s))
		r2 = dp_host_open(host->conf.kern);
	if (r == 0 && r2 < 0 && r2 != -ENOENT)
		r = r2;
	if (r < 0) {
		ctl_reply_error(conn, "cannot open the host: %s (%s)",
				dp_host_error(host->conf.kern), strerror(-r));
		return;
	}
	if (!save(host, conn, s))
		return;
	host->state = *s;
	ctl_reply(conn, json_pack("{s:b}", "ok", true));
}

static void do_down(struct ctl_host *host, struct ctl_conn *conn, const json_t *request)
{
	const struct host_state s = { 0 };

	(void)request;
	if (host->state.lockdown)
		ctl_reply_error(conn, "lockdown is on: without the tunnel nothing would pass; ippriv "
				"lockdown off first");
	else
		open_up(host, conn, &s);
}

static void do_lockdown(struct ctl_host *host, struct ctl_conn *conn, const json_t *request)
{
	const json_t *on = json_object_get(request, "on");
	struct host_state s = host->state;

	s.lockdown = json_is_true(on);
	if (!json_is_boolean(on))
		ctl_reply_error(conn, "lockdown wants \"on\": true or false");
	else if (!host_state_shut(&s))
		open_up(host, conn, &(struct host_state){ 0 });
	else
		put(host, conn, &s);
}

/* SECONDS 0: as long as the firewall stands. */
static void pass(struct ctl_host *host, struct ctl_conn *conn, const json_t *request,
		 uint32_t seconds)
{
	json_int_t cgroup = json_integer_value(json_object_get(request, "cgroup"));
	int r;

	if (cgroup <= 0) {
		ctl_reply_error(conn, "\"cgroup\" has to be the number of a control group");
		return;
	}
	if (!host_state_shut(&host->state)) {
		ctl_reply_error(conn, "the host is neither up nor in lockdown: commands go straight "
				"as it is");
		return;
	}
	r = dp_host_pass(host->conf.kern, (uint64_t)cgroup, seconds);
	if (r < 0 && r != -EEXIST)
		refuse(host, conn, "cannot let it pass", r);
	else
		ctl_reply(conn, json_pack("{s:b}", "ok", true));
}

static void do_portal(struct ctl_host *host, struct ctl_conn *conn, const json_t *request)
{
	json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));
	json_int_t cgroup = json_integer_value(json_object_get(request, "cgroup"));

	if (json_is_true(json_object_get(request, "shut"))) {
		(void)dp_host_stop(host->conf.kern, (uint64_t)cgroup); /* time may have done it */
		ctl_reply(conn, json_pack("{s:b}", "ok", true));
	} else if (seconds < 1 || seconds > CTL_HOST_PORTAL) {
		ctl_reply_error(conn, "a portal is open for 1 to %d seconds", CTL_HOST_PORTAL);
	} else {
		log_info("a captive portal may be spoken to for %d s", (int)seconds);
		pass(host, conn, request, (uint32_t)seconds);
	}
}

static void do_exclude(struct ctl_host *host, struct ctl_conn *conn, const json_t *request)
{
	pass(host, conn, request, 0);
}

static const struct {
	const char *name;
	void (*run)(struct ctl_host *host, struct ctl_conn *conn, const json_t *request);
} commands[] = {
	{ "up", do_up },
	{ "down", do_down },
	{ "lockdown", do_lockdown },
	{ "exclude", do_exclude },
	{ "portal", do_portal },
};

bool ctl_host_request(struct ctl_host *host, struct ctl_conn *conn, uid_t uid,
		      const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	size_t i = 0;

	while (name && i < ARRAY_SIZE(commands) && strcmp(commands[i].name, name) != 0)
		i++;
	if (!name || i == ARRAY_SIZE(commands))
		return false;
	if (uid == 0)
		commands[i].run(host, conn, request);
	else
		ctl_reply_error(conn, "only root may do that; use sudo");
	return true;
}

json_t *ctl_host_status(const struct ctl_host *host)
{
	json_t *nets = json_array(), *tunnel = json_null();
	struct ctl_circuit_info info;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < host->state.net_count; i++)
		json_array_append_new(nets, json_string(prefix_text(&host->state.nets[i], text)));
	if (host->circuit) {
		ctl_circuit_info(host->circuit, &info);
		tunnel = json_integer(info.id);
	}
	return json_pack("{s:b, s:b, s:o, s:o, s:s}", "up", host->state.up, "lockdown",
			 host->state.lockdown, "circuit", tunnel, "exclude", nets, "directory",
			 host->conf.directory);
}

/* What an earlier run was told, and has left. */
static int resume(struct ctl_host *host)
{
	char why[512];
	int r = host_state_load(host->conf.folder, &host->state, why, sizeof(why));

	if (r < 0) {
		log_error("%s", why);
		return r;
	}
	if (host_state_shut(&host->state)) {
		r = shut(host, &host->state, NULL);
		if (r < 0)
			log_error("cannot shut the host, as it is to be: %s",
				  dp_host_error(host->conf.kern));
		else
			log_info("the host is shut: %s", host->state.up ? "up" : "lockdown");
		return r;
	}
	(void)unroute(host, &host->state);
	(void)dp_host_open(host->conf.kern);
	return 0;
}

int ctl_host_new(const struct ctl_host_conf *conf, struct ctl_host **out)
{
	struct ctl_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->conf = *conf;
	host->list_port = host_url_port(conf->directory, &host->named);
	r = io_timer_new(conf->loop, on_timer, host, &host->timer);
	if (r == 0)
		r = resume(host);
	if (r < 0)
		ctl_host_free(host);
	else
		*out = host;
	return r;
}

void ctl_host_free(struct ctl_host *host)
{
	if (!host)
		return;
	io_timer_free(host->timer);
	free(host);
}

int ctl_host_serve(struct ctl_host *host, struct ctl_stock *stock, struct dir_watch *watch)
{
	int r = host->state.up ? route(host, &host->state) : 0;

	host->stock = stock;
	host->watch = watch;
	if (r < 0)
		log_error("cannot lead the host into the tunnel: %s",
			  dp_host_error(host->conf.kern));
	return r;
}
