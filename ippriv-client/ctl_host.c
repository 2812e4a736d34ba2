#include "ippriv-client/ctl_host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "ippriv-client/host_url.h"

struct ctl_host {
	struct ctl_host_conf conf;
	uint16_t list_port;
	bool named;
	struct host_state state;
	struct ctl_stock *stock;
	struct dir_watch *watch;
	struct ctl_seat *seat; /* NULL: the host is not up, or circuits are not served yet */
	unsigned int slot;     /* of its newest circuit */
	/* As the firewall knows them. An address stays until another circuit has its place. */
	struct dp_host_seats seats;
};

_Static_assert((int)CTL_SEAT_SLOTS == DP_HOST_SEATS, "each slot of the seat is one of the host's");

static struct dp_host_conf wanted(const struct ctl_host *host, const struct host_state *s)
{
	struct dp_host_conf conf = { .list_port = host->list_port, .net_count = s->net_count };

	memcpy(conf.nets, s->nets, s->net_count * sizeof(s->nets[0]));
	return conf;
}

/* The firewall for STATE, with the tunnels that there are. */
static int shut(const struct ctl_host *host, const struct host_state *state)
{
	struct dp_host_conf conf = wanted(host, state);

	return dp_host_shut(host->conf.kern, &conf, &host->seats);
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
static bool lease_ok(const struct addr *address)
{
	const struct prefix pools = { addr_v4(0x64400000), 10 };

	return prefix_contains(&pools, address);
}

static void stop_names(struct dp_host_seats *seats)
{
	seats->has_names = false;
	seats->resolver = (struct addr){ 0 };
}

/* A circuit that has gone may have had the slot, or the address. */
static void seat_address(struct dp_host_seats *seats, unsigned int slot,
			 const struct ike_lease *lease)
{
	for (unsigned int i = 0; i < DP_HOST_SEATS; i++) {
		if (i != slot && !addr_equal(&seats->addresses[i], &lease->address))
			continue;
		seats->addresses[i] = seats->addresses6[i] = (struct addr){ 0 };
		if (seats->names == i)
			stop_names(seats);
	}
	seats->addresses[slot] = lease->address;
	seats->addresses6[slot] = lease->address6;
}

static struct addr resolver_of(const struct ike_lease *lease)
{
	for (size_t i = 0; i < lease->dns_count; i++)
		if (lease->dns[i].family == AF_INET)
			return lease->dns[i];
	return (struct addr){ 0 };
}

/* The firewall knows the address before the interface has it; names go the old way still. */
static int on_attach(void *user, struct ctl_circuit *c, unsigned int slot)
{
	struct ctl_host *host = user;
	const struct dp_host_seats before = host->seats;
	struct ctl_circuit_info info;
	int r;

	ctl_circuit_info(c, &info);
	if (!lease_ok(&info.lease->address))
		return -ERANGE;
	seat_address(&host->seats, slot, info.lease);
	r = shut(host, &host->state);
	if (r == 0)
		r = ctl_circuit_attach_host(c, slot);
	if (r == 0) {
		host->slot = slot;
		return 0;
	}
	host->seats = before;
	if (shut(host, &host->state) < 0)
		log_warning("the firewall names a circuit that is not there: %s",
			    dp_host_error(host->conf.kern));
	return r;
}

static void on_seated(void *user, struct ctl_circuit *c)
{
	struct ctl_host *host = user;
	struct ctl_circuit_info info;

	ctl_circuit_info(c, &info);
	host->seats.has_names = true;
	host->seats.names = host->slot;
	host->seats.resolver = resolver_of(info.lease);
	if (shut(host, &host->state) < 0)
		log_error("names do not go through the host's circuit: %s",
			  dp_host_error(host->conf.kern));
	dir_watch_indirect(host->watch, true);
	log_info("the host goes through circuit %u", info.id);
	if (!host->seats.resolver.family)
		log_warning("its exit has named no resolver: the host cannot look up names");
}

static void on_empty(void *user)
{
	struct ctl_host *host = user;

	log_warning("the host's circuit is lost; nothing new passes until there is another");
	dir_watch_indirect(host->watch, false);
	stop_names(&host->seats);
	if (shut(host, &host->state) < 0)
		log_warning("the firewall names a circuit that is gone: %s",
			    dp_host_error(host->conf.kern));
}

static void on_failed(void *user, const struct ctl_circuit *c, int err, bool final)
{
	const struct ctl_host *host = user;
	struct ctl_circuit_info info;

	(void)final;
	ctl_circuit_info(c, &info);
	log_warning("the host cannot go through circuit %u: %s", info.id,
		    err == -ERANGE ? "its exit gave an address that is not a relay's to give" :
				      dp_host_error(host->conf.kern));
}

static const struct ctl_seat_ops seat_ops = {
	.attach = on_attach,
	.seated = on_seated,
	.empty = on_empty,
	.failed = on_failed,
};

/* Circuits may come from now on. Again: nothing happens. */
static int sit(struct ctl_host *host)
{
	const struct ctl_seat_conf conf = {
		.loop = host->conf.loop,
		.stock = host->stock,
		.ops = &seat_ops,
		.user = host,
		.rotate = host->conf.rotate,
	};

	return host->seat ? 0 : ctl_seat_new(&conf, &host->seat);
}

static void stand_up(struct ctl_host *host)
{
	if (!host->seat)
		return;
	ctl_seat_free(host->seat);
	host->seat = NULL;
	host->seats = (struct dp_host_seats){ 0 };
	dir_watch_indirect(host->watch, false);
}

void ctl_host_ready(struct ctl_host *host)
{
	if (host->seat)
		(void)ctl_seat_offer(host->seat);
}

bool ctl_host_lost(struct ctl_host *host, void *taker, struct ctl_circuit *circuit)
{
	if (!host->seat || taker != host->seat)
		return false;
	ctl_seat_lost(host->seat, circuit);
	return true;
}

bool ctl_host_rotate(struct ctl_host *host)
{
	if (host->seat)
		ctl_seat_rotate(host->seat);
	return host->seat;
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
	if (!host->state.up)
		stand_up(host);
	if (host->state.up && route(host, &host->state) < 0)
		log_error("the host's routes: %s", dp_host_error(host->conf.kern));
	if (host_state_shut(&host->state))
		(void)shut(host, &host->state);
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
	r = shut(host, s);
	if (r == 0 && s->up)
		r = sit(host);
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
	int r = unroute(host, &host->state), r2 = 0;

	stand_up(host);
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
	const struct ctl_circuit *c = host->seat ? ctl_seat_circuit(host->seat) : NULL;
	json_t *nets = json_array(), *tunnel = json_null();
	struct ctl_circuit_info info;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < host->state.net_count; i++)
		json_array_append_new(nets, json_string(prefix_text(&host->state.nets[i], text)));
	if (c) {
		ctl_circuit_info(c, &info);
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
		r = shut(host, &host->state);
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
	ctl_seat_free(host->seat);
	free(host);
}

int ctl_host_serve(struct ctl_host *host, struct ctl_stock *stock, struct dir_watch *watch)
{
	int r = host->state.up ? route(host, &host->state) : 0;

	host->stock = stock;
	host->watch = watch;
	if (r < 0) {
		log_error("cannot lead the host into the tunnel: %s",
			  dp_host_error(host->conf.kern));
		return r;
	}
	r = host->state.up ? sit(host) : 0;
	if (r < 0)
		log_error("cannot start: no memory left");
	return r;
}
