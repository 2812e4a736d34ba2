/* Circuits on a relay: who gets a lease, what the kernel holds of it, and that it all goes again. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-node/ctl_circuit.h"
#include "ippriv-node/ctl_peer.h"
#include "node/fake_relay.h"

enum { MOST = 4, CIRCUIT_OPS = 4, AGE = 300 };

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

static void start_circuits(const char *pool, const char *dns)
{
	struct ctl_circuits_conf conf = { .self = relay.self, .most = MOST, .dp = relay.dp,
					  .most_age = AGE, .ike = &relay.ike, .peers = peers,
					  .loop = relay.loop };

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

/* A client at FROM, behind the tunnel of entry INDEX (0: none). */
static int admit(const char *from, uint32_t index, struct ike_lease *lease,
		 struct ctl_session **session)
{
	struct ike_path path = { .remote = { .addr = fake_addr(from), .port = 500 },
				 .mark = dp_index_to_mark(index) };

	return ctl_circuits_admit(circuits, &path, lease, session);
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

TestSuite(ctl_circuit, .init = setup, .fini = teardown);

Test(ctl_circuit, of_a_client)
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

Test(ctl_circuit, the_same_address_from_two_entries)
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

Test(ctl_circuit, refuses_addresses_that_cannot_be)
{
	struct ctl_session *s = NULL;
	struct ike_lease lease;

	cr_expect_eq(admit("100.66.1.1", 0, &lease, &s), -EACCES, "a pool address without a tunnel");
	cr_expect_eq(admit("100.65.1.1", 0, &lease, &s), -EACCES, "one of ours");
	cr_expect_eq(admit("192.0.2.7", 1, &lease, &s), -EACCES, "a public one through a tunnel");
	cr_expect_eq(admit("100.67.1.1", 1, &lease, &s), -EACCES, "another relay's pool");
	cr_expect_eq(admit("100.66.1.1", 3, &lease, &s), -EACCES, "a peer whose pool is not known");
	cr_expect_eq(admit("100.66.1.1", 4, &lease, &s), -EACCES, "a peer that is not there");
	cr_expect_eq(admit("100.66.1.1", DP_PEER_MAX, &lease, &s), -EACCES, "the last mark");
	cr_expect_null(s);
	cr_expect_eq(ctl_circuits_count(circuits), (size_t)0);
}

Test(ctl_circuit, only_so_many)
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

Test(ctl_circuit, an_entry_gets_half)
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

Test(ctl_circuit, not_for_ever, .timeout = 20)
{
	struct ctl_session *old, *young;
	struct ike_lease lease;

	old = admitted("192.0.2.7", 0, &lease);
	fake_relay_run(&relay, AGE / 2);
	young = admitted("192.0.2.7", 0, &lease);
	cr_expect_eq(relay.ike.closed, (size_t)0);
	fake_relay_run(&relay, AGE / 2 + 50);
	cr_assert_eq(relay.ike.closed, (size_t)1);
	cr_expect_eq(relay.ike.closing[0], old);
	old->ops->ended(old, IKE_END_LOCAL);
	fake_relay_run(&relay, 1100);
	cr_assert_eq(relay.ike.closed, (size_t)2);
	cr_expect_eq(relay.ike.closing[1], young);
	young->ops->ended(young, IKE_END_LOCAL);
}

Test(ctl_circuit, a_pool_that_is_empty)
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

Test(ctl_circuit, connections_go_with_it)
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
	cr_expect_eq(relay.kern.forgot_at, before, "when no packet can make new ones");

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

Test(ctl_circuit, a_kernel_that_refuses)
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

Test(ctl_circuit, close_those_of_an_entry)
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

Test(ctl_circuit, go_with_the_pool_of_their_entry)
{
	struct ike_child child = fake_child(0x9100, "198.51.100.10", "100.66.0.0/24");
	struct ctl_session *all[4];
	struct ike_lease lease;

	all[0] = admitted("100.66.1.1", 1, &lease);
	all[1] = admitted("100.66.0.1", 1, &lease);
	all[2] = admitted("100.66.1.1", 2, &lease);
	all[3] = admitted("192.0.2.7", 0, &lease);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(up(all[i], 0x1000 * (i + 1)), 0);
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
}

static void see(void *data, const struct ctl_circuit_info *info)
{
	struct ctl_circuit_info *out = data;

	*out = *info;
}

Test(ctl_circuit, reports)
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
	ctl_circuits_each(circuits, see, &info);
	cr_expect(info.established);
	cr_expect(addr_equal(&info.assigned, &lease.address));
	cr_expect_eq(info.stats.packets_in, 3u);
	cr_expect_eq(info.stats.packets_out, 3u);
	s->ops->ended(s, IKE_END_LOCAL);
	s = admitted("192.0.2.7", 0, &lease);
	ctl_circuits_each(circuits, see, &info);
	cr_expect_null(info.via);
	s->ops->ended(s, IKE_END_LOCAL);
}
