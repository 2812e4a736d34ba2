#include "ippriv-node/ctl_port.h"

#include <errno.h>

#include "common/io/udp.h"
#include "ippriv-node/dp.h"

static int bind_port(struct ctl_port *port, const struct ctl_port_conf *conf)
{
	int one = 1, err;

	port->fd = socket(conf->local.addr.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->fd < 0)
		return -errno;
	if (conf->early && setsockopt(port->fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)) < 0)
		return -errno;
	err = conf->floated ? udp_encap(port->fd) : 0;
	if (err == 0)
		err = udp_bind(port->fd, &conf->local, true);
	return err < 0 ? err : udp_local(port->fd, &port->local);
}

int ctl_port_open(struct ctl_port *port, struct io_loop *loop, const struct ctl_port_conf *conf,
		  io_cb on_readable, void *data)
{
	int err;

	*port = (struct ctl_port){ .fd = -1, .floated = conf->floated, .room = conf->room };
	err = bind_port(port, conf);
	if (err == 0)
		err = io_watch_new(loop, port->fd, on_readable, data, &port->watch);
	if (err < 0)
		ctl_port_close(port);
	return err;
}

const char *ctl_port_advice(const struct endpoint *at)
{
	return at->addr.family == AF_INET6 ?
		       "`address6` must be an address of this machine that is ready (`ip -6 address` "
		       "shows no `tentative`); behind a NAT, leave it out" :
		       "it must be an address of this machine; behind a NAT, give that one as `listen`";
}

void ctl_port_close(struct ctl_port *port)
{
	if (port->watch)
		io_watch_free(port->watch);
	if (port->fd >= 0)
		close(port->fd);
	*port = (struct ctl_port){ .fd = -1 };
}

int ctl_port_recv(struct ctl_port *port, const uint8_t **msg, size_t *len, struct endpoint *from,
		  uint32_t *mark)
{
	ssize_t got = udp_recv(port->fd, port->room->bytes, sizeof(port->room->bytes), from, mark);

	if (got < 0)
		return (int)got;
	*mark = dp_mark_of_ours(*mark);
	*msg = port->room->bytes;
	*len = (size_t)got;
	if (!port->floated)
		return 0;
	*msg = udp_encap_strip(*msg, len);
	/* Nobody behind an overlay tunnel has a NAT. */
	return *msg && *mark == 0 ? 0 : -EBADMSG;
}

static int send_result(ssize_t sent)
{
	return sent < 0 ? (int)sent : 0;
}

int ctl_port_send(struct ctl_port *port, const uint8_t *msg, size_t len, const struct endpoint *to,
		  uint32_t mark)
{
	return send_result(port->floated ? udp_encap_send(port->fd, msg, len, to, mark) :
					   udp_send(port->fd, msg, len, to, mark));
}

int ctl_port_keepalive(struct ctl_port *port, const struct endpoint *to)
{
	return send_result(udp_encap_keepalive(port->fd, to));
}
