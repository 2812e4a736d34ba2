#include "natbox.h"

#include <criterion/criterion.h>

static struct natbox *box_of_duo; /* route has no argument of its own; a test has one duo */

static bool same(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port;
}

static bool is_inside(const struct natbox *box, const struct addr *a)
{
	return box->inside.addr.family != 0 && prefix_contains(&box->inside, a);
}

static void translate_out(struct natbox *box, struct endpoint *from, const struct endpoint *to)
{
	struct natbox_mapping *m;

	for (size_t i = 0; i < box->mapping_count; i++) {
		m = &box->mappings[i];
		if (!same(&m->inside, from) || !same(&m->remote, to))
			continue;
		*from = m->outside;
		return;
	}
	cr_assert_lt(box->mapping_count, NATBOX_MAPPINGS);
	m = &box->mappings[box->mapping_count++];
	*m = (struct natbox_mapping){ .inside = *from, .remote = *to,
				      .outside = { box->outside, box->next_port++ } };
	*from = m->outside;
}

static bool translate_in(struct natbox *box, const struct endpoint *from, struct endpoint *to)
{
	for (size_t i = 0; i < box->mapping_count; i++) {
		const struct natbox_mapping *m = &box->mappings[i];

		if (!same(&m->outside, to) || !same(&m->remote, from))
			continue;
		*to = m->inside;
		return true;
	}
	return false;
}

/* SEEN is the receiver's: its remote is the sender. */
static bool from_initiator(struct natbox *box, struct ike_path *seen)
{
	if (!addr_equal(&seen->remote.addr, &box->address))
		return false;
	if (is_inside(box, &seen->remote.addr))
		translate_out(box, &seen->remote, &seen->local);
	if (box->entry_inside.family)
		seen->local.addr = box->entry_inside;
	seen->floated = seen->local.port == 4500;
	seen->channel = seen->local.addr.family == AF_INET6 ? 3 : seen->floated;
	return true;
}

static bool from_responder(struct natbox *box, struct ike_path *seen)
{
	if (box->entry_inside.family)
		seen->remote.addr = duo_path().remote.addr;
	if (addr_equal(&seen->local.addr, &box->outside) || is_inside(box, &seen->local.addr)) {
		if (!translate_in(box, &seen->remote, &seen->local))
			return false;
	}
	seen->floated = seen->remote.port == 4500;
	seen->channel = seen->floated ? box->channel : 0;
	if (addr_equal(&seen->local.addr, &box->address))
		return true;
	box->strangers++;
	return false;
}

static bool route(struct duo *duo, struct duo_side *from, struct ike_path *seen)
{
	return from == &duo->a ? from_initiator(box_of_duo, seen) : from_responder(box_of_duo, seen);
}

void natbox_start(struct natbox *box, struct duo *duo, const char *text)
{
	*box = (struct natbox){ .next_port = 40000 };
	natbox_readdress(box, text);
	box_of_duo = box;
	duo->route = route;
}

void natbox_readdress(struct natbox *box, const char *text)
{
	box->channel++;
	cr_assert_eq(addr_parse(text, &box->address), 0);
}

void natbox_translate(struct natbox *box, const char *text)
{
	cr_assert_eq(prefix_parse("10.0.0.0/8", &box->inside), 0);
	cr_assert_eq(addr_parse(text, &box->outside), 0);
	box->mapping_count = 0;
}

void natbox_flush(struct natbox *box)
{
	box->mapping_count = 0;
}

struct ike_path natbox_first_path(const struct natbox *box)
{
	struct ike_path path = duo_path();

	path.local.addr = box->address;
	return path;
}

struct ike_path natbox_path(const struct natbox *box)
{
	struct ike_path path = natbox_first_path(box);

	path.local.port = path.remote.port = 4500;
	path.channel = box->channel;
	path.floated = true;
	if (box->address.family == AF_INET6)
		cr_assert_eq(addr_parse("2001:db8:1::1", &path.remote.addr), 0);
	return path;
}
