#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "common/kern/kern_netns.h"
#include "common/kern/sock_msg.h"

struct ending {
	struct kern_netns *ns;
	const struct addr *src;
	uint8_t proto;
	int err; /* the first failure */
};

/* While the list comes in, over another socket: keeping it would take as much memory as users like. */
static int take_socket(const struct nlmsghdr *msg, void *data)
{
	_Alignas(4) uint8_t buf[SOCK_MSG_ROOM];
	struct sock_msg_socket s;
	struct ending *e = data;
	size_t len;
	int err;

	if (sock_msg_parse(msg, msg->nlmsg_len, &s) < 0 || !addr_equal(&s.src, e->src))
		return 0;
	err = sock_msg_destroy(buf, sizeof(buf), &s, e->proto, &len);
	if (err == 0)
		err = kern_netns_talk(e->ns, KERN_BUS_DIAG_END, buf, len, NULL, NULL);
	if (err < 0 && err != -ENOENT && e->err == 0)
		e->err = err;
	return 0;
}

/* A kernel without such a list has -ENOENT. */
int kern_linux_sockets_end(void *ctx, struct kern_netns *netns, const struct addr *src)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct kern_linux *k = ctx;
	struct ending e = { .ns = netns ? netns : &k->own, .src = src };
	_Alignas(4) uint8_t buf[SOCK_MSG_ROOM];
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(protos) * ARRAY_SIZE(families); i++) {
		int err = sock_msg_dump(buf, sizeof(buf), families[i % ARRAY_SIZE(families)],
					protos[i / ARRAY_SIZE(families)], &len);

		e.proto = protos[i / ARRAY_SIZE(families)];
		if (err == 0)
			err = kern_netns_talk(e.ns, KERN_BUS_DIAG, buf, len, take_socket, &e);
		if (err < 0 && e.err == 0)
			e.err = err;
	}
	return e.err == -ENOENT ? -EPROTONOSUPPORT : e.err;
}
