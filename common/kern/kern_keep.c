#include "common/kern/kern_keep.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/kern/nl_attr.h"
#include "common/kern/nl_sock.h"

enum { ROUTES_MAX = 512, ROUTE_MAX = 512 /* bytes of a message */ };

struct kern_keep {
	uint32_t index;
	size_t count;
	struct {
		_Alignas(NLMSG_ALIGNTO) uint8_t bytes[ROUTE_MAX];
		size_t len;
	} routes[ROUTES_MAX];
};

bool kern_keep_wants(const void *msg, size_t len, uint32_t index)
{
	const struct nlattr *tb[RTA_MAX + 1];
	uint32_t oif = 0;
	struct rtmsg m;

	if (nl_attr_message(msg, len, RTM_NEWROUTE, &m, sizeof(m), tb, RTA_MAX + 1) < 0 ||
	    nl_attr_get(tb[RTA_OIF], &oif, sizeof(oif)) < 0)
		return false;
	return (m.rtm_family == AF_INET || m.rtm_family == AF_INET6) && oif == index &&
	       m.rtm_type == RTN_UNICAST && m.rtm_protocol != RTPROT_KERNEL &&
	       !(m.rtm_flags & RTM_F_CLONED);
}

static int take(const struct nlmsghdr *msg, void *data)
{
	struct kern_keep *k = data;

	if (!kern_keep_wants(msg, msg->nlmsg_len, k->index))
		return 0;
	if (k->count == ROUTES_MAX || msg->nlmsg_len > ROUTE_MAX)
		return -E2BIG;
	memcpy(k->routes[k->count].bytes, msg, msg->nlmsg_len);
	k->routes[k->count++].len = msg->nlmsg_len;
	return 0;
}

static int dump(struct kern_keep *k)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[64] = { 0 };
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nl_sock *sock = NULL;
	int r;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct rtmsg)); /* of any family */
	r = nl_sock_new(NETLINK_ROUTE, &sock);
	if (r == 0)
		r = nl_sock_talk(sock, buf, nlh->nlmsg_len, take, k);
	nl_sock_free(sock);
	return r;
}

int kern_keep_routes(uint32_t index, struct kern_keep **out)
{
	struct kern_keep *k = calloc(1, sizeof(*k));
	int r = -EINTR;

	if (!k)
		return -ENOMEM;
	k->index = index;
	for (int i = 0; i < 5 && r == -EINTR; i++) {
		k->count = 0;
		r = dump(k);
	}
	if (r < 0)
		kern_keep_free(k);
	else
		*out = k;
	return r;
}

size_t kern_keep_count(const struct kern_keep *k)
{
	return k->count;
}

static int restore(struct nl_sock *sock, const struct kern_keep *k, size_t i)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[ROUTE_MAX];
	struct nlmsghdr *nlh = (void *)buf;
	int r;

	memcpy(buf, k->routes[i].bytes, k->routes[i].len);
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	nlh->nlmsg_pid = 0;
	r = nl_sock_talk(sock, buf, k->routes[i].len, NULL, NULL);
	return r == -EEXIST ? 0 : r;
}

/* The second time those that lead by a neighbour whom a later one of the first time tells. */
int kern_keep_restore(const struct kern_keep *k)
{
	struct nl_sock *sock = NULL;
	int r = nl_sock_new(NETLINK_ROUTE, &sock);

	for (int round = 0; sock && round < 2; round++) {
		r = 0;
		for (size_t i = 0; i < k->count; i++) {
			int one = restore(sock, k, i);

			if (r == 0)
				r = one;
		}
	}
	nl_sock_free(sock);
	return r;
}

void kern_keep_free(struct kern_keep *k)
{
	free(k);
}
