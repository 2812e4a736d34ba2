/* IKE_AUTH (RFC 7296 section 1.2): both roles, with the configuration payload (2.19). */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_ts.h"

enum { RANDOM_ID = 16 }; /* bytes */

/* Body of an ID payload of ours: type, reserved, data. */
struct own_id {
	uint8_t body[4 + CRYPTO_SIGN_PUB];
	size_t data_len;
};

static struct own_id make_id(struct ike_host *host, enum ike_auth auth)
{
	const struct crypto_pub *pub = &host->conf.key.pub;
	struct own_id id = { .body = { IKE_ID_KEY_ID } };

	switch (auth) {
	case IKE_AUTH_NULL:
		id.body[0] = IKE_ID_NULL;
		break;
	case IKE_AUTH_PSK: /* strongSwan gives an address of its pool to each ID: another each time */
		id.data_len = RANDOM_ID;
		ike_host_random(host, id.body + 4, id.data_len);
		break;
	case IKE_AUTH_ED25519:
		id.data_len = sizeof(pub->bytes);
		memcpy(id.body + 4, pub->bytes, id.data_len);
		break;
	}
	return id;
}

static void build_id(struct ike_build *b, uint8_t payload, const struct own_id *id)
{
	ike_build_id(b, payload, id->body[0], id->body + 4, id->data_len);
}

/* What the initiator (else the responder) proves with the ID body. */
static struct ike_signed make_signed(const struct ike_handshake *hs, bool by_initiator,
				     const void *id, size_t id_len)
{
	const struct ike_half *own = by_initiator ? &hs->i : &hs->r;
	const struct ike_half *other = by_initiator ? &hs->r : &hs->i;

	return (struct ike_signed){
		.message = { own->message, own->message_len },
		.nonce = { other->nonce, other->nonce_len },
		.id = { id, id_len },
		.sk_p = by_initiator ? hs->keys.pi : hs->keys.pr,
	};
}

static void build_auth(struct ike_build *b, const struct ike_signed *s, enum ike_auth auth,
		       const struct crypto_sign_key *key)
{
	uint8_t data[IKE_PROOF_MAX];

	switch (auth) {
	case IKE_AUTH_NULL:
		ike_proof_null(s, data);
		ike_build_auth(b, IKE_AUTH_METHOD_NULL, data, CRYPTO_PRF);
		break;
	case IKE_AUTH_PSK:
		ike_proof_psk(s, data);
		ike_build_auth(b, IKE_AUTH_METHOD_PSK, data, CRYPTO_PRF);
		break;
	case IKE_AUTH_ED25519:
		ike_proof_sign(s, key, data);
		ike_build_auth(b, IKE_AUTH_METHOD_SIGNATURE, data, IKE_PROOF_SIGNATURE);
		break;
	}
}

static void spi_bytes(uint32_t spi, uint8_t out[IKE_ESP_SPI_SIZE])
{
	struct wbuf w = wbuf_init(out, IKE_ESP_SPI_SIZE);

	wbuf_u32(&w, spi);
}

static void wipe_child(struct ike_child *child)
{
	crypto_wipe(child, sizeof(*child));
}

/* Keys, SPIs and algorithms of the child SA; selectors are the caller's. */
static void make_child(const struct ike_sa *sa, const struct ike_esp *esp, struct ike_child *child)
{
	const struct ike_handshake *hs = sa->hs;
	const struct ike_view ni = { hs->i.nonce, hs->i.nonce_len };
	const struct ike_view nr = { hs->r.nonce, hs->r.nonce_len };

	child->spi_in = ike_child_in_state(sa, IKE_CHILD_LARVAL)->spi_in;
	child->spi_out = esp->spi;
	child->encr = esp->encr;
	child->esn = esp->esn;
	child->key_in.len = child->key_out.len = IKE_KEY_SIZE;
	ike_keys_child(hs->keys.d, NULL, ni, nr,
		       sa->initiator ? child->key_out.bytes : child->key_in.bytes,
		       sa->initiator ? child->key_in.bytes : child->key_out.bytes);
}

static int child_up(struct ike_sa *sa, const struct ike_child *child, const struct ike_lease *lease)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	int r = conf->ops->child_up(conf->user, sa, child, lease);

	if (r == 0 && sa->state != IKE_STATE_DEAD)
		ike_child_first(sa, child);
	return r;
}

/* Up, unless the outside closed it meanwhile. */
static void tell_established(struct ike_sa *sa)
{
	const struct ike_host_conf *conf = &sa->host->conf;

	if (sa->state == IKE_STATE_ESTABLISHED)
		conf->ops->established(conf->user, sa);
}

/* Both sides have to move to port 4500 first (RFC 4555 section 3.3). */
static bool offers_mobike(const struct ike_sa *sa)
{
	return sa->paths.first_layer && sa->path.floated;
}

static void agree_on_mobike(struct ike_sa *sa, const struct ike_payloads *p)
{
	sa->paths.mobike = offers_mobike(sa) && ike_find_notify(p, IKE_NOTIFY_MOBIKE_SUPPORTED);
}

/* ---- initiator ---- */

void ike_auth_start(struct ike_sa *sa)
{
	const struct ike_init_conf *conf = &sa->hs->conf;
	const struct crypto_sign_key *key = &sa->host->conf.key;
	static const struct ike_cp_attr wanted[] = { { .type = IKE_CFG_ATTR_IP4_ADDRESS },
						     { .type = IKE_CFG_ATTR_IP4_DNS },
						     { .type = IKE_CFG_ATTR_IP6_ADDRESS } };
	struct own_id own = make_id(sa->host, conf->auth);
	struct ike_signed s = make_signed(sa->hs, true, own.body, 4 + own.data_len);
	struct ike_proposal offers[IKE_PROPOSAL_ESP_OFFERS];
	size_t count;
	uint8_t spi[IKE_ESP_SPI_SIZE];
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_AUTH, false);
	build_id(&out.b, IKE_PAYLOAD_IDI, &own);
	if (conf->auth == IKE_AUTH_ED25519)
		ike_build_id(&out.b, IKE_PAYLOAD_IDR, IKE_ID_KEY_ID, conf->peer.bytes,
			     sizeof(conf->peer.bytes));
	build_auth(&out.b, &s, conf->auth, key);
	if (conf->initial_contact)
		ike_build_notify(&out.b, IKE_NOTIFY_INITIAL_CONTACT, NULL, 0);
	if (conf->want_lease)
		ike_build_cp(&out.b, IKE_CFG_REQUEST, wanted,
			     ARRAY_SIZE(wanted) - !conf->want_address6);
	spi_bytes(ike_child_in_state(sa, IKE_CHILD_LARVAL)->spi_in, spi);
	count = ike_proposal_esp(spi, sa->host->conf.ciphers, offers);
	ike_build_sa(&out.b, offers, count);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSI, conf->ts_local.items, conf->ts_local.count);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSR, conf->ts_remote.items, conf->ts_remote.count);
	if (offers_mobike(sa))
		ike_build_notify(&out.b, IKE_NOTIFY_MOBIKE_SUPPORTED, NULL, 0);
	ike_send_request(sa, &out);
}

/* The responder is who holds the pinned key, and nothing but its signature says so. */
static bool responder_proved(const struct ike_sa *sa, const struct ike_payloads *p)
{
	struct ike_signed s = make_signed(sa->hs, false, p->id_r.body.data, p->id_r.body.len);

	return p->id_r.body.data && p->auth.data &&
	       p->auth_method == IKE_AUTH_METHOD_SIGNATURE &&
	       ike_proof_sign_check(&s, &sa->hs->conf.peer, p->auth) == 0;
}

/* The first error notify, or 0. */
static uint16_t error_of(const struct ike_payloads *p)
{
	for (size_t i = 0; i < p->notify_count; i++)
		if (p->notifies[i].type > 0 && p->notifies[i].type < IKE_NOTIFY_STATUS_FIRST)
			return p->notifies[i].type;
	return 0;
}

/* Address and, of one that is assigned, prefix length. */
static int read_address6(const struct ike_cp_attr *a, struct addr *out)
{
	if (a->value.len != IKE_CFG_IP6_ADDRESS_SIZE)
		return -EBADMSG;
	if (out->family != 0)
		return 0;
	out->family = AF_INET6;
	memcpy(out->bytes, a->value.data, addr_size(out));
	return 0;
}

static int read_address4(const struct ike_cp_attr *a, struct ike_lease *out)
{
	struct addr value = { .family = AF_INET };

	if (a->value.len != addr_size(&value))
		return -EBADMSG;
	memcpy(value.bytes, a->value.data, a->value.len);
	if (a->type == IKE_CFG_ATTR_IP4_DNS && out->dns_count < IKE_DNS_MAX)
		out->dns[out->dns_count++] = value;
	else if (a->type == IKE_CFG_ATTR_IP4_ADDRESS && out->address.family == 0)
		out->address = value;
	return 0;
}

/* WANT6: an IPv6 address was asked for, else one is ignored, as all that was not. */
static int read_lease(const struct ike_cp *cp, bool want6, struct ike_lease *out)
{
	int err = cp->type == IKE_CFG_REPLY ? 0 : -EBADMSG;

	for (size_t i = 0; i < cp->count && err == 0; i++) {
		const struct ike_cp_attr *a = &cp->attrs[i];

		if (a->type == IKE_CFG_ATTR_IP4_ADDRESS || a->type == IKE_CFG_ATTR_IP4_DNS)
			err = read_address4(a, out);
		else if (a->type == IKE_CFG_ATTR_IP6_ADDRESS && want6)
			err = read_address6(a, &out->address6);
	}
	if (err < 0)
		return err;
	return addr_to_v4(&out->address) != 0 ? 0 : -EBADMSG;
}

/* Whether LIST is the addresses of LEASE; one of IPv6 that it lacks is taken out of that. */
static bool is_lease(const struct ike_ts_list *list, struct ike_lease *lease)
{
	struct ike_ts_list all = ike_ts_lease(lease);

	if (ike_ts_list_covers(list, &all))
		return list->count == all.count;
	lease->address6 = (struct addr){ 0 };
	all = ike_ts_lease(lease);
	return ike_ts_list_equal(list, &all);
}

/* The answer's child SA and lease: what was offered, and a client's side is its address alone. */
static int read_child(struct ike_sa *sa, const struct ike_payloads *p, struct ike_child *child,
		      struct ike_lease *lease)
{
	const struct ike_init_conf *conf = &sa->hs->conf;
	struct ike_esp esp;

	if (ike_proposal_esp_accept(p->proposals, p->proposal_count,
				    sa->host->conf.ciphers, &esp) < 0 ||
	    ike_ts_accept(&p->ts_i, &conf->ts_local, &child->ts_local) < 0 ||
	    ike_ts_accept(&p->ts_r, &conf->ts_remote, &child->ts_remote) < 0)
		return -EBADMSG;
	if (conf->want_lease && (read_lease(&p->cp, conf->want_address6, lease) < 0 ||
				 !is_lease(&child->ts_local, lease)))
		return -EBADMSG;
	if (ike_ts_list_of(&child->ts_remote, AF_INET6).count == 0)
		lease->address6 = (struct addr){ 0 };
	make_child(sa, &esp, child);
	return 0;
}

void ike_auth_response(struct ike_sa *sa, const struct ike_payloads *p)
{
	bool want_lease = sa->hs->conf.want_lease;
	struct ike_lease lease = { 0 };
	struct ike_child child = { 0 };
	uint16_t error = error_of(p);

	if (error && !p->auth.data) {
		sa->notify = error;
		ike_sa_end(sa, IKE_END_REFUSED);
		return;
	}
	if (!responder_proved(sa, p)) {
		ike_sa_fail(sa, IKE_END_AUTH, IKE_NOTIFY_AUTHENTICATION_FAILED);
		return;
	}
	if (error) { /* the IKE SA is up at the responder, but there is no child SA */
		sa->notify = error;
		ike_sa_fail(sa, IKE_END_REFUSED, 0);
		return;
	}
	agree_on_mobike(sa, p);
	if (read_child(sa, p, &child, &lease) < 0 ||
	    child_up(sa, &child, want_lease ? &lease : NULL) < 0)
		ike_sa_fail(sa, IKE_END_PROTOCOL, 0);
	else if (ike_sa_establish(sa))
		tell_established(sa);
	wipe_child(&child);
}

/* ---- responder ---- */

/* What the request leads to, gathered step by step. */
struct grant {
	struct ike_peer peer;
	struct ike_esp esp;
	struct ike_child child;
	struct ike_lease lease;
	bool want_lease;
};

static int check_initiator(const struct ike_sa *sa, const struct ike_payloads *p,
			   struct ike_peer *out)
{
	struct ike_signed s = make_signed(sa->hs, true, p->id_i.body.data, p->id_i.body.len);

	if (p->auth_method == IKE_AUTH_METHOD_NULL) {
		out->auth = IKE_AUTH_NULL;
		if (p->id_i.type != IKE_ID_NULL || p->id_i.data.len != 0)
			return -EACCES;
		return ike_proof_null_check(&s, p->auth);
	}
	if (p->auth_method == IKE_AUTH_METHOD_PSK) {
		out->auth = IKE_AUTH_PSK;
		return p->id_i.type == IKE_ID_KEY_ID ? ike_proof_psk_check(&s, p->auth) : -EACCES;
	}
	if (p->auth_method != IKE_AUTH_METHOD_SIGNATURE || p->id_i.type != IKE_ID_KEY_ID ||
	    p->id_i.data.len != sizeof(out->key.bytes))
		return -EACCES;
	out->auth = IKE_AUTH_ED25519;
	memcpy(out->key.bytes, p->id_i.data.data, sizeof(out->key.bytes));
	out->initial_contact = ike_find_notify(p, IKE_NOTIFY_INITIAL_CONTACT);
	return ike_proof_sign_check(&s, &out->key, p->auth);
}

/* TYPE: of the attribute. */
static bool asks_for(const struct ike_cp *cp, uint16_t type)
{
	for (size_t i = 0; cp->type == IKE_CFG_REQUEST && i < cp->count; i++)
		if (cp->attrs[i].type == type)
			return true;
	return false;
}

static uint16_t notify_of(int error)
{
	switch (error) {
	case -EACCES: return IKE_NOTIFY_AUTHENTICATION_FAILED;
	case -EADDRNOTAVAIL: return IKE_NOTIFY_INTERNAL_ADDRESS_FAILURE;
	case -EBUSY: return IKE_NOTIFY_NO_ADDITIONAL_SAS;
	case -ENOTSUP: return IKE_NOTIFY_FAILED_CP_REQUIRED;
	}
	return IKE_NOTIFY_TEMPORARY_FAILURE;
}

/* IPv6 on both sides, with an address for it, or not at all. */
static void settle_family(struct grant *g)
{
	struct ike_ts_list local = ike_ts_list_of(&g->child.ts_local, AF_INET6);
	struct ike_ts_list remote = ike_ts_list_of(&g->child.ts_remote, AF_INET6);

	if (local.count > 0 && remote.count > 0)
		return;
	g->lease.address6 = (struct addr){ 0 };
	g->child.ts_local = ike_ts_list_of(&g->child.ts_local, AF_INET);
	g->child.ts_remote = ike_ts_list_of(&g->child.ts_remote, AF_INET);
}

/* Asks the outside, then narrows the selectors to what it gave. 0 or the notify that refuses. */
static uint16_t admit(struct ike_sa *sa, const struct ike_payloads *p, struct grant *g)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	struct ike_ts_list local = { 0 }, remote = ike_ts_any();
	int r;

	/* Nobody without a name may choose its own addresses. */
	if (g->peer.auth != IKE_AUTH_ED25519 && !g->want_lease)
		return IKE_NOTIFY_FAILED_CP_REQUIRED;
	sa->known = true;
	r = conf->ops->admit(conf->user, sa, &g->peer, g->want_lease, &g->lease, &local);
	if (r < 0)
		return notify_of(r);
	if (g->want_lease && addr_to_v4(&g->lease.address) == 0)
		return IKE_NOTIFY_INTERNAL_ADDRESS_FAILURE;
	if (!asks_for(&p->cp, IKE_CFG_ATTR_IP6_ADDRESS))
		g->lease.address6 = (struct addr){ 0 };
	if (g->want_lease)
		remote = ike_ts_lease(&g->lease);
	g->child.ts_local = ike_ts_narrow(&p->ts_r, &local);
	g->child.ts_remote = ike_ts_narrow(&p->ts_i, &remote);
	if (g->want_lease)
		settle_family(g);
	if (g->child.ts_local.count == 0 || g->child.ts_remote.count == 0)
		return IKE_NOTIFY_TS_UNACCEPTABLE;
	return 0;
}

/* All checks in order. 0 with the child SA installed, or the notify that refuses. */
static uint16_t consider(struct ike_sa *sa, const struct ike_payloads *p, struct grant *g)
{
	struct ike_slot *slot;
	uint16_t notify;

	if (!p->id_i.body.data || !p->auth.data || p->proposal_count == 0 || !p->ts_i.present ||
	    !p->ts_r.present)
		return IKE_NOTIFY_INVALID_SYNTAX;
	if (check_initiator(sa, p, &g->peer) < 0)
		return IKE_NOTIFY_AUTHENTICATION_FAILED;
	if (ike_proposal_esp_choose(p->proposals, p->proposal_count,
				    sa->host->conf.ciphers, &g->esp) < 0)
		return IKE_NOTIFY_NO_PROPOSAL_CHOSEN;
	g->want_lease = asks_for(&p->cp, IKE_CFG_ATTR_IP4_ADDRESS);
	notify = admit(sa, p, g);
	if (notify || sa->state == IKE_STATE_DEAD)
		return notify;
	if (ike_child_choose(sa, &slot) < 0)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	make_child(sa, &g->esp, &g->child);
	if (child_up(sa, &g->child, g->want_lease ? &g->lease : NULL) < 0)
		return IKE_NOTIFY_TEMPORARY_FAILURE;
	return 0;
}

static void build_lease(struct ike_build *b, const struct ike_lease *lease)
{
	uint8_t six[IKE_CFG_IP6_ADDRESS_SIZE];
	struct ike_cp_attr attrs[2 + IKE_DNS_MAX];
	size_t count = 0;

	attrs[count++] = (struct ike_cp_attr){ .type = IKE_CFG_ATTR_IP4_ADDRESS,
					       .value = { lease->address.bytes, 4 } };
	for (size_t i = 0; i < lease->dns_count && i < IKE_DNS_MAX; i++)
		if (lease->dns[i].family == AF_INET)
			attrs[count++] = (struct ike_cp_attr){ .type = IKE_CFG_ATTR_IP4_DNS,
							       .value = { lease->dns[i].bytes, 4 } };
	if (lease->address6.family == AF_INET6) {
		memcpy(six, lease->address6.bytes, 16);
		six[16] = 128;
		attrs[count++] = (struct ike_cp_attr){ .type = IKE_CFG_ATTR_IP6_ADDRESS,
						       .value = { six, sizeof(six) } };
	}
	ike_build_cp(b, IKE_CFG_REPLY, attrs, count);
}

static void answer(struct ike_sa *sa, const struct ike_path *path, const struct grant *g)
{
	const struct crypto_sign_key *key = &sa->host->conf.key;
	struct own_id own = make_id(sa->host, IKE_AUTH_ED25519);
	struct ike_signed s = make_signed(sa->hs, false, own.body, 4 + own.data_len);
	uint8_t spi[IKE_ESP_SPI_SIZE];
	struct ike_proposal chosen;
	struct ike_out out;

	spi_bytes(g->child.spi_in, spi);
	ike_proposal_esp_answer(&g->esp, spi, &chosen);
	ike_send_begin(sa, &out, IKE_EXCHANGE_AUTH, true);
	build_id(&out.b, IKE_PAYLOAD_IDR, &own);
	build_auth(&out.b, &s, IKE_AUTH_ED25519, key);
	if (g->want_lease)
		build_lease(&out.b, &g->lease);
	ike_build_sa(&out.b, &chosen, 1);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSI, g->child.ts_remote.items, g->child.ts_remote.count);
	ike_build_ts(&out.b, IKE_PAYLOAD_TSR, g->child.ts_local.items, g->child.ts_local.count);
	if (sa->paths.mobike)
		ike_build_notify(&out.b, IKE_NOTIFY_MOBIKE_SUPPORTED, NULL, 0);
	ike_send_response(sa, path, &out);
}

void ike_auth_request(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p)
{
	struct grant g = { 0 };
	uint16_t notify;

	agree_on_mobike(sa, p);
	notify = consider(sa, p, &g);
	if (sa->state == IKE_STATE_DEAD) {
		wipe_child(&g.child);
		return;
	}
	if (notify) {
		sa->notify = notify;
		ike_send_notify(sa, path, IKE_EXCHANGE_AUTH, notify, NULL, 0);
		ike_sa_end_answered(sa, notify == IKE_NOTIFY_AUTHENTICATION_FAILED ?
						IKE_END_AUTH : IKE_END_PROTOCOL);
	} else {
		answer(sa, path, &g);
		if (ike_sa_establish(sa))
			tell_established(sa);
	}
	wipe_child(&g.child);
}
