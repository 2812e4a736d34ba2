#pragma once
/*
 * Netlink messages and attributes from the kernel, read with every length checked. Pure. Data is
 * 4-byte aligned, as netlink is.
 */
#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

/*
 * Points TB[type] at the attribute of that type for types below COUNT (the last one wins, NULL when
 * there is none). The pointers go into DATA. 0, or -EBADMSG when the lengths do not add up.
 */
int nl_attr_table(const void *data, size_t len, const struct nlattr **tb,
		  size_t count) _must_check_;

/*
 * Takes the one message MSG of LEN bytes apart: copies its fixed part of SIZE bytes to BODY and
 * fills TB as above. -EOPNOTSUPP when it is not of TYPE, -EMSGSIZE when it is too short.
 */
int nl_attr_message(const void *msg, size_t len, uint16_t type, void *body, size_t size,
		    const struct nlattr **tb, size_t count) _must_check_;

/* Copies the first LEN bytes of A to OUT, which stays when A is NULL. 0, or -EBADMSG: shorter. */
int nl_attr_get(const struct nlattr *a, void *out, size_t len) _must_check_;
/* Copies the text of A to OUT (SIZE bytes, always ended). 0, or -EBADMSG when it does not fit. */
int nl_attr_get_text(const struct nlattr *a, char *out, size_t size) _must_check_;
