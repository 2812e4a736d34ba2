/* Circuits on a relay: who gets a lease, what the kernel holds of it, and that it all goes again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/inner6.h"
#include "ippriv-node/ctl_circuits.h"
#include "ippriv-node/ctl_pairs.h"
#include "ippriv-node/ctl_peer.h"
#include "node/fake_relay.h"

enum { MOST = 4, CIRCUIT_OPS = 4 };

static struct fake_relay relay;
static struct ctl_peers *peers;
static struct ctl_circuits *circuits;
static struct ctl_session *tunnels[2];
static size_t before; /* what stands without circuits */

static void on_unknown(void *user)
{
	(void)user;
}

static void on_left(void *user, uint32_t index)
{
	(void)user;
	ctl_circuits_close(circuits, index);
}

static void on_moved(void *user, uint32_t index, const struct prefix *pool)
{
	(void)user;
	ctl_circuits_drop(circuits, index, pool);
}

/* Two entries, at 198.51.100.10 and .11, that assign out of the same pool. The third has no tunnel. */
static void start_peers(void)
{
	struct ctl_peers_conf conf = { .self = relay.self, .dp = relay.dp, .loop = relay.loop,
				       .life = relay.life,
				       .unknown = on_unknown, .left = on_left, .moved = on_moved,
				       .identity.bytes = { 9 } };
	struct dir_entry entries[3] = { 0 };
	struct dir_list list = { .count = 3, .entries = entries };

	cr_assert_eq(ctl_peers_new(&conf, &peers), 0);
	for (uint32_t i = 0; i < 3; i++) {
		entries[i].identity.bytes[0] = (uint8_t)(i + 1);
		entries[i].address = addr_v4(0xc633640a + i);
		entries[i].port = 500;
		snprintf(entries[i].nickname, sizeof(entries[i].nickname), "relay-%u", i);
	}
	ctl_peers_update(peers, &relay.ike, &list);
	for (uint32_t i = 0; i < 2; i++) {
		struct ike_child child = fake_child(0x9000 + 16 * i, i ? "198.51.100.11" : "198.51.100.10",
						    "100.66.0.0/16");

		ctl_peers_want(peers, &relay.ike, i + 1);
		tunnels[i] = relay.ike.sessions[i];
		cr_assert_eq(tunnels[i]->ops->child_up(tunnels[i], &child), 0);
		tunnels[i]->ops->established(tunnels[i]);
	}
}

static bool exit6;

static void start_circuits(const char *pool, const char *dns)
{
	struct ctl_circuits_conf conf = { .self = relay.self, .dp = relay.dp, .life = relay.life,
					  .six = exit6,
					  .quota = { MOST, 100, MOST / 2, 100 },
					  .idle = 30000, .silence = 900000, .ike = &relay.ike,
					  .peers = peers, .loop = relay.loop };

	conf.self.pool = fake_prefix(pool);
	if (dns)
		conf.dns = fake_addr(dns);
	cr_assert_eq(ctl_circuits_new(&conf, &circuits), 0);
}

static void setup(void)
{
	fake_relay_init(&relay);
	start_peers();
	start_circuits("100.65.0.0/16", "203.0.113.53");
	before = relay.kern.count;
}

static void teardown(void)
{
	cr_expect_eq(relay.kern.count, before);
	cr_expect_eq(ctl_circuits_count(circuits), (size_t)0);
	ctl_circuits_free(circuits);
	for (size_t i = 0; i < 2; i++)
		tunnels[i]->ops->ended(tunnels[i], IKE_END_LOCAL);
	ctl_peers_free(peers);
	fake_relay_fini(&relay);
}

/* The path of a client at FROM, behind the tunnel of entry INDEX (0: none). */
static struct ike_path path_from(const char *from, uint32_t index)
{
	return (struct ike_path){ .local = { .addr = relay.self.address, .port = 500 },
				  .remote = { .addr = fake_addr(from), .port = 500 },
				  .mark = dp_index_to_mark(index) };
}

/* The path from FROM, with PORT behind a NAT, to port 4500. */
static struct ike_path floated(const char *from, uint16_t port)
{
	struct ike_path path = path_from(from, 0);

	path.local.port = 4500;
	path.remote.port = port;
	path.floated = true;
	return path;
}

static int admit(const char *from, uint32_t index, struct ike_lease *lease,
		 struct ctl_session **session)
{
	struct ike_path path = path_from(from, index);

	return ctl_circuits_admit(circuits, &path, false, lease, session);
}

static struct ctl_session *admitted(const char *from, uint32_t index, struct ike_lease *lease)
{
	struct ctl_session *s = NULL;

	cr_assert_eq(admit(from, index, lease, &s), 0);
	cr_assert(s);
	return s;
}

static int up(struct ctl_session *session, uint32_t spi)
{
	struct ike_child child = fake_child(spi, NULL, NULL);

	return session->ops->child_up(session, &child);
}

static const struct kern_policy *policy_to(const struct ike_lease *lease)
{
	char text[ADDR_TEXT];

	return fake_kern_policy(&relay.kern, KERN_DIR_OUT, "0.0.0.0/0",
				addr_text(&lease->address, text), 0);
}

TestSuite(ctl_circuits, .init = setup, .fini = teardown);

Test(ctl_circuits, of_a_client)
{
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);
	struct addr dns = fake_addr("203.0.113.53");
	const struct kern_policy *p;
	struct prefix pool = fake_prefix("100.65.0.0/16");

	cr_expect(prefix_contains(&pool, &lease.address));
	cr_expect_eq(lease.dns_count, (size_t)1);
	cr_expect(addr_equal(&lease.dns[0], &dns));
	cr_expect_eq(relay.kern.count, before, "nothing before the keys");
	cr_assert_eq(up(s, 0x1000), 0);
	s->ops->established(s);
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS);
	p = policy_to(&lease);
	cr_assert(p);
	cr_expect_eq(p->template_count, 1);
	cr_expect_eq(p->templates[0].reqid, fake_kern_sa(&relay.kern, 0x1000)->reqid);
	cr_expect_geq(p->templates[0].reqid & KERN_ID_MASK, (uint32_t)DP_CIRCUIT_FIRST);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1000)->set_mark.mask, 0u);
	s->ops->ended(s, IKE_END_PEER);
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1000));
}

Test(ctl_circuits, the_same_address_from_two_entries)
{
	struct ike_lease a, b;
	struct ctl_session *one = admitted("100.66.1.1", 1, &a);
	struct ctl_session *two = admitted("100.66.1.1", 2, &b);
	const struct kern_policy *p, *q;

	cr_expect_not(addr_equal(&a.address, &b.address));
	cr_assert_eq(up(one, 0x1000), 0);
	cr_assert_eq(up(two, 0x2000), 0);
	cr_expect_eq(relay.kern.count, before + 2 * CIRCUIT_OPS);
	p = policy_to(&a);
	q = policy_to(&b);
	cr_assert(p && q);
	cr_expect_eq(p->template_count, 2);
	cr_expect_eq(p->templates[1].reqid, KERN_REQID_NODE | 1u);
	cr_expect_eq(q->templates[1].reqid, KERN_REQID_NODE | 2u);
	cr_expect_neq(p->templates[0].reqid, q->templates[0].reqid);
	one->ops->ended(one, IKE_END_PEER);
	cr_expect(fake_kern_sa(&relay.kern, 0x2000), "the other one stays");
	two->ops->ended(two, IKE_END_PEER);
}

static void setup6(void)
{
	exit6 = true;
	setup();
}

/* As IKE has agreed on it. */
static int up6(struct ctl_session *session, uint32_t spi, const struct ike_lease *lease)
{
	struct ike_child child = fake_child(spi, NULL, NULL);

	child.ts_remote.items[child.ts_remote.count++] = prefix_host(&lease->address6);
	return session->ops->child_up(session, &child);
}

Test(ctl_circuits, address_of_ipv6_too, .init = setup6)
{
	struct ike_lease a, b;
	struct ctl_session *one = admitted("100.66.1.1", 1, &a);
	struct ctl_session *two = admitted("100.66.1.2", 1, &b);
	struct addr six = inner6_addr(&a.address);
	char text[ADDR_TEXT];

	cr_assert(addr_equal(&a.address6, &six));
	cr_assert_eq(up6(one, 0x1000, &a), 0);
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS + 2);
	cr_expect(fake_kern_policy(&relay.kern, KERN_DIR_OUT, "::/0", addr_text(&six, text), 0));
	cr_expect(fake_kern_policy(&relay.kern, KERN_DIR_FWD, addr_text(&six, text), "::/0", 0));
	cr_assert_eq(up(two, 0x2000), 0);
	cr_expect_eq(relay.kern.count, before + 2 * CIRCUIT_OPS + 2, "who does not want it");
	one->ops->ended(one, IKE_END_PEER);
	two->ops->ended(two, IKE_END_PEER);
}

static void no_six(const char *from, uint32_t index)
{
	struct ike_lease lease;
	struct ctl_session *s = admitted(from, index, &lease);

	cr_expect_eq(lease.address6.family, 0);
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, no_ipv6_for_who_comes_straight, .init = setup6) { no_six("192.0.2.7", 0); }
Test(ctl_circuits, no_ipv6_from_others) { no_six("100.66.1.1", 1); }

Test(ctl_circuits, refuses_addresses_that_cannot_be)
{
	struct ike_path path = path_from("100.66.1.1", 1);
	struct ctl_session *s = NULL;
	struct ike_lease lease;

	cr_expect_eq(admit("100.66.1.1", 0, &lease, &s), -EACCES, "a pool address without a tunnel");
	cr_expect_eq(admit("100.65.1.1", 0, &lease, &s), -EACCES, "one of ours");
	cr_expect_eq(admit("192.0.2.7", 1, &lease, &s), -EACCES, "a public one through a tunnel");
	cr_expect_eq(admit("100.67.1.1", 1, &lease, &s), -EACCES, "another relay's pool");
	cr_expect_eq(admit("100.66.1.1", 3, &lease, &s), -EACCES, "a peer whose pool is not known");
	cr_expect_eq(admit("100.66.1.1", 4, &lease, &s), -EACCES, "a peer that is not there");
	cr_expect_eq(admit("100.66.1.1", DP_PEER_MAX, &lease, &s), -EACCES, "the last mark");
	path.local.addr = fake_addr("203.0.113.3");
	cr_expect_eq(ctl_circuits_admit(circuits, &path, false, &lease, &s), -EACCES,
		     "through a tunnel to an address that others do not know");
	cr_expect_null(s);
	cr_expect_eq(ctl_circuits_count(circuits), (size_t)0);
}

Test(ctl_circuits, only_so_many)
{
	struct ctl_session *all[MOST], *more = NULL;
	struct ike_lease leases[MOST + 1];

	for (size_t i = 0; i < MOST; i++) {
		all[i] = admitted("192.0.2.7", 0, &leases[i]);
		for (size_t k = 0; k < i; k++)
			cr_expect_not(addr_equal(&leases[i].address, &leases[k].address));
	}
	cr_expect_eq(admit("192.0.2.8", 0, &leases[MOST], &more), -EBUSY);
	all[0]->ops->ended(all[0], IKE_END_TIMEOUT);
	all[0] = admitted("192.0.2.8", 0, &leases[0]);
	for (size_t i = 0; i < MOST; i++)
		all[i]->ops->ended(all[i], IKE_END_TIMEOUT);
}

Test(ctl_circuits, an_entry_gets_half)
{
	struct ctl_session *all[MOST], *more = NULL;
	struct ike_lease lease;

	all[0] = admitted("100.66.1.1", 1, &lease);
	all[1] = admitted("100.66.1.2", 1, &lease);
	cr_expect_eq(admit("100.66.1.3", 1, &lease, &more), -EBUSY);
	all[2] = admitted("100.66.1.1", 2, &lease);
	all[3] = admitted("192.0.2.7", 0, &lease);
	all[1]->ops->ended(all[1], IKE_END_PEER);
	all[1] = admitted("100.66.1.3", 1, &lease);
	for (size_t i = 0; i < MOST; i++)
		all[i]->ops->ended(all[i], IKE_END_TIMEOUT);
}

/* All were heard now, but QUIET that long ago. */
static void hear(struct ctl_session *quiet, uint64_t ago)
{
	relay.ike.info.last_heard = io_loop_now(relay.loop);
	relay.ike.quiet = quiet;
	relay.ike.quiet_since = relay.ike.info.last_heard - ago;
}

Test(ctl_circuits, the_most_silent_one_makes_room)
{
	struct ctl_session *all[MOST], *more = NULL;
	struct ike_lease lease;

	for (size_t i = 0; i < MOST; i++) {
		all[i] = admitted("192.0.2.7", 0, &lease);
		cr_assert_eq(up(all[i], 0x1000 * (uint32_t)(i + 1)), 0);
		all[i]->ops->established(all[i]);
	}
	hear(all[2], 30000);
	cr_expect_eq(admit("192.0.2.8", 0, &lease, &more), -EBUSY);
	cr_expect_eq(relay.ike.asked, (size_t)0, "it is not silent for long");
	hear(all[2], 30001);
	cr_expect_eq(admit("192.0.2.8", 0, &lease, &more), -EBUSY);
	cr_assert_eq(relay.ike.asked, (size_t)1);
	cr_expect_eq(relay.ike.asking, all[2]);
	cr_expect_eq(admit("192.0.2.8", 0, &lease, &more), -EBUSY);
	cr_expect_eq(relay.ike.asked, (size_t)1, "it has time to answer");
	all[2]->ops->ended(all[2], IKE_END_TIMEOUT);
	all[2] = admitted("192.0.2.8", 0, &lease);
	for (size_t i = 0; i < MOST; i++)
		all[i]->ops->ended(all[i], IKE_END_TIMEOUT);
}

Test(ctl_circuits, room_is_made_where_it_is_short)
{
	struct ctl_session *all[3], *more = NULL;
	struct ike_lease lease;

	all[0] = admitted("192.0.2.7", 0, &lease);
	all[1] = admitted("100.66.1.1", 1, &lease);
	all[2] = admitted("100.66.1.2", 1, &lease);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(up(all[i], 0x1000 * (uint32_t)(i + 1)), 0);
		all[i]->ops->established(all[i]);
	}
	hear(all[0], 800000);
	cr_expect_eq(admit("100.66.1.3", 1, &lease, &more), -EBUSY);
	cr_expect_eq(relay.ike.asked, (size_t)0, "the peer's share is full, not the relay's");
	hear(all[1], 40000);
	cr_expect_eq(admit("100.66.1.3", 1, &lease, &more), -EBUSY);
	cr_assert_eq(relay.ike.asked, (size_t)1);
	cr_expect_eq(relay.ike.asking, all[1]);
	for (size_t i = 0; i < 3; i++)
		all[i]->ops->ended(all[i], IKE_END_TIMEOUT);
}

Test(ctl_circuits, nobody_is_asked_too_often)
{
	struct ctl_session *all[MOST], *more = NULL;
	struct ike_lease lease;

	for (size_t i = 0; i < MOST; i++) {
		all[i] = admitted("192.0.2.7", 0, &lease);
		all[i]->ops->established(all[i]);
	}
	relay.ike.info.last_heard = io_loop_now(relay.loop) - 31000; /* all of them */
	for (size_t i = 0; i < 50; i++)
		cr_expect_eq(admit("192.0.2.8", 0, &lease, &more), -EBUSY);
	cr_expect_eq(relay.ike.asked, (size_t)MOST, "each once");
	for (size_t i = 0; i < MOST; i++)
		all[i]->ops->ended(all[i], IKE_END_TIMEOUT);
}

Test(ctl_circuits, a_pool_that_is_empty)
{
	struct ctl_session *one, *two, *three = NULL;
	struct ike_lease a, b, c;
	struct addr freed;

	ctl_circuits_free(circuits);
	start_circuits("100.65.0.0/30", NULL);
	one = admitted("192.0.2.1", 0, &a);
	two = admitted("192.0.2.2", 0, &b);
	cr_expect_eq(a.dns_count, (size_t)0);
	cr_expect_eq(admit("192.0.2.3", 0, &c, &three), -EADDRNOTAVAIL);
	freed = a.address;
	one->ops->ended(one, IKE_END_TIMEOUT);
	three = admitted("192.0.2.3", 0, &c);
	cr_expect(addr_equal(&c.address, &freed));
	two->ops->ended(two, IKE_END_TIMEOUT);
	three->ops->ended(three, IKE_END_TIMEOUT);
}

Test(ctl_circuits, connections_go_with_it)
{
	struct ctl_session *one, *two = NULL;
	struct ike_lease a, b;
	struct prefix host;

	ctl_circuits_free(circuits);
	start_circuits("100.65.0.0/30", NULL);
	one = admitted("192.0.2.1", 0, &a);
	host = prefix_host(&a.address);
	cr_assert_eq(up(one, 0x1000), 0);
	relay.kern.forgets = 0;
	one->ops->ended(one, IKE_END_PEER);
	cr_assert_eq(relay.kern.forgets, 1u);
	cr_expect(prefix_equal(&relay.kern.forgot, &host));
	cr_expect_eq(relay.kern.forgot_at, before + 2, "without policies no packet makes new ones");

	relay.kern.flows_error = -ENOMEM;
	for (size_t i = 0; i < 2; i++) {
		one = admitted("192.0.2.1", 0, &a);
		cr_assert_eq(up(one, 0x1000), 0);
		one->ops->ended(one, IKE_END_PEER);
	}
	relay.kern.flows_error = 0;
	cr_expect_eq(admit("192.0.2.1", 0, &b, &two), -EADDRNOTAVAIL,
		     "addresses whose connections stay are not given again");
}

Test(ctl_circuits, a_kernel_that_refuses)
{
	for (unsigned int k = 1; k <= CIRCUIT_OPS; k++) {
		struct ike_lease lease;
		struct ctl_session *s = admitted("100.66.1.1", 1, &lease);

		relay.kern.fail_at = relay.kern.adds + k;
		cr_expect_eq(up(s, 0x1000), -ENOMEM);
		cr_expect_eq(relay.kern.count, before, "add %u", k);
		s->ops->ended(s, IKE_END_PROTOCOL);
	}
}

Test(ctl_circuits, close_those_of_an_entry)
{
	struct ike_lease lease;
	struct ctl_session *all[3] = { admitted("192.0.2.7", 0, &lease),
				       admitted("100.66.1.1", 1, &lease),
				       admitted("100.66.1.1", 2, &lease) };

	ctl_circuits_close(circuits, 2);
	cr_assert_eq(relay.ike.closed, (size_t)1);
	cr_expect_eq(relay.ike.closing[0], all[2]);
	ctl_circuits_close(circuits, 0);
	cr_expect_eq(relay.ike.closed, (size_t)4);
	for (size_t i = 0; i < 3; i++)
		all[i]->ops->ended(all[i], IKE_END_LOCAL);
}

Test(ctl_circuits, go_with_the_pool_of_their_entry)
{
	struct ike_child child = fake_child(0x9100, "198.51.100.10", "100.66.0.0/24");
	struct ctl_circuits_counts counts;
	struct ctl_session *all[4];
	struct ike_lease lease;

	all[0] = admitted("100.66.1.1", 1, &lease);
	all[1] = admitted("100.66.0.1", 1, &lease);
	all[2] = admitted("100.66.1.1", 2, &lease);
	all[3] = admitted("192.0.2.7", 0, &lease);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(up(all[i], 0x1000 * (i + 1)), 0);
	counts = ctl_circuits_counts(circuits);
	cr_expect_eq(counts.entry, (size_t)1);
	cr_expect_eq(counts.inner, (size_t)3);
	/* The entry starts again with a smaller pool. */
	tunnels[0]->ops->ended(tunnels[0], IKE_END_TIMEOUT);
	ctl_peers_want(peers, &relay.ike, 1);
	tunnels[0] = relay.ike.sessions[2];
	cr_assert_eq(tunnels[0]->ops->child_up(tunnels[0], &child), 0);
	tunnels[0]->ops->established(tunnels[0]);
	cr_expect_eq(ctl_circuits_count(circuits), (size_t)3);
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1000));
	for (uint32_t i = 1; i < 4; i++)
		cr_expect(fake_kern_sa(&relay.kern, 0x1000 * (i + 1)), "circuit %u", i);
	ctl_circuits_drop(circuits, 2, NULL);
	cr_expect_eq(ctl_circuits_count(circuits), (size_t)2);
	cr_expect_null(fake_kern_sa(&relay.kern, 0x3000));
	all[1]->ops->ended(all[1], IKE_END_PEER);
	all[3]->ops->ended(all[3], IKE_END_PEER);
	counts = ctl_circuits_counts(circuits);
	cr_expect_eq(counts.entry + counts.inner, (size_t)0);
	cr_expect_eq(counts.admitted, 4u, "since the start");
	cr_expect_eq(counts.refused, 0u);
}

static void see(void *data, const struct ctl_circuit_info *info)
{
	struct ctl_circuit_info *out = data;

	*out = *info;
}

static uint32_t number_of(uint32_t spi)
{
	return dp_reqid_to_circuit(fake_kern_sa(&relay.kern, spi)->reqid);
}

Test(ctl_circuits, traffic_is_a_sign_of_life)
{
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);

	cr_assert_eq(up(s, 0x1000), 0);
	s->ops->established(s);
	relay.kern.packets = 5;
	cr_expect(s->ops->alive(s), "packets have come in");
	cr_expect_not(s->ops->alive(s), "none since");
	relay.kern.packets = 6;
	cr_expect(s->ops->alive(s));
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, rekeyed_by_the_client)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);

	cr_assert_eq(up(s, 0x1000), 0);
	s->ops->established(s);
	cr_expect_eq(relay.ike.idle, 840000u);
	cr_expect_eq(relay.ike.tolerate, 900000u, "it may sleep");
	cr_assert_eq(s->ops->child_add(s, &next, true), 0);
	cr_expect(fake_kern_sa(&relay.kern, 0x2000));
	cr_expect_null(fake_kern_sa(&relay.kern, 0x2001), "the client may not have it yet");
	cr_assert_eq(s->ops->child_switch(s, &next), 0);
	cr_assert(fake_kern_sa(&relay.kern, 0x2001));
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x2001)->reqid,
		     fake_kern_sa(&relay.kern, 0x1000)->reqid);
	cr_expect(fake_kern_sa(&relay.kern, 0x1001), "what is on its way goes out by the old one");
	s->ops->child_mute(s, 0x1000);
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS + 1, "late packets find the old one");
	cr_expect(fake_kern_sa(&relay.kern, 0x1000));
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1001), "but nothing goes out by it");
	s->ops->child_del(s, 0x1000);
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1000));
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1001));
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS);
	s->ops->child_del(s, 0x1000); /* twice is once */
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS);
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, every_pair_goes_at_the_end)
{
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);

	cr_assert_eq(up(s, 0x1000), 0);
	for (uint32_t i = 2; i <= CTL_PAIRS_MOST; i++) {
		struct ike_child next = fake_child(0x1000 * i, NULL, NULL);

		cr_assert_eq(s->ops->child_add(s, &next, i == CTL_PAIRS_MOST), 0);
	}
	cr_expect_eq(relay.kern.count, before + 2 + 2 * CTL_PAIRS_MOST - 1, "the last one only receives");
	{
		struct ike_child more = fake_child(0xf000, NULL, NULL);

		cr_expect_eq(s->ops->child_add(s, &more, true), -EBUSY);
		cr_expect_eq(s->ops->child_switch(s, &more), -ENOENT);
	}
	s->ops->ended(s, IKE_END_TIMEOUT);
}

Test(ctl_circuits, the_kernel_asks_for_new_keys)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);
	uint32_t number;

	cr_assert_eq(up(s, 0x1000), 0);
	number = number_of(0x1000);
	ctl_circuits_expire(circuits, number, 0x1001, false);
	cr_expect_eq(relay.ike.rekeyed, (size_t)1);
	cr_expect_eq(relay.ike.rekeying, 0x1001u);
	ctl_circuits_expire(circuits, number == DP_CIRCUIT_LAST ? number - 1 : number + 1, 0x1001,
			    false);
	ctl_circuits_expire(circuits, 0, 0x1001, true);
	cr_expect_eq(relay.ike.rekeyed, (size_t)1, "nobody has that number");
	cr_assert_eq(s->ops->child_add(s, &next, true), 0);
	ctl_circuits_expire(circuits, number, 0x1000, true);
	cr_expect_eq(relay.ike.closed, (size_t)0, "there is a newer one for that direction");
	ctl_circuits_expire(circuits, number, 0x1001, true);
	cr_expect_eq(relay.ike.closed, (size_t)1, "but not for this one");
	ctl_circuits_expire(circuits, number, 0x4711, true);
	cr_expect_eq(relay.ike.closed, (size_t)1, "one that was taken out");
	s->ops->ended(s, IKE_END_LOCAL);
}

Test(ctl_circuits, news_of_the_kernel_that_got_lost, .timeout = 20)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ike_lease lease;
	struct ctl_session *s;

	ctl_circuits_free(circuits);
	relay.life.seconds = 2;
	start_circuits("100.65.0.0/16", NULL);
	s = admitted("192.0.2.7", 0, &lease);
	cr_assert_eq(up(s, 0x1000), 0);
	ctl_circuits_lost(circuits);
	cr_expect_eq(relay.ike.rekeyed, (size_t)0, "it is young");
	fake_relay_run(&relay, 1200);
	ctl_circuits_lost(circuits); /* the kernel cuts its seconds off */
	cr_expect_eq(relay.ike.rekeyed, (size_t)1);
	cr_expect_eq(relay.ike.rekeying, 0x1000u);
	cr_assert_eq(s->ops->child_add(s, &next, false), 0);
	ctl_circuits_lost(circuits);
	cr_expect_eq(relay.ike.rekeyed, (size_t)1, "the newest is young");
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, counters_never_go_back)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ctl_circuit_info info = { 0 };
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);

	cr_assert_eq(up(s, 0x1000), 0);
	relay.kern.packets = 5;
	cr_assert_eq(s->ops->child_add(s, &next, true), 0);
	ctl_circuits_each(circuits, see, &info);
	cr_expect_eq(info.stats.packets_in, 10u, "both inbound SAs count");
	cr_expect_eq(info.stats.packets_out, 5u);
	relay.kern.packets = 7;
	s->ops->child_del(s, 0x1000);
	ctl_circuits_each(circuits, see, &info);
	cr_expect_eq(info.stats.packets_in, 14u);
	cr_expect_eq(info.stats.bytes_out, 700u, "what the old one sent");
	relay.kern.packets = 1; /* as after a move */
	ctl_circuits_each(circuits, see, &info);
	cr_expect_eq(info.stats.packets_in, 15u);
	s->ops->ended(s, IKE_END_LOCAL);
}

Test(ctl_circuits, behind_a_nat)
{
	struct ike_path path = floated("192.0.2.7", 61000);
	struct endpoint other = { .addr = fake_addr("192.0.2.7"), .port = 61001 };
	struct ctl_session *s = NULL;
	struct ike_lease lease;
	uint32_t number;

	cr_assert_eq(ctl_circuits_admit(circuits, &path, true, &lease, &s), 0);
	cr_assert_eq(up(s, 0x1000), 0);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1000)->encap.sport, 61000);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1001)->encap.dport, 61000);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1001)->encap.sport, 4500);
	number = number_of(0x1000);
	ctl_circuits_mapping(circuits, number, &other);
	cr_expect_eq(relay.ike.mapped, (size_t)1);
	cr_expect_eq(relay.ike.mapping.port, 61001);
	path.remote.port = 61001;
	cr_assert_eq(s->ops->moved(s, &path, true), 0);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1000)->encap.sport, 61001);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1001)->encap.dport, 61001);
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, nothing_is_mapped_without_a_nat)
{
	struct endpoint other = { .addr = fake_addr("192.0.2.7"), .port = 61001 };
	struct ctl_session *one, *two;
	struct ike_lease lease;

	one = admitted("192.0.2.7", 0, &lease);
	two = admitted("100.66.1.1", 1, &lease);
	cr_assert_eq(up(one, 0x1000), 0);
	cr_assert_eq(up(two, 0x2000), 0);
	ctl_circuits_mapping(circuits, number_of(0x1000), &other);
	ctl_circuits_mapping(circuits, number_of(0x2000), &other);
	ctl_circuits_mapping(circuits, 0, &other);
	cr_expect_eq(relay.ike.mapped, (size_t)0);
	one->ops->ended(one, IKE_END_PEER);
	two->ops->ended(two, IKE_END_PEER);
}

Test(ctl_circuits, a_client_roams)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ike_path path = path_from("198.51.100.200", 0);
	struct addr there = path.remote.addr;
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);
	const struct kern_policy *p;

	cr_assert_eq(up(s, 0x1000), 0);
	cr_assert_eq(s->ops->child_add(s, &next, true), 0);
	cr_assert_eq(s->ops->moved(s, &path, false), 0);
	cr_expect_null(fake_kern_sa(&relay.kern, 0x1000), "the client sends on the new one");
	cr_assert(fake_kern_sa(&relay.kern, 0x2000));
	cr_expect(addr_equal(&fake_kern_sa(&relay.kern, 0x2000)->src, &there));
	cr_assert(fake_kern_sa(&relay.kern, 0x1001));
	cr_expect(addr_equal(&fake_kern_sa(&relay.kern, 0x1001)->dst, &there));
	p = policy_to(&lease);
	cr_assert(p);
	cr_expect(addr_equal(&p->templates[0].dst, &there));
	cr_assert_eq(s->ops->child_switch(s, &next), 0, "goes on at the new place");
	cr_expect(addr_equal(&fake_kern_sa(&relay.kern, 0x2001)->dst, &there));
	s->ops->child_del(s, 0x1000);
	cr_expect_eq(relay.kern.count, before + CIRCUIT_OPS);
	cr_expect_eq(s->ops->moved(s, &path, false), 0, "it is there already");
	cr_expect_eq(relay.kern.moves, 1u);
	s->ops->ended(s, IKE_END_PEER);
}

/* It moves while its keys are replaced, and then does not take the new ones. */
Test(ctl_circuits, without_anything_to_receive_with_it_ends)
{
	struct ike_child next = fake_child(0x2000, NULL, NULL);
	struct ike_path path = path_from("198.51.100.200", 0);
	struct ike_lease lease;
	struct ctl_session *s = admitted("192.0.2.7", 0, &lease);

	cr_assert_eq(up(s, 0x1000), 0);
	cr_assert_eq(s->ops->child_add(s, &next, true), 0);
	cr_assert_eq(s->ops->moved(s, &path, false), 0);
	s->ops->child_del(s, 0x4711);
	cr_expect_eq(relay.ike.closed, (size_t)0);
	s->ops->child_del(s, 0x2000);
	cr_assert_eq(relay.ike.closed, (size_t)1);
	cr_expect_eq(relay.ike.closing[0], s);
	s->ops->ended(s, IKE_END_LOCAL);
}

/* From IPv4 to IPv6, where UDP goes around ESP, too. */
Test(ctl_circuits, a_client_changes_family)
{
	struct ike_path path = { .local = { .addr = fake_addr("2001:db8::2"), .port = 4500 },
				 .remote = { .addr = fake_addr("2001:db8:1::7"), .port = 4500 },
				 .floated = true };
	struct ctl_session *s, *more = NULL;
	struct ike_lease lease;

	s = admitted("192.0.2.7", 0, &lease);
	cr_assert_eq(up(s, 0x1000), 0);
	cr_assert_eq(s->ops->moved(s, &path, true), 0);
	cr_expect(addr_equal(&fake_kern_sa(&relay.kern, 0x1000)->dst, &path.local.addr));
	cr_expect(addr_equal(&fake_kern_sa(&relay.kern, 0x1001)->dst, &path.remote.addr));
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1001)->encap.dport, 4500);
	cr_assert_eq(ctl_circuits_admit(circuits, &path, true, &lease, &more), 0);
	cr_assert_eq(up(more, 0x2000), 0);
	more->ops->ended(more, IKE_END_PEER);
	s->ops->ended(s, IKE_END_PEER);
}

Test(ctl_circuits, places_nobody_moves_to)
{
	struct ike_path path = path_from("198.51.100.200", 0), pool = path_from("100.66.1.1", 0);
	struct ctl_session *one, *two;
	struct ike_lease lease;

	one = admitted("192.0.2.7", 0, &lease);
	two = admitted("100.66.1.1", 1, &lease);
	cr_assert_eq(up(one, 0x1000), 0);
	cr_assert_eq(up(two, 0x2000), 0);
	cr_expect_eq(two->ops->moved(two, &path, false), -EOPNOTSUPP, "inside the telescope");
	cr_expect_eq(one->ops->moved(one, &pool, false), -EACCES);
	pool.mark = dp_index_to_mark(1);
	cr_expect_eq(one->ops->moved(one, &pool, false), -EOPNOTSUPP, "into a tunnel");
	relay.kern.fail_move_at = 1;
	cr_expect_eq(one->ops->moved(one, &path, false), -ENOMEM);
	one->ops->ended(one, IKE_END_PROTOCOL);
	cr_expect_eq(relay.kern.wrong, (unsigned int)CIRCUIT_OPS, "taken out when it failed");
	relay.kern.wrong = 0;
	two->ops->ended(two, IKE_END_PEER);
}

Test(ctl_circuits, reports)
{
	struct ctl_circuit_info info = { 0 };
	struct ike_lease lease;
	struct ctl_session *s = admitted("100.66.1.1", 2, &lease);

	ctl_circuits_each(circuits, see, &info);
	cr_expect_not(info.established);
	cr_expect_str_eq(info.via, "relay-1");
	cr_assert_eq(up(s, 0x1000), 0);
	s->ops->established(s);
	relay.kern.packets = 3;
	relay.ike.info = (struct ike_sa_info){ .rekeys = 4, .encap = true };
	ctl_circuits_each(circuits, see, &info);
	cr_expect(info.established);
	cr_expect(addr_equal(&info.assigned, &lease.address));
	cr_expect_eq(info.stats.packets_in, 3u);
	cr_expect_eq(info.stats.packets_out, 3u);
	cr_expect_eq(info.ike.rekeys, 4u);
	cr_expect(info.ike.encap);
	s->ops->ended(s, IKE_END_LOCAL);
	s = admitted("192.0.2.7", 0, &lease);
	ctl_circuits_each(circuits, see, &info);
	cr_expect_null(info.via);
	s->ops->ended(s, IKE_END_LOCAL);
}
