/* libreswan as an initiator with NULL authentication: why it gets no further than IKE_SA_INIT. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/wire/ike_parse.h"
#include "ike/duo.h"
#include "tests/vectors/libreswan.h"

static struct duo duo;

static void setup(void)
{
	duo_init(&duo, 1);
	duo_start(&duo, NULL);
	duo.recording = true;
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_libreswan, .init = setup, .fini = teardown);

static struct ike_payloads answer_to(const uint8_t *msg, size_t len)
{
	struct ike_path path = duo_path_to(&duo.b);
	struct ike_payloads p;
	const struct duo_datagram *g;

	ike_host_input(duo.b.host, &path, msg, len);
	cr_assert_eq(duo.logged, 1);
	g = duo.log[0];
	cr_assert_eq(ike_parse_payloads(g->msg[16], g->msg + 28, g->len - 28, &p), 0);
	return p;
}

/*
 * It knows SHA2 for signatures and not Identity, so it cannot check an Ed25519 signature (RFC 8420
 * section 2), and a relay has no other proof of itself.
 */
Test(ike_libreswan, cannot_check_a_relays_signature)
{
	struct ike_payloads p = answer_to(libreswan_init_request, sizeof(libreswan_init_request));

	cr_assert_eq(p.notify_count, 1);
	cr_assert_eq(p.notifies[0].type, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	cr_assert_eq(duo_counters(&duo.b).malformed, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

/* Nothing else is in the way: with Identity in the place of SHA2-512 it is answered. */
Test(ike_libreswan, all_else_fits)
{
	uint8_t msg[sizeof(libreswan_init_request)];
	struct ike_payloads p;

	memcpy(msg, libreswan_init_request, sizeof(msg));
	cr_assert_eq(msg[LIBRESWAN_LAST_HASH + 1], 4);
	msg[LIBRESWAN_LAST_HASH + 1] = IKE_HASH_ID_IDENTITY;
	p = answer_to(msg, sizeof(msg));
	cr_assert_eq(p.proposal_count, 1);
	cr_assert_not_null(p.ke.data);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
}
