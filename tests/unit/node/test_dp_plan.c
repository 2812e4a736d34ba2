/* What a relay puts into the kernel for a peer, a tunnel and a circuit, operation by operation. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "ippriv-node/dp_plan.h"

static struct addr addr_of(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	return p;
}

static struct dp_self self_b(void)
{
	return (struct dp_self){ .address = addr_of("203.0.113.2"),
				 .listen = addr_of("203.0.113.2"),
				 .pool = prefix_of("100.65.0.0/16"),
				 .pools = prefix_of("100.64.0.0/10") };
}

static struct dp_peer peer_a(void)
{
	return (struct dp_peer){ .index = 7, .address = addr_of("203.0.113.1"),
				 .pool = prefix_of("100.64.0.0/16") };
}

static struct dp_keys keys_of(void)
{
	struct dp_keys k = { .spi_in = 0x1111, .spi_out = 0x2222, .aes = true, .esn = true,
			     .life = { 10, 15, 1000, 1500 } };

	k.in.len = k.out.len = 36;
	memset(k.in.bytes, 0xaa, 36);
	memset(k.out.bytes, 0xbb, 36);
	return k;
}

static void expect_selector(const struct kern_policy *p, const char *src, const char *dst,
			    uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct prefix s = prefix_of(src), d = prefix_of(dst);

	cr_expect(prefix_equal(&p->sel.src, &s));
	cr_expect(prefix_equal(&p->sel.dst, &d));
	cr_expect_eq(p->sel.proto, proto);
	cr_expect_eq(p->sel.sport, sport);
	cr_expect_eq(p->sel.dport, dport);
	cr_expect_eq(p->if_id, 0u);
}

static void expect_template(const struct kern_template *t, const char *src, const char *dst,
			    uint32_t reqid)
{
	struct addr s = addr_of(src), d = addr_of(dst);

	cr_expect(addr_equal(&t->src, &s));
	cr_expect(addr_equal(&t->dst, &d));
	cr_expect_eq(t->reqid, reqid);
}

Test(dp_plan, trap_asks_for_a_tunnel_for_esp_and_ike_only)
{
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct kern_op ops[DP_TRAP_OPS];

	cr_assert_eq(dp_plan_trap(&self, &peer, ops), (size_t)DP_TRAP_OPS);
	for (size_t i = 0; i < DP_TRAP_OPS; i++) {
		cr_expect_eq(ops[i].type, KERN_OP_POLICY);
		cr_expect_eq(ops[i].policy.dir, KERN_DIR_OUT);
		cr_expect_eq(ops[i].policy.template_count, 1);
		cr_expect_eq(ops[i].policy.mark.mask, 0u);
		expect_template(&ops[i].policy.templates[0], "203.0.113.2", "203.0.113.1",
				0x49500007);
	}
	expect_selector(&ops[0].policy, "100.65.0.0/16", "203.0.113.1", IPPROTO_ESP, 0, 0);
	expect_selector(&ops[1].policy, "100.65.0.0/16", "203.0.113.1", IPPROTO_UDP, 0, 500);
}

Test(dp_plan, link_tells_clients_of_a_peer_by_its_mark)
{
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct kern_op ops[DP_LINK_OPS];

	cr_assert_eq(dp_plan_link(&self, &peer, ops), (size_t)DP_LINK_OPS);
	cr_expect_eq(ops[0].policy.dir, KERN_DIR_IN);
	expect_selector(&ops[0].policy, "100.64.0.0/16", "203.0.113.2", 0, 0, 0);
	cr_expect_eq(ops[1].policy.dir, KERN_DIR_OUT);
	expect_selector(&ops[1].policy, "203.0.113.2", "100.64.0.0/16", 0, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(ops[i].policy.mark.value, 7u << 16);
		cr_expect_eq(ops[i].policy.mark.mask, (uint32_t)KERN_MARK_MASK);
	}
	cr_expect_eq(ops[2].policy.dir, KERN_DIR_FWD);
	expect_selector(&ops[2].policy, "203.0.113.1", "100.65.0.0/16", IPPROTO_ESP, 0, 0);
	cr_expect_eq(ops[3].policy.dir, KERN_DIR_FWD);
	expect_selector(&ops[3].policy, "203.0.113.1", "100.65.0.0/16", IPPROTO_UDP, 500, 0);
	expect_template(&ops[0].policy.templates[0], "203.0.113.1", "203.0.113.2", 0x49500007);
	expect_template(&ops[1].policy.templates[0], "203.0.113.2", "203.0.113.1", 0x49500007);
	expect_template(&ops[2].policy.templates[0], "203.0.113.1", "203.0.113.2", 0x49500007);
}

/* Number 7 is a peer, the others are circuits; FAR is the other end. */
static struct dp_way way_to(uint32_t number, const char *far)
{
	return (struct dp_way){ .number = number, .local = addr_of("203.0.113.2"),
				.far = addr_of(far) };
}

Test(dp_plan, tunnel_marks_what_it_decapsulates)
{
	struct dp_way way = way_to(7, "203.0.113.1");
	struct dp_keys keys = keys_of();
	struct kern_op ops[DP_PAIR_OPS];

	cr_assert_eq(dp_plan_pair(&way, &keys, DP_HALF_BOTH, ops), (size_t)DP_PAIR_OPS);
	cr_expect_eq(ops[0].sa.spi, 0x1111u);
	cr_expect(addr_equal(&ops[0].sa.dst, &way.local));
	cr_expect_eq(ops[0].sa.set_mark.value, 7u << 16);
	cr_expect_eq(ops[0].sa.set_mark.mask, (uint32_t)KERN_MARK_MASK);
	cr_expect_eq(ops[0].sa.key.bytes[35], 0xaa);
	cr_expect_eq(ops[1].sa.spi, 0x2222u);
	cr_expect(addr_equal(&ops[1].sa.dst, &way.far));
	cr_expect_eq(ops[1].sa.set_mark.mask, 0u);
	cr_expect_eq(ops[1].sa.key.bytes[35], 0xbb);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(ops[i].sa.reqid, 0x49500007u);
		cr_expect_eq(ops[i].sa.aead, KERN_AEAD_AES_GCM_16_256);
		cr_expect(ops[i].sa.esn);
		cr_expect_eq(ops[i].sa.replay_window, 1024u);
		cr_expect_eq(ops[i].sa.encap.sport, 0);
		cr_expect_eq(ops[i].sa.life.soft_seconds, 10u);
		cr_expect_eq(ops[i].sa.life.hard_seconds, 15u);
		cr_expect_eq(ops[i].sa.life.soft_bytes, 1000u);
		cr_expect_eq(ops[i].sa.life.hard_bytes, 1500u);
	}
}

Test(dp_plan, halves_by_themselves)
{
	struct dp_way way = way_to(4711, "198.51.100.9");
	struct dp_keys keys = keys_of();
	struct kern_op ops[DP_PAIR_OPS];

	cr_assert_eq(dp_plan_pair(&way, &keys, DP_HALF_IN, ops), (size_t)1);
	cr_expect_eq(ops[0].sa.spi, 0x1111u);
	cr_expect_eq(ops[0].sa.set_mark.mask, 0u, "no circuit marks");
	cr_assert_eq(dp_plan_pair(&way, &keys, DP_HALF_OUT, ops), (size_t)1);
	cr_expect_eq(ops[0].sa.spi, 0x2222u);
}

Test(dp_plan, esp_in_udp_has_ports_both_ways)
{
	struct dp_way way = way_to(4711, "198.51.100.9");
	struct dp_keys keys = keys_of();
	struct kern_op ops[DP_PAIR_OPS];

	way.local_port = 4500;
	way.far_port = 61000;
	dp_plan_pair(&way, &keys, DP_HALF_BOTH, ops);
	cr_expect_eq(ops[0].sa.encap.sport, 61000);
	cr_expect_eq(ops[0].sa.encap.dport, 4500);
	cr_expect_eq(ops[1].sa.encap.sport, 4500);
	cr_expect_eq(ops[1].sa.encap.dport, 61000);
}

Test(dp_plan, circuit_from_a_client_has_one_template)
{
	struct dp_self self = self_b();
	struct dp_circuit c = { .way = way_to(4711, "198.51.100.9"),
				.assigned = addr_of("100.65.0.9") };
	struct dp_keys keys = keys_of();
	struct kern_op ops[DP_CIRCUIT_OPS];

	keys.aes = false;
	dp_plan_pair(&c.way, &keys, DP_HALF_BOTH, ops);
	cr_expect_eq(ops[0].sa.aead, KERN_AEAD_CHACHA20_POLY1305);
	cr_expect(addr_equal(&ops[0].sa.src, &c.way.far));
	cr_expect(addr_equal(&ops[1].sa.dst, &c.way.far));
	cr_assert_eq(dp_plan_circuit(&self, &c, ops), (size_t)2);
	cr_expect_eq(ops[0].policy.dir, KERN_DIR_OUT);
	expect_selector(&ops[0].policy, "0.0.0.0/0", "100.65.0.9", 0, 0, 0);
	cr_expect_eq(ops[0].policy.template_count, 1);
	expect_template(&ops[0].policy.templates[0], "203.0.113.2", "198.51.100.9",
			0x49500000 | 4711);
	cr_expect_eq(ops[1].policy.dir, KERN_DIR_FWD);
	expect_selector(&ops[1].policy, "100.65.0.9", "0.0.0.0/0", 0, 0, 0);
	cr_expect_eq(ops[1].policy.template_count, 1);
	expect_template(&ops[1].policy.templates[0], "198.51.100.9", "203.0.113.2",
			0x49500000 | 4711);
}

/* The same four addresses around both families. */
Test(dp_plan, circuit_of_both_families)
{
	struct dp_self self = self_b();
	struct dp_circuit c = { .way = way_to(4711, "100.64.0.7"), .six = true,
				.assigned = addr_of("100.65.0.9"), .via = peer_a() };
	struct kern_op ops[DP_CIRCUIT_OPS];

	cr_assert_eq(dp_plan_circuit(&self, &c, ops), (size_t)DP_CIRCUIT_OPS);
	cr_expect_eq(ops[2].policy.dir, KERN_DIR_OUT);
	expect_selector(&ops[0].policy, "0.0.0.0/0", "100.65.0.9", 0, 0, 0);
	expect_selector(&ops[2].policy, "::/0", "fd49:5070:7269:7600::6441:9", 0, 0, 0);
	cr_expect_eq(ops[3].policy.dir, KERN_DIR_FWD);
	expect_selector(&ops[3].policy, "fd49:5070:7269:7600::6441:9", "::/0", 0, 0, 0);
	for (size_t i = 0; i < 2; i++) {
		const struct kern_policy *four = &ops[i].policy, *six = &ops[i + 2].policy;

		cr_expect_eq(six->template_count, 2);
		cr_expect_eq(six->priority, four->priority);
		for (size_t k = 0; k < 2; k++) {
			cr_expect(addr_equal(&six->templates[k].src, &four->templates[k].src));
			cr_expect(addr_equal(&six->templates[k].dst, &four->templates[k].dst));
			cr_expect_eq(six->templates[k].reqid, four->templates[k].reqid);
		}
	}
}

Test(dp_plan, circuit_behind_a_peer_is_inside_its_tunnel_both_ways)
{
	struct dp_self self = self_b();
	struct dp_circuit c = { .way = way_to(4711, "100.64.0.7"),
				.assigned = addr_of("100.65.0.9"), .via = peer_a() };
	struct kern_op ops[DP_CIRCUIT_OPS];

	dp_plan_circuit(&self, &c, ops);
	cr_expect_eq(ops[0].policy.template_count, 2);
	expect_template(&ops[0].policy.templates[0], "203.0.113.2", "100.64.0.7",
			0x49500000 | 4711);
	expect_template(&ops[0].policy.templates[1], "203.0.113.2", "203.0.113.1", 0x49500007);
	cr_expect_eq(ops[1].policy.template_count, 2);
	expect_template(&ops[1].policy.templates[0], "100.64.0.7", "203.0.113.2",
			0x49500000 | 4711);
	expect_template(&ops[1].policy.templates[1], "203.0.113.1", "203.0.113.2", 0x49500007);
}

/* On the wire 10.0.0.2, which something in front of us makes 203.0.113.2. */
Test(dp_plan, behind_a_nat_of_its_own)
{
	struct dp_circuit c = { .way = way_to(4711, "100.64.0.7"),
				.assigned = addr_of("100.65.0.9"), .via = peer_a() };
	struct kern_op base[DP_BASE_OPS], link[DP_LINK_OPS], trap[DP_TRAP_OPS];
	struct kern_op ops[DP_CIRCUIT_OPS];
	struct kern_firewall firewall = { .exit = true };
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct prefix published = prefix_host(&self.address);

	cr_assert_eq(dp_plan_base(&self, &firewall, base), (size_t)4);
	self.listen = addr_of("10.0.0.2");
	cr_assert_eq(dp_plan_base(&self, &firewall, base), (size_t)5);
	cr_expect_eq(base[4].type, KERN_OP_ADDRESS);
	cr_expect_str_eq(base[4].address.link, base[2].link.name);
	cr_expect(prefix_equal(&base[4].address.prefix, &published));
	dp_plan_trap(&self, &peer, trap);
	expect_template(&trap[0].policy.templates[0], "10.0.0.2", "203.0.113.1", 0x49500007);
	dp_plan_link(&self, &peer, link);
	expect_selector(&link[0].policy, "100.64.0.0/16", "203.0.113.2", 0, 0, 0);
	expect_template(&link[0].policy.templates[0], "203.0.113.1", "10.0.0.2", 0x49500007);
	expect_selector(&link[1].policy, "203.0.113.2", "100.64.0.0/16", 0, 0, 0);
	expect_template(&link[1].policy.templates[0], "10.0.0.2", "203.0.113.1", 0x49500007);
	dp_plan_circuit(&self, &c, ops);
	expect_template(&ops[0].policy.templates[0], "203.0.113.2", "100.64.0.7",
			0x49500000 | 4711);
	expect_template(&ops[0].policy.templates[1], "10.0.0.2", "203.0.113.1", 0x49500007);
}

Test(dp_plan, an_exit_of_both_families)
{
	struct kern_firewall firewall = { .exit = true };
	struct prefix pool6;
	struct kern_op base[DP_BASE_OPS];
	struct dp_self self = self_b();

	cr_assert_eq(prefix_parse("fd49:5070:7269:7600::6440:0/106", &pool6), 0);
	cr_assert_eq(prefix_parse("100.64.0.0/10", &firewall.pools), 0);
	dp_plan_base(&self, &firewall, base);
	cr_expect_eq(base[1].spd_hash.local_bits6, 128, "those of others are not touched");
	firewall.exit6 = true;
	self.listen = addr_of("10.0.0.2");
	cr_assert_eq(dp_plan_base(&self, &firewall, base), (size_t)DP_BASE_OPS);
	cr_expect_eq(base[1].spd_hash.local_bits6, 0);
	cr_expect_eq(base[1].spd_hash.remote_bits6, 128);
	cr_expect_eq(base[4].type, KERN_OP_ROUTE);
	cr_expect_str_eq(base[4].route.link, base[2].link.name);
	cr_expect(prefix_equal(&base[4].route.dst, &pool6));
	cr_expect_eq(base[4].route.mtu, base[3].route.mtu);
	cr_expect_eq(base[5].type, KERN_OP_FIREWALL6);
	cr_expect_eq(base[5].firewall, &firewall);
	cr_expect_eq(base[6].type, KERN_OP_ADDRESS);
}

Test(dp_plan, a_move_is_of_all_that_stands)
{
	struct dp_self self = self_b();
	struct dp_circuit c = { .way = way_to(4711, "198.51.100.9"),
				.assigned = addr_of("100.65.0.9") };
	struct kern_op ops[DP_MOVE_OPS];

	cr_assert_eq(dp_plan_move(&self, &c, 0x1111, 0x2222, ops), (size_t)4);
	cr_expect_eq(ops[0].sa.spi, 0x1111u);
	cr_expect_eq(ops[1].sa.spi, 0x2222u);
	cr_expect(addr_equal(&ops[1].sa.dst, &c.way.far));
	cr_expect_eq(ops[2].policy.dir, KERN_DIR_OUT);
	cr_expect_eq(ops[3].policy.dir, KERN_DIR_FWD);
	cr_expect_eq(ops[0].sa.reqid, ops[3].policy.templates[0].reqid);
}

Test(dp_plan, link_policies_win_over_circuits_over_traps)
{
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct dp_circuit c = { .way = way_to(5000, "198.51.100.9"),
				.assigned = addr_of("100.65.0.9") };
	struct kern_op trap[DP_TRAP_OPS], link[DP_LINK_OPS], circuit[DP_CIRCUIT_OPS];

	dp_plan_trap(&self, &peer, trap);
	dp_plan_link(&self, &peer, link);
	dp_plan_circuit(&self, &c, circuit);
	cr_expect_lt(link[1].policy.priority, circuit[0].policy.priority);
	cr_expect_lt(circuit[0].policy.priority, trap[0].policy.priority);
}

Test(dp_plan, marks_and_reqids_name_the_peer)
{
	for (uint32_t i = 0; i <= DP_PEER_MAX; i++) {
		cr_assert_eq(dp_mark_to_index(dp_index_to_mark(i)), i);
		cr_assert_eq(dp_reqid_to_index(KERN_REQID_NODE | i), i);
		cr_assert_eq(dp_reqid_to_circuit(KERN_REQID_NODE | i), 0u);
	}
	cr_expect_eq(dp_reqid_to_circuit(KERN_REQID_NODE | DP_CIRCUIT_FIRST),
		     (uint32_t)DP_CIRCUIT_FIRST);
	cr_expect_eq(dp_reqid_to_circuit(KERN_REQID_NODE | DP_CIRCUIT_LAST),
		     (uint32_t)DP_CIRCUIT_LAST);
	cr_expect_eq(dp_reqid_to_circuit(KERN_REQID_CLIENT | 5000), 0u);
	cr_expect_eq(dp_mark_to_index(0xf000ffff), 0u, "foreign bits");
	cr_expect_eq(dp_mark_of_ours(0xf000ffff), 0u);
	cr_expect_eq(dp_mark_of_ours(0xf000ffff | dp_index_to_mark(7)), dp_index_to_mark(7));
	cr_expect_eq(dp_reqid_to_index(KERN_REQID_NODE | DP_CIRCUIT_FIRST), 0u, "a circuit");
	cr_expect_eq(dp_reqid_to_index(KERN_REQID_CLIENT | 7), 0u, "a client's");
	cr_expect_eq(dp_reqid_to_index(7), 0u, "somebody else's");
}
