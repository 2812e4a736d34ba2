#pragma once
/* The fixed proposals of this profile, and choosing among a peer's (RFC 7296 section 3.3). Pure. */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

enum { IKE_PROPOSAL_ESP_OFFERS = 2 };

/* What was agreed for a child SA. */
struct ike_esp {
	uint8_t number; /* of the proposal chosen */
	enum ike_encr encr;
	bool esn;
	bool dh;        /* with a key exchange of its own, Curve25519 */
	uint32_t spi;   /* of the side that wrote the proposal, host order */
};

/* The one IKE proposal, {ChaCha20-Poly1305, HMAC-SHA-256, Curve25519}, under NUMBER. */
void ike_proposal_ike(uint8_t number, struct ike_proposal *out);
/* Responder: *NUMBER of the first proposal that allows it; -ENOENT when none does. */
int ike_proposal_ike_choose(const struct ike_proposal *offers, size_t count,
			    uint8_t *number) _must_check_;
/* Initiator: 0 when the answer is exactly what was offered as number 1, else -EBADMSG. */
int ike_proposal_ike_accept(const struct ike_proposal *answers, size_t count) _must_check_;
/* The same for the rekeying of an IKE SA: with *SPI, of the side that wrote it, host order. */
int ike_proposal_ike_choose_spi(const struct ike_proposal *offers, size_t count, uint8_t *number,
				uint64_t *spi) _must_check_;
int ike_proposal_ike_accept_spi(const struct ike_proposal *answers, size_t count,
				uint64_t *spi) _must_check_;

/*
 * ESP: which cipher is tried first, AES-GCM-256 or ChaCha20-Poly1305, is each side's own matter;
 * the responder decides. With extended sequence numbers wherever they are offered.
 */
/* Initiator: the offers in order of preference, their number. They borrow SPI (4 bytes, network order). */
size_t ike_proposal_esp(const uint8_t *spi, enum ike_ciphers ciphers,
			struct ike_proposal out[IKE_PROPOSAL_ESP_OFFERS]);
/* Responder: what we like best of all that is offered; -ENOENT when we like nothing. */
int ike_proposal_esp_choose(const struct ike_proposal *offers, size_t count,
			    enum ike_ciphers ciphers, struct ike_esp *out) _must_check_;
/* Responder: the answer for CHOSEN; borrows SPI. */
void ike_proposal_esp_answer(const struct ike_esp *chosen, const uint8_t *spi,
			     struct ike_proposal *out);
/* Initiator: 0 when the answer is one choice out of ike_proposal_esp, else -EBADMSG. */
int ike_proposal_esp_accept(const struct ike_proposal *answers, size_t count, enum ike_ciphers ciphers,
			    struct ike_esp *out) _must_check_;
/*
 * The same for CREATE_CHILD_SA, where a child SA may have a key exchange of its own. We offer it
 * and to do without, since many a configuration lacks it; whoever offers it to us gets it.
 */
void ike_proposal_esp_offer_dh(struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS]);
/* KE_GROUP is that of the KE payload, 0: none. It has to be sent again when OUT->dh and it differs. */
int ike_proposal_esp_choose_dh(const struct ike_proposal *offers, size_t count, enum ike_ciphers ciphers,
			       uint16_t ke_group, struct ike_esp *out) _must_check_;
int ike_proposal_esp_accept_dh(const struct ike_proposal *answers, size_t count,
			       enum ike_ciphers ciphers, struct ike_esp *out) _must_check_;
