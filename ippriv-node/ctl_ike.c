#include "ippriv-node/ctl_ike.h"

#include <errno.h>

#include "common/base/log.h"
#include "common/io/udp.h"
#include "ippriv-node/dp.h"

enum { DATAGRAM_MAX = 65535, DATAGRAMS_A_TURN = 64 };

struct ctl_ike {
	struct ctl_ike_conf conf;
	struct io_loop *loop;
	struct io_watch *watch;
	struct io_timer *timer;
	struct ike_host *host;
	int fd;
	bool busy; /* inside the host: arm the timer when it returns */
	uint8_t datagram[DATAGRAM_MAX];
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
	struct ctl_ike *ike = data;
	struct ike_path path = { .local = ike->conf.local };

	ike->busy = true;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		ssize_t len = udp_recv(ike->fd, ike->datagram, sizeof(ike->datagram),
				       &path.remote, &path.mark);

		if (len < 0)
			break;
		path.mark = dp_mark_of_ours(path.mark);
		ike_host_input(ike->host, &path, ike->datagram, (size_t)len);
	}
	ike->busy = false;
	arm(ike);
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct ctl_ike *ike = user;

	if (udp_send(ike->fd, msg, len, &path->remote, path->mark) < 0)
		log_debug("IKE datagram of %zu bytes not sent", len);
}

static uint64_t op_now(void *user)
{
	struct ctl_ike *ike = user;

	return io_loop_now(ike->loop);
}

static void op_random(void *user, void *out, size_t len)
{
	(void)user;
	crypto_random(out, len);
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
		err = ike->conf.admit->relay(ike->conf.user, &info.path, peer, local, &session);
	} else if (!want_lease) {
		err = -ENOTSUP;
	} else {
		*local = (struct ike_ts_list){ .count = 1,
					       .items = { { .addr.family = AF_INET } } };
		err = ike->conf.admit->client(ike->conf.user, &info.path, lease, &session);
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
	.random = op_random,
	.admit = op_admit,
	.child_up = op_child_up,
	.established = op_established,
	.ended = op_ended,
};

static int open_socket(struct ctl_ike *ike)
{
	int err;

	ike->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ike->fd < 0)
		return -errno;
	err = udp_bind(ike->fd, &ike->conf.local, true);
	if (err == 0)
		err = udp_local(ike->fd, &ike->conf.local);
	if (err == 0)
		err = io_watch_new(ike->loop, ike->fd, on_readable, ike, &ike->watch);
	return err;
}

int ctl_ike_new(struct io_loop *loop, const struct ctl_ike_conf *conf, struct ctl_ike **out)
{
	struct ctl_ike *ike = calloc(1, sizeof(*ike));
	struct ike_host_conf host_conf;
	int err;

	if (!ike)
		return -ENOMEM;
	ike->conf = *conf;
	ike->loop = loop;
	ike->fd = -1;
	host_conf = (struct ike_host_conf){
		.ops = &ops,
		.user = ike,
		.responder = true,
		.key = conf->key,
		.liveness = conf->liveness,
		.sa_max = conf->sa_max,
		.prefer_chacha = !crypto_has_aes(),
	};
	err = io_timer_new(loop, on_timer, ike, &ike->timer);
	if (err == 0)
		err = ike_host_new(&host_conf, &ike->host);
	if (err == 0)
		err = open_socket(ike);
	crypto_sign_key_wipe(&host_conf.key);
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
	if (ike->watch)
		io_watch_free(ike->watch);
	if (ike->timer)
		io_timer_free(ike->timer);
	if (ike->fd >= 0)
		close(ike->fd);
	crypto_sign_key_wipe(&ike->conf.key);
	free(ike);
}

int ctl_ike_initiate(struct ctl_ike *ike, const struct ike_init_conf *conf,
		     struct ctl_session *session)
{
	struct ike_init_conf with_path = *conf;
	int err;

	with_path.path.local = ike->conf.local;
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

void ctl_ike_counters(const struct ctl_ike *ike, struct ike_host_counters *out)
{
	ike_host_counters(ike->host, out);
}
