#include "ippriv-client/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/mark.h"
#include "common/dir/dir_http.h"
#include "common/ike/ike_alive.h"
#include "common/io/notify.h"
#include "common/kern/kern_crypto.h"
#include "common/kern/kern_linux.h"
#include "common/kern/kern_lock.h"
#include "common/kern/nl_sock.h"
#include "ippriv-client/client_place.h"
#include "ippriv-client/ctl_admin.h"
#include "ippriv-client/ctl_host.h"
#include "ippriv-client/ctl_metrics.h"
#include "ippriv-client/ctl_watch.h"
#include "ippriv-client/dp_plan.h"

enum { LIST_REFRESH = 3600 }; /* seconds between fetches at the most */

struct client {
	const struct client_conf *conf;
	struct io_loop *loop;
	struct kern_linux *kern;
	struct nl_sock *lock;
	bool made_dir; /* of the control socket */
	char control_dir[4096], state_file[4096];
	struct dp *dp;
	struct ctl_admin *admin;
	struct ctl_metrics *metrics; /* NULL: nobody wants them */
	struct ctl_ike *ike;
	struct ctl_stock *stock;
	struct guards guards;
	struct ctl_watch *kernel;
	struct dir_watch *watch;
	struct ctl_host *host;
	bool stopping;
};

static void on_ready(void *user)
{
	ctl_host_ready(((struct client *)user)->host);
	ctl_admin_ready(((struct client *)user)->admin);
}

static void on_lost(void *user, void *taker, struct ctl_circuit *circuit)
{
	if (!ctl_host_lost(((struct client *)user)->host, taker, circuit))
		ctl_admin_lost(taker, circuit);
}

static void on_list_wanted(void *user)
{
	struct client *c = user;

	if (c->watch)
		dir_watch_hurry(c->watch);
}

static void on_guards_changed(void *user)
{
	const struct client *c = user;
	int r = guards_save(c->conf->state, &c->guards);

	log_write_for(LOG_READER_ROOT, LOG_LEVEL_INFO, "the entries that this client keeps to have "
		      "changed; it knows %zu", c->guards.count);
	if (r < 0)
		log_warning("cannot write %s/guards: %s; the next start draws other entries",
			    c->conf->state, strerror(-r));
}

static void on_stopped(void *user)
{
	io_loop_stop(((struct client *)user)->loop);
}

static const struct ctl_stock_events stock_events = {
	.ready = on_ready,
	.lost = on_lost,
	.list_wanted = on_list_wanted,
	.guards_changed = on_guards_changed,
	.stopped = on_stopped,
};

static void on_list(void *user, const struct dir_list *list)
{
	ctl_stock_set_list(((struct client *)user)->stock, list);
}

static void on_signal(void *data)
{
	struct client *c = data;

	if (c->stopping || !c->stock) {
		io_loop_stop(c->loop);
		return;
	}
	c->stopping = true;
	log_info("stopping");
	notify_send("STOPPING=1");
	ctl_stock_stop(c->stock);
}

/* Copies what stands before the last slash of PATH. */
static void directory_of(const char *path, char *out, size_t size)
{
	snprintf(out, size, "%s", path);
	*strrchr(out, '/') = '\0';
}

static int start_kernel(struct client *c)
{
	char why[512];
	int r = kern_linux_new(&c->kern);

	if (r < 0) {
		log_error("cannot open netlink sockets: %s; run as root", strerror(-r));
		return r;
	}
	r = kern_linux_probe(c->kern, KERN_ROLE_CLIENT, why, sizeof(why));
	if (r < 0)
		log_error("%s", why);
	return r;
}

static int start_control(struct client *c)
{
	int r = kern_lock_take(CLIENT_LOCK, &c->lock);

	if (r == -EADDRINUSE)
		log_error("an ippriv-client runs in this network namespace; stop it first");
	else if (r < 0)
		log_error("cannot make the nftables table " CLIENT_LOCK ": %s; modprobe nf_tables",
			  strerror(-r));
	if (r < 0)
		return r;
	directory_of(c->conf->control, c->control_dir, sizeof(c->control_dir));
	c->made_dir = access(c->control_dir, F_OK) < 0;
	r = ctl_admin_new(c->loop, c->conf->control, &c->admin);
	if (r < 0)
		log_error("cannot listen on %s: %s; %s", c->conf->control, strerror(-r),
			  r == -EADDRINUSE ? "stop who does, or set another control" :
					     "set another control");
	return r;
}

static int purge(struct client *c)
{
	size_t removed = 0;
	int r = kern_linux_purge(c->kern, KERN_REQID_CLIENT, DP_PLAN_PREFIX, NULL, &removed);

	if (r < 0)
		log_error("cannot remove what an earlier run left in the kernel: %s (%s); see "
			  "`ip xfrm state` and `ip link`", strerror(-r),
			  kern_linux_ops(c->kern)->error(kern_linux_ops(c->kern)->ctx));
	else if (removed > 0)
		log_info("removed %zu things that an earlier run left in the kernel", removed);
	return r;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Often enough to spare probes and keepalives where there is traffic. */
static uint32_t look_every(const struct client_conf *conf)
{
	return least(IKE_ALIVE_EVERY, least(conf->liveness * 1000 / 3, conf->keepalive * 1000 / 2));
}

static struct ctl_circuit_rules rules_of(const struct client_conf *conf)
{
	return (struct ctl_circuit_rules){
		.life = { conf->child_life, (uint64_t)conf->child_kilobytes << 10 },
		.force_encap = conf->force_encap,
		.liveness = conf->liveness * 1000,
		.silence = least(IKE_ALIVE_SILENCE, conf->liveness * 1000 / 3),
	};
}

/*
 * Where AES-GCM is not synchronous (Debian 12 on x86), a packet that comes in while the kernel
 * uses the FPU is decrypted later, by cryptd. After that, xfrm_input (read in Debian's 6.1.192) puts
 * the reference of the xfrm interface instead of that of the device below, and neither can be deleted
 * any more. ChaCha20-Poly1305 is never deferred. Relays have no such interfaces.
 */
static enum ike_ciphers offered_ciphers(enum client_ciphers wanted)
{
	bool synchronous = wanted == CLIENT_CIPHERS_AES;
	FILE *f;

	if (wanted == CLIENT_CIPHERS_AUTO) {
		f = fopen(KERN_CRYPTO_PROC, "re");
		synchronous = f && kern_crypto_is_synchronous(f, KERN_CRYPTO_ESP_AES_GCM);
		if (f)
			fclose(f);
	}
	if (!synchronous)
		return IKE_CIPHERS_CHACHA_ONLY;
	return wanted == CLIENT_CIPHERS_AES || crypto_has_aes() ? IKE_CIPHERS_AES_FIRST :
								  IKE_CIPHERS_CHACHA_FIRST;
}

static int start_paths(struct client *c)
{
	const struct dp_kernel kernel = {
		.kern = kern_linux_ops(c->kern),
		.owner = c->kern,
		.netns_new = kern_netns_new,
		.netns_from_fd = kern_netns_from_fd,
		.netns_free = kern_netns_free,
		.netns_socket = kern_netns_socket,
		.events_fd = kern_linux_events_fd,
		.events_next = kern_linux_events_next,
		.route_fd = kern_linux_route_fd,
		.route_drain = kern_linux_route_drain,
	};
	const struct ctl_ike_conf ike = {
		.liveness = c->conf->liveness,
		.rekey_after = c->conf->ike_life,
		.keepalive = c->conf->keepalive,
		.ciphers = offered_ciphers(c->conf->ciphers),
	};
	struct ctl_stock_conf stock = {
		.loop = c->loop,
		.keep = c->conf->circuits,
		.look_every = look_every(c->conf),
		.rules = rules_of(c->conf),
		.pins = c->conf->pins,
		.guards = c->conf->guards > 0 ? &c->guards : NULL,
		.guards_used = c->conf->guards,
		.events = &stock_events,
		.user = c,
	};
	uint32_t seed;
	int r;

	crypto_random(&seed, sizeof(seed));
	r = dp_new(&kernel, seed, &c->dp);
	if (r == 0)
		r = ctl_ike_new(c->loop, &ike, &c->ike);
	stock.ike = c->ike;
	stock.dp = c->dp;
	if (r == 0)
		r = ctl_stock_new(&stock, &c->stock);
	if (r == 0)
		r = ctl_watch_new(c->loop, c->dp, c->stock, &c->kernel);
	if (r < 0)
		log_error("cannot start: %s; is there memory left?", strerror(-r));
	return r;
}

static int start_directory(struct client *c)
{
	struct dir_watch_conf conf = {
		.url = c->conf->directory,
		.trust = c->conf->trust,
		.refresh = LIST_REFRESH,
		.state = c->state_file,
		.mark = MARK_OURS,
		.list = on_list,
		.user = c,
	};

	int r = dir_watch_new(c->loop, &conf, &c->watch);

	if (r == -ENOMEM)
		log_error("cannot start: no memory left");
	return r;
}

static int start_state(struct client *c)
{
	int r = client_place_newest(c->conf, c->state_file, sizeof(c->state_file));
	char why[512];

	if (r < 0)
		return r; /* has been judged */
	if (mkdir(c->conf->state, 0700) < 0 && errno != EEXIST) {
		log_error("cannot make the directory %s: %s; make it, or set another state",
			  c->conf->state, strerror(errno));
		return -errno;
	}
	if (guards_load(c->conf->state, &c->guards, why, sizeof(why)) < 0)
		log_warning("%s; other entries are drawn", why);
	return 0;
}

/* What the host was told holds before anything is sent or changed. */
static int start_host(struct client *c)
{
	const struct ctl_host_conf conf = {
		.loop = c->loop,
		.kern = kern_linux_ops(c->kern),
		.folder = c->conf->state,
		.directory = c->conf->directory,
		.rotate = c->conf->rotate,
	};

	return ctl_host_new(&conf, &c->host);
}

static int start_metrics(struct client *c)
{
	const struct endpoint *at = &c->conf->metrics;
	char text[ADDR_TEXT];
	int r = at->addr.family == 0 ? 0 : ctl_metrics_new(c->loop, at, &c->metrics);

	if (r < 0)
		log_error("%s: %s; choose another port for metrics", endpoint_text(at, text),
			  strerror(-r));
	return r;
}

static int start_answers(struct client *c)
{
	const struct ctl_runs_conf conf = {
		.loop = c->loop,
		.stock = c->stock,
		.watch = c->watch,
		.rotate = c->conf->rotate,
	};
	int r = ctl_admin_serve(c->admin, &conf, c->host);

	if (r < 0)
		log_error("cannot start: %s; is there memory left?", strerror(-r));
	return r;
}

static int start_loop(struct client *c)
{
	int r = io_signals(c->loop, on_signal, c);

	if (r < 0)
		log_error("cannot hear signals: %s", strerror(-r));
	return r;
}

static int check_places(const struct client *c)
{
	char why[512];
	int r = client_place_check(c->conf, why, sizeof(why));

	if (r < 0)
		log_error("%s", why);
	return r;
}

/*
 * In this order, and taken back in the reverse one. Only from start_host on is the kernel changed: by
 * then nearly all that can be refused has been tried. Who fails has logged one line.
 */
static int client_start(struct client *c)
{
	int r = start_loop(c);

	if (r == 0)
		r = start_kernel(c);
	if (r == 0)
		r = check_places(c);
	if (r == 0)
		r = start_control(c);
	if (r == 0)
		r = start_metrics(c);
	if (r == 0)
		r = start_state(c);
	if (r == 0)
		r = start_host(c);
	if (r == 0)
		r = start_directory(c);
	if (r == 0)
		r = purge(c);
	if (r == 0)
		r = start_paths(c);
	if (r == 0)
		r = ctl_host_serve(c->host, c->stock, c->watch);
	if (r == 0)
		r = start_answers(c);
	if (r == 0 && c->metrics)
		ctl_metrics_serve(c->metrics, c->conf->metrics_every, c->stock, c->watch);
	return r;
}

static void client_fini(struct client *c)
{
	ctl_metrics_free(c->metrics);
	ctl_admin_free(c->admin);
	ctl_host_free(c->host);
	dir_watch_free(c->watch);
	ctl_watch_free(c->kernel);
	ctl_stock_free(c->stock);
	ctl_ike_free(c->ike);
	dp_free(c->dp);
	if (c->made_dir)
		rmdir(c->control_dir);
	nl_sock_free(c->lock);
	if (c->kern)
		kern_linux_free(c->kern);
}

int client_run(const struct client_conf *conf)
{
	struct client c = { .conf = conf };
	int r;

	r = io_loop_new(&c.loop);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return CLIENT_EXIT_FAILURE;
	}
	r = client_start(&c);
	if (r == 0) {
		log_info("ready");
		notify_send("READY=1");
		r = io_loop_run(c.loop) < 0 ? CLIENT_EXIT_FAILURE : 0;
	} else {
		r = CLIENT_EXIT_SETUP;
	}
	client_fini(&c);
	io_loop_free(c.loop);
	return r;
}
