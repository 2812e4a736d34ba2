/* MOBIKE (RFC 4555): a mover with one address at a time, and a side that follows it. */
#include "common/ike/ike_sa_priv.h"

#include <errno.h>

enum { COOKIE2_MIN = 8, COOKIE2_MAX = 64 }; /* bytes, section 4.2.5 */

static struct ike_nat_spis spis_of(const struct ike_sa *sa)
{
	return (struct ike_nat_spis){ sa->spi_i, sa->spi_r };
}

/* What P says of PATH, or what is known when it says nothing. */
static struct ike_nat nat_of(const struct ike_sa *sa, const struct ike_payloads *p,
			     const struct ike_path *path)
{
	const struct ike_nat_spis spis = spis_of(sa);
	struct ike_nat nat = ike_nat_detect(p, &spis, path);

	return nat.told ? nat : sa->paths.nat;
}

static void build_nat(struct ike_sa *sa, const struct ike_path *path, struct ike_build *b)
{
	const struct ike_nat_spis spis = spis_of(sa);

	ike_nat_build(b, &spis, path, sa->paths.force_encap);
}

/* ---- the side that moves ---- */

static void send_update(struct ike_sa *sa)
{
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_notify(&out.b, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
	build_nat(sa, &sa->path, &out.b);
	ike_send_request(sa, &out);
}

/*
 * The peer has rekeyed OLD, and may not know: as long as it has not deleted it, our answer may be
 * lost. It would ask again where we were, and know of no other IKE SA.
 */
static void move_predecessor(struct ike_sa *old, const struct ike_path *path)
{
	if (!old || old->state != IKE_STATE_CLOSING)
		return;
	old->path = *path;
	old->paths.moving = true;
	ike_task_want(old, IKE_TASK_UPDATE);
	ike_send_hurry(old);
	ike_task_run(old);
}

int ike_mobike_move(struct ike_sa *sa, const struct ike_path *path)
{
	struct ike_path_state *s = &sa->paths;

	if (!s->first_layer || !s->moves || path->mark != 0 || !path->floated)
		return -EINVAL;
	if (sa->state == IKE_STATE_INIT_SENT || sa->state == IKE_STATE_AUTH_SENT)
		return -EAGAIN;
	if (sa->state != IKE_STATE_ESTABLISHED)
		return -ENOTCONN;
	if (!s->mobike)
		return -EOPNOTSUPP;
	if (!s->moving)
		s->used = sa->path;
	s->moving = true;
	sa->path = *path;
	ike_task_want(sa, IKE_TASK_UPDATE);
	ike_send_hurry(sa);
	ike_task_run(sa);
	move_predecessor(ike_sa_find(sa->host, sa->predecessor), path);
	return 0;
}

bool ike_mobike_ask_update(struct ike_sa *sa)
{
	if (!sa->paths.moving)
		return false;
	send_update(sa);
	return true;
}

static bool is_refused(struct ike_sa *sa, const struct ike_payloads *p)
{
	static const uint16_t errors[] = { IKE_NOTIFY_UNACCEPTABLE_ADDRESSES,
					   IKE_NOTIFY_UNEXPECTED_NAT_DETECTED };

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		if (!ike_find_notify(p, errors[i]))
			continue;
		sa->notify = errors[i];
		return true;
	}
	return false;
}

void ike_mobike_updated(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct ike_path_state *s = &sa->paths;
	struct ike_nat nat;

	if (ike_task_is_wanted(sa, IKE_TASK_UPDATE)) /* moved on: that answer is of no use */
		return;
	ike_info_response(sa, p);
	if (sa->state != IKE_STATE_ESTABLISHED)
		return;
	if (is_refused(sa, p)) { /* we have no other address to offer */
		ike_sa_close(sa, IKE_END_REFUSED);
		return;
	}
	s->moving = false;
	nat = nat_of(sa, p, &sa->path);
	ike_path_changed(sa, &s->used, &nat);
}

/* ---- the side that follows ---- */

void ike_mobike_mapping(struct ike_sa *sa, const struct endpoint *remote)
{
	const struct ike_path_state *s = &sa->paths;
	struct ike_path path = sa->path;

	if (sa->state != IKE_STATE_ESTABLISHED || !s->first_layer || s->moves || !s->encap ||
	    !s->nat.remote || (s->check.on && !s->check.passed) ||
	    remote->addr.family != path.remote.addr.family)
		return;
	path.remote = *remote;
	ike_path_try(sa, &path, &s->nat, true);
	ike_task_run(sa);
}

/* Section 3.9: somebody translates what the peer has forbidden to translate. */
static bool breaks_no_nats(const struct ike_payloads *p, const struct ike_path *path)
{
	const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_NO_NATS_ALLOWED);

	return n && !ike_nat_is_absent(n->data, path);
}

void ike_mobike_answer(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p,
		       struct ike_build *b)
{
	const struct ike_notify *cookie = ike_find_notify(p, IKE_NOTIFY_COOKIE2);
	const struct ike_nat_spis spis = spis_of(sa);

	if (!sa->paths.mobike)
		return;
	if (breaks_no_nats(p, path))
		ike_build_notify(b, IKE_NOTIFY_UNEXPECTED_NAT_DETECTED, NULL, 0);
	else if (ike_nat_detect(p, &spis, path).told)
		build_nat(sa, path, b);
	if (cookie && cookie->data.len >= COOKIE2_MIN && cookie->data.len <= COOKIE2_MAX)
		ike_build_notify(b, IKE_NOTIFY_COOKIE2, cookie->data.data, cookie->data.len);
}

void ike_mobike_heard(struct ike_sa *sa, const struct ike_path *path, const struct ike_payloads *p)
{
	const struct ike_path_state *s = &sa->paths;
	struct ike_nat nat;

	if (sa->state != IKE_STATE_ESTABLISHED || !s->first_layer || s->moves)
		return;
	if (s->mobike && ike_find_notify(p, IKE_NOTIFY_UPDATE_SA_ADDRESSES)) {
		if (breaks_no_nats(p, path))
			return;
		nat = nat_of(sa, p, path);
		ike_path_try(sa, path, &nat, true);
	} else if (!ike_find_notify(p, IKE_NOTIFY_COOKIE2)) { /* with it: a path is tried, section 3.10 */
		ike_path_follow(sa, path);
	}
}

bool ike_mobike_ask_check(struct ike_sa *sa)
{
	struct ike_path_check *c = &sa->paths.check;
	struct ike_out out;

	if (!c->on)
		return false;
	c->asked = true;
	c->tries_left = IKE_PATH_CHECK_TRIES;
	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	if (sa->paths.mobike) {
		ike_host_random(sa->host, c->cookie, sizeof(c->cookie));
		ike_build_notify(&out.b, IKE_NOTIFY_COOKIE2, c->cookie, sizeof(c->cookie));
	}
	ike_send_request(sa, &out);
	return true;
}

/* Whether the peer has what was sent along the path, and there only (section 3.7). */
static bool has_cookie(const struct ike_path_state *s, const struct ike_payloads *p)
{
	const struct ike_notify *n = ike_find_notify(p, IKE_NOTIFY_COOKIE2);

	return !s->mobike || (n && n->data.len == sizeof(s->check.cookie) &&
			      crypto_equal(n->data.data, s->check.cookie, n->data.len));
}

void ike_mobike_checked(struct ike_sa *sa, const struct ike_payloads *p)
{
	struct ike_path_check *c = &sa->paths.check;

	ike_info_response(sa, p);
	if (sa->state != IKE_STATE_ESTABLISHED || !c->on || !c->asked)
		return;
	c->asked = false;
	if (!c->there) { /* it is somewhere, but not there */
		c->on = false;
	} else if (!has_cookie(&sa->paths, p)) {
		c->on = false;
		ike_sa_close(sa, IKE_END_PROTOCOL);
	} else {
		ike_path_pass(sa);
	}
}
