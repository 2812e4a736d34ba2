#include "ippriv-node/ctl_keys.h"

static struct life draw_life(const struct life_rule *life, bool esn)
{
	struct life_rule rule = *life;

	if (!esn && rule.bytes > CTL_LIFE_SHORT)
		rule.bytes = CTL_LIFE_SHORT;
	return life_late(&rule, crypto_random_source, NULL);
}

void ctl_keys_from_child(const struct ike_child *child, const struct life_rule *life,
			 struct dp_keys *out)
{
	*out = (struct dp_keys){
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.aes = child->encr == IKE_ENCR_AES_GCM_16,
		.esn = child->esn,
		.in = child->key_in,
		.out = child->key_out,
		.life = draw_life(life, child->esn),
	};
}
