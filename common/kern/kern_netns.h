#pragma once
/* Inside of kern_linux.h, for the files of common/kern only. */
#include "common/kern/kern_linux.h"
#include "common/kern/nl_sock.h"

enum kern_bus {
	KERN_BUS_XFRM,
	KERN_BUS_ROUTE,
	KERN_BUS_NETFILTER,
	KERN_BUS_CONNTRACK, /* netfilter too: its list goes on while the other deletes */
	KERN_BUS_DIAG,
	KERN_BUS_DIAG_END, /* of what the other lists */
};
enum { KERN_BUS_COUNT = KERN_BUS_DIAG_END + 1 };

struct kern_netns {
	struct kern_linux *kern; /* borrowed */
	int fd;
	/* All opened when first used. */
	struct nl_sock *socks[KERN_BUS_COUNT];
	struct nl_sock *events, *route_events;
};

struct kern_linux {
	struct kern ops;
	struct kern_netns own;
	char said[128]; /* the kernel's words about the last failed exchange */
	char error[256];
};

/* nl_sock_talk over the socket of NS for BUS; keeps the kernel's words about a failure in SAID. */
int kern_netns_talk(struct kern_netns *ns, enum kern_bus bus, void *msgs, size_t len,
		    int (*each)(const struct nlmsghdr *msg, void *data), void *data) _must_check_;
/* nl_sock_new inside NS. */
int kern_netns_open(struct kern_netns *ns, int family, struct nl_sock **out) _must_check_;
/* Fills K->own with the namespace of the calling thread. */
int kern_netns_init_own(struct kern_linux *k) _must_check_;
/* struct kern's flows_del, flows_any, sockets_end and move. */
int kern_linux_flows_del(void *ctx, const struct prefix *src);
int kern_linux_flows_any(void *ctx, struct kern_netns *netns, const struct addr *home);
int kern_linux_sockets_end(void *ctx, struct kern_netns *netns, const struct addr *src);
int kern_linux_move(void *ctx, struct kern_op *ops, size_t count, const struct kern_path *to);
/* Closes the descriptor and the sockets. */
void kern_netns_fini(struct kern_netns *ns);
