/* INFORMATIONAL (RFC 7296 section 1.4): Delete, liveness probes, errors. */
#include "common/ike/ike_sa_priv.h"

#include "common/ike/ike_proposal.h"

/* ---- requests of ours ---- */

void ike_info_probe(struct ike_sa *sa)
{
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_send_request(sa, &out);
}

void ike_info_farewell(struct ike_sa *sa, uint16_t notify)
{
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	if (notify)
		ike_build_notify(&out.b, notify, NULL, 0);
	else
		ike_build_delete(&out.b, false, 0);
	ike_send_request(sa, &out);
}

void ike_info_response(struct ike_sa *sa, const struct ike_payloads *p)
{
	if (sa->state != IKE_STATE_CLOSING && ike_find_notify(p, IKE_NOTIFY_INVALID_SYNTAX)) {
		sa->notify = IKE_NOTIFY_INVALID_SYNTAX;
		ike_sa_end(sa, IKE_END_PROTOCOL);
	}
}

/* ---- requests of the peer ---- */

static bool deletes_ike(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->delete_count; i++)
		if (p->deletes[i].protocol == IKE_PROTOCOL_IKE)
			return true;
	return false;
}

static bool deletes_child(const struct ike_sa *sa, const struct ike_payloads *p)
{
	const struct ike_slot *current = ike_child_current(sa);

	for (size_t i = 0; i < p->delete_count; i++) {
		struct rbuf r = rbuf_init(p->deletes[i].spis.data, p->deletes[i].spis.len);

		if (p->deletes[i].protocol != IKE_PROTOCOL_ESP)
			continue;
		while (r.left >= IKE_ESP_SPI_SIZE)
			if (current && rbuf_u32(&r) == current->spi_out)
				return true;
	}
	return false;
}

/* Errors after which the peer has no IKE SA any more (2.21.2, 2.21.3). */
static uint16_t fatal_error(const struct ike_payloads *p)
{
	static const uint16_t fatal[] = { IKE_NOTIFY_AUTHENTICATION_FAILED,
					  IKE_NOTIFY_INVALID_SYNTAX };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		if (ike_find_notify(p, fatal[i]))
			return fatal[i];
	return 0;
}

void ike_info_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p)
{
	enum ike_end why = sa->state == IKE_STATE_CLOSING ? sa->why : IKE_END_PEER;
	bool gone = deletes_ike(p), child_gone = !gone && deletes_child(sa, p);
	uint16_t error = fatal_error(p);
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, true);
	if (child_gone)
		ike_build_delete(&out.b, true, ike_child_current(sa)->spi_in);
	ike_mobike_answer(sa, path, p, &out.b);
	ike_send_response(sa, path, &out);
	if (gone) {
		ike_sa_end_answered(sa, why);
	} else if (error) {
		sa->notify = error;
		ike_sa_end_answered(sa, IKE_END_REFUSED);
	} else if (child_gone) { /* there is one child SA in an IKE SA: with it goes the rest */
		ike_sa_close(sa, why);
	}
}
