#include "common/wire/ike_parse_sa.h"

#include <errno.h>

/*
 * A key length that is no proper one (zero, given twice, or with a length of its own) counts as an
 * attribute we do not know: the transform is then never chosen, the others still may be.
 */
static int parse_attr(struct rbuf *r, struct ike_transform *t)
{
	uint16_t type = rbuf_u16(r);
	uint16_t value = rbuf_u16(r);

	if (!(type & IKE_ATTR_FIXED))
		rbuf_bytes(r, value);
	if (r->err)
		return r->err;
	if (type != (IKE_ATTR_FIXED | IKE_ATTR_KEY_LENGTH) || value == 0 || t->key_bits != 0)
		t->unknown_attr = true;
	else
		t->key_bits = value;
	return 0;
}

/* Splits off a substructure of 3.3: its more/last octet into *MORE, its own length checked. */
static int split_off(struct rbuf *r, uint8_t more_value, size_t least, bool *more,
		     struct rbuf *sub)
{
	uint8_t mark = rbuf_u8(r);
	uint16_t len;

	rbuf_u8(r);
	len = rbuf_u16(r);
	if (r->err)
		return r->err;
	if ((mark != 0 && mark != more_value) || len < least)
		return -EBADMSG;
	*sub = rbuf_sub(r, len - 4u);
	*more = mark != 0;
	return sub->err;
}

static int parse_transform(struct rbuf *r, bool *more, struct ike_transform *out)
{
	struct ike_transform t = { 0 };
	struct rbuf sub;
	int err = split_off(r, IKE_TRANSFORM_MORE, IKE_TRANSFORM_SIZE, more, &sub);

	if (err)
		return err;
	t.type = rbuf_u8(&sub);
	rbuf_u8(&sub);
	t.id = rbuf_u16(&sub);
	while (!err && sub.left > 0)
		err = parse_attr(&sub, &t);
	if (err)
		return err;
	*out = t;
	return 0;
}

static bool spi_size_ok(uint8_t protocol, uint8_t size)
{
	switch (protocol) {
	case IKE_PROTOCOL_IKE:
		return size == 0 || size == IKE_SPI_SIZE;
	case IKE_PROTOCOL_AH:
	case IKE_PROTOCOL_ESP:
		return size == IKE_ESP_SPI_SIZE;
	default:
		return size == 0 || size == IKE_ESP_SPI_SIZE || size == IKE_SPI_SIZE;
	}
}

static int parse_transforms(struct rbuf *r, uint8_t count, struct ike_proposal *p)
{
	bool more = true;
	int err;

	if (count == 0)
		return -EBADMSG;
	if (count > IKE_TRANSFORMS_MAX)
		return -E2BIG;
	while (more) {
		if (p->transform_count == count)
			return -EBADMSG;
		err = parse_transform(r, &more, &p->transforms[p->transform_count]);
		if (err)
			return err;
		p->transform_count++;
	}
	return p->transform_count == count && r->left == 0 ? 0 : -EBADMSG;
}

static int parse_proposal(struct rbuf *r, bool *more, struct ike_proposal *p)
{
	uint8_t spi_size, count;
	struct rbuf sub;
	int err = split_off(r, IKE_PROPOSAL_MORE, IKE_PROPOSAL_SIZE, more, &sub);

	if (err)
		return err;
	p->number = rbuf_u8(&sub);
	p->protocol = rbuf_u8(&sub);
	spi_size = rbuf_u8(&sub);
	count = rbuf_u8(&sub);
	if (!spi_size_ok(p->protocol, spi_size))
		return -EBADMSG;
	p->spi.data = rbuf_bytes(&sub, spi_size);
	p->spi.len = spi_size;
	return parse_transforms(&sub, count, p);
}

int ike_parse_sa(struct rbuf *body, struct ike_payloads *out)
{
	bool more = true;
	int err;

	while (more) {
		struct ike_proposal *p = &out->proposals[out->proposal_count];

		if (out->proposal_count == IKE_PROPOSALS_MAX)
			return -E2BIG;
		err = parse_proposal(body, &more, p);
		if (err)
			return err;
		if (p->number == 0 || (out->proposal_count > 0 && p->number != p[-1].number + 1))
			return -EBADMSG;
		out->proposal_count++;
	}
	return body->left == 0 ? 0 : -EBADMSG;
}
