#include "common/ike/ike_proposal.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"

static const struct ike_transform ike_transforms[] = {
	{ .type = IKE_TRANSFORM_ENCR, .id = IKE_ENCR_ID_CHACHA20_POLY1305 },
	{ .type = IKE_TRANSFORM_PRF, .id = IKE_PRF_ID_HMAC_SHA2_256 },
	{ .type = IKE_TRANSFORM_DH, .id = IKE_DH_ID_CURVE25519 },
};

static const struct ike_transform esp_aes = { .type = IKE_TRANSFORM_ENCR,
					      .id = IKE_ENCR_ID_AES_GCM_16, .key_bits = 256 };
static const struct ike_transform esp_chacha = { .type = IKE_TRANSFORM_ENCR,
						 .id = IKE_ENCR_ID_CHACHA20_POLY1305 };

static const struct ike_transform esp_dh[] = { /* preferred first */
	{ .type = IKE_TRANSFORM_DH, .id = IKE_DH_ID_CURVE25519 },
	{ .type = IKE_TRANSFORM_DH, .id = IKE_DH_ID_NONE },
};

static const struct ike_transform esp_esn[] = { /* preferred first */
	{ .type = IKE_TRANSFORM_ESN, .id = IKE_ESN_ID_YES },
	{ .type = IKE_TRANSFORM_ESN, .id = IKE_ESN_ID_NO },
};

static bool transform_equal(const struct ike_transform *a, const struct ike_transform *b)
{
	return a->type == b->type && a->id == b->id && a->key_bits == b->key_bits &&
	       !a->unknown_attr && !b->unknown_attr;
}

static bool has(const struct ike_proposal *p, const struct ike_transform *t)
{
	for (size_t i = 0; i < p->transform_count; i++)
		if (transform_equal(&p->transforms[i], t))
			return true;
	return false;
}

/* Whether P allows to choose nothing for every type of transform that is not in TYPES (bits). */
static bool others_optional(const struct ike_proposal *p, uint32_t types)
{
	for (size_t i = 0; i < p->transform_count; i++) {
		const struct ike_transform none = { .type = p->transforms[i].type };

		if (none.type < 32 && (types >> none.type & 1))
			continue;
		if (!has(p, &none))
			return false;
	}
	return true;
}

void ike_proposal_ike(uint8_t number, struct ike_proposal *out)
{
	*out = (struct ike_proposal){ .number = number, .protocol = IKE_PROTOCOL_IKE,
				      .transform_count = ARRAY_SIZE(ike_transforms) };
	memcpy(out->transforms, ike_transforms, sizeof(ike_transforms));
}

static bool allows_ike(const struct ike_proposal *p, size_t spi_size)
{
	const uint32_t types = 1u << IKE_TRANSFORM_ENCR | 1u << IKE_TRANSFORM_PRF |
			       1u << IKE_TRANSFORM_DH;

	if (p->protocol != IKE_PROTOCOL_IKE || p->spi.len != spi_size)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ike_transforms); i++)
		if (!has(p, &ike_transforms[i]))
			return false;
	return others_optional(p, types);
}

int ike_proposal_ike_choose(const struct ike_proposal *offers, size_t count, uint8_t *number)
{
	for (size_t i = 0; i < count; i++)
		if (allows_ike(&offers[i], 0)) {
			*number = offers[i].number;
			return 0;
		}
	return -ENOENT;
}

static int accept_ike(const struct ike_proposal *answers, size_t count, size_t spi_size)
{
	if (count != 1 || answers->number != 1 || !allows_ike(answers, spi_size) ||
	    answers->transform_count != ARRAY_SIZE(ike_transforms))
		return -EBADMSG;
	return 0;
}

int ike_proposal_ike_accept(const struct ike_proposal *answers, size_t count)
{
	return accept_ike(answers, count, 0);
}

static uint64_t ike_spi_of(const struct ike_proposal *p)
{
	struct rbuf r = rbuf_init(p->spi.data, p->spi.len);

	return rbuf_u64(&r);
}

int ike_proposal_ike_choose_spi(const struct ike_proposal *offers, size_t count, uint8_t *number,
				uint64_t *spi)
{
	for (size_t i = 0; i < count; i++)
		if (allows_ike(&offers[i], IKE_SPI_SIZE) && ike_spi_of(&offers[i]) != 0) {
			*number = offers[i].number;
			*spi = ike_spi_of(&offers[i]);
			return 0;
		}
	return -ENOENT;
}

int ike_proposal_ike_accept_spi(const struct ike_proposal *answers, size_t count, uint64_t *spi)
{
	if (accept_ike(answers, count, IKE_SPI_SIZE) < 0 || ike_spi_of(answers) == 0)
		return -EBADMSG;
	*spi = ike_spi_of(answers);
	return 0;
}

/* The cipher of our offer NUMBER, 1 being the one we prefer. */
static const struct ike_transform *esp_encr(enum ike_ciphers ciphers, size_t number)
{
	return (ciphers != IKE_CIPHERS_AES_FIRST) == (number == 1) ? &esp_chacha : &esp_aes;
}

static size_t esp_count(enum ike_ciphers ciphers)
{
	return ciphers == IKE_CIPHERS_CHACHA_ONLY ? 1 : IKE_PROPOSAL_ESP_OFFERS;
}

size_t ike_proposal_esp(const uint8_t *spi, enum ike_ciphers ciphers,
			struct ike_proposal out[IKE_PROPOSAL_ESP_OFFERS])
{
	for (size_t i = 0; i < IKE_PROPOSAL_ESP_OFFERS; i++) {
		out[i] = (struct ike_proposal){ .number = (uint8_t)(i + 1),
						.protocol = IKE_PROTOCOL_ESP,
						.spi = { spi, IKE_ESP_SPI_SIZE },
						.transform_count = 3 };
		out[i].transforms[0] = *esp_encr(ciphers, i + 1);
		memcpy(&out[i].transforms[1], esp_esn, sizeof(esp_esn));
	}
	return esp_count(ciphers);
}

static uint32_t spi_of(const struct ike_proposal *p)
{
	struct rbuf r = rbuf_init(p->spi.data, p->spi.len);

	return rbuf_u32(&r);
}

static bool has_type(const struct ike_proposal *p, uint8_t type)
{
	for (size_t i = 0; i < p->transform_count; i++)
		if (p->transforms[i].type == type)
			return true;
	return false;
}

/* Whether P allows ENCR; if so, what we choose with it. OTHERS (bits): types it may have besides. */
static bool choose_esp(const struct ike_proposal *p, const struct ike_transform *encr,
		       uint32_t others, struct ike_esp *out)
{
	const struct ike_transform *esn = NULL;

	if (p->protocol != IKE_PROTOCOL_ESP || p->spi.len != IKE_ESP_SPI_SIZE ||
	    spi_of(p) < IKE_ESP_SPI_MIN || !has(p, encr) ||
	    !others_optional(p, 1u << IKE_TRANSFORM_ENCR | 1u << IKE_TRANSFORM_ESN | others))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(esp_esn) && !esn; i++)
		if (has(p, &esp_esn[i]))
			esn = &esp_esn[i];
	if (!esn)
		return false;
	out->dh = false;
	out->number = p->number;
	out->encr = (enum ike_encr)encr->id;
	out->esn = esn->id == IKE_ESN_ID_YES;
	out->spi = spi_of(p);
	return true;
}

int ike_proposal_esp_choose(const struct ike_proposal *offers, size_t count, enum ike_ciphers ciphers,
			    struct ike_esp *out)
{
	for (size_t number = 1; number <= esp_count(ciphers); number++)
		for (size_t i = 0; i < count; i++)
			if (choose_esp(&offers[i], esp_encr(ciphers, number), 0, out))
				return 0;
	return -ENOENT;
}

void ike_proposal_esp_answer(const struct ike_esp *chosen, const uint8_t *spi,
			     struct ike_proposal *out)
{
	*out = (struct ike_proposal){ .number = chosen->number,
				      .protocol = IKE_PROTOCOL_ESP,
				      .spi = { spi, IKE_ESP_SPI_SIZE },
				      .transform_count = 2 };
	out->transforms[0] = chosen->encr == IKE_ENCR_AES_GCM_16 ? esp_aes : esp_chacha;
	out->transforms[1] = esp_esn[chosen->esn ? 0 : 1];
	if (chosen->dh)
		out->transforms[out->transform_count++] = esp_dh[0];
}

int ike_proposal_esp_accept(const struct ike_proposal *answers, size_t count, enum ike_ciphers ciphers,
			    struct ike_esp *out)
{
	struct ike_esp chosen;

	if (count != 1 || answers->transform_count != 2 || answers->number < 1 ||
	    answers->number > esp_count(ciphers) ||
	    !choose_esp(answers, esp_encr(ciphers, answers->number), 0, &chosen))
		return -EBADMSG;
	*out = chosen;
	return 0;
}

void ike_proposal_esp_offer_dh(struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS])
{
	for (size_t i = 0; i < IKE_PROPOSAL_ESP_OFFERS; i++) {
		struct ike_proposal *p = &offers[i];

		memcpy(&p->transforms[p->transform_count], esp_dh, sizeof(esp_dh));
		p->transform_count += ARRAY_SIZE(esp_dh);
	}
}

/* With a key exchange where P allows it, but not when that is optional and none has begun. */
static bool choose_dh(const struct ike_proposal *p, const struct ike_transform *encr,
		      uint16_t ke_group, struct ike_esp *out)
{
	bool without = !has_type(p, IKE_TRANSFORM_DH) || has(p, &esp_dh[1]);

	if (!choose_esp(p, encr, 1u << IKE_TRANSFORM_DH, out))
		return false;
	out->dh = has(p, &esp_dh[0]) && (ke_group || !without);
	return out->dh || without;
}

int ike_proposal_esp_choose_dh(const struct ike_proposal *offers, size_t count, enum ike_ciphers ciphers,
			       uint16_t ke_group, struct ike_esp *out)
{
	for (size_t number = 1; number <= esp_count(ciphers); number++)
		for (size_t i = 0; i < count; i++)
			if (choose_dh(&offers[i], esp_encr(ciphers, number), ke_group, out))
				return 0;
	return -ENOENT;
}

int ike_proposal_esp_accept_dh(const struct ike_proposal *answers, size_t count,
			       enum ike_ciphers ciphers, struct ike_esp *out)
{
	struct ike_esp chosen;

	if (count != 1 || answers->number < 1 || answers->number > esp_count(ciphers) ||
	    !choose_dh(answers, esp_encr(ciphers, answers->number), IKE_DH_ID_CURVE25519,
		       &chosen) ||
	    answers->transform_count != 2u + has_type(answers, IKE_TRANSFORM_DH))
		return -EBADMSG;
	*out = chosen;
	return 0;
}
