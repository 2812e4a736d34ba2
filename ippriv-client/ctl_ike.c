#include "ippriv-client/ctl_ike.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "common/base/ike_port.h"
#include "common/base/log.h"
#include "common/base/mark.h"
#include "common/io/udp.h"
#include "ippriv-client/ctl_hop.h"
#include "ippriv-client/ctl_roam.h"

enum {
	/*
	 * 0.25, 0.5 … 8 s: a hop that is silent for 15.75 s is dead. The first is short since the
	 * first datagram to a relay that the hop before has no overlay tunnel with is lost.
	 */
	FIRST_MS = 250,
	TRIES = 6,
	DATAGRAM_MAX = 4096,
	DATAGRAMS_AT_ONCE = 64,
};

struct channel {
	struct ctl_ike *ike;
	uint32_t number;
	int fd;
	struct endpoint local;
	bool shared;
	bool floated; /* for ESP in UDP; IKE behind the marker */
	unsigned int refs;
	struct io_watch *watch;
	struct channel *prev, *next;
};

struct ctl_ike {
	struct io_loop *loop;
	struct ike_host *host;
	struct io_timer *timer;
	uint32_t last_number;
	struct channel *channels;
};

static struct channel *find(struct ctl_ike *ike, uint32_t number)
{
	struct channel *ch;

	DL_FOREACH(ike->channels, ch)
		if (ch->number == number)
			return ch;
	return NULL;
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct ctl_ike *ike = user;
	struct channel *ch = find(ike, path->channel);
	ssize_t r;

	/* What was sent moves the deadline; it is asked for outside of the host's own call. */
	io_timer_start(ike->timer, 0);
	if (!ch)
		return;
	r = ch->floated ? udp_encap_send(ch->fd, msg, len, &path->remote, 0) :
			  udp_send(ch->fd, msg, len, &path->remote, 0);
	if (r < 0)
		log_debug("sending %zu bytes of IKE: %s", len, strerror((int)-r));
}

static void op_keepalive(void *user, const struct ike_path *path)
{
	struct channel *ch = find(user, path->channel);

	if (ch && ch->floated)
		(void)udp_encap_keepalive(ch->fd, &path->remote);
}

static uint64_t op_now(void *user)
{
	return io_loop_now(((struct ctl_ike *)user)->loop);
}

static int op_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
		       const struct ike_lease *lease)
{
	(void)user;
	return ctl_hop_child_up(sa, child, lease);
}

static int op_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			uint32_t replaces, bool in_only)
{
	(void)user, (void)replaces;
	return ctl_hop_child_add(sa, child, in_only);
}

static int op_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	(void)user;
	return ctl_hop_child_switch(sa, child);
}

static void op_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	(void)user;
	ctl_hop_child_mute(sa, spi_in);
}

static void op_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	(void)user;
	ctl_hop_child_del(sa, spi_in);
}

static void op_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	(void)user, (void)old;
	ctl_hop_replaced(sa);
}

static int op_float_path(void *user, struct ike_sa *sa, struct ike_path *path)
{
	(void)user;
	return ctl_roam_float(sa, path);
}

static int op_moved(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap)
{
	(void)user, (void)from, (void)from_encap;
	return ctl_roam_moved(sa);
}

static void op_established(void *user, struct ike_sa *sa)
{
	(void)user;
	ctl_circuit_established(sa);
}

static void op_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	(void)user;
	ctl_circuit_ended(sa, why);
}

/* No admit: a client answers no IKE_SA_INIT. */
static const struct ike_ops ops = {
	.send = op_send,
	.now = op_now,
	.random = crypto_random_source,
	.child_up = op_child_up,
	.child_add = op_child_add,
	.child_switch = op_child_switch,
	.child_mute = op_child_mute,
	.child_del = op_child_del,
	.replaced = op_replaced,
	.float_path = op_float_path,
	.keepalive = op_keepalive,
	.moved = op_moved,
	.established = op_established,
	.ended = op_ended,
};

static void rearm(struct ctl_ike *ike)
{
	uint64_t at = ike_host_deadline(ike->host), now = io_loop_now(ike->loop);

	if (at == UINT64_MAX)
		io_timer_stop(ike->timer);
	else
		io_timer_start(ike->timer, at > now ? at - now : 0);
}

static void on_timer(void *data)
{
	struct ctl_ike *ike = data;

	ike_host_tick(ike->host);
	rearm(ike);
}

static void on_readable(void *data)
{
	struct ctl_ike *ike = ((struct channel *)data)->ike;
	uint32_t number = ((struct channel *)data)->number;
	uint8_t buf[IKE_PORT_MARKER + DATAGRAM_MAX];

	for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
		struct channel *ch = find(ike, number); /* input may have closed it */
		struct ike_path path = { .channel = number };
		const uint8_t *msg;
		size_t len;
		ssize_t n;

		if (!ch)
			break;
		path.local = ch->local;
		path.floated = ch->floated;
		n = udp_recv(ch->fd, buf, sizeof(buf), &path.remote, &path.mark);
		if (n < 0)
			break;
		path.mark = 0;
		len = (size_t)n;
		msg = ch->floated ? udp_encap_strip(buf, &len) : buf;
		if (msg)
			ike_host_input(ike->host, &path, msg, len);
	}
	rearm(ike);
}

int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *own, struct ctl_ike **out)
{
	struct ctl_ike *ike = calloc(1, sizeof(*ike));
	struct ike_host_conf conf = {
		.ops = &ops,
		.user = ike,
		.liveness = own->liveness * 1000,
		.retransmit_first = FIRST_MS,
		.retransmit_tries = TRIES,
		.rekey_after = own->rekey_after * 1000,
		.keepalive = own->keepalive * 1000,
		.ciphers = own->ciphers,
	};
	int r;

	if (!ike)
		return -ENOMEM;
	ike->loop = loop;
	r = io_timer_new(loop, on_timer, ike, &ike->timer);
	if (r == 0)
		r = ike_host_new(&conf, &ike->host);
	if (r < 0) {
		if (ike->timer)
			io_timer_free(ike->timer);
		free(ike);
		return r;
	}
	*out = ike;
	return 0;
}

void ctl_ike_free(struct ctl_ike *ike)
{
	if (!ike)
		return;
	ike_host_free(ike->host);
	io_timer_free(ike->timer);
	free(ike);
}

struct ike_host *ctl_ike_host(struct ctl_ike *ike)
{
	return ike->host;
}

/* A UDP socket in the host's namespace that never leads into the tunnel. Descriptor or -errno. */
static int host_socket(uint8_t family)
{
	_cleanup_close_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const uint32_t mark = MARK_OURS;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* The same, with REMOTE as its only peer; nothing is sent. */
static int host_socket_to(const struct addr *remote)
{
	const struct endpoint to = { *remote, IKE_PORT };
	_cleanup_close_ int fd = host_socket(remote->family);
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&to, &ss);

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	return steal_fd(&fd);
}

int ctl_ike_source(const struct addr *remote, struct addr *out)
{
	_cleanup_close_ int fd = host_socket_to(remote);
	struct endpoint local;
	int r;

	if (fd < 0)
		return fd;
	r = udp_local(fd, &local);
	if (r == 0)
		*out = local.addr;
	return r;
}

uint32_t ctl_ike_path_mtu(const struct addr *remote)
{
	_cleanup_close_ int fd = host_socket_to(remote);
	bool six = remote->family == AF_INET6;
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (fd < 0 || getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU : IP_MTU, &mtu,
				 &len) < 0 || mtu < 0)
		return 0;
	return (uint32_t)mtu;
}

static struct channel *find_shared(struct ctl_ike *ike, const struct addr *local, bool floated)
{
	struct channel *ch;

	DL_FOREACH(ike->channels, ch)
		if (ch->shared && ch->floated == floated && addr_equal(&ch->local.addr, local))
			return ch;
	return NULL;
}

static int bind_port(int fd, const struct ike_path *path, bool any_port)
{
	struct endpoint e = { path->local.addr, path->floated ? IKE_PORT_FLOATED : IKE_PORT };
	int r = udp_bind(fd, &e, false);

	if (any_port && (r == -EADDRINUSE || r == -EACCES)) {
		e.port = 0;
		r = udp_bind(fd, &e, false);
	}
	return r;
}

/* Takes FD on success. */
static int channel_new(struct ctl_ike *ike, int fd, const struct ike_path *path, bool shared,
		       struct channel **out)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int r;

	if (!ch)
		return -ENOMEM;
	*ch = (struct channel){ .ike = ike, .fd = fd, .shared = shared,
				.floated = path->floated };
	r = bind_port(fd, path, shared);
	if (r == 0 && path->floated)
		r = udp_encap(fd);
	if (r == 0)
		r = udp_local(fd, &ch->local);
	if (r == 0)
		r = io_watch_new(ike->loop, fd, on_readable, ch, &ch->watch);
	if (r < 0) {
		free(ch);
		return r;
	}
	ch->number = ++ike->last_number;
	DL_APPEND(ike->channels, ch);
	*out = ch;
	return 0;
}

int ctl_ike_open(struct ctl_ike *ike, int fd, struct ike_path *path)
{
	_cleanup_close_ int own = fd;
	bool shared = fd < 0;
	struct channel *ch = NULL;
	int r;

	if (shared)
		ch = find_shared(ike, &path->local.addr, path->floated);
	if (shared && !ch) {
		own = host_socket(path->local.addr.family);
		if (own < 0)
			return own;
	}
	if (!ch) {
		r = channel_new(ike, own, path, shared, &ch);
		if (r < 0)
			return r;
		steal_fd(&own);
	}
	ch->refs++;
	path->local = ch->local;
	path->channel = ch->number;
	return 0;
}

void ctl_ike_close(struct ctl_ike *ike, uint32_t channel)
{
	struct channel *ch = find(ike, channel);

	if (!ch || --ch->refs > 0)
		return;
	DL_DELETE(ike->channels, ch);
	io_watch_free(ch->watch);
	close(ch->fd);
	free(ch);
}
