/* Which cipher ESP gets: what the responder of the exchange prefers, with ESN (both offered). */
#include <criterion/criterion.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "duo_rekey.h"

static struct duo duo;

static enum ike_encr cipher(const struct duo_record *r)
{
	struct ike_sa_info info;

	ike_sa_info(r->sa, &info);
	for (size_t k = 0; k < DUO_CHILDREN; k++)
		if (r->children[k].child.spi_in == info.child_in) {
			cr_assert(r->children[k].child.esn);
			return r->children[k].child.encr;
		}
	cr_assert_fail("no child SA");
	return 0;
}

static enum ike_encr favourite(bool chacha)
{
	return chacha ? IKE_ENCR_CHACHA20_POLY1305 : IKE_ENCR_AES_GCM_16;
}

static void rekey(struct duo_record *from)
{
	struct ike_sa_info info;

	ike_sa_info(from->sa, &info);
	ike_host_rekey_child(from->side->host, from->sa, info.child_in);
	duo_run(&duo, duo.now + 20000);
}

Test(ike_cipher, the_responder_chooses)
{
	for (int k = 0; k < 4; k++) {
		bool a = k & 1, b = k & 2;
		struct ike_init_conf conf;
		struct duo_record *i, *r;

		duo_init(&duo, 41);
		duo_start(&duo, NULL);
		duo.a.host->conf.ciphers = a;
		duo.b.host->conf.ciphers = b;
		conf = duo_client(&duo);
		i = duo_connect(&duo, &conf);
		r = duo_last(&duo.b);
		duo_assert_up(i);
		cr_assert_eq(cipher(i), favourite(b));
		cr_assert_eq(cipher(r), favourite(b));
		rekey(i);
		cr_assert_eq(cipher(i), favourite(b));
		rekey(r); /* in this exchange A is the responder */
		cr_assert_eq(cipher(i), favourite(a));
		cr_assert_eq(cipher(r), favourite(a));
		cr_assert_eq(i->ups + i->adds, 3);
		duo_rekey_assert_rest(&duo, i, r);
		duo_fini(&duo);
	}
}
