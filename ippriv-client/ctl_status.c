#include "ippriv-client/ctl_status.h"

struct building {
	json_t *circuits;
	uint64_t now;
	uid_t uid;
	uid_t (*owner)(const void *taker);
};

void ctl_status_lease(json_t *object, const struct ike_lease *lease)
{
	json_t *dns = json_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < lease->dns_count; i++)
		json_array_append_new(dns, json_string(addr_text(&lease->dns[i], text)));
	json_object_set_new(object, "address", json_string(addr_text(&lease->address, text)));
	json_object_set_new(object, "mtu", json_integer(dp_mtu()));
	json_object_set_new(object, "dns", dns);
}

static json_t *count_json(const struct dp_count *count)
{
	return json_pack("{s:I, s:I}", "bytes", (json_int_t)count->bytes, "packets",
			 (json_int_t)count->packets);
}

static json_t *hop_json(struct ctl_circuit *c, const struct ctl_circuit_info *info, size_t i,
			bool names)
{
	static const char *const roles[CTL_CIRCUIT_HOPS] = { "entry", "middle", "exit" };
	const struct dir_entry *relay = &info->path->hops[i];
	json_t *hop = json_pack("{s:s, s:b}", "role", roles[i], "up", i < info->hops_up);
	struct dp_stats stats;
	char text[ADDR_TEXT];

	if (names) {
		json_object_set_new(hop, "nickname", json_string(relay->nickname));
		json_object_set_new(hop, "address", json_string(addr_text(&relay->address, text)));
	}
	if (ctl_circuit_stats(c, i, &stats) == 0) {
		json_object_set_new(hop, "in", count_json(&stats.in));
		json_object_set_new(hop, "out", count_json(&stats.out));
	}
	return hop;
}

static void add_circuit(void *user, struct ctl_circuit *c, void *taker)
{
	struct building *b = user;
	bool names = b->uid == 0 || !taker || b->owner(taker) == b->uid;
	json_t *hops = json_array(), *o;
	struct ctl_circuit_info info;

	ctl_circuit_info(c, &info);
	o = json_pack("{s:i, s:s, s:b, s:I}", "id", (int)info.id, "state",
		      ctl_circuit_state_name(info.state), "attached", taker != NULL, "age",
		      (json_int_t)((b->now - info.started) / 1000));
	if (info.lease)
		ctl_status_lease(o, info.lease);
	for (size_t i = 0; i < CTL_CIRCUIT_HOPS; i++)
		json_array_append_new(hops, hop_json(c, &info, i, names));
	json_object_set_new(o, "hops", hops);
	json_array_append_new(b->circuits, o);
}

json_t *ctl_status_build(struct ctl_stock *stock, const struct dir_list *list, uint64_t now,
			 uid_t uid, uid_t (*owner)(const void *taker))
{
	struct building b = { json_array(), now, uid, owner };
	json_t *list_json = json_null();

	ctl_stock_each(stock, add_circuit, &b);
	if (list)
		list_json = json_pack("{s:I, s:I, s:I, s:I}", "relays", (json_int_t)list->count,
				      "published", (json_int_t)list->published, "fresh_until",
				      (json_int_t)list->fresh_until, "valid_until",
				      (json_int_t)list->valid_until);
	return json_pack("{s:b, s:o, s:o}", "ok", true, "list", list_json, "circuits", b.circuits);
}
