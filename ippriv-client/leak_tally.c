#include "ippriv-client/leak_tally.h"

#include <stdio.h>
#include <string.h>

static void count_link(struct leak_links *links, const char *name)
{
	size_t i = 0;

	while (i < links->count && strcmp(links->link[i].name, name) != 0)
		i++;
	if (i == LEAK_LINKS_MAX) {
		i--;
	} else if (i == links->count) {
		snprintf(links->link[i].name, sizeof(links->link[i].name), "%s", name);
		links->count++;
	}
	links->link[i].packets++;
}

static bool same_flow(const struct leak_flow *a, const struct leak_flow *b)
{
	return a->proto == b->proto && a->port == b->port && addr_equal(&a->dst, &b->dst);
}

static bool is_fetch(const struct leak_allowed *a, const struct leak_packet *p)
{
	for (size_t i = 0; i < a->fetch_count && p->proto == IPPROTO_TCP; i++)
		if (p->dport == a->fetch[i].port && addr_equal(&p->dst, &a->fetch[i].addr))
			return true;
	return false;
}

static bool is_excluded(const struct leak_allowed *a, const struct leak_packet *p)
{
	for (size_t i = 0; i < a->net_count; i++)
		if (prefix_contains(&a->nets[i], &p->dst))
			return true;
	return false;
}

static void count_flow(struct leak_tally *t, const struct leak_flow *flow)
{
	size_t i = 0;

	while (i < t->flow_count && !same_flow(&t->flows[i], flow))
		i++;
	if (i == LEAK_FLOWS_MAX)
		return;
	if (i == t->flow_count)
		t->flows[t->flow_count++] = *flow;
	t->flows[i].packets++;
}

static void count_plain(struct leak_tally *t, uint16_t ethertype, const void *data, size_t len)
{
	struct leak_flow flow = { .port = ethertype };
	struct leak_packet p;

	if (leak_packet_read(ethertype, data, len, &p) == 0) {
		flow = (struct leak_flow){ .dst = p.dst, .proto = p.proto, .port = p.dport };
		if (is_fetch(&t->allowed, &p)) {
			t->fetch++;
			return;
		}
		if (is_excluded(&t->allowed, &p)) {
			t->excluded++;
			return;
		}
	}
	t->plain++;
	count_flow(t, &flow);
}

void leak_tally_add(struct leak_tally *t, const char *link, uint16_t ethertype, const void *data,
		    size_t len)
{
	int probe = leak_packet_probe(ethertype, data, len, &t->marks);

	count_link(&t->seen, link);
	if (probe >= 0) {
		count_link(&t->probes[probe], link);
		return;
	}
	switch (leak_packet_kind(ethertype, data, len, &t->peers)) {
	case LEAK_TUNNEL:
		t->tunnel++;
		break;
	case LEAK_ENCRYPTED:
		t->encrypted++;
		break;
	case LEAK_LINK:
		t->link++;
		break;
	case LEAK_PLAIN:
		count_plain(t, ethertype, data, len);
		break;
	}
}

uint64_t leak_links_sum(const struct leak_links *links)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < links->count; i++)
		sum += links->link[i].packets;
	return sum;
}

uint64_t leak_tally_leaked(const struct leak_tally *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < LEAK_PROBES_MAX; i++)
		sum += leak_links_sum(&t->probes[i]);
	return sum;
}
