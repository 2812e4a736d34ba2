/* The other relays: traps for those in the list, tunnels when they are wanted, goodbye when not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-node/ctl_peer.h"
#include "node/fake_relay.h"

enum { PEERS = 3, TRAPS = 2, LINKS = 4, SAS = 2 };

static struct fake_relay relay;
static struct ctl_peers *peers;
static struct dir_entry entries[PEERS + 1];
static struct dir_list list = { .entries = entries };
static unsigned int unknown, left;
static uint32_t left_index;

static void on_unknown(void *user)
{
	(void)user;
	unknown++;
}

static void on_left(void *user, uint32_t index)
{
	(void)user;
	left++;
	left_index = index;
}

static unsigned int moved;
static struct prefix moved_pool;
static size_t moved_at; /* what stood then */

static void on_moved(void *user, uint32_t index, const struct prefix *pool)
{
	(void)user;
	(void)index;
	moved++;
	moved_pool = pool ? *pool : (struct prefix){ 0 };
	moved_at = relay.kern.count;
}

/* Entry I: identity I + 1, relay-I at 198.51.100.(10 + I). The last one is ourselves. */
static void setup(void)
{
	struct ctl_peers_conf conf = { .unknown = on_unknown, .left = on_left, .moved = on_moved };

	fake_relay_init(&relay);
	for (size_t i = 0; i <= PEERS; i++) {
		entries[i] = (struct dir_entry){ .port = 500,
						 .address = addr_v4(0xc633640a + (uint32_t)i) };
		entries[i].identity.bytes[0] = (uint8_t)(i + 1);
		snprintf(entries[i].nickname, sizeof(entries[i].nickname), "relay-%zu", i);
	}
	list.count = PEERS + 1;
	conf.self = relay.self;
	conf.identity = entries[PEERS].identity;
	conf.dp = relay.dp;
	conf.loop = relay.loop;
	conf.life = relay.life;
	cr_assert_eq(ctl_peers_new(&conf, &peers), 0);
	ctl_peers_update(peers, &relay.ike, &list);
}

/* The list as it is now, and the one a minute later. */
static void two_updates(void)
{
	ctl_peers_update(peers, &relay.ike, &list);
	list.published += 60;
	ctl_peers_update(peers, &relay.ike, &list);
}

static void teardown(void)
{
	ctl_peers_free(peers);
	fake_relay_fini(&relay);
}

/* What stands besides the base and the traps of COUNT peers. */
static size_t beside(size_t count)
{
	return relay.kern.count - relay.base - count * TRAPS;
}

static struct ctl_session *want(uint32_t index)
{
	size_t before = relay.ike.initiated;

	ctl_peers_want(peers, &relay.ike, index);
	cr_assert_eq(relay.ike.initiated, before + 1);
	return relay.ike.sessions[before];
}

static int admit(size_t entry, bool initial_contact, struct ike_path *path,
		 struct ctl_session **session)
{
	struct ike_peer from = { .auth = IKE_AUTH_ED25519, .key = entries[entry].identity,
				 .initial_contact = initial_contact };
	struct ike_path straight = { .remote = { .addr = entries[entry].address, .port = 500 } };
	struct ike_ts_list local = { 0 };
	int err = ctl_peers_admit(peers, path ? path : &straight, false, &from, &local, session);

	if (err == 0) {
		struct prefix host = prefix_host(&relay.self.address);

		cr_expect_eq(local.count, (size_t)2);
		cr_expect(prefix_equal(&local.items[0], &relay.self.pool));
		cr_expect(prefix_equal(&local.items[1], &host));
	}
	return err;
}

static int up(struct ctl_session *session, uint32_t spi, const char *host, const char *pool)
{
	struct ike_child child = fake_child(spi, host, pool);

	return session->ops->child_up(session, &child);
}

static void end(struct ctl_session *session, enum ike_end why)
{
	session->ops->ended(session, why);
}

TestSuite(ctl_peer, .init = setup, .fini = teardown);

Test(ctl_peer, traps_for_all_but_us)
{
	const struct kern_policy *p;

	cr_expect_eq(beside(PEERS), (size_t)0);
	p = fake_kern_policy(&relay.kern, KERN_DIR_OUT, "100.65.0.0/16", "198.51.100.11/32", 0);
	cr_assert(p);
	cr_expect_eq(p->templates[0].reqid, KERN_REQID_NODE | 2u);
	cr_expect_null(fake_kern_policy(&relay.kern, KERN_DIR_OUT, "100.65.0.0/16",
					"198.51.100.13/32", 0));
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(beside(PEERS), (size_t)0, "the same list changes nothing");
	cr_expect_str_eq(ctl_peers_name(peers, 2), "relay-1");
	cr_expect_null(ctl_peers_name(peers, 0));
	cr_expect_null(ctl_peers_name(peers, 4));
	cr_expect_null(ctl_peers_name(peers, DP_PEER_MAX + 1));
}

Test(ctl_peer, traffic_starts_one_tunnel)
{
	struct ctl_session *s = want(2);
	const struct ike_init_conf *conf = &relay.ike.confs[0];
	const struct kern_sa *in;
	struct dp_peer link;

	cr_expect_eq(conf->auth, IKE_AUTH_ED25519);
	cr_expect(conf->initial_contact);
	cr_expect_not(conf->want_lease);
	cr_expect_eq(memcmp(&conf->peer, &entries[1].identity, sizeof(conf->peer)), 0);
	cr_expect(addr_equal(&conf->path.remote.addr, &entries[1].address));
	cr_expect_eq(conf->path.remote.port, 500);
	cr_expect_eq(conf->path.mark, 0u);
	cr_expect_eq(conf->ts_local.count, (size_t)2);
	ctl_peers_want(peers, &relay.ike, 2);
	cr_expect_eq(relay.ike.initiated, (size_t)1, "one is under way");
	cr_expect_eq(ctl_peers_link(peers, 2, &link), -ENOENT);

	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + SAS));
	in = fake_kern_sa(&relay.kern, 0x1000);
	cr_assert(in);
	cr_expect_eq(in->set_mark.value, dp_index_to_mark(2));
	cr_expect_eq(in->key.bytes[0], 0xaa);
	cr_expect(addr_equal(&in->src, &entries[1].address));
	cr_assert(fake_kern_sa(&relay.kern, 0x1001));
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x1001)->key.bytes[35], 0xbb);
	cr_assert_eq(ctl_peers_link(peers, 2, &link), 0);
	cr_expect_eq(link.index, 2u);
	ctl_peers_want(peers, &relay.ike, 2);
	cr_expect_eq(relay.ike.initiated, (size_t)1, "one is up");
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)1);

	end(s, IKE_END_PEER);
	cr_expect_eq(beside(PEERS), (size_t)LINKS, "the pool is still known");
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0);
}

Test(ctl_peer, nobody_is_wanted)
{
	ctl_peers_want(peers, &relay.ike, 0);
	ctl_peers_want(peers, &relay.ike, 4);
	ctl_peers_want(peers, &relay.ike, DP_PEER_MAX + 1);
	ctl_peers_want(peers, &relay.ike, UINT32_MAX);
	cr_expect_eq(relay.ike.initiated, (size_t)0);
	relay.ike.refuse = -ENOMEM;
	ctl_peers_want(peers, &relay.ike, 1);
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0);
}

Test(ctl_peer, selectors_that_are_not_the_peers)
{
	static const struct {
		const char *host, *pool;
	} cases[] = {
		{ NULL, NULL },
		{ "198.51.100.11/32", NULL },
		{ NULL, "100.66.0.0/16" },
		{ "198.51.100.12/32", "100.66.0.0/16" }, /* another relay's address */
		{ "198.51.100.11/32", "198.51.100.0/24" },
		{ "198.51.100.11/32", "0.0.0.0/0" },
		{ "198.51.100.11/32", "100.0.0.0/9" },
		{ "100.66.0.0/16", "100.67.0.0/16" },
		{ "198.51.100.8/29", "100.66.0.0/16" },
	};
	struct ctl_session *s = want(2);
	struct ike_child three = fake_child(0x1000, "198.51.100.11/32", "100.66.0.0/16");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(up(s, 0x1000, cases[i].host, cases[i].pool), -EBADMSG, "case %zu", i);
	three.ts_remote.items[three.ts_remote.count++] = fake_prefix("100.67.0.0/16");
	cr_expect_eq(s->ops->child_up(s, &three), -EBADMSG, "two pools");
	cr_expect_eq(beside(PEERS), (size_t)0);
	end(s, IKE_END_PROTOCOL);
}

Test(ctl_peer, refuses_esp_in_udp)
{
	struct ike_peer from = { .auth = IKE_AUTH_ED25519, .key = entries[1].identity };
	struct ike_path path = { .local.port = 4500, .floated = true,
				 .remote = { .addr = entries[1].address, .port = 4500 } };
	struct ike_ts_list local;
	struct ctl_session *s = NULL;

	cr_expect_eq(ctl_peers_admit(peers, &path, true, &from, &local, &s), -EACCES);
	cr_expect_null(s);
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0);
	cr_assert_eq(ctl_peers_admit(peers, &path, false, &from, &local, &s), 0,
		     "the port alone does no harm");
	end(s, IKE_END_PEER);
}

Test(ctl_peer, admits_only_who_is_listed_and_where)
{
	struct ike_peer stranger = { .auth = IKE_AUTH_ED25519, .key.bytes = { 99 } };
	struct ike_path path = { .remote = { .addr = entries[1].address, .port = 500 } };
	struct ike_ts_list local;
	struct ctl_session *s;

	cr_expect_eq(ctl_peers_admit(peers, &path, false, &stranger, &local, &s), -EACCES);
	cr_expect_eq(unknown, 1u, "a newer list may have it");
	cr_expect_eq(admit(PEERS, false, NULL, &s), -EACCES, "ourselves");
	cr_expect_eq(admit(0, false, &path, &s), -EACCES, "relay-0 from relay-1's address");
	path.mark = dp_index_to_mark(1);
	cr_expect_eq(admit(1, false, &path, &s), -EACCES, "through another tunnel");
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0);
	cr_assert_eq(admit(1, false, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	ctl_peers_want(peers, &relay.ike, 2);
	cr_expect_eq(relay.ike.initiated, (size_t)0, "theirs will do");
	end(s, IKE_END_TIMEOUT);
}

Test(ctl_peer, a_restarted_peer_replaces_its_tunnel)
{
	struct ctl_session *old, *young, *more, *half;

	cr_assert_eq(admit(1, true, NULL, &old), 0);
	cr_assert_eq(up(old, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	old->ops->established(old);
	cr_expect_eq(relay.ike.closed, (size_t)0);
	cr_assert_eq(admit(1, false, NULL, &more), 0);
	cr_assert_eq(up(more, 0x2000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	more->ops->established(more);
	cr_expect_eq(relay.ike.closed, (size_t)0, "no INITIAL_CONTACT, no replacing");
	cr_assert_eq(admit(1, false, NULL, &half), 0);
	cr_assert_eq(admit(1, true, NULL, &young), 0);
	cr_assert_eq(up(young, 0x3000, "198.51.100.11/32", "100.70.0.0/16"), 0);
	cr_expect_eq(relay.ike.closed, (size_t)0, "not before it has proved itself");
	young->ops->established(young);
	cr_assert_eq(relay.ike.closed, (size_t)2, "what is not up yet may be newer");
	cr_expect_eq(relay.ike.closing[0], old);
	cr_expect_eq(relay.ike.closing[1], more);
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + 3 * SAS));
	cr_expect_null(fake_kern_policy(&relay.kern, KERN_DIR_IN, "100.66.0.0/16",
					"203.0.113.2/32", dp_index_to_mark(2)));
	cr_expect(fake_kern_policy(&relay.kern, KERN_DIR_IN, "100.70.0.0/16", "203.0.113.2/32",
				   dp_index_to_mark(2)), "it has another pool now");
	end(old, IKE_END_LOCAL);
	end(more, IKE_END_LOCAL);
	end(half, IKE_END_TIMEOUT);
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + SAS));
	end(young, IKE_END_LOCAL);
}

Test(ctl_peer, who_leaves_the_list_goes)
{
	struct ctl_session *s, *refused;
	struct dp_peer link;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	memmove(&entries[1], &entries[2], 2 * sizeof(entries[0]));
	list.count--;
	for (int i = 0; i < 3; i++)
		ctl_peers_update(peers, &relay.ike, &list);
	list.published += 59;
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 0u, "it may come back");
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + SAS));
	cr_expect_eq(ctl_peers_link(peers, 2, &link), 0);
	list.published++;
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 1u);
	cr_expect_eq(left_index, 2u);
	cr_assert_eq(relay.ike.closed, (size_t)1);
	cr_expect_eq(relay.ike.closing[0], s);
	cr_expect_eq(beside(PEERS - 1), (size_t)(LINKS + SAS), "until it has answered");
	cr_expect_eq(ctl_peers_link(peers, 2, &link), -ENOENT);
	ctl_peers_want(peers, &relay.ike, 2);
	cr_expect_eq(relay.ike.initiated, (size_t)0);
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 1u, "said once");
	end(s, IKE_END_LOCAL);
	cr_expect_eq(beside(PEERS - 1), (size_t)0);
	cr_expect_null(ctl_peers_name(peers, 2));

	entries[0].identity.bytes[1] = 7; /* another relay in place of relay-0 */
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 2u);
	cr_expect_eq(left_index, 1u);
	cr_expect_str_eq(ctl_peers_name(peers, 1), "relay-0");
	cr_expect_eq(beside(PEERS - 1), (size_t)0);
	list.count = 0;
	two_updates();
	cr_expect_eq(left, 4u);
	cr_expect_eq(relay.kern.count, relay.base);
	cr_expect_eq(admit(0, true, NULL, &refused), -EACCES);
}

Test(ctl_peer, who_moves_leaves_and_joins)
{
	struct ctl_session *s;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	entries[1].address = fake_addr("198.51.100.77");
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 1u);
	cr_expect_eq(relay.ike.closing[0], s);
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0, "no waiting for the old place");
	cr_expect_eq(beside(PEERS), (size_t)0);
	cr_expect(fake_kern_policy(&relay.kern, KERN_DIR_OUT, "100.65.0.0/16", "198.51.100.77/32",
				   0));
	cr_assert_eq(admit(1, true, NULL, &s), 0);
	end(s, IKE_END_TIMEOUT);
}

Test(ctl_peer, a_new_key_at_an_old_address)
{
	struct ctl_session *s;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	entries[1].identity.bytes[1] = 7;
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(left, 1u);
	cr_expect_eq(ctl_peers_tunnels(peers), (size_t)0);
	cr_expect_eq(beside(PEERS), (size_t)0, "traps of three, nothing of the old one");
	cr_assert_eq(admit(1, true, NULL, &s), 0);
	end(s, IKE_END_TIMEOUT);
}

Test(ctl_peer, addresses_that_cannot_be)
{
	struct ctl_session *s;

	entries[0].identity.bytes[1] = 7;
	entries[0].address = relay.self.address;
	entries[2].identity.bytes[1] = 7;
	entries[2].address = entries[1].address;
	two_updates();
	cr_expect_eq(left, 2u);
	cr_expect_eq(beside(1), (size_t)0, "relay-1 alone is left");
	cr_expect_str_eq(ctl_peers_name(peers, 2), "relay-1");
	cr_expect_eq(admit(0, true, NULL, &s), -EACCES);
	cr_expect_eq(admit(2, true, NULL, &s), -EACCES);
	entries[2].address = fake_addr("198.51.100.12");
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(beside(2), (size_t)0);
}

Test(ctl_peer, tells_of_a_pool_before_its_policies_go)
{
	struct prefix pool = fake_prefix("100.70.0.0/16");
	struct ctl_session *s, *other;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	cr_assert_eq(admit(1, true, NULL, &other), 0);
	cr_assert_eq(up(other, 0x2000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	cr_expect_eq(moved, 0u);
	end(other, IKE_END_TIMEOUT);
	cr_assert_eq(admit(1, true, NULL, &other), 0);
	cr_assert_eq(up(other, 0x2000, "198.51.100.11/32", "100.70.0.0/16"), 0);
	cr_expect_eq(moved, 1u);
	cr_expect(prefix_equal(&moved_pool, &pool));
	cr_expect_eq(moved_at, relay.base + PEERS * TRAPS + LINKS + SAS);
	end(s, IKE_END_TIMEOUT);
	end(other, IKE_END_TIMEOUT);
	cr_expect_eq(moved, 1u, "it is still there");
	entries[1].address = fake_addr("198.51.100.77");
	ctl_peers_update(peers, &relay.ike, &list);
	cr_expect_eq(moved, 2u);
	cr_expect_eq(moved_pool.len, 0u);
	cr_expect_eq(moved_at, relay.base + (PEERS - 1) * TRAPS + LINKS);
}

Test(ctl_peer, only_so_many_tunnels_with_one)
{
	struct ctl_session *all[9];

	for (size_t i = 0; i < 8; i++) {
		cr_assert_eq(admit(1, false, NULL, &all[i]), 0);
		cr_assert_eq(up(all[i], 0x1000 * (uint32_t)(i + 1), "198.51.100.11/32",
				"100.66.0.0/16"), 0);
		all[i]->ops->established(all[i]);
		cr_expect_eq(relay.ike.closed, i < 4 ? 0 : i - 3);
	}
	for (size_t i = 0; i < 4; i++)
		cr_expect_eq(relay.ike.closing[i], all[i], "the oldest");
	cr_expect_eq(admit(1, false, NULL, &all[8]), -EBUSY, "Deletes have to be answered first");
	end(all[0], IKE_END_LOCAL);
	cr_assert_eq(admit(1, false, NULL, &all[8]), 0);
	for (size_t i = 1; i < 9; i++)
		end(all[i], IKE_END_TIMEOUT);
}

Test(ctl_peer, a_kernel_that_refuses_leaves_no_half)
{
	for (unsigned int k = 1; k <= LINKS + SAS; k++) {
		struct ctl_session *s = NULL;

		cr_assert_eq(admit(k % PEERS, true, NULL, &s), 0);
		relay.kern.fail_at = relay.kern.adds + k;
		cr_expect_eq(up(s, 0x1000, k % PEERS == 0   ? "198.51.100.10/32"
					   : k % PEERS == 1 ? "198.51.100.11/32"
							    : "198.51.100.12/32",
				"100.66.0.0/16"), -ENOMEM, "add %u", k);
		cr_expect_eq(fake_kern_count(&relay.kern, KERN_OP_SA), (size_t)0);
		cr_expect_eq(beside(PEERS) % LINKS, (size_t)0);
		end(s, IKE_END_PROTOCOL);
		/* away with link policies that came in, for the next round */
		list.count = 0;
		two_updates();
		list.count = PEERS + 1;
		ctl_peers_update(peers, &relay.ike, &list);
	}
	cr_expect_eq(beside(PEERS), (size_t)0);
}

Test(ctl_peer, tries_again_while_traffic_waits, .timeout = 20)
{
	struct ctl_session *s = want(1);

	end(s, IKE_END_TIMEOUT);
	cr_expect_eq(relay.ike.initiated, (size_t)1, "not at once");
	fake_relay_run(&relay, 700);
	cr_assert_eq(relay.ike.initiated, (size_t)2);
	end(relay.ike.sessions[1], IKE_END_REFUSED);
	ctl_peers_close(peers, &relay.ike);
	fake_relay_run(&relay, 1300);
	cr_expect_eq(relay.ike.initiated, (size_t)2, "not when all is being closed");
}

Test(ctl_peer, does_not_insist_on_what_was_up, .timeout = 20)
{
	struct ctl_session *s = want(1);

	cr_assert_eq(up(s, 0x1000, "198.51.100.10/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	end(s, IKE_END_TIMEOUT);
	fake_relay_run(&relay, 700);
	cr_expect_eq(relay.ike.initiated, (size_t)1, "traffic will say whether it is wanted");
}

Test(ctl_peer, asks_when_nothing_comes_back, .timeout = 60)
{
	struct ctl_session *s, *quiet;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	quiet = want(1);
	cr_assert_eq(up(quiet, 0x2000, "198.51.100.10/32", "100.67.0.0/16"), 0);
	quiet->ops->established(quiet);
	relay.kern.packets = 1;
	fake_relay_run(&relay, 5300);
	cr_expect_eq(relay.ike.heard, (size_t)2);
	relay.kern.far = entries[1].address;
	for (uint64_t i = 2; i < 5; i++) {
		cr_expect_eq(relay.ike.probed, (size_t)0);
		relay.kern.sent = i;
		fake_relay_run(&relay, 5000);
	}
	cr_expect_eq(relay.ike.heard, (size_t)2);
	cr_assert_eq(relay.ike.probed, (size_t)1);
	cr_expect_eq(relay.ike.probing, s);
	end(s, IKE_END_TIMEOUT);
	end(quiet, IKE_END_TIMEOUT);
}

Test(ctl_peer, rekeys_what_the_kernel_names)
{
	struct ike_child next = fake_child(0x2000, "198.51.100.11/32", "100.66.0.0/16");
	struct ctl_session *s, *other;

	cr_assert_eq(admit(1, true, NULL, &s), 0);
	cr_assert_eq(up(s, 0x1000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	cr_assert_eq(admit(1, false, NULL, &other), 0);
	cr_assert_eq(up(other, 0x5000, "198.51.100.11/32", "100.66.0.0/16"), 0);
	other->ops->established(other);
	ctl_peers_expire(peers, &relay.ike, 2, 0x1001, false);
	cr_expect_eq(relay.ike.rekeying, 0x1001u);
	ctl_peers_expire(peers, &relay.ike, 2, 0x9999, false);
	ctl_peers_expire(peers, &relay.ike, 0, 0x1001, false);
	ctl_peers_expire(peers, &relay.ike, 4095, 0x1001, false);
	cr_expect_eq(relay.ike.rekeyed, (size_t)1);
	cr_assert_eq(s->ops->child_add(s, &next, false), 0);
	cr_expect_eq(fake_kern_sa(&relay.kern, 0x2000)->set_mark.value, dp_index_to_mark(2));
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + 3 * SAS));
	s->ops->child_mute(s, 0x1000);
	cr_expect_eq(beside(PEERS), (size_t)(LINKS + 3 * SAS - 1), "the old one only receives");
	ctl_peers_expire(peers, &relay.ike, 2, 0x1000, true);
	cr_expect_eq(relay.ike.closed, (size_t)0, "it was replaced");
	s->ops->child_del(s, 0x1000);
	ctl_peers_expire(peers, &relay.ike, 2, 0x2000, true);
	cr_assert_eq(relay.ike.closed, (size_t)1);
	cr_expect_eq(relay.ike.closing[0], s);
	end(s, IKE_END_LOCAL);
	end(other, IKE_END_LOCAL);
}

static void count_tunnel(void *data, const struct ctl_tunnel_info *info)
{
	struct ctl_tunnel_info *out = data;

	*out = *info;
}

Test(ctl_peer, reports)
{
	struct ctl_tunnel_info info = { 0 };
	struct ctl_session *s = want(3);

	ctl_peers_each(peers, count_tunnel, &info);
	cr_expect_not(info.established);
	cr_assert_eq(up(s, 0x1000, "198.51.100.12/32", "100.66.0.0/16"), 0);
	s->ops->established(s);
	relay.kern.packets = 5;
	ctl_peers_each(peers, count_tunnel, &info);
	cr_expect(info.established);
	cr_expect(info.initiator);
	cr_expect_str_eq(info.nickname, "relay-2");
	cr_expect_eq(info.stats.packets_in, 5u);
	cr_expect_eq(info.stats.bytes_out, 500u);
	cr_expect_eq(ctl_peers_stats(peers).bytes_out, 500u);
	relay.kern.packets = 7;
	end(s, IKE_END_PEER);
	cr_expect_eq(ctl_peers_stats(peers).bytes_out, 700u, "also of what is over");
	cr_expect_eq(ctl_peers_stats(peers).packets_in, 7u);
}
