#pragma once
/*
 * Exit policy as an operator writes it, one line a rule, first match decides:
 *   accept|reject  tcp|udp|icmp|any  [PREFIX|*][:PORT|:LO-HI]
 * A PREFIX of IPv6 stands in brackets. Rules about one family say nothing of the other, * is both.
 * Pure: text to rules, rules to the summary that the directory carries.
 */
#include "common/dir/dir_desc.h"
#include "common/kern/kern_firewall.h"

/* One line to *OUT. NULL when good, else what is wrong and what to do (static text). */
const char *exit_policy_parse(const char *line, struct kern_exit_rule *out);
/* The policy of a relay whose operator wrote none. Returns how many rules. */
size_t exit_policy_default(struct kern_exit_rule out[KERN_EXIT_RULES]);
/* Whether the rules alone let PROTO to PORT of DST out. */
bool exit_policy_lets(const struct kern_exit_rule *rules, size_t count, const struct addr *dst,
		      enum kern_proto proto, uint16_t port);
/* What is reachable on the public Internet of IPv4, by port; at most DIR_RULES. Returns how many. */
size_t exit_policy_summary(const struct kern_exit_rule *rules, size_t count,
			   struct dir_rule out[DIR_RULES]);
