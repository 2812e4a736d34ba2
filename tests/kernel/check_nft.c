/*
 * check_nft exit | middle | delete: loads the table of unit/kern/relay_firewall.h (of an exit, or
 * of a relay that is none) into the kernel of the network namespace it runs in, or deletes it.
 * Needs CAP_NET_ADMIN there. Prints "ok", or the kernel's error and exits 1.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "common/kern/nft_msg.h"
#include "kern/relay_firewall.h"

enum { SEQ = 1 };

static int build(const char *what, uint8_t *buf, size_t size, size_t *len)
{
	struct kern_firewall fw = relay_firewall();

	fw.exit = strcmp(what, "exit") == 0;
	if (fw.exit || strcmp(what, "middle") == 0)
		return nft_msg_replace(buf, size, SEQ, &fw, len);
	if (strcmp(what, "delete") == 0)
		return nft_msg_delete(buf, size, SEQ, fw.table, len);
	return -EINVAL;
}

/* The first NLMSG_ERROR is the answer. */
static int answer(struct mnl_socket *nl)
{
	uint8_t buf[8192];
	ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	const struct nlmsghdr *nlh = (const void *)buf;
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

	if (n < 0)
		return -errno;
	if (!mnl_nlmsg_ok(nlh, n) || nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq != SEQ)
		return -EPROTO;
	return err->error;
}

static int send_batch(const uint8_t *buf, size_t len)
{
	struct timeval limit = { .tv_sec = 10 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int ret;

	if (!nl)
		return -errno;
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, buf, len) < 0)
		ret = -errno;
	else
		ret = answer(nl);
	mnl_socket_close(nl);
	return ret;
}

int main(int argc, char **argv)
{
	static uint8_t buf[NFT_BATCH_MAX];
	size_t len;
	int ret;

	if (argc != 2 || build(argv[1], buf, sizeof(buf), &len)) {
		fprintf(stderr, "usage: check_nft exit | middle | delete\n");
		return 2;
	}
	ret = send_batch(buf, len);
	if (ret) {
		printf("%s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	printf("ok\n");
	return 0;
}
