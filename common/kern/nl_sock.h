#pragma once
/* A netlink socket: requests with their acknowledgements, and events. One thread. */
#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct nl_sock;

/*
 * Opens a socket of family BUS (NETLINK_XFRM, ...) in the calling thread's network namespace, where
 * it stays. 0 or -errno; -EPROTONOSUPPORT: the kernel lacks that family.
 */
int nl_sock_new(int bus, struct nl_sock **out) _must_check_;
/* Closes; takes NULL. */
void nl_sock_free(struct nl_sock *s);
int nl_sock_fd(const struct nl_sock *s);

/*
 * Sends the LEN bytes of MSGS (one or more messages; their sequence numbers are set here, one for
 * all) and waits until each message with NLM_F_ACK is acknowledged or the dump is over. EACH (may
 * be NULL) sees every message that is an answer, for the call only; a negative return ends the
 * answer with that error. 0, or -errno: the first that the kernel gave, -EINTR: a dump that changed
 * meanwhile, -ETIMEDOUT. All bytes of an answer are wiped: it may hold keys.
 */
int nl_sock_talk(struct nl_sock *s, void *msgs, size_t len,
		 int (*each)(const struct nlmsghdr *msg, void *data), void *data) _must_check_;
/* What the kernel said about the last error of nl_sock_talk; "" when it said nothing. */
const char *nl_sock_text(const struct nl_sock *s);

/* Makes S hear a multicast group. 0 or -errno. */
int nl_sock_join(struct nl_sock *s, int group) _must_check_;
/*
 * The next event, valid until the next call: 1 with *OUT, 0 when there is none now, or -errno
 * (-ENOBUFS: some were lost). Not on a socket used for nl_sock_talk.
 */
int nl_sock_next(struct nl_sock *s, const struct nlmsghdr **out) _must_check_;
