/* Initiator and responder over a perfect queue: what they agree on, and what they refuse. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_assert.h"

static struct duo duo;
static struct ike_host_conf quick = { .retransmit_first = 100 };

static void setup(void)
{
	duo_init(&duo, 1);
	duo_start(&duo, &quick);
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_exchange, .init = setup, .fini = teardown);

static struct prefix prefix(const char *text)
{
	struct prefix p;

	cr_assert_eq(prefix_parse(text, &p), 0);
	return p;
}

static void assert_children_match(const struct ike_child *i, const struct ike_child *r)
{
	cr_assert_eq(i->spi_in, r->spi_out);
	cr_assert_eq(i->spi_out, r->spi_in);
	cr_assert_neq(i->spi_in, i->spi_out);
	cr_assert_gt(i->spi_in, 255);
	cr_assert_gt(i->spi_out, 255);
	cr_assert_eq(i->key_in.len, 36);
	cr_assert_eq(r->key_in.len, 36);
	cr_assert_arr_eq(i->key_in.bytes, r->key_out.bytes, 36);
	cr_assert_arr_eq(i->key_out.bytes, r->key_in.bytes, 36);
	cr_assert_arr_neq(i->key_in.bytes, i->key_out.bytes, 36);
	cr_assert_eq(i->encr, IKE_ENCR_AES_GCM_16);
	cr_assert_eq(r->encr, IKE_ENCR_AES_GCM_16);
	cr_assert(i->esn && r->esn);
}

Test(ike_exchange, client_gets_address_and_child)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i = duo_connect(&duo, &conf), *r = duo_last(&duo.b);

	duo_assert_up(i);
	duo_assert_up(r);
	cr_assert_eq(duo.a.sent, 2);
	cr_assert_eq(duo.b.sent, 2);
	assert_children_match(&i->child, &r->child);
	cr_assert_eq(r->peer.auth, IKE_AUTH_NULL);
	cr_assert(r->want_lease && r->has_lease && i->has_lease);
	cr_assert(addr_equal(&i->lease.address, &duo.b.lease.address));
	cr_assert_eq(i->lease.dns_count, 1);
	cr_assert(addr_equal(&i->lease.dns[0], &duo.b.lease.dns[0]));
	cr_assert_eq(i->child.ts_local.count, 1);
	cr_assert(prefix_equal(&i->child.ts_local.items[0], &(struct prefix){
			.addr = duo.b.lease.address, .len = 32 }));
	cr_assert_eq(i->child.ts_remote.count, 1);
	cr_assert_eq(i->child.ts_remote.items[0].len, 0);
	cr_assert(prefix_equal(&r->child.ts_remote.items[0], &i->child.ts_local.items[0]));
	cr_assert(prefix_equal(&r->child.ts_local.items[0], &i->child.ts_remote.items[0]));
}

Test(ike_exchange, relays_prove_both_keys)
{
	struct ike_init_conf conf = duo_relay(&duo);
	struct duo_record *i, *r;

	conf.initial_contact = true;
	conf.ts_local.items[0] = prefix("100.64.0.0/16");
	conf.ts_local.items[conf.ts_local.count++] = prefix("192.0.2.1/32");
	duo.b.local.items[0] = prefix("100.64.0.0/16");
	duo.b.local.items[duo.b.local.count++] = prefix("198.51.100.1/32");
	i = duo_connect(&duo, &conf);
	r = duo_last(&duo.b);
	duo_assert_up(i);
	duo_assert_up(r);
	assert_children_match(&i->child, &r->child);
	cr_assert_eq(r->peer.auth, IKE_AUTH_ED25519);
	cr_assert_arr_eq(r->peer.key.bytes, duo.a.key.pub.bytes, 32);
	cr_assert(r->peer.initial_contact);
	cr_assert(!r->want_lease && !r->has_lease && !i->has_lease);
	cr_assert_eq(i->child.ts_remote.count, 2);
	cr_assert(prefix_equal(&i->child.ts_remote.items[0], &duo.b.local.items[0]));
	cr_assert(prefix_equal(&i->child.ts_remote.items[1], &duo.b.local.items[1]));
	cr_assert_eq(r->child.ts_remote.count, 2);
	cr_assert(prefix_equal(&r->child.ts_remote.items[0], &conf.ts_local.items[0]));
	cr_assert(prefix_equal(&r->child.ts_remote.items[1], &conf.ts_local.items[1]));
}

/* What a client lets be seen in clear: payloads in this order and not one more. */
Test(ike_exchange, clients_look_alike)
{
	static const uint8_t order[] = { IKE_PAYLOAD_SA, IKE_PAYLOAD_KE, IKE_PAYLOAD_NONCE,
					 IKE_PAYLOAD_NOTIFY, IKE_PAYLOAD_NOTIFY };
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_datagram *init, *auth;
	struct ike_payloads p;
	const uint8_t *at;
	uint8_t type;

	duo.recording = true;
	duo_connect(&duo, &conf);
	duo_connect(&duo, &conf);
	cr_assert_eq(duo.logged, 8);
	init = duo.log[0];
	auth = duo.log[2];
	cr_assert_eq(init->len, duo.log[4]->len);
	cr_assert_eq(auth->len, duo.log[6]->len);
	type = init->msg[16];
	at = init->msg + 28;
	for (size_t i = 0; i < sizeof(order); i++) {
		cr_assert_eq(type, order[i]);
		type = at[0];
		at += at[2] << 8 | at[3];
	}
	cr_assert_eq(type, IKE_PAYLOAD_NONE);
	cr_assert_eq(at, init->msg + init->len);
	cr_assert_eq(ike_parse_payloads(init->msg[16], init->msg + 28, init->len - 28, &p), 0);
	cr_assert_eq(p.notify_count, 2);
	cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_SIGNATURE_HASH_ALGORITHMS));
	cr_assert_not_null(ike_find_notify(&p, IKE_NOTIFY_FRAGMENTATION_SUPPORTED));
	cr_assert_eq(auth->msg[16], IKE_PAYLOAD_SK);
	/* header and SK, IDi, AUTH, CP, SA with two proposals, two TS, padding and tag */
	cr_assert_eq(auth->len, 28 + 12 + 8 + 40 + 16 + (4 + 40 + 36) + 24 + 24 + 1 + 16);
}

/* ---- the inside of IKE_AUTH ---- */

struct inside {
	struct ike_payloads p;
	uint8_t plain[DUO_MESSAGE_MAX];
};

static void open_logged(const struct duo_datagram *g, const struct ike_crypt *c, struct inside *out)
{
	struct ike_payloads outer;
	size_t len;

	cr_assert_eq(ike_parse_payloads(g->msg[16], g->msg + 28, g->len - 28, &outer), 0);
	cr_assert_eq(ike_crypt_open(c, g->msg, outer.sk, out->plain, &len), 0);
	cr_assert_eq(ike_parse_payloads(outer.sk_next, out->plain, len, &out->p), 0);
}

Test(ike_exchange, client_reveals_nothing)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;
	struct inside in;

	duo.recording = true;
	i = duo_connect(&duo, &conf);
	open_logged(duo.log[2], &i->sa->out, &in);
	cr_assert_eq(in.p.id_i.type, IKE_ID_NULL);
	cr_assert_eq(in.p.id_i.data.len, 0);
	cr_assert_null(in.p.id_r.body.data);
	cr_assert_null(in.p.vendor.data);
	cr_assert_eq(in.p.auth_method, IKE_AUTH_METHOD_NULL);
	cr_assert_eq(in.p.notify_count, 0);
	cr_assert_eq(in.p.cp.count, 2);
	cr_assert_eq(in.p.cp.attrs[0].type, IKE_CFG_ATTR_IP4_ADDRESS);
	cr_assert_eq(in.p.cp.attrs[0].value.len, 0);
	cr_assert_eq(in.p.cp.attrs[1].type, IKE_CFG_ATTR_IP4_DNS);
	cr_assert_eq(in.p.cp.attrs[1].value.len, 0);
	open_logged(duo.log[3], &i->sa->in, &in);
	cr_assert_eq(in.p.auth_method, IKE_AUTH_METHOD_SIGNATURE);
	cr_assert_eq(in.p.id_r.type, IKE_ID_KEY_ID);
	cr_assert_arr_eq(in.p.id_r.data.data, duo.b.key.pub.bytes, 32);
	cr_assert_eq(in.p.notify_count, 0);
}

static struct ike_init_conf psk_client(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.auth = IKE_AUTH_PSK;
	return conf;
}

Test(ike_exchange, psk_client_is_a_client)
{
	struct ike_init_conf conf = psk_client();
	struct duo_record *i = duo_connect(&duo, &conf), *r = duo_last(&duo.b);

	duo_assert_up(i);
	duo_assert_up(r);
	assert_children_match(&i->child, &r->child);
	cr_assert_eq(r->peer.auth, IKE_AUTH_PSK);
	cr_assert(!r->peer.initial_contact);
	cr_assert(r->want_lease && r->has_lease && i->has_lease);
	cr_assert(addr_equal(&i->lease.address, &duo.b.lease.address));
}

/* Two that differ in their ID only, and it says nothing: random, and another one each time. */
Test(ike_exchange, psk_client_reveals_nothing)
{
	struct ike_init_conf conf = psk_client();
	struct inside in, again;
	struct duo_record *i;

	duo.recording = true;
	i = duo_connect(&duo, &conf);
	open_logged(duo.log[2], &i->sa->out, &in);
	i = duo_connect(&duo, &conf);
	open_logged(duo.log[6], &i->sa->out, &again);
	cr_assert_eq(in.p.id_i.type, IKE_ID_KEY_ID);
	cr_assert_eq(in.p.id_i.data.len, 16);
	cr_assert_eq(again.p.id_i.data.len, 16);
	cr_assert_arr_neq(in.p.id_i.data.data, again.p.id_i.data.data, 16);
	cr_assert_null(in.p.id_r.body.data);
	cr_assert_null(in.p.vendor.data);
	cr_assert_eq(in.p.auth_method, IKE_AUTH_METHOD_PSK);
	cr_assert_eq(in.p.notify_count, 0);
	cr_assert_eq(in.p.cp.count, 2);
}

/* ---- authentication fails ---- */

Test(ike_exchange, wrong_pinned_key)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;

	conf.peer.bytes[0] ^= 1;
	i = duo_connect(&duo, &conf);
	duo_assert_gone(i, IKE_END_AUTH, IKE_NOTIFY_AUTHENTICATION_FAILED);
	cr_assert_eq(i->ups, 0);
	/* The responder, who thought it was up, is told. */
	duo_assert_gone(duo_last(&duo.b), IKE_END_REFUSED, IKE_NOTIFY_AUTHENTICATION_FAILED);
	cr_assert_eq(duo_last(&duo.b)->established, 1);
	duo_run(&duo, duo.now + 10000);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

/* Replaces the last IKE_AUTH message of one side by what EDIT makes of its payloads. */
static struct {
	struct duo_side *from;
	void (*edit)(uint8_t *plain, size_t len, const struct ike_payloads *p);
} forge;

/* The keys of an SA by its SPIs: opens, edits in place, seals again under the same IV. */
static bool forge_tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	uint8_t plain[DUO_MESSAGE_MAX], nonce[12];
	struct ike_payloads outer, p;
	struct ike_crypt c;
	struct ike_sa *sa;
	size_t inner;

	(void)d;
	if (from != forge.from || msg[18] != IKE_EXCHANGE_AUTH)
		return true;
	sa = from->host->by_spi;
	c = sa->out;
	cr_assert_eq(ike_parse_payloads(msg[16], msg + 28, *len - 28, &outer), 0);
	cr_assert_eq(ike_crypt_open(&c, msg, outer.sk, plain, &inner), 0);
	cr_assert_eq(ike_parse_payloads(outer.sk_next, plain, inner, &p), 0);
	forge.edit(plain, inner, &p);
	memcpy(nonce, c.salt, 4);
	memcpy(nonce + 4, outer.sk.data, 8);
	crypto_seal(c.key, nonce, msg, 32, plain, outer.sk.len - 8 - 16, msg + 40);
	return true;
}

static void forge_from(struct duo_side *from,
		       void (*edit)(uint8_t *plain, size_t len, const struct ike_payloads *p))
{
	forge.from = from;
	forge.edit = edit;
	duo.tap = forge_tap;
}

/* FIELD, which was parsed out of PLAIN, to write to. */
static uint8_t *inside(uint8_t *plain, const uint8_t *field)
{
	return plain + (field - plain);
}

static void edit_method(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->auth.data)[-4] = IKE_AUTH_METHOD_PSK;
}

static void edit_signature(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->auth.data)[p->auth.len - 1] ^= 1;
}

static void edit_algorithm(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->auth.data)[7] ^= 1;
}

static void edit_id(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->id_r.data.data)[0] ^= 1;
}

/* Another ID, and a proof that fits it. */
static void edit_id_i(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	const struct ike_handshake *hs = duo.a.host->by_spi->hs;
	struct ike_signed s = { .message = { hs->i.message, hs->i.message_len },
				.nonce = { hs->r.nonce, hs->r.nonce_len },
				.id = p->id_i.body, .sk_p = hs->keys.pi };

	(void)len;
	inside(plain, p->id_i.body.data)[0] = IKE_ID_FQDN;
	ike_proof_null(&s, inside(plain, p->auth.data));
	cr_assert_eq(ike_proof_null_check(&s, p->auth), 0);
}

static void edit_ts_local(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	(void)p;
	/* TSi is the last but one payload of 24 bytes; lo and hi one address further */
	plain[len - 24 - 5]++;
	plain[len - 24 - 1]++;
}

static void edit_proposal(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->proposals[0].spi.data)[-4] = 2; /* number that was not this cipher's */
}

static void edit_lease(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	inside(plain, p->cp.attrs[0].value.data)[-4] = 0x40; /* another attribute */
}

static void responder_lies(void (*edit)(uint8_t *, size_t, const struct ike_payloads *),
			   enum ike_end why)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i;

	forge_from(&duo.b, edit);
	i = duo_connect(&duo, &conf);
	duo_assert_gone(i, why, why == IKE_END_AUTH ? IKE_NOTIFY_AUTHENTICATION_FAILED : 0);
	cr_assert_eq(i->ups, 0);
	duo_assert_gone(duo_last(&duo.b), why == IKE_END_AUTH ? IKE_END_REFUSED : IKE_END_PEER,
		    why == IKE_END_AUTH ? IKE_NOTIFY_AUTHENTICATION_FAILED : 0);
}

Test(ike_exchange, responder_with_another_method) { responder_lies(edit_method, IKE_END_AUTH); }
Test(ike_exchange, responder_with_a_bad_signature)
{
	responder_lies(edit_signature, IKE_END_AUTH);
}
Test(ike_exchange, responder_with_another_algorithm)
{
	responder_lies(edit_algorithm, IKE_END_AUTH);
}
Test(ike_exchange, responder_with_another_id) { responder_lies(edit_id, IKE_END_AUTH); }
Test(ike_exchange, responder_widens_selectors) { responder_lies(edit_ts_local, IKE_END_PROTOCOL); }
Test(ike_exchange, responder_takes_another_proposal)
{
	responder_lies(edit_proposal, IKE_END_PROTOCOL);
}
Test(ike_exchange, responder_gives_no_address) { responder_lies(edit_lease, IKE_END_PROTOCOL); }

static void initiator_lies(const struct ike_init_conf *conf,
			   void (*edit)(uint8_t *, size_t, const struct ike_payloads *))
{
	struct duo_record *i;

	forge_from(&duo.a, edit);
	i = duo_connect(&duo, conf);
	duo_assert_gone(i, IKE_END_REFUSED, IKE_NOTIFY_AUTHENTICATION_FAILED);
	cr_assert_eq(duo.b.count, 0, "the outside never heard of it");
	duo_run(&duo, duo.now + 10000);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
}

Test(ike_exchange, initiator_with_a_bad_null_proof)
{
	struct ike_init_conf conf = duo_client(&duo);

	initiator_lies(&conf, edit_signature);
}

Test(ike_exchange, initiator_with_psk)
{
	struct ike_init_conf conf = duo_client(&duo);

	initiator_lies(&conf, edit_method);
}

Test(ike_exchange, initiator_with_a_bad_psk_proof)
{
	struct ike_init_conf conf = psk_client();

	initiator_lies(&conf, edit_signature);
}

/* Another ID, and a proof that fits it. */
static void edit_psk_id(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	const struct ike_handshake *hs = duo.a.host->by_spi->hs;
	struct ike_signed s = { .message = { hs->i.message, hs->i.message_len },
				.nonce = { hs->r.nonce, hs->r.nonce_len },
				.id = p->id_i.body, .sk_p = hs->keys.pi };

	(void)len;
	inside(plain, p->id_i.body.data)[0] = IKE_ID_FQDN;
	ike_proof_psk(&s, inside(plain, p->auth.data));
	cr_assert_eq(ike_proof_psk_check(&s, p->auth), 0);
}

Test(ike_exchange, psk_initiator_with_a_name)
{
	struct ike_init_conf conf = psk_client();

	initiator_lies(&conf, edit_psk_id);
}

Test(ike_exchange, null_initiator_with_a_name)
{
	struct ike_init_conf conf = duo_client(&duo);

	initiator_lies(&conf, edit_id_i);
}

Test(ike_exchange, relay_with_a_bad_signature)
{
	struct ike_init_conf conf = duo_relay(&duo);

	initiator_lies(&conf, edit_signature);
}

/* No cipher of ours in the child's proposals. */
static void edit_ciphers(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	(void)len;
	for (size_t i = 0; i < p->proposal_count; i++)
		inside(plain, p->proposals[i].spi.data)[4 + 7] = 12;
}

Test(ike_exchange, no_cipher_in_common)
{
	struct ike_init_conf conf = duo_client(&duo);

	forge_from(&duo.a, edit_ciphers);
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	cr_assert_eq(duo.b.count, 0, "admit was not asked");
}

/* The responder's SA payload becomes an error: its IKE SA is up, the child is not (1.2). */
static void edit_sa_to_error(uint8_t *plain, size_t len, const struct ike_payloads *p)
{
	uint8_t *sa = inside(plain, p->proposals[0].spi.data) - 8 - 4;

	(void)len;
	for (uint8_t *at = plain; at < sa; at += at[2] << 8 | at[3])
		if (at + (at[2] << 8 | at[3]) == sa)
			at[0] = IKE_PAYLOAD_NOTIFY;
	sa[4] = sa[5] = 0;
	sa[6] = 0;
	sa[7] = IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
}

Test(ike_exchange, responder_without_a_child_is_told_to_end)
{
	struct ike_init_conf conf = duo_client(&duo);

	forge_from(&duo.b, edit_sa_to_error);
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED, IKE_NOTIFY_NO_PROPOSAL_CHOSEN);
	duo_assert_gone(duo_last(&duo.b), IKE_END_PEER, 0);
}

/* ---- the outside refuses ---- */

static void refused_admit(const struct ike_init_conf *conf, int result, uint16_t notify)
{
	struct duo_record *i;

	duo.b.admit_result = result;
	i = duo_connect(&duo, conf);
	duo_assert_gone(i, IKE_END_REFUSED, notify);
	duo_assert_gone(duo_last(&duo.b),
		    result == -EACCES ? IKE_END_AUTH : IKE_END_PROTOCOL, notify);
	cr_assert_eq(duo_last(&duo.b)->ups, 0);
	cr_assert_eq(i->ups, 0);
}

Test(ike_exchange, admit_errors)
{
	struct ike_init_conf conf = duo_client(&duo), relay = duo_relay(&duo);

	refused_admit(&conf, -EACCES, IKE_NOTIFY_AUTHENTICATION_FAILED);
	refused_admit(&conf, -EADDRNOTAVAIL, IKE_NOTIFY_INTERNAL_ADDRESS_FAILURE);
	refused_admit(&conf, -EBUSY, IKE_NOTIFY_NO_ADDITIONAL_SAS);
	refused_admit(&conf, -ENOTSUP, IKE_NOTIFY_FAILED_CP_REQUIRED);
	refused_admit(&conf, -EIO, IKE_NOTIFY_TEMPORARY_FAILURE);
	refused_admit(&relay, -EACCES, IKE_NOTIFY_AUTHENTICATION_FAILED);
	duo.b.local.items[0] = prefix("2001:db8::/32");
	refused_admit(&relay, 0, IKE_NOTIFY_TS_UNACCEPTABLE);
	duo_run(&duo, duo.now + 10000);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
}

Test(ike_exchange, selectors_without_the_assigned_address)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.ts_local.items[0] = prefix("10.0.0.0/8");
	refused_admit(&conf, 0, IKE_NOTIFY_TS_UNACCEPTABLE);
}

Test(ike_exchange, nameless_initiator_must_ask_for_an_address)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.want_lease = false;
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED, IKE_NOTIFY_FAILED_CP_REQUIRED);
	conf.auth = IKE_AUTH_PSK;
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED, IKE_NOTIFY_FAILED_CP_REQUIRED);
	cr_assert_eq(duo.b.count, 0, "admit was not asked");
}

Test(ike_exchange, responder_cannot_install)
{
	struct ike_init_conf conf = duo_client(&duo);

	duo.b.child_up_result = -EEXIST;
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_REFUSED, IKE_NOTIFY_TEMPORARY_FAILURE);
	duo_assert_gone(duo_last(&duo.b), IKE_END_PROTOCOL, IKE_NOTIFY_TEMPORARY_FAILURE);
	cr_assert_eq(duo_last(&duo.b)->established, 0);
}

Test(ike_exchange, initiator_cannot_install)
{
	struct ike_init_conf conf = duo_client(&duo);

	duo.a.child_up_result = -ENOBUFS;
	duo_assert_gone(duo_connect(&duo, &conf), IKE_END_PROTOCOL, 0);
	duo_assert_gone(duo_last(&duo.b), IKE_END_PEER, 0);
}

Test(ike_exchange, bad_configuration)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct ike_sa *sa;

	conf.initial_contact = true;
	cr_assert_eq(ike_host_initiate(duo.a.host, &conf, NULL, &sa), -EINVAL);
	conf.auth = IKE_AUTH_PSK;
	cr_assert_eq(ike_host_initiate(duo.a.host, &conf, NULL, &sa), -EINVAL);
	conf = duo_client(&duo);
	conf.ts_local.count = 0;
	cr_assert_eq(ike_host_initiate(duo.a.host, &conf, NULL, &sa), -EINVAL);
	conf.ts_local.count = IKE_TS_MAX + 1;
	cr_assert_eq(ike_host_initiate(duo.a.host, &conf, NULL, &sa), -EINVAL);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
}

/* ---- ends ---- */

Test(ike_exchange, initiator_closes)
{
	struct duo_record *i, *r;
	struct ike_sa_info info;

	duo_establish(&duo, &i, &r);
	ike_host_close(duo.a.host, i->sa);
	ike_sa_info(i->sa, &info);
	cr_assert_eq(info.state, IKE_STATE_CLOSING);
	ike_host_close(duo.a.host, i->sa);
	cr_assert_eq(duo.a.sent, 3);
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
	duo_assert_gone(r, IKE_END_PEER, 0);
	duo_assert_nothing_left(&duo);
}

Test(ike_exchange, responder_closes)
{
	struct duo_record *i, *r;

	duo_establish(&duo, &i, &r);
	ike_host_close(duo.b.host, r->sa);
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_PEER, 0);
	duo_assert_gone(r, IKE_END_LOCAL, 0);
	duo_assert_nothing_left(&duo);
}

Test(ike_exchange, both_close_at_once)
{
	struct duo_record *i, *r;

	duo_establish(&duo, &i, &r);
	ike_host_close(duo.b.host, r->sa);
	ike_host_close(duo.a.host, i->sa);
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
	duo_assert_gone(r, IKE_END_LOCAL, 0);
	duo_assert_nothing_left(&duo);
	cr_assert_eq(duo.a.sent + duo.b.sent, 4 + 4, "a Delete and an answer each");
}

Test(ike_exchange, close_while_a_probe_is_out)
{
	struct duo_record *i, *r;

	duo_establish(&duo, &i, &r);
	ike_host_probe(duo.a.host, i->sa);
	ike_host_close(duo.a.host, i->sa);
	cr_assert_eq(duo.a.sent, 3, "one request at a time");
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
	duo_assert_gone(r, IKE_END_PEER, 0);
	duo_assert_nothing_left(&duo);
}

Test(ike_exchange, close_before_established_is_at_once)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i = duo_initiate(&duo, &conf);

	ike_host_close(duo.a.host, i->sa);
	duo_assert_gone(i, IKE_END_LOCAL, 0);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	duo_settle(&duo);
	cr_assert_eq(duo_counters(&duo.b).half_open, 1);
	duo_run(&duo, duo.now + 31000);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	cr_assert_eq(duo.b.count, 0);
}

/* A child SA deleted by the peer takes the IKE SA with it. */
Test(ike_exchange, child_deleted)
{
	struct duo_record *i, *r;
	struct ike_crypt crypt;
	struct ike_out out;
	struct inside in;

	duo_establish(&duo, &i, &r);
	duo.recording = true;
	ike_send_begin(i->sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_delete(&out.b, true, i->child.spi_in);
	ike_send_request(i->sa, &out);
	crypt = i->sa->in;
	duo_settle(&duo);
	open_logged(duo.log[1], &crypt, &in);
	cr_assert_eq(in.p.delete_count, 1);
	cr_assert_eq(in.p.deletes[0].protocol, IKE_PROTOCOL_ESP);
	cr_assert_eq(in.p.deletes[0].spis.len, 4);
	duo_assert_gone(i, IKE_END_PEER, 0);
	duo_assert_gone(r, IKE_END_PEER, 0);
	duo_assert_nothing_left(&duo);
}

Test(ike_exchange, foreign_child_deleted)
{
	struct duo_record *i, *r;
	struct ike_out out;

	duo_establish(&duo, &i, &r);
	ike_send_begin(i->sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_delete(&out.b, true, i->child.spi_in ^ 1);
	ike_send_request(i->sa, &out);
	duo_settle(&duo);
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_exchange, no_second_child)
{
	struct duo_record *i, *r;
	struct ike_out out;
	struct inside in;

	duo_establish(&duo, &i, &r);
	duo.recording = true;
	ike_send_begin(i->sa, &out, IKE_EXCHANGE_CREATE_CHILD_SA, false);
	ike_send_request(i->sa, &out);
	duo_settle(&duo);
	open_logged(duo.log[1], &i->sa->in, &in);
	cr_assert_eq(in.p.notify_count, 1);
	cr_assert_eq(in.p.notifies[0].type, IKE_NOTIFY_NO_ADDITIONAL_SAS);
	duo_assert_up(r);
}

Test(ike_exchange, unknown_exchange_is_fatal)
{
	struct duo_record *i, *r;
	struct ike_out out;

	duo_establish(&duo, &i, &r);
	ike_send_begin(i->sa, &out, IKE_EXCHANGE_AUTH, false);
	ike_send_request(i->sa, &out);
	duo_settle(&duo);
	duo_assert_gone(r, IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
	duo_assert_gone(i, IKE_END_PROTOCOL, IKE_NOTIFY_INVALID_SYNTAX);
}
