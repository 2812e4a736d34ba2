#include "common/io/udp.h"

#include <errno.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/uio.h>

#include "common/base/ike_port.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* Linux 5.19 */
#endif

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int udp_bind(int fd, const struct endpoint *local, bool marks)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(local, &sa);
	int err;

	if (len == 0)
		return -EAFNOSUPPORT;
	/* DF clear: an IKE message may be larger than a link inside the telescope */
	if (local->addr.family == AF_INET)
		err = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	else
		err = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	if (!err && local->addr.family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!err && marks)
		err = set_int(fd, SOL_SOCKET, SO_RCVMARK, 1);
	if (err < 0)
		return err;
	return bind(fd, (struct sockaddr *)&sa, len) < 0 ? -errno : 0;
}

int udp_encap(int fd)
{
	return set_int(fd, IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP);
}

int udp_local(int fd, struct endpoint *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	return endpoint_from_sockaddr((struct sockaddr *)&sa, out);
}

static uint32_t mark_of(struct msghdr *msg)
{
	uint32_t mark = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK &&
		    c->cmsg_len >= CMSG_LEN(sizeof(mark)))
			memcpy(&mark, CMSG_DATA(c), sizeof(mark));
	return mark;
}

ssize_t udp_recv(int fd, void *buf, size_t size, struct endpoint *from, uint32_t *mark)
{
	_Alignas(struct cmsghdr) char control[256];
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct sockaddr_storage sa;
	struct msghdr msg = {
		.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
	int err;

	if (n < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	/* without all control messages the mark is not known, and the mark says who the peer is */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EBADMSG;
	err = endpoint_from_sockaddr((struct sockaddr *)&sa, from);
	if (err < 0)
		return err;
	*mark = mark_of(&msg);
	return n;
}

static ssize_t send_parts(int fd, struct iovec *parts, size_t count, const struct endpoint *to,
			  uint32_t mark)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(mark))] = { 0 };
	struct sockaddr_storage sa;
	struct msghdr msg = { .msg_name = &sa, .msg_iov = parts, .msg_iovlen = count };
	struct cmsghdr *c;
	ssize_t n;

	msg.msg_namelen = endpoint_to_sockaddr(to, &sa);
	if (msg.msg_namelen == 0)
		return -EAFNOSUPPORT;
	if (mark) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SO_MARK;
		c->cmsg_len = CMSG_LEN(sizeof(mark));
		memcpy(CMSG_DATA(c), &mark, sizeof(mark));
	}
	n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

ssize_t udp_send(int fd, const void *buf, size_t len, const struct endpoint *to, uint32_t mark)
{
	struct iovec part = { (void *)buf, len };

	return send_parts(fd, &part, 1, to, mark);
}

const uint8_t *udp_encap_strip(const uint8_t *datagram, size_t *len)
{
	static const uint8_t marker[IKE_PORT_MARKER];

	if (*len < sizeof(marker) || memcmp(datagram, marker, sizeof(marker)) != 0)
		return NULL;
	*len -= sizeof(marker);
	return datagram + sizeof(marker);
}

ssize_t udp_encap_send(int fd, const void *msg, size_t len, const struct endpoint *to,
		       uint32_t mark)
{
	uint8_t marker[IKE_PORT_MARKER] = { 0 };
	struct iovec parts[] = { { marker, sizeof(marker) }, { (void *)msg, len } };

	return send_parts(fd, parts, ARRAY_SIZE(parts), to, mark);
}

ssize_t udp_encap_keepalive(int fd, const struct endpoint *to)
{
	static const uint8_t octet = IKE_PORT_KEEPALIVE;

	return udp_send(fd, &octet, sizeof(octet), to, 0);
}
