#pragma once
/* Traffic selectors as lists of prefixes of any protocol and port (RFC 7296 section 2.9). Pure. */
#include "common/ike/ike_ops.h"
#include "common/wire/ike_parse.h"

/* Responder: what OFFERED and ALLOWED have in common, at most IKE_TS_MAX; may be empty. */
struct ike_ts_list ike_ts_narrow(const struct ike_selectors *offered,
				 const struct ike_ts_list *allowed);
/* Initiator: 0 when each selector of ANSWER is a prefix within one of OFFERED, else -EBADMSG. */
int ike_ts_accept(const struct ike_selectors *answer, const struct ike_ts_list *offered,
		  struct ike_ts_list *out) _must_check_;
/* All of IPv4 and IPv6. */
struct ike_ts_list ike_ts_any(void);
/* The addresses of LEASE, IPv4 first. */
struct ike_ts_list ike_ts_lease(const struct ike_lease *lease);
/* The items of LIST that are of FAMILY. */
struct ike_ts_list ike_ts_list_of(const struct ike_ts_list *list, uint8_t family);
/* Whether each item of B is one of A. */
bool ike_ts_list_covers(const struct ike_ts_list *a, const struct ike_ts_list *b);
bool ike_ts_list_equal(const struct ike_ts_list *a, const struct ike_ts_list *b);
/* Whether LIST has 1 to IKE_TS_MAX valid prefixes. */
bool ike_ts_list_valid(const struct ike_ts_list *list);
