#include "ippriv-node/ctl_ike.h"

#include <errno.h>

#include "common/base/ike_port.h"
#include "common/base/log.h"
#include "ippriv-node/ctl_port.h"

enum { DATAGRAMS_A_TURN = 64 };

/* The caller's number of the socket in a path (struct ike_path.channel). */
enum channel {
	CHANNEL_LISTEN, /* port 500 of the address on the wire; overlay tunnels are set up here */
	CHANNEL_LISTEN_FLOATED,
	CHANNEL_ADDRESS, /* port 500 of the address others know, when it is another one */
	CHANNEL_ADDRESS6,
	CHANNEL_ADDRESS6_FLOATED,
	CHANNELS,
};

struct channel_end {
	struct ctl_ike *ike;
	enum channel number;
	struct ctl_port port;
};

struct ctl_ike {
	struct ctl_ike_conf conf;
	struct io_loop *loop;
	struct io_timer *timer;
	struct ike_host *host;
	bool busy; /* inside the host: arm the timer when it returns */
	struct channel_end ends[CHANNELS];
	struct ctl_port_room room;
};

static void arm(struct ctl_ike *ike)
{
	uint64_t deadline, now = io_loop_now(ike->loop);

	if (ike->busy)
		return;
	deadline = ike_host_deadline(ike->host);
	if (deadline == UINT64_MAX)
		io_timer_stop(ike->timer);
	else
		io_timer_start(ike->timer, deadline > now ? deadline - now : 0);
}

static void on_timer(void *data)
{
	struct ctl_ike *ike = data;

	ike->busy = true;
	ike_host_tick(ike->host);
	ike->busy = false;
	arm(ike);
}

static void on_readable(void *data)
{
	struct channel_end *end = data;
	struct ctl_ike *ike = end->ike;
	struct ike_path path = { .local = end->port.local, .channel = end->number,
				 .floated = end->port.floated };

	ike->busy = true;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		const uint8_t *msg;
		size_t len;
		int err = ctl_port_recv(&end->port, &msg, &len, &path.remote, &path.mark);

		if (err == -EBADMSG)
			continue;
		if (err < 0)
			break;
		ike_host_input(ike->host, &path, msg, len);
	}
	ike->busy = false;
	arm(ike);
}

static struct ctl_port *port_of(struct ctl_ike *ike, const struct ike_path *path)
{
	return &ike->ends[path->channel].port;
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct ctl_ike *ike = user;

	if (ctl_port_send(port_of(ike, path), msg, len, &path->remote, path->mark) < 0)
		log_debug("IKE datagram of %zu bytes not sent", len);
}

static void op_keepalive(void *user, const struct ike_path *path)
{
	struct ctl_ike *ike = user;

	if (ctl_port_keepalive(port_of(ike, path), &path->remote) < 0)
		log_debug("keepalive not sent");
}

static uint64_t op_now(void *user)
{
	struct ctl_ike *ike = user;

	return io_loop_now(ike->loop);
}

static int op_admit(void *user, struct ike_sa *sa, const struct ike_peer *peer, bool want_lease,
		    struct ike_lease *lease, struct ike_ts_list *local)
{
	struct ctl_ike *ike = user;
	struct ctl_session *session = NULL;
	struct ike_sa_info info;
	int err;

	ike_sa_info(sa, &info);
	if (peer->auth == IKE_AUTH_ED25519) {
		err = ike->conf.admit->relay(ike->conf.user, &info.path, info.encap, peer, local,
					     &session);
	} else if (!want_lease) {
		err = -ENOTSUP;
	} else {
		*local = (struct ike_ts_list){ .count = 1,
					       .items = { { .addr.family = AF_INET } } };
		err = ike->conf.admit->client(ike->conf.user, &info.path, info.encap, lease,
						&session);
		if (err == 0 && lease->address6.family == AF_INET6)
			local->items[local->count++] = (struct prefix){ .addr.family = AF_INET6 };
	}
	if (err < 0)
		return err;
	session->sa = sa;
	ike_sa_set_data(sa, session);
	return 0;
}

static int op_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
		       const struct ike_lease *lease)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	(void)lease;
	return session->ops->child_up(session, child);
}

static int op_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			uint32_t replaces, bool in_only)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	(void)replaces;
	return session->ops->child_add(session, child, in_only);
}

static int op_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	return session->ops->child_switch(session, child);
}

static void op_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	session->ops->child_mute(session, spi_in);
}

static void op_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	session->ops->child_del(session, spi_in);
}

static void op_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	(void)old;
	session->sa = sa;
}

static bool op_alive(void *user, struct ike_sa *sa)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	return session->ops->alive && session->ops->alive(session);
}

static int op_moved(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap)
{
	struct ctl_session *session = ike_sa_data(sa);
	struct ike_sa_info info;

	(void)user;
	(void)from;
	(void)from_encap;
	if (!session->ops->moved)
		return -EOPNOTSUPP;
	ike_sa_info(sa, &info);
	return session->ops->moved(session, &info.path, info.encap);
}

static void op_established(void *user, struct ike_sa *sa)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	session->ops->established(session);
}

static void op_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	struct ctl_session *session = ike_sa_data(sa);

	(void)user;
	if (session)
		session->ops->ended(session, why);
}

static const struct ike_ops ops = {
	.send = op_send,
	.now = op_now,
	.random = crypto_random_source,
	.admit = op_admit,
	.child_up = op_child_up,
	.child_add = op_child_add,
	.child_switch = op_child_switch,
	.child_mute = op_child_mute,
	.child_del = op_child_del,
	.replaced = op_replaced,
	.keepalive = op_keepalive,
	.moved = op_moved,
	.alive = op_alive,
	.established = op_established,
	.ended = op_ended,
};

static int open_port(struct ctl_ike *ike, enum channel number, const struct addr *address,
		     bool early, struct endpoint *at)
{
	struct channel_end *end = &ike->ends[number];
	struct ctl_port_conf conf = { .early = early, .room = &ike->room };

	conf.floated = number == CHANNEL_LISTEN_FLOATED || number == CHANNEL_ADDRESS6_FLOATED;
	conf.local = (struct endpoint){ .addr = *address,
					.port = conf.floated ? IKE_PORT_FLOATED : IKE_PORT };
	end->ike = ike;
	end->number = number;
	*at = conf.local;
	return ctl_port_open(&end->port, ike->loop, &conf, on_readable, end);
}

static int open_ports(struct ctl_ike *ike, struct endpoint *at)
{
	const struct ctl_ike_conf *conf = &ike->conf;
	int err;

	err = open_port(ike, CHANNEL_LISTEN, &conf->listen, false, at);
	if (err == 0)
		err = open_port(ike, CHANNEL_LISTEN_FLOATED, &conf->listen, false, at);
	if (err == 0 && !addr_equal(&conf->address, &conf->listen))
		err = open_port(ike, CHANNEL_ADDRESS, &conf->address, true, at);
	if (err == 0 && conf->address6.family != 0)
		err = open_port(ike, CHANNEL_ADDRESS6, &conf->address6, false, at);
	if (err == 0 && conf->address6.family != 0)
		err = open_port(ike, CHANNEL_ADDRESS6_FLOATED, &conf->address6, false, at);
	return err;
}

static int new_host(struct ctl_ike *ike)
{
	struct ike_host_conf conf = {
		.ops = &ops,
		.user = ike,
		.responder = true,
		.first_layer = true,
		.key = ike->conf.key,
		.liveness = ike->conf.liveness,
		/* The host takes up to an eighth off, by chance. */
		.rekey_after = ike->conf.life * (1000 / 7 * 8),
		.sa_max = ike->conf.sa_max,
		.ciphers = crypto_has_aes() ? IKE_CIPHERS_AES_FIRST : IKE_CIPHERS_CHACHA_FIRST,
	};
	int err = ike_host_new(&conf, &ike->host);

	crypto_sign_key_wipe(&conf.key);
	return err;
}

int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *conf, struct ctl_ike **out,
		struct endpoint *at)
{
	struct ctl_ike *ike = calloc(1, sizeof(*ike));
	int err;

	*at = (struct endpoint){ 0 };
	if (!ike)
		return -ENOMEM;
	ike->conf = *conf;
	ike->loop = loop;
	for (size_t i = 0; i < CHANNELS; i++)
		ike->ends[i].port.fd = -1;
	err = io_timer_new(loop, on_timer, ike, &ike->timer);
	if (err == 0)
		err = new_host(ike);
	if (err == 0)
		err = open_ports(ike, at);
	if (err < 0) {
		ctl_ike_free(ike);
		return err;
	}
	*out = ike;
	return 0;
}

void ctl_ike_free(struct ctl_ike *ike)
{
	if (!ike)
		return;
	ike->busy = true;
	if (ike->host)
		ike_host_free(ike->host);
	for (size_t i = 0; i < CHANNELS; i++)
		ctl_port_close(&ike->ends[i].port);
	if (ike->timer)
		io_timer_free(ike->timer);
	crypto_sign_key_wipe(&ike->conf.key);
	free(ike);
}

int ctl_ike_initiate(struct ctl_ike *ike, const struct ike_init_conf *conf,
		     struct ctl_session *session)
{
	struct ike_init_conf with_path = *conf;
	int err;

	with_path.path.local = ike->ends[CHANNEL_LISTEN].port.local;
	with_path.path.channel = CHANNEL_LISTEN;
	err = ike_host_initiate(ike->host, &with_path, session, &session->sa);
	arm(ike);
	return err;
}

void ctl_ike_close(struct ctl_ike *ike, struct ctl_session *session)
{
	ike_host_close(ike->host, session->sa);
	arm(ike);
}

void ctl_ike_drop(struct ctl_ike *ike, struct ctl_session *session)
{
	ike_host_drop(ike->host, session->sa, IKE_END_LOCAL);
	arm(ike);
}

void ctl_ike_heard(struct ctl_ike *ike, struct ctl_session *session)
{
	ike_host_heard(ike->host, session->sa);
}

void ctl_ike_probe(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries)
{
	ike_host_probe_briefly(ike->host, session->sa, tries);
	arm(ike);
}

void ctl_ike_probe_finally(struct ctl_ike *ike, struct ctl_session *session, uint32_t tries)
{
	ike_host_probe_finally(ike->host, session->sa, tries);
	arm(ike);
}

void ctl_ike_patience(struct ctl_ike *ike, struct ctl_session *session, uint32_t idle,
		      uint32_t tolerate)
{
	ike_host_set_patience(ike->host, session->sa, idle, tolerate);
	arm(ike);
}

void ctl_ike_rekey_child(struct ctl_ike *ike, struct ctl_session *session, uint32_t spi)
{
	ike_host_rekey_child(ike->host, session->sa, spi);
	arm(ike);
}

void ctl_ike_mapping(struct ctl_ike *ike, struct ctl_session *session,
		     const struct endpoint *remote)
{
	ike_host_mapping(ike->host, session->sa, remote);
	arm(ike);
}

void ctl_ike_info(const struct ctl_ike *ike, const struct ctl_session *session,
		  struct ike_sa_info *out)
{
	(void)ike;
	ike_sa_info(session->sa, out);
}

void ctl_ike_counters(const struct ctl_ike *ike, struct ike_host_counters *out)
{
	ike_host_counters(ike->host, out);
}
