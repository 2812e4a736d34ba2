#include "ippriv-client/dp_plan.h"

#include <stdio.h>

#include "common/base/inner6.h"
#include "common/base/mark.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,
	ESP_OVERHEAD = 8 + 8 + 16, /* SPI and sequence, IV, ICV */
	ESP_TRAILER = 2,           /* pad length, next header */
	ESP_ALIGN = 4,
	IPV6_MTU_LEAST = 1280,     /* RFC 8200 section 5 */
};

/* What fits into one ESP packet of OUTER bytes behind headers of HEADERS bytes. */
static uint32_t esp_room(uint32_t outer, uint32_t headers)
{
	uint32_t room = outer - headers - ESP_OVERHEAD;

	return (room & ~(uint32_t)(ESP_ALIGN - 1)) - ESP_TRAILER;
}

/* In layer INDEX. */
static uint32_t room_in(size_t index, uint32_t link_mtu, uint32_t headers)
{
	uint32_t mtu = esp_room(link_mtu, headers);

	for (size_t i = 0; i < index; i++)
		mtu = esp_room(mtu, IPV4_HEADER);
	return mtu;
}

uint32_t dp_plan_mtu(size_t index)
{
	return room_in(index, DP_PLAN_LINK_MTU, IPV6_HEADER + UDP_HEADER);
}

bool dp_carries_six(uint32_t link_mtu, bool outer6, bool encap)
{
	uint32_t headers = (outer6 ? IPV6_HEADER : IPV4_HEADER) + (encap ? UDP_HEADER : 0);

	return link_mtu >= IPV6_MTU_LEAST && room_in(DP_LAYERS - 1, link_mtu, headers) >= IPV6_MTU_LEAST;
}

static struct kern_op sa_op(const struct dp_path *path, const struct dp_pair *pair, bool in,
			    uint32_t id)
{
	const struct endpoint *src = in ? &path->remote : &path->local;
	const struct endpoint *dst = in ? &path->local : &path->remote;
	struct kern_op op = { .type = KERN_OP_SA };

	op.sa = (struct kern_sa){
		.src = src->addr,
		.dst = dst->addr,
		.spi = in ? pair->spi_in : pair->spi_out,
		.reqid = id,
		.if_id = id,
		.aead = pair->aead == DP_AEAD_AES_GCM_256 ? KERN_AEAD_AES_GCM_16_256 :
							    KERN_AEAD_CHACHA20_POLY1305,
		.key = in ? pair->key_in : pair->key_out,
		.esn = pair->esn,
		.replay_window = in ? DP_PLAN_WINDOW : pair->esn ? DP_PLAN_WINDOW_OUT : 0,
		.encap = { src->port, dst->port },
		.life = pair->life,
	};
	return op;
}

void dp_plan_pair(const struct dp_path *path, const struct dp_pair *pair, uint32_t id,
		  struct kern_netns *ns, struct kern_op out[DP_PLAN_PAIR])
{
	out[0] = sa_op(path, pair, true, id);
	out[1] = sa_op(path, pair, false, id);
	out[0].netns = out[1].netns = ns;
	if (!ns) /* the host's: not into the tunnel that they make */
		out[1].sa.set_mark = (struct kern_mark){ MARK_OURS, MARK_EXACT };
}

static struct kern_op policy_op(const struct dp_path *path, const struct addr *inner,
				enum kern_dir dir, uint32_t id)
{
	const struct prefix any = inner->family == AF_INET6 ? inner6_public() :
					(struct prefix){ .addr = addr_v4(0) };
	const struct prefix own = prefix_host(inner);
	bool out = dir == KERN_DIR_OUT;
	struct kern_op op = { .type = KERN_OP_POLICY };

	op.policy = (struct kern_policy){
		.dir = dir,
		.sel = { .src = out ? own : any, .dst = out ? any : own },
		.if_id = id,
		.priority = DP_PLAN_PRIORITY,
		.template_count = 1,
		.templates[0] = {
			.src = out ? path->local.addr : path->remote.addr,
			.dst = out ? path->remote.addr : path->local.addr,
			.reqid = id,
		},
	};
	return op;
}

void dp_plan_policies(const struct dp_path *path, const struct addr *inner, uint32_t id,
		      struct kern_netns *ns, struct kern_op out[DP_PLAN_POLICIES])
{
	out[0] = policy_op(path, inner, KERN_DIR_IN, id);
	out[1] = policy_op(path, inner, KERN_DIR_FWD, id);
	out[2] = policy_op(path, inner, KERN_DIR_OUT, id);
	for (size_t i = 0; i < DP_PLAN_POLICIES; i++)
		out[i].netns = ns;
}

struct kern_op dp_plan_link(uint32_t id, const char *name, uint32_t mtu, struct kern_netns *from,
			    struct kern_netns *to)
{
	struct kern_op op = {
		.type = KERN_OP_LINK,
		.netns = from,
		.link = { .kind = KERN_LINK_XFRM, .if_id = id, .mtu = mtu, .target = to },
	};

	snprintf(op.link.name, KERN_NAME, "%s", name);
	return op;
}

struct kern_op dp_plan_default(const struct addr *inner, const char *name, uint32_t table,
			       struct kern_netns *ns)
{
	struct kern_op op = { .type = KERN_OP_ROUTE, .netns = ns };

	op.route = (struct kern_route){ .dst = { .addr.family = inner->family }, .table = table };
	if (inner->family == AF_INET6)
		op.route.source = *inner;
	snprintf(op.route.link, KERN_NAME, "%s", name);
	return op;
}

void dp_plan_address(const struct addr *inner, const char *name, struct kern_netns *ns,
		     struct kern_op out[DP_PLAN_ADDRESS])
{
	out[0] = (struct kern_op){
		.type = KERN_OP_ADDRESS,
		.netns = ns,
		.address = { .prefix = prefix_host(inner) },
	};
	snprintf(out[0].address.link, KERN_NAME, "%s", name);
	out[1] = dp_plan_default(inner, name, 0, ns);
}

void dp_plan_keep(const struct addr *inner, const char *name, uint32_t id, struct kern_netns *ns,
		  struct kern_op out[DP_PLAN_KEPT])
{
	out[0] = (struct kern_op){
		.type = KERN_OP_ROUTE,
		.netns = ns,
		.route = { .dst = { .addr.family = inner->family }, .table = id },
	};
	out[1] = (struct kern_op){
		.type = KERN_OP_RULE,
		.netns = ns,
		.rule = { .family = inner->family, .priority = DP_PLAN_RULE,
			  .from = prefix_host(inner), .table = id },
	};
	snprintf(out[0].route.link, KERN_NAME, "%s", name);
}
