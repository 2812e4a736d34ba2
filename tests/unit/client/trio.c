#include "client/trio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whether the host has the address of channel I no more. */
static bool is_cut_off(const struct trio *t, uint32_t i)
{
	return t->channels[i].netns == 0 &&
	       (t->away || !addr_equal(&t->channels[i].local.addr, &t->address));
}

/* Where a relay believes channel I to be. */
static struct endpoint seen_at(const struct trio *t, uint32_t i)
{
	struct endpoint e = t->channels[i].local;

	if (t->channels[i].netns == 0 && t->nat.family)
		e.addr = t->nat;
	return e;
}

static bool is_at(const struct trio *t, uint32_t i, const struct endpoint *e)
{
	struct endpoint seen = seen_at(t, i);

	return !is_cut_off(t, i) && seen.port == e->port && addr_equal(&seen.addr, &e->addr);
}

static void relay_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct trio_relay *r = user;
	struct trio *t = r->trio;
	struct trio_message *m;
	uint32_t i = 0;

	while (i < TRIO_CHANNELS && !(t->channels[i].open && is_at(t, i, &path->remote)))
		i++;
	if (r->mute || i == TRIO_CHANNELS)
		return;
	cr_assert(t->queued < TRIO_QUEUE && len <= TRIO_MSG);
	m = &t->queue[t->queued++];
	m->to = TRIO_HOPS;
	m->path = (struct ike_path){ .local = t->channels[i].local, .remote = path->local,
				     .channel = i, .floated = t->channels[i].floated };
	m->len = len;
	memcpy(m->bytes, msg, len);
}

static void client_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	struct trio *t = user;
	struct trio_message *m;
	size_t to = 0;

	cr_assert(path->channel < TRIO_CHANNELS);
	if (!t->channels[path->channel].open) /* a last word again, after the circuit's end */
		return;
	while (to < TRIO_HOPS && !addr_equal(&t->relays[to].address, &path->remote.addr) &&
	       !addr_equal(&t->relays[to].address6, &path->remote.addr))
		to++;
	cr_assert(to < TRIO_HOPS);
	t->sent++;
	/* It goes from the namespace behind layer TO, through everything before it. */
	cr_expect_eq(t->channels[path->channel].netns, to);
	for (size_t i = 0; i < to; i++)
		if (t->relays[i].mute || !t->relays[i].up)
			return;
	cr_expect(fake_kern_count(&t->kern, KERN_OP_SA) >= 2 * to);
	if (t->relays[to].mute || t->away || is_cut_off(t, path->channel))
		return;
	cr_assert(t->queued < TRIO_QUEUE && len <= TRIO_MSG);
	m = &t->queue[t->queued++];
	m->to = to;
	cr_expect_eq(t->channels[path->channel].floated, path->floated);
	m->path = (struct ike_path){ .local = path->remote, .floated = path->floated,
				     .remote = seen_at(t, path->channel) };
	m->len = len;
	memcpy(m->bytes, msg, len);
}

static uint64_t client_now(void *user)
{
	return ((struct trio *)user)->now;
}

static uint64_t relay_now(void *user)
{
	return ((struct trio_relay *)user)->trio->now;
}

static void any_random(void *user, void *out, size_t len)
{
	(void)user;
	crypto_random(out, len);
}

static int client_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
			   const struct ike_lease *lease)
{
	(void)user;
	return ctl_hop_child_up(sa, child, lease);
}

static int client_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			    uint32_t replaces, bool in_only)
{
	(void)user, (void)replaces;
	return ctl_hop_child_add(sa, child, in_only);
}

static int client_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	(void)user;
	return ctl_hop_child_switch(sa, child);
}

static void client_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	(void)user;
	ctl_hop_child_mute(sa, spi_in);
}

static void client_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	(void)user;
	ctl_hop_child_del(sa, spi_in);
}

static void client_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	(void)user, (void)old;
	ctl_hop_replaced(sa);
}

static int client_float_path(void *user, struct ike_sa *sa, struct ike_path *path)
{
	(void)user;
	return ctl_roam_float(sa, path);
}

static void client_keepalive(void *user, const struct ike_path *path)
{
	struct trio *t = user;

	cr_expect(path->floated && t->channels[path->channel].open);
	t->keepalives++;
}

static int client_moved(void *user, struct ike_sa *sa, const struct ike_path *from,
			bool from_encap)
{
	(void)user, (void)from, (void)from_encap;
	return ctl_roam_moved(sa);
}

static void client_established(void *user, struct ike_sa *sa)
{
	(void)user;
	ctl_circuit_established(sa);
}

static void client_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	(void)user;
	ctl_circuit_ended(sa, why);
}

static int relay_admit(void *user, struct ike_sa *sa, const struct ike_peer *peer, bool want_lease,
		       struct ike_lease *lease, struct ike_ts_list *local)
{
	struct trio_relay *r = user;

	r->sa = sa;
	r->null_auth = peer->auth == IKE_AUTH_NULL;
	r->psk_auth = peer->auth == IKE_AUTH_PSK;
	r->wanted_lease = want_lease;
	*lease = (struct ike_lease){ .address = r->lease, .address6 = r->lease6, .dns_count = 1,
				     .dns = { r->address } };
	*local = r->ts;
	return r->admit_error;
}

static int relay_child_up(void *user, struct ike_sa *sa, const struct ike_child *child,
			  const struct ike_lease *lease)
{
	struct trio_relay *r = user;

	(void)sa, (void)lease;
	r->child = *child;
	r->children++;
	r->up = true;
	return 0;
}

static int relay_child_add(void *user, struct ike_sa *sa, const struct ike_child *child,
			   uint32_t replaces, bool in_only)
{
	struct trio_relay *r = user;

	(void)sa, (void)replaces, (void)in_only;
	r->child = *child;
	r->children++;
	return 0;
}

static int relay_child_switch(void *user, struct ike_sa *sa, const struct ike_child *child)
{
	(void)user, (void)sa, (void)child;
	return 0;
}

static void relay_child_mute(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	(void)user, (void)sa, (void)spi_in;
}

static void relay_child_del(void *user, struct ike_sa *sa, uint32_t spi_in)
{
	struct trio_relay *r = user;

	(void)sa, (void)spi_in;
	r->children--;
}

static void relay_replaced(void *user, struct ike_sa *old, struct ike_sa *sa)
{
	struct trio_relay *r = user;

	cr_expect_eq(r->sa, old);
	r->sa = sa;
}

static int relay_moved(void *user, struct ike_sa *sa, const struct ike_path *from, bool from_encap)
{
	(void)user, (void)sa, (void)from, (void)from_encap;
	return 0;
}

static void relay_established(void *user, struct ike_sa *sa)
{
	(void)user, (void)sa;
}

static void relay_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	struct trio_relay *r = user;

	(void)sa;
	r->sa = NULL;
	r->up = false;
	r->end = why;
	r->order = ++r->trio->ended;
}

static const struct ike_ops client_ops = {
	.send = client_send,
	.now = client_now,
	.random = any_random,
	.child_up = client_child_up,
	.child_add = client_child_add,
	.child_switch = client_child_switch,
	.child_mute = client_child_mute,
	.child_del = client_child_del,
	.replaced = client_replaced,
	.float_path = client_float_path,
	.keepalive = client_keepalive,
	.moved = client_moved,
	.established = client_established,
	.ended = client_ended,
};

static const struct ike_ops relay_ops = {
	.send = relay_send,
	.now = relay_now,
	.random = any_random,
	.admit = relay_admit,
	.child_up = relay_child_up,
	.child_add = relay_child_add,
	.child_switch = relay_child_switch,
	.child_mute = relay_child_mute,
	.child_del = relay_child_del,
	.replaced = relay_replaced,
	.moved = relay_moved,
	.established = relay_established,
	.ended = relay_ended,
};

static uint32_t find_shared(const struct trio *t, const struct ike_path *path)
{
	uint32_t i = 0;

	while (i < TRIO_CHANNELS &&
	       !(t->channels[i].open && t->channels[i].netns == 0 &&
		 t->channels[i].floated == path->floated &&
		 addr_equal(&t->channels[i].local.addr, &path->local.addr)))
		i++;
	return i;
}

static int channel_open(void *user, int fd, struct ike_path *path)
{
	struct trio *t = user;
	uint64_t netns = 0;
	uint32_t i = fd < 0 ? find_shared(t, path) : TRIO_CHANNELS;

	path->local.port = path->floated ? 4500 : 500;
	if (i == TRIO_CHANNELS) {
		for (i = 0; i < TRIO_CHANNELS && t->channels[i].open;)
			i++;
		cr_assert(i < TRIO_CHANNELS);
		if (fd >= 0)
			cr_expect(read(fd, &netns, sizeof(netns)) > 0);
		t->channels[i] = (struct trio_channel){ .open = true, .floated = path->floated,
							.local = path->local, .netns = netns };
	}
	t->channels[i].refs++;
	path->channel = i;
	if (fd >= 0)
		close(fd);
	return 0;
}

static void channel_close(void *user, uint32_t channel)
{
	struct trio *t = user;

	cr_expect(t->channels[channel].open);
	t->channels[channel].open = --t->channels[channel].refs > 0;
}

static int host_source(void *user, const struct addr *remote, struct addr *out)
{
	const struct trio *t = user;

	if (t->away || remote->family != t->address.family)
		return -ENETUNREACH;
	*out = t->address;
	return 0;
}

static uint32_t host_path_mtu(void *user, const struct addr *remote)
{
	(void)remote;
	return ((const struct trio *)user)->path_mtu;
}

static void changed(void *user, struct ctl_circuit *c)
{
	struct trio *t = user;

	ctl_circuit_info(c, &t->seen);
	t->changes++;
	snprintf(t->why, sizeof(t->why), "%s", t->seen.why);
}

static const struct ctl_circuit_ops circuit_ops = {
	.channel_open = channel_open,
	.channel_close = channel_close,
	.source = host_source,
	.path_mtu = host_path_mtu,
	.now = client_now,
	.changed = changed,
};

static void relay_init(struct trio *t, size_t i)
{
	const struct prefix any = { .addr = addr_v4(0) };
	struct trio_relay *r = &t->relays[i];
	struct ike_host_conf conf = { .ops = &relay_ops, .user = r, .responder = true,
				      .liveness = 3600000, .first_layer = i == 0 };
	uint8_t seed[CRYPTO_SIGN_SEED] = { (uint8_t)(i + 1) };

	*r = (struct trio_relay){ .trio = t, .index = i, .ts = { 1, { any } } };
	crypto_sign_key_from_seed(seed, &r->key);
	r->address = addr_v4(0xc6336400 + (uint32_t)i + 1);  /* 198.51.100.1 … */
	r->lease = addr_v4(0x64400000 + ((uint32_t)i << 16) + 7); /* 100.64.0.7, 100.65.0.7 … */
	conf.key = r->key;
	cr_assert_eq(ike_host_new(&conf, &r->host), 0);
	t->path.hops[i] = (struct dir_entry){ .identity = r->key.pub, .address = r->address,
					      .port = 500 };
}

void trio_init(struct trio *t, uint32_t liveness)
{
	struct ike_host_conf conf = { .ops = &client_ops, .user = t, .liveness = liveness };
	struct dp_kernel kernel;

	memset(t, 0, sizeof(*t));
	t->now = 1000;
	t->address = addr_v4(0xc0000263); /* 192.0.2.99 */
	t->rules = (struct ctl_circuit_rules){ .life = { 3600, 1 << 30 }, .liveness = liveness,
					       .silence = 10000 };
	cr_assert_eq(crypto_init(), 0);
	fake_kern_init(&t->kern);
	kernel = fake_kern_dp(&t->kern);
	cr_assert_eq(dp_new(&kernel, 7, &t->dp), 0);
	cr_assert_eq(ike_host_new(&conf, &t->host), 0);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		relay_init(t, i);
}

void trio_fini(struct trio *t)
{
	ctl_circuit_free(t->circuit);
	ike_host_free(t->host);
	for (size_t i = 0; i < TRIO_HOPS; i++)
		ike_host_free(t->relays[i].host);
	dp_free(t->dp);
	fake_kern_fini(&t->kern);
}

void trio_fix(struct trio *t)
{
	struct trio_relay *r = &t->relays[0];
	struct ike_host_conf conf = { .ops = &relay_ops, .user = r, .responder = true,
				      .liveness = 3600000, .key = r->key };

	ike_host_free(r->host);
	cr_assert_eq(ike_host_new(&conf, &r->host), 0);
}

void trio_start(struct trio *t)
{
	struct ctl_circuit_conf conf = { .id = 1, .host = t->host, .dp = t->dp,
					 .ops = &circuit_ops, .user = t, .rules = t->rules,
					 .path = t->path };

	cr_assert_eq(ctl_circuit_new(&conf, &t->circuit), 0);
}

static void deliver(struct trio *t)
{
	while (t->queued > 0) {
		struct trio_message m = t->queue[0];

		memmove(t->queue, t->queue + 1, --t->queued * sizeof(m));
		if (m.to < TRIO_HOPS) {
			t->relays[m.to].heard++;
			ike_host_input(t->relays[m.to].host, &m.path, m.bytes, m.len);
		} else {
			ike_host_input(t->host, &m.path, m.bytes, m.len);
		}
	}
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void trio_run(struct trio *t, uint64_t ms)
{
	uint64_t until = t->now + ms;

	for (;;) {
		uint64_t at = until;

		deliver(t);
		ike_host_tick(t->host);
		ctl_circuit_tick(t->circuit);
		for (size_t i = 0; i < TRIO_HOPS; i++)
			ike_host_tick(t->relays[i].host);
		if (t->queued > 0)
			continue;
		if (t->now >= until)
			return;
		at = least(at, ike_host_deadline(t->host));
		at = least(at, ctl_circuit_deadline(t->circuit));
		for (size_t i = 0; i < TRIO_HOPS; i++)
			at = least(at, ike_host_deadline(t->relays[i].host));
		t->now = at > t->now ? at : t->now + 1;
	}
}

enum ctl_circuit_state trio_state(const struct trio *t)
{
	struct ctl_circuit_info info;

	ctl_circuit_info(t->circuit, &info);
	return info.state;
}

size_t trio_channels(const struct trio *t)
{
	size_t n = 0;

	for (size_t i = 0; i < TRIO_CHANNELS; i++)
		n += t->channels[i].open;
	return n;
}

void trio_roam(struct trio *t, struct addr address, bool away)
{
	t->address = address;
	t->away = away;
	ctl_roam_follow(t->circuit);
}

void trio_events(struct trio *t)
{
	struct dp_event event;

	while (dp_events_next(t->dp, &event) == 1) {
		cr_assert_eq(event.data, t->circuit);
		ctl_circuit_event(t->circuit, &event);
	}
}

struct ike_sa_info trio_hop(const struct trio *t, size_t i)
{
	struct ike_sa_info info;

	cr_assert_eq(ctl_circuit_hop(t->circuit, i, &info), 0);
	return info;
}
