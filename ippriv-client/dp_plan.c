#include "ippriv-client/dp_plan.h"

#include <stdio.h>

enum {
	ESP_OVERHEAD = 20 + 8 + 8 + 16, /* outer IPv4, SPI and sequence, IV, ICV */
	ESP_TRAILER = 2,                /* pad length, next header */
	ESP_ALIGN = 4,
};

uint32_t dp_plan_mtu(uint32_t outer)
{
	return ((outer - ESP_OVERHEAD) & ~(uint32_t)(ESP_ALIGN - 1)) - ESP_TRAILER;
}

static struct kern_op sa_op(const struct dp_layer *layer, bool in, uint32_t id)
{
	struct kern_op op = { .type = KERN_OP_SA };

	op.sa = (struct kern_sa){
		.src = in ? layer->remote : layer->local,
		.dst = in ? layer->local : layer->remote,
		.spi = in ? layer->spi_in : layer->spi_out,
		.reqid = id,
		.if_id = id,
		.aead = layer->aead == DP_AEAD_AES_GCM_256 ? KERN_AEAD_AES_GCM_16_256 :
							     KERN_AEAD_CHACHA20_POLY1305,
		.key = in ? layer->key_in : layer->key_out,
		.esn = layer->esn,
		.replay_window = in ? DP_PLAN_WINDOW : layer->esn ? DP_PLAN_WINDOW_OUT : 0,
	};
	return op;
}

static struct kern_op policy_op(const struct dp_layer *layer, enum kern_dir dir, uint32_t id)
{
	const struct prefix any = { .addr = addr_v4(0) };
	const struct prefix own = prefix_host(&layer->inner);
	bool out = dir == KERN_DIR_OUT;
	struct kern_op op = { .type = KERN_OP_POLICY };

	op.policy = (struct kern_policy){
		.dir = dir,
		.sel = { .src = out ? own : any, .dst = out ? any : own },
		.if_id = id,
		.priority = DP_PLAN_PRIORITY,
		.template_count = 1,
		.templates[0] = {
			.src = out ? layer->local : layer->remote,
			.dst = out ? layer->remote : layer->local,
			.reqid = id,
		},
	};
	return op;
}

void dp_plan_esp(const struct dp_layer *layer, uint32_t id, struct kern_netns *ns,
		 struct kern_op out[DP_PLAN_ESP])
{
	out[0] = sa_op(layer, true, id);
	out[1] = sa_op(layer, false, id);
	out[2] = policy_op(layer, KERN_DIR_IN, id);
	out[3] = policy_op(layer, KERN_DIR_FWD, id);
	out[4] = policy_op(layer, KERN_DIR_OUT, id);
	for (size_t i = 0; i < DP_PLAN_ESP; i++)
		out[i].netns = ns;
}

void dp_plan_link(const struct dp_layer *layer, uint32_t id, const char *name, uint32_t mtu,
		  struct kern_netns *from, struct kern_netns *to, struct kern_op out[DP_PLAN_LINK])
{
	out[0] = (struct kern_op){
		.type = KERN_OP_LINK,
		.netns = from,
		.link = { .kind = KERN_LINK_XFRM, .if_id = id, .mtu = mtu, .target = to },
	};
	out[1] = (struct kern_op){
		.type = KERN_OP_ADDRESS,
		.netns = to,
		.address = { .prefix = prefix_host(&layer->inner) },
	};
	out[2] = (struct kern_op){
		.type = KERN_OP_ROUTE,
		.netns = to,
		.route = { .dst = { .addr = addr_v4(0) } },
	};
	snprintf(out[0].link.name, KERN_NAME, "%s", name);
	snprintf(out[1].address.link, KERN_NAME, "%s", name);
	snprintf(out[2].route.link, KERN_NAME, "%s", name);
}
