#include "common/kern/shield_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "common/base/ike_port.h"
#include "common/kern/nft_batch.h"

enum {
	DIRECT_SET_ID = 1, /* within the batch */
	TYPE_CGROUPV2 = 46, /* nft's number of the data type */
	BYTEORDER_HOST = 1, /* nft's, tells it how to print the set */
	PORT_NAMES = 53,
	PORT_NAMES_TLS = 853,
	PORT_MDNS = 5353,
	MLD2_REPORT = 143, /* RFC 3810 section 5.2 */
	MDNS_GROUP = 0xe00000fb, /* 224.0.0.251 */
};

static const char direct_set[] = "direct";
static const uint8_t families_inside[] = { NFPROTO_IPV4, NFPROTO_IPV6 };
static const uint8_t name_protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
static const char *const seats[KERN_SHIELD_SEATS] = { "ippriv0", "ippriv1", "ippriv2",
							"ippriv3" };

static const struct nft_chain chains[] = {
	{ "incoming", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_MANGLE },
	{ "from_tunnel", NULL, 0, 0 },
	{ "ours", NULL, 0, 0 },
	{ "input", "filter", NF_INET_LOCAL_IN, NF_IP_PRI_FILTER },
	{ "output", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER },
	{ "forward", "filter", NF_INET_FORWARD, NF_IP_PRI_FILTER },
	{ "names_route", "route", NF_INET_LOCAL_OUT, NF_IP_PRI_MANGLE },
	{ "names", "nat", NF_INET_LOCAL_OUT, NF_IP_PRI_NAT_DST },
	{ "names_last", "filter", NF_INET_POST_ROUTING, NF_IP_PRI_FILTER },
	{ "names_source", "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC },
};

/* What the rules of one batch are made of. */
struct making {
	struct nft_batch b;
	const struct kern_shield *shield;
};

static struct nft_rule rule(const char *chain)
{
	return nft_rule_new(KERN_SHIELD_TABLE, chain);
}

static void push(struct making *m, struct nft_rule *r)
{
	nft_batch_rule(&m->b, r);
}

static void push_accept(struct making *m, struct nft_rule r)
{
	nft_accept(&r);
	push(m, &r);
}

static void push_drop(struct making *m, struct nft_rule r, const char *why)
{
	nft_drop(&r, why);
	push(m, &r);
}

static void push_jump(struct making *m, struct nft_rule r, const char *chain)
{
	nft_jump(&r, chain);
	push(m, &r);
}

static void push_mark(struct making *m, struct nft_rule r, uint32_t value)
{
	nft_set_mark(&r, value);
	push(m, &r);
}

static struct nft_rule by_lo(const char *chain, bool out)
{
	struct nft_rule r = rule(chain);

	nft_match_lo(&r, out);
	return r;
}

static struct nft_rule by_link(const char *chain, bool out, const char *name)
{
	struct nft_rule r = rule(chain);

	nft_match_link(&r, out, name);
	return r;
}

static struct nft_rule of_protocol(const char *chain, uint8_t protocol)
{
	struct nft_rule r = rule(chain);

	nft_match_l4proto(&r, protocol);
	return r;
}

static struct nft_rule to_port(const char *chain, uint8_t protocol, uint16_t port)
{
	struct nft_rule r = of_protocol(chain, protocol);

	nft_match_ports(&r, NFT_DPORT, port, port);
	return r;
}

static struct nft_rule between_ports(const char *chain, uint16_t sport, uint16_t dport)
{
	struct nft_rule r = of_protocol(chain, IPPROTO_UDP);

	nft_match_port_pair(&r, sport, dport);
	return r;
}

static struct nft_rule with_mark(const char *chain, uint32_t value, uint32_t mask)
{
	struct nft_rule r = rule(chain);

	nft_match_mark(&r, value, mask);
	return r;
}

static struct nft_rule of_names(const char *chain)
{
	return with_mark(chain, MARK_NAMES_ANY, MARK_NAMES_ANY);
}

static struct nft_rule of_direct(const char *chain)
{
	struct nft_rule r = rule(chain);

	nft_match_cgroup(&r, direct_set, DIRECT_SET_ID);
	return r;
}

static struct nft_rule to_net(const char *chain, enum nft_field field, const struct prefix *net)
{
	struct nft_rule r = rule(chain);

	nft_match_net(&r, field, net, false);
	return r;
}

/* Of a connection to a name server that was led to seat I. */
static struct nft_rule of_asked(const char *chain, size_t i)
{
	struct nft_rule r = rule(chain);

	nft_match_ct_mark(&r, MARK_NAMES(i));
	return r;
}

static bool has_seat(const struct making *m, size_t i)
{
	return m->shield->tunnel[i].family;
}

static void match_not_for(struct nft_rule *r, const struct addr *address)
{
	const struct prefix own = prefix_host(address);

	nft_match_net(r, NFT_DADDR, &own, true);
}

static void push_seat_mark(struct making *m, size_t i, const struct addr *address)
{
	struct nft_rule r = rule("incoming");

	nft_match_ct_home(&r, address);
	push_mark(m, r, MARK_SEAT(i));
}

/*
 * Of a tunnel: what is not for its address goes no further, before NAT has changed it. What belongs to
 * its connections is marked, wherever it comes from: containers' packets go on through the tunnel by
 * which they began, and rp_filter finds answers on the right interface.
 */
static void push_incoming_seat(struct making *m, size_t i)
{
	const struct addr *addresses[] = { &m->shield->tunnel[i], &m->shield->tunnel6[i] };

	for (size_t j = 0; j < ARRAY_SIZE(addresses); j++) {
		struct nft_rule r = by_link("incoming", false, seats[i]);

		if (addresses[j]->family)
			match_not_for(&r, addresses[j]);
		else
			nft_match_family(&r, families_inside[j]);
		push_drop(m, r, "by a tunnel, not for its address");
	}
	for (size_t j = 0; j < ARRAY_SIZE(addresses); j++)
		if (addresses[j]->family)
			push_seat_mark(m, i, addresses[j]);
	if (has_seat(m, i))
		push_mark(m, of_asked("incoming", i), MARK_NAMES(i));
}

/*
 * What comes for the daemon, for those who may go straight, and from the tunnels is marked before it
 * is routed: with src_valid_mark, rp_filter then looks for the way back where the answer will go.
 */
static void push_incoming(struct making *m)
{
	struct nft_rule r = of_protocol("incoming", IPPROTO_ICMP);

	push_mark(m, of_protocol("incoming", IPPROTO_ESP), MARK_OURS);
	nft_match_icmp_type(&r, ICMP_DEST_UNREACH);
	push_mark(m, r, MARK_OURS);
	r = rule("incoming");
	nft_match_socket_mark(&r, MARK_OURS, MARK_EITHER);
	push_mark(m, r, MARK_OURS);
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_incoming_seat(m, i);
}

static void push_from_tunnel(struct making *m)
{
	struct nft_rule r = rule("from_tunnel");

	nft_match_ct_state(&r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
	push_accept(m, r);
	push_drop(m, rule("from_tunnel"), "nobody connects through the tunnel");
}

static void push_ours(struct making *m)
{
	push_accept(m, of_protocol("ours", IPPROTO_ESP));
	push_accept(m, to_port("ours", IPPROTO_UDP, IKE_PORT));
	push_accept(m, to_port("ours", IPPROTO_UDP, IKE_PORT_FLOATED));
	push_accept(m, to_port("ours", IPPROTO_TCP, m->shield->list_port));
	push_drop(m, rule("ours"), "neither IKE nor ESP nor the list");
}

static void push_input_drop(struct making *m, const struct addr *address)
{
	const struct prefix own = prefix_host(address);

	if (address->family)
		push_drop(m, to_net("input", NFT_DADDR, &own), "to the tunnel's address by another link");
}

/* Who asks a link for the tunnel's address gets no answer (CVE-2019-14899). */
static void push_input(struct making *m)
{
	push_accept(m, by_lo("input", false));
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_jump(m, by_link("input", false, seats[i]), "from_tunnel");
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++) {
		push_input_drop(m, &m->shield->tunnel[i]);
		push_input_drop(m, &m->shield->tunnel6[i]);
	}
}

/* What a link needs to be one: an address, a router, the neighbours. */
static void push_link(struct making *m)
{
	static const uint8_t types[] = { ND_ROUTER_SOLICIT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT,
					 MLD2_REPORT };

	push_accept(m, between_ports("output", 68, 67));
	push_accept(m, between_ports("output", 546, 547));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct nft_rule r = rule("output");

		nft_match_family(&r, NFPROTO_IPV6);
		nft_match_l4proto(&r, IPPROTO_ICMPV6);
		nft_match_icmp_type(&r, types[i]);
		push_accept(m, r);
	}
}

static const char name_drop[] = "a name, not through the tunnel";

static void push_names_drop(struct making *m, const char *chain)
{
	push_drop(m, to_port(chain, IPPROTO_UDP, PORT_NAMES), name_drop);
	push_drop(m, to_port(chain, IPPROTO_TCP, PORT_NAMES), name_drop);
	push_drop(m, to_port(chain, IPPROTO_TCP, PORT_NAMES_TLS), name_drop);
}

/* Marked ones have been led elsewhere, and the link that is known here is still the old one. */
static void push_output_names(struct making *m)
{
	push_accept(m, of_names("output"));
	push_names_drop(m, "output");
}

/* With a network of one's own goes what finds printers there. */
static void push_output_nets(struct making *m)
{
	const struct addr group = addr_v4(MDNS_GROUP);
	const struct prefix mdns = prefix_host(&group);
	struct nft_rule r;

	for (size_t i = 0; i < m->shield->net_count; i++)
		push_accept(m, to_net("output", NFT_DADDR, &m->shield->nets[i]));
	if (m->shield->net_count == 0)
		return;
	r = to_net("output", NFT_DADDR, &mdns);
	nft_match_l4proto(&r, IPPROTO_UDP);
	nft_match_ports(&r, NFT_DPORT, PORT_MDNS, PORT_MDNS);
	push_accept(m, r);
	push_accept(m, of_protocol("output", IPPROTO_IGMP));
}

static void push_output(struct making *m)
{
	push_accept(m, by_lo("output", true));
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_accept(m, by_link("output", true, seats[i]));
	push_jump(m, with_mark("output", MARK_OURS, MARK_EXACT), "ours");
	push_accept(m, of_direct("output"));
	push_link(m);
	push_output_names(m);
	push_output_nets(m);
	push_drop(m, rule("output"), "not through the tunnel");
}

/*
 * Containers and virtual machines: through the tunnel when this host translates, or to a network, which
 * answers. Its own packets to anywhere else could have been routed straight by a mark (ESP).
 */
static void push_forward(struct making *m)
{
	struct nft_rule r;

	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_accept(m, by_link("forward", true, seats[i]));
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_jump(m, by_link("forward", false, seats[i]), "from_tunnel");
	push_names_drop(m, "forward");
	for (size_t i = 0; i < m->shield->net_count; i++) {
		push_accept(m, to_net("forward", NFT_DADDR, &m->shield->nets[i]));
		r = to_net("forward", NFT_SADDR, &m->shield->nets[i]);
		nft_match_ct_reply(&r);
		push_accept(m, r);
	}
	push_drop(m, rule("forward"), "forwarded, not through the tunnel");
}

/*
 * What was asked by a tunnel, and is asked again, goes the same way; the rest by the current one. Resolvers are
 * asked by IPv4 alone, as exits name them.
 */
static void push_names_route(struct making *m)
{
	struct nft_rule r;

	push_accept(m, by_lo("names_route", true));
	push_accept(m, of_direct("names_route"));
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++) {
		if (!has_seat(m, i))
			continue;
		r = of_asked("names_route", i);
		nft_set_mark(&r, MARK_NAMES(i));
		push_accept(m, r);
	}
	for (size_t j = 0; j < ARRAY_SIZE(name_protocols); j++) {
		r = rule("names_route");
		nft_match_family(&r, NFPROTO_IPV6);
		nft_match_l4proto(&r, name_protocols[j]);
		nft_match_ports(&r, NFT_DPORT, PORT_NAMES, PORT_NAMES);
		push_drop(m, r, name_drop);
		r = to_port("names_route", name_protocols[j], PORT_NAMES);
		if (m->shield->has_names) {
			nft_set_ct_mark(&r, MARK_NAMES(m->shield->names));
			push_mark(m, r, MARK_NAMES(m->shield->names));
		} else {
			push_drop(m, r, name_drop);
		}
	}
}

static void push_names_source(struct making *m, size_t i)
{
	const struct prefix own = prefix_host(&m->shield->tunnel[i]);

	for (size_t j = 0; has_seat(m, i) && j < ARRAY_SIZE(name_protocols); j++) {
		struct nft_rule r = by_link("names_source", true, seats[i]);

		nft_match_net(&r, NFT_SADDR, &own, true);
		nft_match_l4proto(&r, name_protocols[j]);
		nft_match_ports(&r, NFT_DPORT, PORT_NAMES, PORT_NAMES);
		nft_masquerade(&r);
		push(m, &r);
	}
}

/*
 * Whatever name server a program asks, on whatever link: the question goes into the tunnel, to the
 * exit's resolver, and from the tunnel's address.
 */
static void push_names(struct making *m)
{
	push_names_route(m);
	push_accept(m, by_lo("names", true));
	push_accept(m, of_direct("names"));
	for (size_t j = 0; m->shield->resolver.family && j < ARRAY_SIZE(name_protocols); j++) {
		struct nft_rule r = to_port("names", name_protocols[j], PORT_NAMES);

		nft_dnat(&r, &m->shield->resolver);
		push(m, &r);
	}
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_accept(m, by_link("names_last", true, seats[i]));
	push_drop(m, of_names("names_last"), name_drop);
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++)
		push_names_source(m, i);
}

static void push_table(struct nft_batch *b, uint16_t type)
{
	struct nftnl_table *t = nftnl_table_alloc();
	union nft_message m;

	if (t && nftnl_table_set_str(t, NFTNL_TABLE_NAME, KERN_SHIELD_TABLE) == 0) {
		if (type == NFT_MSG_NEWTABLE)
			nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, 0);
		nftnl_table_nlmsg_build_payload(nft_batch_message(b, &m, type, 0), t);
		nft_batch_push(b, &m);
	} else {
		b->err = -ENOMEM;
	}
	if (t)
		nftnl_table_free(t);
}

/* All rules of the table go. */
static void push_flush(struct nft_batch *b)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	union nft_message m;

	if (r && nftnl_rule_set_str(r, NFTNL_RULE_TABLE, KERN_SHIELD_TABLE) == 0) {
		nftnl_rule_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_DELRULE, 0), r);
		nft_batch_push(b, &m);
	} else {
		b->err = -ENOMEM;
	}
	if (r)
		nftnl_rule_free(r);
}

static struct nftnl_set *set_new(void)
{
	uint8_t udata[] = { NFTNL_UDATA_SET_KEYBYTEORDER, 4, 0, 0, 0, 0 };
	struct nftnl_set *s = nftnl_set_alloc();
	uint32_t order = BYTEORDER_HOST;

	memcpy(udata + 2, &order, sizeof(order));
	if (!s || nftnl_set_set_str(s, NFTNL_SET_TABLE, KERN_SHIELD_TABLE) ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, direct_set) ||
	    nftnl_set_set_data(s, NFTNL_SET_USERDATA, udata, sizeof(udata))) {
		if (s)
			nftnl_set_free(s);
		return NULL;
	}
	nftnl_set_set_u32(s, NFTNL_SET_ID, DIRECT_SET_ID);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, TYPE_CGROUPV2);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, sizeof(uint64_t));
	return s;
}

static void push_direct_set(struct nft_batch *b)
{
	struct nftnl_set *s = set_new();
	union nft_message m;

	if (!s) {
		b->err = -ENOMEM;
		return;
	}
	nftnl_set_nlmsg_build_payload(nft_batch_message(b, &m, NFT_MSG_NEWSET, NLM_F_CREATE), s);
	nft_batch_push(b, &m);
	nftnl_set_free(s);
}

static bool net_ok(const struct prefix *p)
{
	for (size_t i = p->len; i < addr_size(&p->addr) * 8; i++)
		if (addr_bit(&p->addr, i))
			return false;
	return addr_size(&p->addr) > 0 && p->len <= addr_size(&p->addr) * 8;
}

static bool address_ok(const struct addr *a, uint16_t family)
{
	return a->family == 0 || a->family == family;
}

static bool shield_ok(const struct kern_shield *shield)
{
	bool ok = shield->list_port > 0 && shield->net_count <= KERN_SHIELD_NETS &&
		  address_ok(&shield->resolver, AF_INET);

	for (size_t i = 0; ok && i < shield->net_count; i++)
		ok = net_ok(&shield->nets[i]);
	for (size_t i = 0; ok && i < KERN_SHIELD_SEATS; i++)
		ok = address_ok(&shield->tunnel[i], AF_INET) &&
		     address_ok(&shield->tunnel6[i], AF_INET6);
	return ok && (!shield->has_names || (shield->names < KERN_SHIELD_SEATS &&
					     shield->tunnel[shield->names].family));
}

static const uint8_t families[] = { NFPROTO_INET, NFPROTO_ARP };

static struct nft_batch begin(void *buf, size_t size, uint32_t seq)
{
	struct nft_batch b = nft_batch_begin(buf, size, seq);

	b.family = NFPROTO_INET;
	return b;
}

/*
 * ARP. The kernel does not answer whom it would not route an answer to, which rp_filter judges: so
 * questions are marked. Nobody is told who has the tunnel's address.
 */
static void push_arp(struct making *m)
{
	static const struct nft_chain chain = { "input", "filter", NF_ARP_IN, NF_IP_PRI_FILTER };

	push_table(&m->b, NFT_MSG_NEWTABLE);
	nft_batch_chain(&m->b, KERN_SHIELD_TABLE, &chain);
	for (size_t i = 0; i < KERN_SHIELD_SEATS; i++) {
		struct nft_rule r = rule("input");

		if (m->shield->tunnel[i].family) {
			nft_match_arp_target(&r, &m->shield->tunnel[i]);
			push_drop(m, r, "who has the tunnel's address");
		} else {
			nft_rule_free(&r);
		}
	}
	push_mark(m, rule("input"), MARK_OURS);
}

int shield_msg_replace(void *buf, size_t size, uint32_t seq, const struct kern_shield *shield,
		       size_t *len)
{
	struct making m = { .shield = shield };

	if (!shield_ok(shield))
		return -EINVAL;
	m.b = begin(buf, size, seq);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		m.b.family = families[i];
		push_table(&m.b, NFT_MSG_NEWTABLE);
		push_flush(&m.b);
	}
	m.b.family = NFPROTO_INET;
	push_table(&m.b, NFT_MSG_NEWTABLE);
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++)
		nft_batch_chain(&m.b, KERN_SHIELD_TABLE, &chains[i]);
	push_direct_set(&m.b);
	push_incoming(&m);
	push_from_tunnel(&m);
	push_ours(&m);
	push_input(&m);
	push_output(&m);
	push_forward(&m);
	push_names(&m);
	m.b.family = NFPROTO_ARP;
	push_arp(&m);
	return nft_batch_end(&m.b, len);
}

int shield_msg_delete(void *buf, size_t size, uint32_t seq, size_t *len)
{
	struct nft_batch b = begin(buf, size, seq);

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		b.family = families[i];
		push_table(&b, NFT_MSG_DELTABLE);
	}
	return nft_batch_end(&b, len);
}

int shield_msg_direct(void *buf, size_t size, uint32_t seq, const struct kern_direct *direct,
		      bool add, size_t *len)
{
	struct nft_batch b = begin(buf, size, seq);
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_set *s = set_new();
	union nft_message m;

	if (!s || !e || nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &direct->cgroup,
					   sizeof(direct->cgroup))) {
		if (e)
			nftnl_set_elem_free(e);
		if (s)
			nftnl_set_free(s);
		return -ENOMEM;
	}
	nftnl_set_unset(s, NFTNL_SET_ID); /* it is there already */
	if (add && direct->seconds)
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, direct->seconds * UINT64_C(1000));
	nftnl_set_elem_add(s, e);
	nftnl_set_elems_nlmsg_build_payload(
		nft_batch_message(&b, &m, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
				  add ? NLM_F_CREATE : 0), s);
	nft_batch_push(&b, &m);
	nftnl_set_free(s);
	return nft_batch_end(&b, len);
}
