#pragma once
/* A client and its relay on the first layer with a NAT box between them: what tests of moves share. */
#include <criterion/criterion.h>

#include "duo_assert.h"
#include "natbox.h"

enum { ONE_WAY = 10, ROUND_TRIP = 2 * ONE_WAY }; /* milliseconds, duo's default */

static struct duo duo;
static struct natbox box;
static struct duo_record *i, *r; /* the client's, the relay's */

static inline void start_with(const struct ike_host_conf *conf, const char *address, bool nat)
{
	struct ike_init_conf client;

	duo_init(&duo, 1);
	duo_start(&duo, conf);
	natbox_start(&box, &duo, address);
	if (nat)
		natbox_translate(&box, "203.0.113.9");
	client = duo_client(&duo);
	client.path = natbox_first_path(&box);
	client.first_layer = true;
	i = duo_connect(&duo, &client);
	r = duo_last(&duo.b);
	duo_assert_up(i);
	duo_assert_up(r);
}

static inline void start(const char *address, bool nat)
{
	const struct ike_host_conf conf = { .first_layer = true };

	start_with(&conf, address, nat);
}

static inline void teardown(void)
{
	if (duo.a.host)
		duo_fini(&duo);
	duo.a.host = NULL;
}

static inline struct ike_sa_info info(const struct duo_record *record)
{
	struct ike_sa_info out;

	cr_assert(record->sa);
	ike_sa_info(record->sa, &out);
	return out;
}

static inline void move(const char *address)
{
	struct ike_path path;

	natbox_readdress(&box, address);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
}

/* Where the relay sends to. */
static inline struct addr followed_to(void)
{
	return info(r).path.remote.addr;
}

static inline void assert_at(const struct addr *address, bool encap)
{
	struct addr remote = followed_to(), local = info(i).path.local.addr;

	cr_assert(addr_equal(&remote, address));
	cr_assert(addr_equal(&local, &box.address));
	cr_assert_eq(info(i).encap, encap);
	cr_assert_eq(info(r).encap, encap);
}
