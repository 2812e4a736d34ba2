#include "common/kern/sock_msg.h"

#include <assert.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/kern/nl_attr.h"

static_assert(sizeof(struct inet_diag_sockid) == SOCK_MSG_ID, "as the kernel has it");

enum {
	CONNECTED = 1 << TCP_ESTABLISHED | 1 << TCP_SYN_SENT | 1 << TCP_FIN_WAIT1 |
		    1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING
};

static int build(void *buf, size_t size, uint16_t type, uint16_t flags,
		 const struct inet_diag_req_v2 *req, size_t *len)
{
	struct nlmsghdr *nlh;

	if (size < SOCK_MSG_ROOM)
		return -ENOSPC;
	if (req->sdiag_family != AF_INET && req->sdiag_family != AF_INET6)
		return -EINVAL;
	memset(buf, 0, SOCK_MSG_ROOM);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(nlh, sizeof(*req)), req, sizeof(*req));
	*len = nlh->nlmsg_len;
	return 0;
}

int sock_msg_dump(void *buf, size_t size, uint8_t family, uint8_t proto, size_t *len)
{
	struct inet_diag_req_v2 req = { .sdiag_family = family, .sdiag_protocol = proto,
					.idiag_states = CONNECTED };

	return build(buf, size, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, len);
}

int sock_msg_destroy(void *buf, size_t size, const struct sock_msg_socket *s, uint8_t proto,
		     size_t *len)
{
	struct inet_diag_req_v2 req = { .sdiag_family = s->family, .sdiag_protocol = proto };

	memcpy(&req.id, s->id, sizeof(req.id));
	return build(buf, size, SOCK_DESTROY, NLM_F_ACK, &req, len);
}

int sock_msg_parse(const void *msg, size_t len, struct sock_msg_socket *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct nlattr *tb[INET_DIAG_MAX + 1];
	struct sock_msg_socket s = { 0 };
	struct inet_diag_msg m;
	int err = nl_attr_message(msg, len, SOCK_DIAG_BY_FAMILY, &m, sizeof(m), tb, ARRAY_SIZE(tb));

	if (err < 0)
		return err;
	if (m.idiag_family != AF_INET && m.idiag_family != AF_INET6)
		return -EBADMSG;
	s.family = m.idiag_family;
	s.src.family = m.idiag_family;
	if (s.family == AF_INET6 && memcmp(m.id.idiag_src, mapped, sizeof(mapped)) == 0) {
		s.src.family = AF_INET;
		memcpy(s.src.bytes, (const uint8_t *)m.id.idiag_src + sizeof(mapped), 4);
	} else {
		memcpy(s.src.bytes, m.id.idiag_src, addr_size(&s.src));
	}
	memcpy(s.id, &m.id, sizeof(s.id));
	*out = s;
	return 0;
}
