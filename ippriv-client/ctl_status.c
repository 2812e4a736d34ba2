#include "ippriv-client/ctl_status.h"

struct building {
	json_t *circuits;
	uint64_t now;
	uid_t uid;
};

void ctl_status_lease(json_t *object, const struct ike_lease *lease)
{
	json_t *dns = json_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < lease->dns_count; i++)
		json_array_append_new(dns, json_string(addr_text(&lease->dns[i], text)));
	json_object_set_new(object, "address", json_string(addr_text(&lease->address, text)));
	if (lease->address6.family != 0)
		json_object_set_new(object, "address6",
				    json_string(addr_text(&lease->address6, text)));
	json_object_set_new(object, "mtu", json_integer(dp_mtu()));
	json_object_set_new(object, "dns", dns);
}

static json_t *count_json(const struct dp_count *count)
{
	return json_pack("{s:I, s:I}", "bytes", (json_int_t)count->bytes, "packets",
			 (json_int_t)count->packets);
}

/* Only the first layer has a path that is not told by the addresses of the others. */
static void sa_json(json_t *hop, const struct ike_sa_info *sa, bool first)
{
	char text[ADDR_TEXT];

	json_object_set_new(hop, "rekeys", json_integer(sa->rekeys));
	json_object_set_new(hop, "ike_rekeys", json_integer(sa->ike_rekeys));
	if (!first)
		return;
	json_object_set_new(hop, "nat", json_boolean(sa->nat_local || sa->nat_remote));
	json_object_set_new(hop, "encap", json_boolean(sa->encap));
	json_object_set_new(hop, "local", json_string(endpoint_text(&sa->path.local, text)));
	json_object_set_new(hop, "remote", json_string(endpoint_text(&sa->path.remote, text)));
}

static json_t *hop_json(struct ctl_circuit *c, const struct ctl_circuit_info *info, size_t i)
{
	static const char *const roles[CTL_CIRCUIT_HOPS] = { "entry", "middle", "exit" };
	const struct dir_entry *relay = &info->path->hops[i];
	struct ike_sa_info sa;
	struct dp_stats stats;
	char text[ADDR_TEXT];
	json_t *hop = json_pack("{s:s, s:b, s:s, s:s}", "role", roles[i], "up", i < info->hops_up,
				"nickname", relay->nickname, "address",
				addr_text(&relay->address, text));

	if (ctl_circuit_hop(c, i, &sa) == 0)
		sa_json(hop, &sa, i == 0);
	if (ctl_circuit_stats(c, i, &stats) == 0) {
		json_object_set_new(hop, "in", count_json(&stats.in));
		json_object_set_new(hop, "out", count_json(&stats.out));
	}
	return hop;
}

json_t *ctl_status_circuit(struct ctl_circuit *c, const struct ctl_stock_holder *holder,
			   uint64_t now, uid_t uid)
{
	bool all = uid == 0 || (holder->taken && holder->uid == uid);
	json_t *hops = json_array(), *o;
	struct ctl_circuit_info info;

	ctl_circuit_info(c, &info);
	o = json_pack("{s:i, s:s, s:b, s:I}", "id", (int)info.id, "state",
		      ctl_circuit_state_name(info.state), "attached", holder->attached, "age",
		      (json_int_t)((now - info.started) / 1000));
	if (all && info.lease)
		ctl_status_lease(o, info.lease);
	if (all)
		json_object_set_new(o, "away", json_boolean(info.away));
	if (all && holder->taken)
		json_object_set_new(o, "holder", json_integer(holder->uid));
	for (size_t i = 0; all && i < CTL_CIRCUIT_HOPS; i++)
		json_array_append_new(hops, hop_json(c, &info, i));
	json_object_set_new(o, "hops", hops);
	return o;
}

static void add_circuit(void *user, struct ctl_circuit *c, const struct ctl_stock_holder *holder)
{
	struct building *b = user;

	json_array_append_new(b->circuits, ctl_status_circuit(c, holder, b->now, b->uid));
}

json_t *ctl_status_circuits(struct ctl_stock *stock, uint64_t now, uid_t uid)
{
	struct building b = { json_array(), now, uid };

	ctl_stock_each(stock, add_circuit, &b);
	return json_pack("{s:b, s:I, s:o}", "ok", true, "time", (json_int_t)now, "circuits",
			 b.circuits);
}

json_t *ctl_status_build(struct ctl_stock *stock, const struct dir_list *list, uint64_t now,
			 uid_t uid)
{
	struct building b = { json_array(), now, uid };
	json_t *list_json = json_null();

	ctl_stock_each(stock, add_circuit, &b);
	if (list)
		list_json = json_pack("{s:I, s:I, s:I, s:I}", "relays", (json_int_t)list->count,
				      "published", (json_int_t)list->published, "fresh_until",
				      (json_int_t)list->fresh_until, "valid_until",
				      (json_int_t)list->valid_until);
	return json_pack("{s:b, s:o, s:o}", "ok", true, "list", list_json, "circuits", b.circuits);
}
