/*
 * The payload chain parser, and those who choose among its values. The first byte says how to take
 * the rest: a whole message, or a chain of payloads whose first type is the next byte. What parses
 * is built again from the values; that has to parse to the same values.
 */
#include <stdlib.h>
#include <string.h>

#include "common/ike/ike_proposal.h"
#include "common/ike/ike_ts.h"
#include "common/wire/ike_build.h"
#include "common/wire/ike_names.h"

enum { AGAIN_MAX = 1 << 17 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* ---- every view lies in the message, every count in its array ---- */

static void inside(struct ike_view whole, const struct ike_view *v)
{
	if (!v->data)
		must(v->len == 0);
	else
		must(v->data >= whole.data && v->len <= whole.len &&
		     v->data + v->len <= whole.data + whole.len);
}

static void check_selectors(const struct ike_selectors *ts)
{
	struct prefix prefix;

	must(ts->count <= IKE_SELECTORS_MAX && ts->present == (ts->count > 0));
	for (size_t i = 0; i < ts->count; i++) {
		const struct ike_selector *s = &ts->items[i];

		must(s->lo.family == s->hi.family);
		if (ike_selector_prefix(s, &prefix) == 0)
			must(prefix_contains(&prefix, &s->lo) && prefix_contains(&prefix, &s->hi));
	}
}

static void check(struct ike_view whole, const struct ike_payloads *p)
{
	const struct ike_view *views[] = { &p->ke, &p->nonce, &p->vendor, &p->auth, &p->sk,
					   &p->id_i.data, &p->id_i.body, &p->id_r.data,
					   &p->id_r.body };

	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		inside(whole, views[i]);
	must(p->proposal_count <= IKE_PROPOSALS_MAX && p->notify_count <= IKE_NOTIFIES_MAX &&
	     p->delete_count <= IKE_DELETES_MAX && p->cp.count <= IKE_CP_ATTRS_MAX);
	for (size_t i = 0; i < p->proposal_count; i++) {
		must(p->proposals[i].transform_count >= 1 &&
		     p->proposals[i].transform_count <= IKE_TRANSFORMS_MAX);
		inside(whole, &p->proposals[i].spi);
	}
	for (size_t i = 0; i < p->notify_count; i++) {
		inside(whole, &p->notifies[i].spi);
		inside(whole, &p->notifies[i].data);
		must(ike_find_notify(p, p->notifies[i].type));
	}
	for (size_t i = 0; i < p->delete_count; i++) {
		inside(whole, &p->deletes[i].spis);
		must(p->deletes[i].spis.len ==
		     (size_t)p->deletes[i].count * p->deletes[i].spi_size);
	}
	for (size_t i = 0; i < p->cp.count; i++)
		inside(whole, &p->cp.attrs[i].value);
	must(p->fragment <= p->fragment_total && (p->fragment == 0) == (p->fragment_total == 0));
	must(p->fragment <= 1 || p->sk_next == IKE_PAYLOAD_NONE);
	check_selectors(&p->ts_i);
	check_selectors(&p->ts_r);
}

/* ---- choices ---- */

static void check_ike_choice(const struct ike_proposal *p, size_t count)
{
	uint8_t number;
	uint64_t spi;

	if (ike_proposal_ike_choose(p, count, &number) == 0)
		must(number >= p[0].number && number <= p[count - 1].number);
	if (ike_proposal_ike_accept(p, count) == 0)
		must(count == 1 && p->spi.len == 0);
	if (ike_proposal_ike_choose_spi(p, count, &number, &spi) == 0)
		must(number >= p[0].number && number <= p[count - 1].number && spi != 0);
	if (ike_proposal_ike_accept_spi(p, count, &spi) == 0)
		must(count == 1 && spi != 0);
}

static void check_esp_choice(const struct ike_proposal *p, size_t count, uint16_t group)
{
	struct ike_esp aes, chacha, dh;
	int r = ike_proposal_esp_choose(p, count, false, &aes);

	must(ike_proposal_esp_choose(p, count, true, &chacha) == r);
	if (r == 0) {
		must(aes.spi >= IKE_ESP_SPI_MIN && chacha.spi >= IKE_ESP_SPI_MIN);
		must(aes.encr == IKE_ENCR_AES_GCM_16 || chacha.encr == aes.encr);
		must(ike_proposal_esp_choose_dh(p, count, false, group, &dh) == 0);
	}
	if (ike_proposal_esp_accept(p, count, false, &aes) == 0)
		must(count == 1 && aes.spi >= IKE_ESP_SPI_MIN);
	if (ike_proposal_esp_accept_dh(p, count, true, &dh) == 0)
		must(count == 1 && dh.spi >= IKE_ESP_SPI_MIN);
}

static void check_narrowed(const struct ike_selectors *ts)
{
	struct ike_ts_list any = ike_ts_any(), narrow = ike_ts_narrow(ts, &any), accepted;

	must(narrow.count <= IKE_TS_MAX);
	must(narrow.count == 0 || ike_ts_list_valid(&narrow));
	if (ike_ts_accept(ts, &any, &accepted) == 0)
		must(ike_ts_list_valid(&accepted));
}

/* ---- there and back ---- */

static bool same(const struct ike_view *a, const struct ike_view *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Attributes that the parser does not know are lost on the way. */
static void same_proposals(const struct ike_payloads *a, const struct ike_payloads *b)
{
	must(a->proposal_count == b->proposal_count);
	for (size_t i = 0; i < a->proposal_count; i++) {
		const struct ike_proposal *x = &a->proposals[i], *y = &b->proposals[i];

		must(x->number == y->number && x->protocol == y->protocol &&
		     same(&x->spi, &y->spi) && x->transform_count == y->transform_count);
		for (size_t k = 0; k < x->transform_count; k++)
			must(x->transforms[k].type == y->transforms[k].type &&
			     x->transforms[k].id == y->transforms[k].id &&
			     x->transforms[k].key_bits == y->transforms[k].key_bits &&
			     !y->transforms[k].unknown_attr);
	}
}

static void same_values(const struct ike_payloads *a, const struct ike_payloads *b)
{
	same_proposals(a, b);
	must(same(&a->ke, &b->ke) && (!a->ke.data || a->ke_group == b->ke_group));
	must(same(&a->nonce, &b->nonce) && same(&a->auth, &b->auth));
	must(same(&a->id_i.data, &b->id_i.data) && a->id_i.type == b->id_i.type);
	must(same(&a->id_r.data, &b->id_r.data) && a->id_r.type == b->id_r.type);
	must(!a->auth.data || a->auth_method == b->auth_method);
	must(a->notify_count == b->notify_count);
	for (size_t i = 0; i < a->notify_count; i++)
		must(a->notifies[i].type == b->notifies[i].type &&
		     same(&a->notifies[i].data, &b->notifies[i].data));
	must(a->cp.type == b->cp.type && a->cp.count == b->cp.count);
	for (size_t i = 0; i < a->cp.count; i++)
		must(a->cp.attrs[i].type == b->cp.attrs[i].type &&
		     same(&a->cp.attrs[i].value, &b->cp.attrs[i].value));
}

static void build(struct ike_build *b, const struct ike_payloads *p)
{
	if (p->proposal_count > 0)
		ike_build_sa(b, p->proposals, p->proposal_count);
	if (p->ke.data)
		ike_build_ke(b, p->ke_group, p->ke.data, p->ke.len);
	if (p->nonce.data)
		ike_build_nonce(b, p->nonce.data, p->nonce.len);
	if (p->id_i.body.data)
		ike_build_id(b, IKE_PAYLOAD_IDI, p->id_i.type, p->id_i.data.data,
			     p->id_i.data.len);
	if (p->id_r.body.data)
		ike_build_id(b, IKE_PAYLOAD_IDR, p->id_r.type, p->id_r.data.data,
			     p->id_r.data.len);
	if (p->auth.data)
		ike_build_auth(b, p->auth_method, p->auth.data, p->auth.len);
	for (size_t i = 0; i < p->notify_count; i++)
		ike_build_notify(b, p->notifies[i].type, p->notifies[i].data.data,
				 p->notifies[i].data.len);
	if (p->cp.type != 0)
		ike_build_cp(b, p->cp.type, p->cp.attrs, p->cp.count);
}

static void there_and_back(const struct ike_payloads *p)
{
	static uint8_t again[AGAIN_MAX];
	const struct ike_header h = { .spi_i = 1, .exchange = IKE_EXCHANGE_INFORMATIONAL };
	struct ike_header head;
	struct ike_payloads q;
	struct ike_build b;
	size_t len;

	ike_build_init(&b, again, sizeof(again), &h);
	build(&b, p);
	must(ike_build_finish(&b, &len) == 0);
	must(ike_parse_header(again, len, &head) == 0 && head.spi_i == h.spi_i);
	must(ike_parse_payloads(head.next, again + IKE_HEADER_SIZE, len - IKE_HEADER_SIZE, &q) ==
	     0);
	same_values(p, &q);
}

static void chain(uint8_t first, const uint8_t *data, size_t size)
{
	struct ike_payloads p;

	if (ike_parse_payloads(first, data, size, &p) < 0)
		return;
	check((struct ike_view){ data, size }, &p);
	if (p.proposal_count > 0) {
		check_ike_choice(p.proposals, p.proposal_count);
		check_esp_choice(p.proposals, p.proposal_count, p.ke.data ? p.ke_group : 0);
	}
	if (p.ts_i.present)
		check_narrowed(&p.ts_i);
	if (p.ts_r.present)
		check_narrowed(&p.ts_r);
	there_and_back(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ike_header h;

	if (size < 2)
		return 0;
	if (data[0] & 1) {
		chain(data[1], data + 2, size - 2);
	} else if (ike_parse_header(data + 1, size - 1, &h) == 0) {
		must(h.length == size - 1 && h.spi_i != 0);
		must(ike_exchange_name(h.exchange));
		chain(h.next, data + 1 + IKE_HEADER_SIZE, size - 1 - IKE_HEADER_SIZE);
	}
	return 0;
}
