#pragma once
/*
 * Routing rules as rtnetlink messages. Pure: builders write one message with sequence number 0 into
 * the caller's 4-byte aligned buffer, nothing is sent. All rules made here bear KERN_PROTOCOL.
 *
 * All builders: 0 with *LEN bytes written, -ENOSPC when SIZE is below RULE_MSG_ROOM, -EINVAL when
 * the value makes no sense (a family that is none or that differs, priority or table 0).
 */
#include "common/kern/kern_ops.h"

enum { RULE_MSG_ROOM = 256 }; /* bytes that hold any message built here */

int rule_msg_add(void *buf, size_t size, const struct kern_rule *rule, size_t *len) _must_check_;
int rule_msg_del(void *buf, size_t size, const struct kern_rule *rule, size_t *len) _must_check_;
/* Rules of both families. */
int rule_msg_dump(void *buf, size_t size, size_t *len) _must_check_;

/*
 * 0 with *OUT filled and *PROTOCOL, -EOPNOTSUPP: no rule message, or one of a rule that says more
 * than struct kern_rule can, -EMSGSIZE: too short, -EBADMSG: malformed.
 */
int rule_msg_parse(const void *msg, size_t len, struct kern_rule *out,
		   uint8_t *protocol) _must_check_;
