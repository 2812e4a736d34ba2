#pragma once
/*
 * struct kern on the running Linux kernel: netlink sockets, one set per namespace, opened when
 * first used. All calls come from one thread; for moments it is in other namespaces, it alone.
 */
#include "common/kern/kern_ops.h"

struct kern_linux;

/* On the namespace the thread is in. 0 or -errno; works on a kernel without ESP (then probe). */
int kern_linux_new(struct kern_linux **out) _must_check_;
void kern_linux_free(struct kern_linux *k);
/* The operations, valid until kern_linux_free. */
const struct kern *kern_linux_ops(struct kern_linux *k);

/*
 * Namespaces. new: an anonymous one, lo up, that lives as long as the struct; a link that was made
 * in it and moved away goes with it. from_fd: one that somebody else made; FD is taken on success,
 * -EINVAL when it is no network namespace. free also closes its sockets. The caller frees before
 * kern_linux_free.
 */
int kern_netns_new(struct kern_linux *k, struct kern_netns **out) _must_check_;
int kern_netns_from_fd(struct kern_linux *k, int fd, struct kern_netns **out) _must_check_;
void kern_netns_free(struct kern_netns *ns);
/* A socket(domain, type, protocol) inside NS (NULL: own). The caller owns the descriptor. */
int kern_netns_socket(struct kern_netns *ns, int domain, int type, int protocol);

/*
 * What the kernel tells of SAs and policies with reqids in our ranges in NS (NULL: own). fd: that
 * SAs expire; all_fd: in the own namespace everything of struct kern_event, for relays: of mappings
 * a peer can cause one a packet. A descriptor that is readable when there is some (or -errno; heard
 * from the first call on), then drain with next.
 */
int kern_linux_events_fd(struct kern_linux *k, struct kern_netns *ns);
int kern_linux_events_all_fd(struct kern_linux *k);
/* 1 with *OUT filled, 0 when there is none left, or -errno (-ENOBUFS: some were lost). */
int kern_linux_events_next(struct kern_linux *k, struct kern_netns *ns, struct kern_event *out);

/*
 * Roaming: a descriptor that is readable when an address, a link or a route, v4 or v6, of the
 * daemon's own namespace has changed (or -errno; heard from the first call on). drain forgets what
 * made it readable.
 */
int kern_linux_route_fd(struct kern_linux *k);
void kern_linux_route_drain(struct kern_linux *k);

/*
 * What a crashed run left in the daemon's own namespace: ESP SAs with reqid in RANGE
 * (KERN_REQID_NODE or KERN_REQID_CLIENT), policies whose templates all have such a reqid (or that
 * have no template and such an if_id), routing rules of KERN_PROTOCOL (a client's only), links named
 * LINK_PREFIX* that are xfrm or dummy links, the nftables table TABLE (NULL: none). Deletes only these. *REMOVED counts them. 0 or -errno. After a
 * normal stop, too: it also removes what an acquire without answer keeps for 30 seconds.
 */
int kern_linux_purge(struct kern_linux *k, uint32_t range, const char *link_prefix,
		     const char *table, size_t *removed) _must_check_;

/*
 * Can this process do its work here? Writes one line that says what is wrong and what to do into
 * WHY and returns -errno: no CAP_NET_ADMIN or CAP_SYS_ADMIN, no ESP, no xfrm interface (CLIENT),
 * no nf_tables or no forwarding or esp4_offload loaded (RELAY). Leaves nothing in the kernel.
 */
enum kern_role { KERN_ROLE_CLIENT, KERN_ROLE_RELAY };
int kern_linux_probe(struct kern_linux *k, enum kern_role role, char *why,
		     size_t size) _must_check_;
/* Does this namespace forward IPv6? As above. */
int kern_linux_probe_six(char *why, size_t size) _must_check_;
/*
 * The same, one by one: NAME of what was tried; ERR 0 and what is good, or -errno and that line.
 * Ends when the report returns false.
 */
typedef bool kern_probe_report(void *user, const char *name, int err, const char *text);
void kern_linux_probe_each(struct kern_linux *k, enum kern_role role, kern_probe_report *report,
			   void *user);
