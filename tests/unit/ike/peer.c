#include "peer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct duo_side *peer_other(struct duo_record *r)
{
	struct duo *d = r->side->duo;

	return r->side == &d->a ? &d->b : &d->a;
}

struct ike_header peer_header(struct ike_sa *as, uint8_t exchange)
{
	return ike_send_header(as, exchange, false);
}

void peer_begin(struct peer_message *m, struct ike_sa *as, uint8_t exchange, bool response,
		uint32_t id)
{
	struct ike_header h = ike_send_header(as, exchange, response);

	h.message_id = id;
	ike_build_init(&m->b, m->buf, sizeof(m->buf), &h);
	ike_crypt_begin(&as->out, &m->b);
}

void peer_begin_request(struct peer_message *m, struct ike_sa *as, uint8_t exchange)
{
	peer_begin(m, as, exchange, false, as->next_id++);
}

void peer_raw(struct peer_message *m, uint8_t first, const void *data, size_t len)
{
	m->b.w.start[m->b.next_at] = first;
	ike_build_bytes(&m->b, data, len);
}

static void deliver(struct duo_record *as, const uint8_t *msg, size_t len)
{
	struct duo_side *to = peer_other(as);
	struct ike_path path = duo_path_to(to);

	duo_inject(to, &path, msg, len);
	duo_settle(to->duo);
}

void peer_send(struct peer_message *m, struct duo_record *as)
{
	size_t len;

	cr_assert_eq(ike_crypt_seal(&as->sa->out, &m->b, &len), 0);
	deliver(as, m->buf, len);
}

void peer_send_by(struct peer_message *m, struct duo_record *as, const struct ike_path *path)
{
	size_t len;

	cr_assert_eq(ike_crypt_seal(&as->sa->out, &m->b, &len), 0);
	duo_inject(peer_other(as), path, m->buf, len);
}

void peer_fragment(struct duo_record *as, const struct ike_header *h, uint8_t first,
		   uint16_t number, uint16_t total, const void *part, size_t len)
{
	uint8_t buf[DUO_MESSAGE_MAX];
	struct ike_build b;
	size_t size;

	ike_build_init(&b, buf, sizeof(buf), h);
	ike_crypt_begin_fragment(&as->sa->out, &b, first, number, total);
	ike_build_bytes(&b, part, len);
	cr_assert_eq(ike_crypt_seal(&as->sa->out, &b, &size), 0);
	deliver(as, buf, size);
}

size_t peer_ask(struct peer_message *m, struct duo_record *as, struct ike_payloads *out)
{
	struct duo_side *other = peer_other(as);
	struct duo *d = other->duo;
	struct ike_crypt in = as->sa->in;
	struct ike_payloads outer;
	struct ike_header h;
	size_t sent = other->sent, len;

	memset(out, 0, sizeof(*out));
	cr_assert_eq(d->logged, 0);
	d->recording = true;
	peer_send(m, as);
	d->recording = false;
	for (size_t i = 0; i < d->logged; i++) {
		const struct duo_datagram *g = d->log[i];

		if (g->to != as->side || ike_parse_header(g->msg, g->len, &h) < 0 ||
		    h.next != IKE_PAYLOAD_SK || !(h.flags & IKE_FLAG_RESPONSE) ||
		    ike_parse_payloads(h.next, g->msg + 28, g->len - 28, &outer) < 0 ||
		    ike_crypt_open(&in, g->msg, outer.sk, m->buf, &len) < 0)
			continue;
		cr_assert_eq(ike_parse_payloads(outer.sk_next, m->buf, len, out), 0);
		break;
	}
	while (d->logged > 0)
		free(d->log[--d->logged]);
	return other->sent - sent;
}
