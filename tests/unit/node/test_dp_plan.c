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
	struct dp_keys k = { .spi_in = 0x1111, .spi_out = 0x2222, .aes = true, .esn = true };

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

Test(dp_plan, tunnel_marks_what_it_decapsulates)
{
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct dp_keys keys = keys_of();
	struct kern_op ops[DP_TUNNEL_OPS];

	cr_assert_eq(dp_plan_tunnel(&self, &peer, &keys, ops), (size_t)DP_TUNNEL_OPS);
	cr_expect_eq(ops[0].sa.spi, 0x1111u);
	cr_expect(addr_equal(&ops[0].sa.dst, &self.address));
	cr_expect_eq(ops[0].sa.set_mark.value, 7u << 16);
	cr_expect_eq(ops[0].sa.set_mark.mask, (uint32_t)KERN_MARK_MASK);
	cr_expect_eq(ops[0].sa.key.bytes[35], 0xaa);
	cr_expect_eq(ops[1].sa.spi, 0x2222u);
	cr_expect(addr_equal(&ops[1].sa.dst, &peer.address));
	cr_expect_eq(ops[1].sa.set_mark.mask, 0u);
	cr_expect_eq(ops[1].sa.key.bytes[35], 0xbb);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(ops[i].sa.reqid, 0x49500007u);
		cr_expect_eq(ops[i].sa.aead, KERN_AEAD_AES_GCM_16_256);
		cr_expect(ops[i].sa.esn);
		cr_expect_eq(ops[i].sa.replay_window, 1024u);
	}
}

Test(dp_plan, circuit_from_a_client_has_one_template)
{
	struct dp_self self = self_b();
	struct dp_keys keys = keys_of();
	struct dp_circuit c = { .number = 4711, .outer = addr_of("198.51.100.9"),
				.assigned = addr_of("100.65.0.9") };
	struct kern_op ops[DP_CIRCUIT_OPS];

	keys.aes = false;
	cr_assert_eq(dp_plan_circuit(&self, &c, &keys, ops), (size_t)DP_CIRCUIT_OPS);
	cr_expect_eq(ops[0].sa.aead, KERN_AEAD_CHACHA20_POLY1305);
	cr_expect(addr_equal(&ops[0].sa.src, &c.outer));
	cr_expect(addr_equal(&ops[1].sa.dst, &c.outer));
	cr_expect_eq(ops[0].sa.set_mark.mask, 0u);
	cr_expect_eq(ops[2].policy.dir, KERN_DIR_OUT);
	expect_selector(&ops[2].policy, "0.0.0.0/0", "100.65.0.9", 0, 0, 0);
	cr_expect_eq(ops[2].policy.template_count, 1);
	expect_template(&ops[2].policy.templates[0], "203.0.113.2", "198.51.100.9",
			0x49500000 | 4711);
	cr_expect_eq(ops[3].policy.dir, KERN_DIR_FWD);
	expect_selector(&ops[3].policy, "100.65.0.9", "0.0.0.0/0", 0, 0, 0);
	cr_expect_eq(ops[3].policy.template_count, 1);
	expect_template(&ops[3].policy.templates[0], "198.51.100.9", "203.0.113.2",
			0x49500000 | 4711);
}

Test(dp_plan, circuit_behind_a_peer_is_inside_its_tunnel_both_ways)
{
	struct dp_self self = self_b();
	struct dp_keys keys = keys_of();
	struct dp_circuit c = { .number = 4711, .outer = addr_of("100.64.0.7"),
				.assigned = addr_of("100.65.0.9"), .via = peer_a() };
	struct kern_op ops[DP_CIRCUIT_OPS];

	dp_plan_circuit(&self, &c, &keys, ops);
	cr_expect_eq(ops[2].policy.template_count, 2);
	expect_template(&ops[2].policy.templates[0], "203.0.113.2", "100.64.0.7",
			0x49500000 | 4711);
	expect_template(&ops[2].policy.templates[1], "203.0.113.2", "203.0.113.1", 0x49500007);
	cr_expect_eq(ops[3].policy.template_count, 2);
	expect_template(&ops[3].policy.templates[0], "100.64.0.7", "203.0.113.2",
			0x49500000 | 4711);
	expect_template(&ops[3].policy.templates[1], "203.0.113.1", "203.0.113.2", 0x49500007);
}

Test(dp_plan, link_policies_win_over_circuits_over_traps)
{
	struct dp_self self = self_b();
	struct dp_peer peer = peer_a();
	struct dp_keys keys = keys_of();
	struct dp_circuit c = { .number = 5000, .outer = addr_of("198.51.100.9"),
				.assigned = addr_of("100.65.0.9") };
	struct kern_op trap[DP_TRAP_OPS], link[DP_LINK_OPS], circuit[DP_CIRCUIT_OPS];

	dp_plan_trap(&self, &peer, trap);
	dp_plan_link(&self, &peer, link);
	dp_plan_circuit(&self, &c, &keys, circuit);
	cr_expect_lt(link[1].policy.priority, circuit[2].policy.priority);
	cr_expect_lt(circuit[2].policy.priority, trap[0].policy.priority);
}

Test(dp_plan, marks_and_reqids_name_the_peer)
{
	for (uint32_t i = 0; i <= DP_PEER_MAX; i++) {
		cr_assert_eq(dp_mark_to_index(dp_index_to_mark(i)), i);
		cr_assert_eq(dp_reqid_to_index(KERN_REQID_NODE | i), i);
	}
	cr_expect_eq(dp_mark_to_index(0xf000ffff), 0u, "foreign bits");
	cr_expect_eq(dp_mark_of_ours(0xf000ffff), 0u);
	cr_expect_eq(dp_mark_of_ours(0xf000ffff | dp_index_to_mark(7)), dp_index_to_mark(7));
	cr_expect_eq(dp_reqid_to_index(KERN_REQID_NODE | DP_CIRCUIT_FIRST), 0u, "a circuit");
	cr_expect_eq(dp_reqid_to_index(KERN_REQID_CLIENT | 7), 0u, "a client's");
	cr_expect_eq(dp_reqid_to_index(7), 0u, "somebody else's");
}
