#include "ippriv-node/ctl_admin.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"

struct ctl_admin {
	struct ctl_admin_conf conf;
	struct io_loop *loop;
	struct ctl_server *server;
	uint64_t since;
};

struct report {
	json_t *list;
	bool addresses;
};

static json_t *stats_json(const struct dp_stats *s)
{
	return json_pack("{s:I,s:I,s:I,s:I}", "bytes_in", (json_int_t)s->bytes_in, "packets_in",
			 (json_int_t)s->packets_in, "bytes_out", (json_int_t)s->bytes_out,
			 "packets_out", (json_int_t)s->packets_out);
}

/* What IKE knows: NAT, "here" in front of us, "there" in front of the other end. */
static void add_ike(json_t *item, const struct ike_sa_info *ike)
{
	const char *nat = ike->nat_local ? ike->nat_remote ? "both" : "here"
			  : ike->nat_remote ? "there" : "none";
	json_t *more = json_pack("{s:I,s:I,s:b,s:s,s:I,s:I,s:I}", "rekeys", (json_int_t)ike->rekeys,
				 "ike_rekeys", (json_int_t)ike->ike_rekeys, "encap", ike->encap,
				 "nat", nat, "messages_in", (json_int_t)ike->received, "messages_out", (json_int_t)ike->sent,
				 "retransmitted", (json_int_t)ike->retransmitted);

	json_object_update(item, more);
	json_decref(more);
}

static void add_circuit(void *data, const struct ctl_circuit_info *info)
{
	struct report *r = data;
	char text[ADDR_TEXT];
	json_t *item = json_pack("{s:I,s:s,s:s,s:I,s:o}", "circuit", (json_int_t)info->number,
				 "state", info->established ? "established" : "starting", "via",
				 info->via ? info->via : "client", "age", (json_int_t)(info->age / 1000),
				 "traffic", stats_json(&info->stats));

	add_ike(item, &info->ike);
	if (item && r->addresses) {
		json_object_set_new(item, "outer", json_string(addr_text(&info->outer, text)));
		json_object_set_new(item, "assigned", json_string(addr_text(&info->assigned, text)));
		if (info->assigned6.family != 0)
			json_object_set_new(item, "assigned6",
					    json_string(addr_text(&info->assigned6, text)));
	}
	json_array_append_new(r->list, item);
}

static void add_tunnel(void *data, const struct ctl_tunnel_info *info)
{
	struct report *r = data;
	char address[ADDR_TEXT], pool[ADDR_TEXT];
	json_t *item =
		json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:o}", "relay", info->nickname, "address",
			  addr_text(&info->address, address), "pool",
			  info->established ? prefix_text(&info->pool, pool) : "", "state",
			  info->established ? "established" : "starting", "started_by_us",
			  info->initiator, "age", (json_int_t)(info->age / 1000), "traffic",
			  stats_json(&info->stats));

	add_ike(item, &info->ike);
	json_array_append_new(r->list, item);
}

static json_t *counters_json(struct ctl_admin *admin)
{
	struct ike_host_counters c;

	ctl_ike_counters(admin->conf.ike, &c);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "sas", (json_int_t)c.sas, "half_open",
			 (json_int_t)c.half_open, "received", (json_int_t)c.received, "dropped",
			 (json_int_t)c.dropped, "malformed", (json_int_t)c.malformed,
			 "unauthenticated", (json_int_t)c.unauthenticated, "cookies_sent",
			 (json_int_t)c.cookies_sent);
}

static json_t *status_json(struct ctl_admin *admin, bool addresses)
{
	struct report circuits = { .list = json_array(), .addresses = addresses };
	struct report tunnels = { .list = json_array() };
	char text[ADDR_TEXT];

	ctl_circuits_each(admin->conf.circuits, add_circuit, &circuits);
	ctl_peers_each(admin->conf.peers, add_tunnel, &tunnels);
	return json_pack("{s:b,s:s,s:s,s:I,s:o,s:o,s:o}", "ok", 1, "nickname",
			 admin->conf.nickname, "address", addr_text(&admin->conf.address, text),
			 "age", (json_int_t)((io_loop_now(admin->loop) - admin->since) / 1000),
			 "circuits", circuits.list, "tunnels", tunnels.list, "ike",
			 counters_json(admin));
}

static void on_request(void *user, struct ctl_conn *conn, uid_t uid, json_t *request, int fd)
{
	struct ctl_admin *admin = user;
	const char *command = json_string_value(json_object_get(request, "command"));
	bool addresses = json_is_true(json_object_get(request, "addresses"));

	if (fd >= 0)
		close(fd);
	if (!command || strcmp(command, "status") != 0)
		ctl_reply_error(conn, "unknown command; a relay knows: status");
	else if (addresses && uid != 0)
		ctl_reply_error(conn, "client addresses are shown to root only");
	else
		ctl_reply(conn, status_json(admin, addresses));
}

static void on_closed(void *user, struct ctl_conn *conn)
{
	(void)user;
	(void)conn;
}

static const struct ctl_handler handler = { .request = on_request, .closed = on_closed };

int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out)
{
	struct ctl_admin *admin = calloc(1, sizeof(*admin));
	int err;

	if (!admin)
		return -ENOMEM;
	admin->loop = loop;
	admin->since = io_loop_now(loop);
	err = ctl_server_new(loop, path, 0600, &handler, admin, &admin->server);
	if (err < 0) {
		free(admin);
		return err;
	}
	*out = admin;
	return 0;
}

void ctl_admin_serve(struct ctl_admin *admin, const struct ctl_admin_conf *conf)
{
	admin->conf = *conf;
}

void ctl_admin_free(struct ctl_admin *admin)
{
	if (!admin)
		return;
	ctl_server_free(admin->server);
	free(admin);
}
