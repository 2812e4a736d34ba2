#include "ippriv-node/ctl_keys.h"

void ctl_keys_from_child(const struct ike_child *child, struct dp_keys *out)
{
	*out = (struct dp_keys){
		.spi_in = child->spi_in,
		.spi_out = child->spi_out,
		.aes = child->encr == IKE_ENCR_AES_GCM_16,
		.esn = child->esn,
		.in = child->key_in,
		.out = child->key_out,
	};
}
