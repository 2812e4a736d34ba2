/* INFORMATIONAL (RFC 7296 section 1.4): Delete, liveness probes, errors. */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>

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

bool ike_info_deletes(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->delete_count; i++)
		if (p->deletes[i].protocol == IKE_PROTOCOL_IKE)
			return true;
	return false;
}

/* Takes down the child SAs that the peer deletes. Those that the answer names into ANSWER. */
static int delete_children(struct ike_sa *sa, const struct ike_payloads *p,
			   struct ike_build *answer)
{
	int r = 0;

	for (size_t i = 0; i < p->delete_count; i++) {
		struct rbuf spis = rbuf_init(p->deletes[i].spis.data, p->deletes[i].spis.len);

		while (p->deletes[i].protocol == IKE_PROTOCOL_ESP &&
		       spis.left >= IKE_ESP_SPI_SIZE && sa->state != IKE_STATE_DEAD) {
			struct ike_slot *slot = ike_child_by_out(sa, rbuf_u32(&spis));
			uint32_t spi = slot ? slot->spi_in : 0;
			bool named = false;
			int err = slot ? ike_child_deleted(sa, slot, &named) : 0;

			if (named)
				ike_build_delete(answer, true, spi);
			if (err < 0)
				r = err;
		}
	}
	return r;
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
	bool gone = ike_info_deletes(p);
	uint16_t error = fatal_error(p);
	struct ike_out out;
	int children = 0;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, true);
	if (!gone)
		children = delete_children(sa, p, &out.b);
	if (sa->state == IKE_STATE_DEAD)
		return;
	ike_mobike_answer(sa, path, p, &out.b);
	ike_send_response(sa, path, &out);
	if (sa->state == IKE_STATE_DEAD)
		return;
	if (gone) {
		ike_rekey_ike_closed(sa);
		ike_sa_end_answered(sa, why);
	} else if (error) {
		sa->notify = error;
		ike_sa_end_answered(sa, IKE_END_REFUSED);
	} else if (children == -ENOENT) { /* nothing is left that traffic could use */
		ike_sa_close(sa, why);
	} else if (children < 0) {
		ike_sa_fail(sa, IKE_END_PROTOCOL, 0);
	}
}
