#include "common/ike/ike_ts.h"

#include <errno.h>
#include <string.h>

static bool any_protocol(const struct ike_selector *s)
{
	return s->proto == 0 && s->port_lo == 0 && s->port_hi == 0xffff;
}

static bool range_has(const struct ike_selector *s, const struct prefix *p)
{
	struct addr last = prefix_last(p);
	size_t size = addr_size(&p->addr);

	return s->lo.family == p->addr.family &&
	       memcmp(s->lo.bytes, p->addr.bytes, size) <= 0 &&
	       memcmp(last.bytes, s->hi.bytes, size) <= 0;
}

static bool list_has(const struct ike_ts_list *list, const struct prefix *p)
{
	for (size_t i = 0; i < list->count; i++)
		if (prefix_within(p, &list->items[i]))
			return true;
	return false;
}

static void list_add(struct ike_ts_list *list, const struct prefix *p)
{
	if (list->count < IKE_TS_MAX && !list_has(list, p))
		list->items[list->count++] = *p;
}

struct ike_ts_list ike_ts_narrow(const struct ike_selectors *offered,
				 const struct ike_ts_list *allowed)
{
	struct ike_ts_list out = { 0 };

	for (size_t i = 0; i < offered->count; i++) {
		const struct ike_selector *s = &offered->items[i];
		struct prefix p;

		if (!any_protocol(s))
			continue;
		for (size_t k = 0; k < allowed->count; k++) {
			if (range_has(s, &allowed->items[k]))
				list_add(&out, &allowed->items[k]);
			else if (ike_selector_prefix(s, &p) == 0 &&
				 prefix_within(&p, &allowed->items[k]))
				list_add(&out, &p);
		}
	}
	return out;
}

int ike_ts_accept(const struct ike_selectors *answer, const struct ike_ts_list *offered,
		  struct ike_ts_list *out)
{
	struct ike_ts_list list = { 0 };

	if (answer->count == 0 || answer->count > IKE_TS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < answer->count; i++) {
		struct prefix *p = &list.items[list.count++];

		if (!any_protocol(&answer->items[i]) ||
		    ike_selector_prefix(&answer->items[i], p) < 0 || !list_has(offered, p))
			return -EBADMSG;
	}
	*out = list;
	return 0;
}

struct ike_ts_list ike_ts_any(void)
{
	return (struct ike_ts_list){ .count = 2, .items = { { .addr.family = AF_INET },
							    { .addr.family = AF_INET6 } } };
}

struct ike_ts_list ike_ts_lease(const struct ike_lease *lease)
{
	struct ike_ts_list list = { .count = 1, .items = { prefix_host(&lease->address) } };

	if (lease->address6.family != 0)
		list.items[list.count++] = prefix_host(&lease->address6);
	return list;
}

struct ike_ts_list ike_ts_list_of(const struct ike_ts_list *list, uint8_t family)
{
	struct ike_ts_list out = { 0 };

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].addr.family == family)
			out.items[out.count++] = list->items[i];
	return out;
}

bool ike_ts_list_covers(const struct ike_ts_list *a, const struct ike_ts_list *b)
{
	for (size_t i = 0; i < b->count; i++) {
		bool found = false;

		for (size_t k = 0; k < a->count && !found; k++)
			found = prefix_equal(&a->items[k], &b->items[i]);
		if (!found)
			return false;
	}
	return true;
}

bool ike_ts_list_equal(const struct ike_ts_list *a, const struct ike_ts_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!prefix_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

bool ike_ts_list_valid(const struct ike_ts_list *list)
{
	if (list->count == 0 || list->count > IKE_TS_MAX)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		size_t size = addr_size(&list->items[i].addr);

		if (size == 0 || list->items[i].len > size * 8)
			return false;
	}
	return true;
}
