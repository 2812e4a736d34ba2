#include "ippriv-client/client_shut.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/kern/kern_linux.h"
#include "common/kern/kern_lock.h"
#include "common/kern/nl_sock.h"
#include "ippriv-client/client.h"
#include "ippriv-client/dp_host.h"
#include "ippriv-client/dp_plan.h"
#include "ippriv-client/host_state.h"
#include "ippriv-client/host_url.h"

enum { PORT_HTTP = 80 };

static const char *folder_of(const struct client_conf *conf)
{
	return conf ? conf->state : "/var/lib/ippriv-client";
}

static struct dp_host_conf wanted(const struct client_conf *conf, const struct host_state *s)
{
	struct dp_host_conf out = { .net_count = s->net_count };
	bool named;

	out.list_port = conf ? host_url_port(conf->directory, &named) : 0;
	if (out.list_port == 0)
		out.list_port = PORT_HTTP;
	memcpy(out.nets, s->nets, s->net_count * sizeof(s->nets[0]));
	return out;
}

static int shut(struct kern_linux *linux_kern, const struct client_conf *conf,
		const struct host_state *s)
{
	const struct kern *kern = kern_linux_ops(linux_kern);
	const struct dp_host_conf host = wanted(conf, s);
	const struct dp_host_seats none = { 0 };
	int r = dp_host_shut(kern, &host, &none);

	if (r == 0 && s->up)
		r = dp_host_route(kern, &host);
	if (r < 0)
		log_error("cannot shut the host: %s", dp_host_error(kern));
	else
		log_info("the host is shut: %s", s->up ? "up" : "lockdown");
	return r;
}

/* A killed daemon has left rules of its circuits, too. */
static int open_all(struct kern_linux *linux_kern, const struct client_conf *conf,
		    const struct host_state *s)
{
	const struct kern *kern = kern_linux_ops(linux_kern);
	const struct dp_host_conf host = wanted(conf, s);
	int r = dp_host_unroute(kern, &host), r2 = dp_host_open(kern);
	size_t removed;

	if (r == 0 && r2 != -ENOENT)
		r = r2;
	if (r == 0)
		r = kern_linux_purge(linux_kern, KERN_REQID_CLIENT, DP_PLAN_PREFIX, NULL, &removed);
	if (r < 0) {
		log_error("cannot open the host: %s", dp_host_error(kern));
		return r;
	}
	r = host_state_save(folder_of(conf), &(struct host_state){ 0 });
	if (r < 0 && r != -ENOENT)
		log_error("cannot write %s/host: %s", folder_of(conf), strerror(-r));
	return r == -ENOENT ? 0 : r;
}

static int with_kernel(const struct client_conf *conf, const struct host_state *s,
		       int (*act)(struct kern_linux *, const struct client_conf *,
				  const struct host_state *))
{
	struct kern_linux *kern;
	int r = kern_linux_new(&kern);

	if (r < 0) {
		log_error("cannot open netlink sockets: %s; run as root", strerror(-r));
		return CLIENT_EXIT_SETUP;
	}
	r = act(kern, conf, s);
	kern_linux_free(kern);
	return r < 0 ? CLIENT_EXIT_FAILURE : 0;
}

int client_shut(const struct client_conf *conf)
{
	struct host_state s = { .lockdown = true }; /* when it cannot be known */
	struct nl_sock *lock = NULL;
	int status = 0;
	char why[512];

	if (kern_lock_take(CLIENT_LOCK, &lock) == -EADDRINUSE)
		return 0; /* the daemon has seen to it */
	if (host_state_load(folder_of(conf), &s, why, sizeof(why)) < 0)
		log_error("%s", why);
	if (host_state_shut(&s))
		status = with_kernel(conf, &s, shut);
	nl_sock_free(lock);
	return status;
}

int client_open(const struct client_conf *conf)
{
	struct host_state s = { 0 };
	struct nl_sock *lock = NULL;
	int status;
	char why[512];

	if (kern_lock_take(CLIENT_LOCK, &lock) == -EADDRINUSE) {
		log_error("an ippriv-client runs in this network namespace; type ippriv down, or stop it "
			  "first");
		return CLIENT_EXIT_SETUP;
	}
	if (host_state_load(folder_of(conf), &s, why, sizeof(why)) < 0)
		log_warning("%s", why);
	status = with_kernel(conf, &s, open_all);
	nl_sock_free(lock);
	return status;
}
