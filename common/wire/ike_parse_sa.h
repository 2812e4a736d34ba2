#pragma once
/* The SA payload, for ike_parse.c alone. */
#include "common/base/buf.h"
#include "common/wire/ike_parse.h"

/*
 * The body of an SA payload into OUT's proposals (RFC 7296 section 3.3). At least one proposal,
 * numbered upwards one by one; counts and the more/last octets must agree; an SPI is 0 or 8 bytes
 * for IKE and 4 for ESP and AH. 0, -EMSGSIZE, -EBADMSG or -E2BIG.
 */
int ike_parse_sa(struct rbuf *body, struct ike_payloads *out) _must_check_;
