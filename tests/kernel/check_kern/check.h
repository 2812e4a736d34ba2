#pragma once
/* What the parts of check_kern share: counting checks, building values, looking into the kernel. */
#include <stdio.h>

#include "common/kern/kern_linux.h"
#include "common/kern/kern_netns.h"
#include "common/kern/link_msg.h"
#include "common/kern/xfrm_msg.h"

extern int check_failures;

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			check_failures++;                                                  \
			printf("FAIL %s:%d: %s\n", __FILE__, __LINE__, #cond);             \
		}                                                                          \
	} while (0)

/* Compares, and prints both and the kernel's words when they differ. */
void check_int(const struct kern *kern, const char *file, int line, const char *expr, long got,
	       long want);
#define CHECK_INT(kern, got, want) check_int(kern, __FILE__, __LINE__, #got, got, want)

/* Only to lay cables: links between the namespaces, a route with a next hop, forwarding. */
void check_shell(const char *fmt, ...) _printf_(1, 2);

struct addr check_addr(const char *text);
struct prefix check_prefix(const char *text);

/* Values with the usual contents. */
struct kern_sa check_sa(const char *src, const char *dst, uint32_t spi, uint32_t reqid);
struct kern_policy check_policy(enum kern_dir dir, const char *src, const char *dst);
void check_template(struct kern_policy *p, const char *src, const char *dst, uint32_t reqid);

/* Plans of mixed operations. */
struct check_plan {
	struct kern_op ops[64];
	size_t count;
};
struct kern_op *check_op(struct check_plan *plan, enum kern_op_type type, struct kern_netns *ns);

/* How many of a namespace's SAs, policies, links match (0: all do); the last one goes to OUT. */
int check_find_sa(struct kern_netns *ns, uint32_t spi, struct xfrm_msg_sa *out);
int check_find_policy(struct kern_netns *ns, uint32_t priority, struct xfrm_msg_policy *out);
int check_find_link(struct kern_netns *ns, const char *name, struct link_msg_link *out);
int check_count_sas(struct kern_netns *ns);
int check_count_policies(struct kern_netns *ns);

/* Goes into NS with a second kern_linux, which opens its sockets there; and comes back. */
void check_enter(struct kern_netns *ns, struct kern_linux **out);
void check_leave(struct kern_netns *ns);

/* The parts. */
void check_objects(struct kern_linux *k);
void check_namespaces(struct kern_linux *k);
void check_purge(struct kern_linux *k);
void check_flows(struct kern_linux *k);
void check_ending(struct kern_linux *k);
void check_traffic(struct kern_linux *k);
void check_move(struct kern_linux *k);
void check_events(struct kern_linux *k);
