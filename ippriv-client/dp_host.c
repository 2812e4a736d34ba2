#include "ippriv-client/dp_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/kern/kern_shield.h"
#include "ippriv-client/dp_plan.h"

/* Before those of other programs. Where a circuit's own table has nothing any more, later ones count. */
enum {
	PRIORITY_NAMES_OWN = 58,
	PRIORITY_NAMES = 59,
	PRIORITY_PAST = 60,
	PRIORITY_FROM_OWN = 61,
	PRIORITY_OF_OWN = 62,
	PRIORITY_TUNNEL = 69,
};

enum {
	MDNS_GROUP = 0xe00000fb, /* 224.0.0.251 */
	RULES_MOST = DP_HOST_NETS + 8,
};

struct plan {
	size_t count;
	struct kern_op ops[RULES_MOST];
};

static struct kern_rule *add_rule(struct plan *p, uint16_t family, uint32_t priority,
				  uint32_t table)
{
	struct kern_op *op = &p->ops[p->count++];

	*op = (struct kern_op){ .type = KERN_OP_RULE };
	op->rule = (struct kern_rule){ .family = family, .priority = priority, .table = table };
	return &op->rule;
}

/*
 * What stays on its link: what a DHCP client asks its server, and questions to name servers, which
 * the firewall leads into the tunnel; of this host alone, as others' would pass that by.
 */
static void add_port(struct plan *p, uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct kern_rule *r = add_rule(p, AF_INET, PRIORITY_PAST, KERN_TABLE_MAIN);

	r->local = true;
	r->proto = proto;
	r->sport = sport;
	r->dport = dport;
}

static void add_net(struct plan *p, const struct prefix *net)
{
	struct kern_rule *r = add_rule(p, net->addr.family, PRIORITY_PAST, KERN_TABLE_MAIN);

	if (net->len > 0)
		r->to = *net;
}

static void add_tunnel(struct plan *p, uint16_t family)
{
	struct kern_rule *r = add_rule(p, family, PRIORITY_TUNNEL, DP_HOST_TABLE);

	r->mark = (struct kern_mark){ MARK_OURS, MARK_EITHER };
	r->invert = true;
}

/* What the firewall has led into a tunnel that is not there any more. */
static void add_names(struct plan *p)
{
	struct kern_rule *r = add_rule(p, AF_INET, PRIORITY_NAMES, DP_HOST_TABLE);

	r->mark = (struct kern_mark){ MARK_NAMES_ANY, MARK_NAMES_ANY };
}

static void add_unreachable(struct plan *p, uint8_t family)
{
	struct kern_op *op = &p->ops[p->count++];

	*op = (struct kern_op){ .type = KERN_OP_ROUTE };
	op->route = (struct kern_route){ .dst = { .addr = { .family = family } },
					 .table = DP_HOST_TABLE, .unreachable = true };
}

static struct plan plan_of(const struct dp_host_conf *conf)
{
	const struct addr group = addr_v4(MDNS_GROUP);
	const struct prefix mdns = prefix_host(&group);
	struct plan p = { 0 };

	add_unreachable(&p, AF_INET);
	add_unreachable(&p, AF_INET6);
	add_port(&p, IPPROTO_UDP, 68, 67);
	add_port(&p, IPPROTO_UDP, 0, 53);
	add_port(&p, IPPROTO_TCP, 0, 53);
	for (size_t i = 0; i < conf->net_count; i++)
		add_net(&p, &conf->nets[i]);
	if (conf->net_count > 0)
		add_net(&p, &mdns);
	add_tunnel(&p, AF_INET);
	add_tunnel(&p, AF_INET6);
	add_names(&p);
	return p;
}

int dp_host_shut(const struct kern *kern, const struct dp_host_conf *conf,
		 const struct dp_host_seats *seats)
{
	struct kern_shield shield = {
		.list_port = conf->list_port,
		.net_count = conf->net_count,
		.has_names = seats->has_names,
		.names = seats->names,
		.resolver = seats->resolver,
	};
	struct kern_op op = { .type = KERN_OP_SHIELD, .shield = &shield };

	_Static_assert((int)DP_HOST_SEATS == KERN_SHIELD_SEATS, "the firewall knows them all");
	memcpy(shield.tunnel, seats->addresses, sizeof(shield.tunnel));
	memcpy(shield.tunnel6, seats->addresses6, sizeof(shield.tunnel6));
	memcpy(shield.nets, conf->nets, sizeof(shield.nets));
	return kern->add(kern->ctx, &op);
}

int dp_host_open(const struct kern *kern)
{
	struct kern_op op = { .type = KERN_OP_SHIELD };

	return kern->del(kern->ctx, &op);
}

int dp_host_route(const struct kern *kern, const struct dp_host_conf *conf)
{
	struct plan p = plan_of(conf);
	int r = 0;

	for (size_t i = 0; i < p.count && r == 0; i++) {
		r = kern->add(kern->ctx, &p.ops[i]);
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

int dp_host_unroute(const struct kern *kern, const struct dp_host_conf *conf)
{
	struct plan p = plan_of(conf);

	return kern_plan_del(kern, p.ops, p.count);
}

static struct kern_rule *lead_rule(struct kern_op *op, const struct addr *inner, uint32_t priority,
				   uint32_t table, struct kern_netns *ns)
{
	*op = (struct kern_op){ .type = KERN_OP_RULE, .netns = ns };
	op->rule = (struct kern_rule){ .family = inner->family, .priority = priority, .table = table };
	return &op->rule;
}

size_t dp_host_lead(const struct addr *inner, const char *name, unsigned int slot, uint32_t id,
		    struct kern_netns *ns, struct kern_op *out)
{
	size_t n = 0;

	out[n++] = dp_plan_default(inner, name, id, ns);
	if (inner->family == AF_INET)
		lead_rule(&out[n++], inner, PRIORITY_NAMES_OWN, id, ns)->mark =
			(struct kern_mark){ MARK_NAMES(slot), MARK_EXACT };
	lead_rule(&out[n++], inner, PRIORITY_FROM_OWN, id, ns)->from = prefix_host(inner);
	lead_rule(&out[n++], inner, PRIORITY_OF_OWN, id, ns)->mark =
		(struct kern_mark){ MARK_SEAT(slot), MARK_EXACT };
	out[n] = dp_plan_default(inner, name, DP_HOST_TABLE, ns);
	out[n++].route.replace = true;
	return n;
}

static int change_direct(const struct kern *kern, uint64_t cgroup, uint32_t seconds, bool add)
{
	struct kern_direct direct = { cgroup, seconds };
	struct kern_op op = { .type = KERN_OP_DIRECT, .direct = &direct };

	return add ? kern->add(kern->ctx, &op) : kern->del(kern->ctx, &op);
}

int dp_host_pass(const struct kern *kern, uint64_t cgroup, uint32_t seconds)
{
	return change_direct(kern, cgroup, seconds, true);
}

int dp_host_stop(const struct kern *kern, uint64_t cgroup)
{
	return change_direct(kern, cgroup, 0, false);
}

const char *dp_host_error(const struct kern *kern)
{
	return kern->error(kern->ctx);
}

#define CONF "/proc/sys/net/ipv4/conf"

static int number_in(const char *link, const char *file)
{
	char path[sizeof(CONF) + 300];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), CONF "/%.255s/%.32s", link, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Whether that file of some link, or of all, has a number that is not 0. */
static bool any_has(const char *file)
{
	const struct dirent *e;
	DIR *d = opendir(CONF);
	bool has = false;

	while (d && !has && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, "lo") != 0)
			has = number_in(e->d_name, file) != 0;
	if (d)
		closedir(d);
	return has;
}

int dp_host_check(char *why, size_t size)
{
	if (!any_has("rp_filter") || number_in("all", "src_valid_mark"))
		return 0;
	snprintf(why, size, "rp_filter is on and would drop the entry's answers: sysctl -w "
		 "net.ipv4.conf.all.src_valid_mark=1");
	return -EPERM;
}
