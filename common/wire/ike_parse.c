#include "common/wire/ike_parse.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/wire/ike_parse_sa.h"

int ike_parse_header(const uint8_t *msg, size_t len, struct ike_header *out)
{
	struct rbuf r = rbuf_init(msg, len);
	struct ike_header h;
	uint8_t version;

	h.spi_i = rbuf_u64(&r);
	h.spi_r = rbuf_u64(&r);
	h.next = rbuf_u8(&r);
	version = rbuf_u8(&r);
	h.exchange = rbuf_u8(&r);
	h.flags = rbuf_u8(&r);
	h.message_id = rbuf_u32(&r);
	h.length = rbuf_u32(&r);
	if (r.err || h.length != len)
		return -EMSGSIZE;
	if (version >> 4 != IKE_VERSION_2_0 >> 4)
		return -EPROTONOSUPPORT;
	if (h.spi_i == 0)
		return -EBADMSG;
	*out = h;
	return 0;
}

/* All that is left of R. */
static struct ike_view rest(struct rbuf *r)
{
	struct ike_view v = { .len = r->left };

	v.data = rbuf_bytes(r, v.len);
	return v;
}

static int parse_ke(struct rbuf *r, struct ike_payloads *out)
{
	if (out->ke.data)
		return -EBADMSG;
	out->ke_group = rbuf_u16(r);
	rbuf_u16(r);
	out->ke = rest(r);
	if (r->err)
		return r->err;
	return out->ke.len > 0 ? 0 : -EBADMSG;
}

static int parse_nonce(struct rbuf *r, struct ike_payloads *out)
{
	if (out->nonce.data || r->left < IKE_NONCE_MIN || r->left > IKE_NONCE_MAX)
		return -EBADMSG;
	out->nonce = rest(r);
	return 0;
}

static int parse_id(struct rbuf *r, struct ike_id *id)
{
	if (id->body.data)
		return -EBADMSG;
	id->body = (struct ike_view){ .data = r->p, .len = r->left };
	id->type = rbuf_u8(r);
	rbuf_bytes(r, 3);
	id->data = rest(r);
	return r->err;
}

static int parse_auth(struct rbuf *r, struct ike_payloads *out)
{
	if (out->auth.data)
		return -EBADMSG;
	out->auth_method = rbuf_u8(r);
	rbuf_bytes(r, 3);
	out->auth = rest(r);
	if (r->err)
		return r->err;
	return out->auth.len > 0 ? 0 : -EBADMSG;
}

static bool spi_size_ok(size_t size)
{
	return size == 0 || size == IKE_ESP_SPI_SIZE || size == IKE_SPI_SIZE;
}

static int parse_notify(struct rbuf *r, struct ike_payloads *out)
{
	struct ike_notify n;
	uint8_t spi_size;

	if (out->notify_count == IKE_NOTIFIES_MAX)
		return -E2BIG;
	n.protocol = rbuf_u8(r);
	spi_size = rbuf_u8(r);
	n.type = rbuf_u16(r);
	if (!spi_size_ok(spi_size))
		return -EBADMSG;
	n.spi.len = spi_size;
	n.spi.data = rbuf_bytes(r, spi_size);
	n.data = rest(r);
	if (r->err)
		return r->err;
	out->notifies[out->notify_count++] = n;
	return 0;
}

static bool delete_ok(const struct ike_delete *d)
{
	if (d->spis.len != (size_t)d->count * d->spi_size)
		return false;
	switch (d->protocol) {
	case IKE_PROTOCOL_IKE:
		return d->spi_size == 0 && d->count == 0;
	case IKE_PROTOCOL_AH:
	case IKE_PROTOCOL_ESP:
		return d->spi_size == IKE_ESP_SPI_SIZE;
	default:
		return spi_size_ok(d->spi_size);
	}
}

static int parse_delete(struct rbuf *r, struct ike_payloads *out)
{
	struct ike_delete d;

	if (out->delete_count == IKE_DELETES_MAX)
		return -E2BIG;
	d.protocol = rbuf_u8(r);
	d.spi_size = rbuf_u8(r);
	d.count = rbuf_u16(r);
	d.spis = rest(r);
	if (r->err)
		return r->err;
	if (!delete_ok(&d))
		return -EBADMSG;
	out->deletes[out->delete_count++] = d;
	return 0;
}

static struct addr read_addr(struct rbuf *r, uint8_t family)
{
	struct addr a = { .family = family };

	rbuf_copy(r, a.bytes, addr_size(&a));
	return a;
}

/* OPAQUE, 3.13.1: the ports are not known, which no range of ports covers. */
static bool ports_ok(const struct ike_selector *s)
{
	return s->port_lo <= s->port_hi || (s->port_lo == 65535 && s->port_hi == 0);
}

static int parse_selector(struct rbuf *r, struct ike_selector *s)
{
	struct rbuf sub;
	uint16_t len;
	uint8_t family;

	s->type = rbuf_u8(r);
	s->proto = rbuf_u8(r);
	len = rbuf_u16(r);
	if (r->err)
		return r->err;
	if (len < 4 || (s->type == IKE_TS_TYPE_IPV4_RANGE && len != IKE_TS_IPV4_SIZE) ||
	    (s->type == IKE_TS_TYPE_IPV6_RANGE && len != IKE_TS_IPV6_SIZE))
		return -EBADMSG;
	sub = rbuf_sub(r, len - 4u);
	if (s->type != IKE_TS_TYPE_IPV4_RANGE && s->type != IKE_TS_TYPE_IPV6_RANGE)
		return sub.err;
	family = s->type == IKE_TS_TYPE_IPV4_RANGE ? AF_INET : AF_INET6;
	s->port_lo = rbuf_u16(&sub);
	s->port_hi = rbuf_u16(&sub);
	s->lo = read_addr(&sub, family);
	s->hi = read_addr(&sub, family);
	if (sub.err)
		return sub.err;
	if (!ports_ok(s) || memcmp(s->lo.bytes, s->hi.bytes, sizeof(s->lo.bytes)) > 0)
		return -EBADMSG;
	return 0;
}

static int parse_ts(struct rbuf *r, struct ike_selectors *ts)
{
	uint8_t count = rbuf_u8(r);
	int err;

	rbuf_bytes(r, 3);
	if (r->err)
		return r->err;
	if (ts->present || count == 0)
		return -EBADMSG;
	if (count > IKE_SELECTORS_MAX)
		return -E2BIG;
	ts->present = true;
	while (ts->count < count) {
		err = parse_selector(r, &ts->items[ts->count]);
		if (err)
			return err;
		ts->count++;
	}
	return r->left == 0 ? 0 : -EBADMSG;
}

/* 3.15.1: bytes of a value that is not empty; 0: any. */
static size_t attr_size(uint16_t type)
{
	switch (type) {
	case IKE_CFG_ATTR_IP4_ADDRESS:
	case IKE_CFG_ATTR_IP4_NETMASK:
	case IKE_CFG_ATTR_IP4_DNS:
	case IKE_CFG_ATTR_IP4_NBNS:
	case IKE_CFG_ATTR_IP4_DHCP:
		return 4;
	case IKE_CFG_ATTR_IP4_SUBNET:
		return 8;
	case IKE_CFG_ATTR_IP6_DNS:
	case IKE_CFG_ATTR_IP6_DHCP:
		return 16;
	case IKE_CFG_ATTR_IP6_ADDRESS:
	case IKE_CFG_ATTR_IP6_SUBNET:
		return 17;
	default:
		return 0;
	}
}

static int parse_cp_attr(struct rbuf *r, struct ike_cp *cp)
{
	struct ike_cp_attr a;
	size_t size;

	if (cp->count == IKE_CP_ATTRS_MAX)
		return -E2BIG;
	a.type = rbuf_u16(r) & 0x7fff;
	a.value.len = rbuf_u16(r);
	a.value.data = rbuf_bytes(r, a.value.len);
	if (r->err)
		return r->err;
	size = attr_size(a.type);
	if (size != 0 && a.value.len != 0 && a.value.len != size)
		return -EBADMSG;
	cp->attrs[cp->count++] = a;
	return 0;
}

static int parse_cp(struct rbuf *r, struct ike_cp *cp)
{
	int err = 0;

	if (cp->type != 0)
		return -EBADMSG;
	cp->type = rbuf_u8(r);
	rbuf_bytes(r, 3);
	if (r->err)
		return r->err;
	if (cp->type == 0)
		return -EBADMSG;
	while (!err && r->left > 0)
		err = parse_cp_attr(r, cp);
	return err;
}

static int parse_unknown(uint8_t type, bool critical, struct ike_payloads *out)
{
	if (!critical)
		return 0;
	out->critical_unknown = type;
	return -EPROTO;
}

/* The payloads that section 3 describes and we have no use for are known: never refused. */
static int parse_body(uint8_t type, bool critical, struct rbuf *body, struct ike_payloads *out)
{
	switch (type) {
	case IKE_PAYLOAD_SA:
		return out->proposal_count > 0 ? -EBADMSG : ike_parse_sa(body, out);
	case IKE_PAYLOAD_KE:
		return parse_ke(body, out);
	case IKE_PAYLOAD_IDI:
		return parse_id(body, &out->id_i);
	case IKE_PAYLOAD_IDR:
		return parse_id(body, &out->id_r);
	case IKE_PAYLOAD_AUTH:
		return parse_auth(body, out);
	case IKE_PAYLOAD_NONCE:
		return parse_nonce(body, out);
	case IKE_PAYLOAD_NOTIFY:
		return parse_notify(body, out);
	case IKE_PAYLOAD_DELETE:
		return parse_delete(body, out);
	case IKE_PAYLOAD_VENDOR:
		out->vendor = rest(body);
		return 0;
	case IKE_PAYLOAD_TSI:
		return parse_ts(body, &out->ts_i);
	case IKE_PAYLOAD_TSR:
		return parse_ts(body, &out->ts_r);
	case IKE_PAYLOAD_CP:
		return parse_cp(body, &out->cp);
	case IKE_PAYLOAD_CERT:
	case IKE_PAYLOAD_CERTREQ:
	case IKE_PAYLOAD_EAP:
		return 0;
	default:
		return parse_unknown(type, critical, out);
	}
}

static int parse_skf(struct rbuf *body, uint8_t next, struct ike_payloads *out)
{
	out->fragment = rbuf_u16(body);
	out->fragment_total = rbuf_u16(body);
	if (body->err)
		return body->err;
	if (out->fragment == 0 || out->fragment > out->fragment_total ||
	    (out->fragment > 1 && next != IKE_PAYLOAD_NONE))
		return -EBADMSG;
	return 0;
}

static bool is_cookie(uint8_t type, const struct ike_payloads *p)
{
	return type == IKE_PAYLOAD_NOTIFY && p->notifies[0].type == IKE_NOTIFY_COOKIE;
}

int ike_parse_payloads(uint8_t first, const uint8_t *data, size_t len, struct ike_payloads *out)
{
	struct rbuf r = rbuf_init(data, len);
	uint8_t type = first;
	int err;

	memset(out, 0, sizeof(*out));
	while (type != IKE_PAYLOAD_NONE) {
		bool at_start = r.left == len;
		uint8_t next = rbuf_u8(&r);
		uint8_t flags = rbuf_u8(&r);
		uint16_t size = rbuf_u16(&r);
		struct rbuf body;

		if (r.err)
			return r.err;
		if (size < IKE_PAYLOAD_HEADER_SIZE)
			return -EBADMSG;
		body = rbuf_sub(&r, size - (size_t)IKE_PAYLOAD_HEADER_SIZE);
		if (body.err)
			return body.err;
		if (type == IKE_PAYLOAD_SK || type == IKE_PAYLOAD_SKF) {
			err = type == IKE_PAYLOAD_SKF ? parse_skf(&body, next, out) : 0;
			if (err)
				return err;
			out->sk_next = next;
			out->sk = rest(&body);
			break;
		}
		err = parse_body(type, flags & IKE_PAYLOAD_CRITICAL, &body, out);
		if (err)
			return err;
		if (at_start)
			out->first_is_cookie = is_cookie(type, out);
		type = next;
	}
	return r.left == 0 ? 0 : -EBADMSG;
}

const struct ike_notify *ike_find_notify(const struct ike_payloads *p, uint16_t type)
{
	for (size_t i = 0; i < p->notify_count; i++) {
		if (p->notifies[i].type == type)
			return &p->notifies[i];
	}
	return NULL;
}

int ike_selector_prefix(const struct ike_selector *s, struct prefix *out)
{
	size_t bits = addr_size(&s->lo) * 8;
	size_t len = 0;

	if (bits == 0 || s->hi.family != s->lo.family)
		return -ERANGE;
	while (len < bits && addr_bit(&s->lo, len) == addr_bit(&s->hi, len))
		len++;
	for (size_t i = len; i < bits; i++) {
		if (addr_bit(&s->lo, i) || !addr_bit(&s->hi, i))
			return -ERANGE;
	}
	*out = (struct prefix){ .addr = s->lo, .len = (uint8_t)len };
	return 0;
}
