#include "ippriv-client/ctl_six.h"

#include <errno.h>

#include "common/base/inner6.h"
#include "common/base/log.h"

/*
 * Whether a packet that every link of the IPv6 Internet carries fits through. Where not, the kernel says
 * so to a host that may not send smaller ones: such packets would be lost, so there is no IPv6.
 */
static bool wide_enough(const struct ctl_circuit *c)
{
	const struct ctl_hop *first = &c->hops[0];
	const struct addr *entry = &first->path.remote.addr;
	uint32_t mtu = c->conf.ops->path_mtu(c->conf.user, entry);
	struct ike_sa_info info = { .encap = true };

	if (first->sa)
		ike_sa_info(first->sa, &info);
	return mtu == 0 || dp_carries_six(mtu, entry->family == AF_INET6, info.encap);
}

void ctl_six_ask(const struct ctl_hop *hop, struct ike_init_conf *init)
{
	const struct ctl_circuit *c = hop->circuit;
	const struct prefix any = { .addr.family = AF_INET6 };
	size_t i = ctl_hop_index(hop);

	if (i + 1 < CTL_CIRCUIT_HOPS || !(c->conf.path.hops[i].flags & DIR_FLAG_EXIT6) ||
	    !wide_enough(c))
		return;
	init->want_address6 = true;
	init->ts_local.items[init->ts_local.count++] = any;
	init->ts_remote.items[init->ts_remote.count++] = any;
}

static bool covers_public(const struct ike_ts_list *list)
{
	const struct prefix public6 = inner6_public();

	for (size_t i = 0; i < list->count; i++)
		if (prefix_within(&public6, &list->items[i]))
			return true;
	return false;
}

int ctl_six_judge(const struct ike_child *child, struct ike_lease *lease)
{
	struct addr six = inner6_addr(&lease->address);

	if (lease->address6.family == 0)
		return 0;
	/* Programs tell it to others, by whom another one would be known again. */
	if (!addr_equal(&lease->address6, &six))
		return -EADDRNOTAVAIL;
	if (!covers_public(&child->ts_remote))
		lease->address6 = (struct addr){ 0 };
	return 0;
}

void ctl_six_poll(struct ctl_circuit *c)
{
	struct ctl_hop *last = &c->hops[CTL_CIRCUIT_HOPS - 1];

	if (!last->up || c->away || last->lease.address6.family == 0 || wide_enough(c))
		return;
	last->lease.address6 = (struct addr){ 0 };
	dp_circuit_drop_six(c->dp);
	log_info("circuit %u goes without IPv6: the way to its entry is too narrow for that", c->conf.id);
}
