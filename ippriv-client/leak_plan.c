#include "ippriv-client/leak_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void leak_addresses_add(struct leak_addresses *list, const struct addr *a)
{
	for (size_t i = 0; i < list->count; i++)
		if (addr_equal(&list->addr[i], a))
			return;
	if (a->family != 0 && list->count < LEAK_ADDRESSES_MAX)
		list->addr[list->count++] = *a;
}

static void put_address(json_t *o, const char *key, const struct addr *a)
{
	char text[ADDR_TEXT];

	if (a->family != 0)
		json_object_set_new(o, key, json_string(addr_text(a, text)));
}

static void put_addresses(json_t *o, const char *key, const struct leak_addresses *list)
{
	json_t *array = json_array();
	char text[ADDR_TEXT];

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(addr_text(&list->addr[i], text)));
	json_object_set_new(o, key, array);
}

json_t *leak_plan_json(const struct leak_plan *plan)
{
	json_t *links = json_array();
	json_t *o = json_pack("{s:s, s:i, s:s, s:i, s:i}", "token", plan->token, "tcp_sport",
			      plan->tcp_sport, "link", plan->link, "host_pid", plan->host_pid,
			      "host_fd", plan->host_fd);

	for (size_t i = 0; i < plan->link_count; i++)
		json_array_append_new(links, json_string(plan->links[i]));
	json_object_set_new(o, "links", links);
	put_address(o, "server", &plan->server);
	put_address(o, "local", &plan->local);
	put_address(o, "gateway", &plan->gateway);
	put_addresses(o, "lan", &plan->lan);
	put_addresses(o, "entries", &plan->entries);
	return o;
}

static bool get_address(const json_t *json, struct addr *out)
{
	const char *text = json_string_value(json);

	return !json || (text && addr_parse(text, out) == 0);
}

static bool get_addresses(const json_t *array, struct leak_addresses *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item) {
		struct addr a = { 0 };

		if (!get_address(item, &a))
			return false;
		leak_addresses_add(out, &a);
	}
	return json_is_array(array);
}

static bool get_name(const json_t *json, char out[LEAK_NAME])
{
	const char *text = json_string_value(json);

	return text && snprintf(out, LEAK_NAME, "%s", text) < LEAK_NAME;
}

static bool get_links(const json_t *array, struct leak_plan *plan)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item) {
		if (i == LEAK_ADDRESSES_MAX || !get_name(item, plan->links[i]))
			return false;
		plan->link_count = i + 1;
	}
	return json_is_array(array);
}

static bool is_token(const char *text)
{
	return strlen(text) == LEAK_TOKEN_LEN &&
	       strspn(text, "0123456789abcdef") == LEAK_TOKEN_LEN;
}

int leak_plan_parse(const json_t *json, struct leak_plan *out)
{
	struct leak_plan plan = { 0 };
	const char *token;
	int sport;

	if (json_unpack((json_t *)json, "{s:s, s:i, s:i, s:i}", "token", &token, "tcp_sport", &sport,
			"host_pid", &plan.host_pid, "host_fd", &plan.host_fd) < 0 ||
	    !is_token(token) || sport < 1 || sport > UINT16_MAX - LEAK_PROBES_MAX)
		return -EBADMSG;
	memcpy(plan.token, token, sizeof(plan.token));
	plan.tcp_sport = (uint16_t)sport;
	if (!get_name(json_object_get(json, "link"), plan.link) ||
	    !get_links(json_object_get(json, "links"), &plan) ||
	    !get_address(json_object_get(json, "server"), &plan.server) ||
	    !get_address(json_object_get(json, "local"), &plan.local) ||
	    !get_address(json_object_get(json, "gateway"), &plan.gateway) ||
	    !get_addresses(json_object_get(json, "lan"), &plan.lan) ||
	    !get_addresses(json_object_get(json, "entries"), &plan.entries))
		return -EBADMSG;
	*out = plan;
	return 0;
}
