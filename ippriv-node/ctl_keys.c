#include "ippriv-node/ctl_keys.h"

static uint64_t a_little_more(uint64_t n)
{
	return n + n / 1000 * crypto_random_below(101) + crypto_random_below((uint32_t)(n % 1000 / 10 + 1));
}

static struct dp_life draw_life(const struct ctl_life *life, bool esn)
{
	uint64_t bytes = !esn && life->bytes > CTL_LIFE_SHORT ? CTL_LIFE_SHORT : life->bytes;
	uint64_t seconds = a_little_more(life->seconds);

	bytes = a_little_more(bytes);
	return (struct dp_life){ .soft_seconds = seconds, .hard_seconds = seconds + (seconds + 1) / 2,
				 .soft_bytes = bytes, .hard_bytes = bytes + (bytes + 1) / 2 };
}

void ctl_keys_from_child(const struct ike_child *child, const struct ctl_life *life,
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
