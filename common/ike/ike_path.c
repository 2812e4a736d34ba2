#include "common/ike/ike_sa_priv.h"

static const struct bucket_rate move_rate = { 1, IKE_PATH_PERIOD, IKE_PATH_BURST };

bool ike_path_equal(const struct ike_path *a, const struct ike_path *b)
{
	return addr_equal(&a->local.addr, &b->local.addr) && a->local.port == b->local.port &&
	       addr_equal(&a->remote.addr, &b->remote.addr) && a->remote.port == b->remote.port &&
	       a->mark == b->mark && a->channel == b->channel && a->floated == b->floated;
}

void ike_path_start(struct ike_sa *sa)
{
	struct ike_path_state *s = &sa->paths;

	s->moves = sa->initiator;
	s->first_layer = sa->path.mark == 0 && (sa->initiator ? sa->hs->conf.first_layer :
								 sa->host->conf.first_layer);
	s->force_encap = s->first_layer && sa->initiator && sa->hs->conf.force_encap;
}

void ike_path_copy(struct ike_sa *sa, const struct ike_sa *old)
{
	sa->paths = old->paths;
	sa->paths.moving = false;
	sa->paths.check = (struct ike_path_check){ 0 };
	sa->paths.late = (struct ike_path_late){ 0 };
}

void ike_path_inherit(struct ike_sa *sa, const struct ike_sa *old)
{
	struct ike_path_state *s = &sa->paths;

	sa->path = old->path;
	*s = old->paths;
	s->check.asked = false;
	if (s->moving)
		ike_task_want(sa, IKE_TASK_UPDATE);
	if (s->check.on && !s->check.passed)
		ike_task_want(sa, IKE_TASK_CHECK);
}

const struct ike_path *ike_path_out(const struct ike_sa *sa)
{
	const struct ike_path_check *c = &sa->paths.check;

	return c->on && !c->passed ? &c->path : &sa->path;
}

/* Whether ESP goes in UDP where the NATs are NAT; never without port 4500. */
static bool needs_encap(const struct ike_sa *sa, const struct ike_nat *nat)
{
	return sa->path.floated && (nat->local || nat->remote || sa->paths.force_encap);
}

/* Without MOBIKE a NAT may still forget who we talk to (RFC 7296 section 2.23). */
static bool may_be_remapped(const struct ike_sa *sa, const struct ike_path *path)
{
	const struct ike_path_state *s = &sa->paths;

	return s->encap && s->nat.remote && path->floated && path->channel == sa->path.channel &&
	       path->local.port == sa->path.local.port &&
	       addr_equal(&path->local.addr, &sa->path.local.addr);
}

static bool may_float(const struct ike_sa *sa, const struct ike_path *path)
{
	return sa->paths.nat.told && path->floated && !sa->path.floated &&
	       addr_equal(&path->remote.addr, &sa->path.remote.addr) &&
	       addr_equal(&path->local.addr, &sa->path.local.addr);
}

bool ike_path_may_come(const struct ike_sa *sa, const struct ike_path *path)
{
	const struct ike_path_state *s = &sa->paths;

	if (ike_sa_path_fits(sa, path))
		return true;
	if (!s->first_layer || s->moves || path->mark != 0)
		return false;
	if (sa->state == IKE_STATE_HALF_OPEN)
		return may_float(sa, path);
	return (s->mobike && path->floated) || may_be_remapped(sa, path);
}

/* ---- to port 4500 ---- */

void ike_path_float(struct ike_sa *sa, const struct ike_payloads *p)
{
	const struct ike_nat_spis spis = { sa->spi_i, sa->spi_r };
	const struct ike_host_conf *conf = &sa->host->conf;
	struct ike_path_state *s = &sa->paths;
	struct ike_path path = sa->path;

	if (!s->first_layer)
		return;
	s->nat = ike_nat_detect(p, &spis, &sa->path);
	if (!s->nat.told)
		return;
	if (!path.floated && conf->ops->float_path &&
	    conf->ops->float_path(conf->user, sa, &path) == 0)
		sa->path = path;
	s->encap = needs_encap(sa, &s->nat);
}

void ike_path_decrypted(struct ike_sa *sa, const struct ike_path *path)
{
	if (!ike_sa_path_fits(sa, path))
		sa->path = *path;
	sa->paths.encap = needs_encap(sa, &sa->paths.nat);
}

/* ---- another path ---- */

void ike_path_changed(struct ike_sa *sa, const struct ike_path *from, const struct ike_nat *nat)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	struct ike_path_state *s = &sa->paths;
	bool from_encap = s->encap;

	s->nat = *nat;
	s->encap = needs_encap(sa, nat);
	if (s->encap == from_encap && ike_path_equal(from, &sa->path))
		return;
	if (conf->ops->moved && conf->ops->moved(conf->user, sa, from, from_encap) < 0)
		ike_sa_fail(sa, IKE_END_PROTOCOL, 0);
}

void ike_path_stay(struct ike_sa *sa)
{
	struct ike_path_check *c = &sa->paths.check;

	if (!c->on)
		return;
	c->on = c->asked = false;
	ike_send_hurry(sa);
}

/* Where it is wanted and was found to be right. */
static void go_if_ready(struct ike_sa *sa)
{
	struct ike_path_check *c = &sa->paths.check;
	struct ike_path from = sa->path;

	if (!c->go || !c->passed)
		return;
	c->on = sa->paths.lost = false;
	sa->path = c->path;
	ike_path_changed(sa, &from, &c->nat);
}

void ike_path_pass(struct ike_sa *sa)
{
	sa->paths.check.passed = true;
	go_if_ready(sa);
}

/* Takes what a move costs. False: the newest is tried later, for the peer will not say it again. */
static bool may_try(struct ike_sa *sa, const struct ike_path *path, const struct ike_nat *nat,
		    bool go)
{
	struct ike_path_state *s = &sa->paths;

	if (bucket_take(&s->tries, &move_rate, ike_host_now(sa->host)))
		return true;
	s->late = (struct ike_path_late){ .on = true, .go = go, .path = *path, .nat = *nat };
	return false;
}

/* It is on the path it was on; only what its NATs do may be news. */
static void try_same(struct ike_sa *sa, const struct ike_nat *nat)
{
	struct ike_path same = sa->path;

	ike_path_stay(sa);
	if (needs_encap(sa, nat) == sa->paths.encap || may_try(sa, &same, nat, true))
		ike_path_changed(sa, &same, nat);
}

void ike_path_try(struct ike_sa *sa, const struct ike_path *path, const struct ike_nat *nat,
		  bool go)
{
	struct ike_path_check *c = &sa->paths.check;

	sa->paths.late.on = false;
	if (ike_path_equal(path, &sa->path)) {
		try_same(sa, nat);
		return;
	}
	if (c->on && ike_path_equal(path, &c->path)) {
		c->nat = *nat;
		c->go = c->go || go;
		go_if_ready(sa);
		return;
	}
	if (!may_try(sa, path, nat, go))
		return;
	c->nat = *nat;
	c->on = true;
	c->go = go;
	c->passed = false;
	c->asked = false; /* the answer to what was asked along another path proves nothing */
	c->tries_left = IKE_PATH_CHECK_TRIES;
	c->path = *path;
	ike_send_hurry(sa);
	ike_task_want(sa, IKE_TASK_CHECK);
}

void ike_path_follow(struct ike_sa *sa, const struct ike_path *path)
{
	struct ike_path_state *s = &sa->paths;
	const struct ike_path_late late = s->late;
	struct ike_nat nat;

	if (!s->first_layer || s->moves)
		return;
	if (late.on && ike_path_equal(path, &late.path)) {
		ike_path_try(sa, path, &late.nat, late.go);
	} else if (ike_sa_path_fits(sa, path)) {
		s->lost = s->late.on = false;
		ike_path_stay(sa);
	} else if (s->check.on && ike_path_equal(path, &s->check.path)) {
		s->late.on = false;
	} else if (s->lost) { /* it believes that it is heard and will not say so again */
		nat = s->check.nat;
		ike_path_try(sa, path, &nat, true);
	} else {
		ike_path_try(sa, path, &s->nat, may_be_remapped(sa, path));
	}
}

bool ike_path_wait(struct ike_sa *sa)
{
	struct ike_path_check *c = &sa->paths.check;

	if (!c->on || c->passed || (--c->tries_left > 0 && sa->request.tries_left > 0))
		return true;
	sa->paths.lost = sa->paths.lost || c->go;
	ike_path_stay(sa);
	return false;
}

/* ---- what time brings ---- */

static uint64_t keepalive_at(const struct ike_sa *sa)
{
	const struct ike_path_state *s = &sa->paths;

	if (sa->state != IKE_STATE_ESTABLISHED || !s->moves || !s->nat.local ||
	    !sa->path.floated || !sa->host->conf.ops->keepalive)
		return UINT64_MAX;
	return s->spoke_at + sa->host->conf.keepalive;
}

static uint64_t late_at(const struct ike_sa *sa)
{
	const struct ike_path_state *s = &sa->paths;

	return sa->state == IKE_STATE_ESTABLISHED && s->late.on ?
		       bucket_next(&s->tries, &move_rate) : UINT64_MAX;
}

uint64_t ike_path_deadline(const struct ike_sa *sa)
{
	uint64_t keepalive = keepalive_at(sa), late = late_at(sa);

	return keepalive < late ? keepalive : late;
}

void ike_path_tick(struct ike_sa *sa, uint64_t now)
{
	const struct ike_path_late late = sa->paths.late;

	if (keepalive_at(sa) <= now) {
		sa->paths.spoke_at = now;
		sa->host->conf.ops->keepalive(sa->host->conf.user, &sa->path);
	}
	if (late_at(sa) <= now)
		ike_path_try(sa, &late.path, &late.nat, late.go);
}
