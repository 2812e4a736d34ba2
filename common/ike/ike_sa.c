#include "common/ike/ike_sa_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/log.h"

struct ike_sa *ike_sa_find(const struct ike_host *host, uint64_t spi)
{
	struct ike_sa *sa;

	HASH_FIND(hh, host->by_spi, &spi, sizeof(spi), sa);
	return sa;
}

uint64_t ike_sa_choose_spi(const struct ike_host *host)
{
	uint64_t spi;

	do
		ike_host_random(host, &spi, sizeof(spi));
	while (spi == 0 || ike_sa_find(host, spi));
	return spi;
}

/* In by_spi under SPI, and nothing else decided. */
static struct ike_sa *create(struct ike_host *host, bool initiator, uint64_t spi,
			     const struct ike_path *path)
{
	struct ike_sa *sa;

	if (ike_heap_reserve(&host->timers, host->sa_count + 1) < 0)
		return NULL;
	sa = calloc(1, sizeof(*sa));
	if (!sa)
		return NULL;
	sa->host = host;
	sa->initiator = initiator;
	sa->path = *path;
	sa->idle = host->conf.liveness;
	sa->spi_local = spi;
	*(initiator ? &sa->spi_i : &sa->spi_r) = spi;
	HASH_ADD(hh, host->by_spi, spi_local, sizeof(sa->spi_local), sa);
	if (!sa->hh.tbl) {
		free(sa);
		return NULL;
	}
	host->sa_count++;
	return sa;
}

struct ike_sa *ike_sa_new(struct ike_host *host, bool initiator, const struct ike_path *path)
{
	struct ike_handshake *hs;
	struct ike_sa *sa;

	if (host->sa_count >= host->conf.sa_max)
		return NULL;
	hs = calloc(1, sizeof(*hs));
	if (!hs)
		return NULL;
	sa = create(host, initiator, ike_sa_choose_spi(host), path);
	if (!sa) {
		free(hs);
		return NULL;
	}
	sa->hs = hs;
	sa->state = initiator ? IKE_STATE_INIT_SENT : IKE_STATE_HALF_OPEN;
	return sa;
}

/* Beyond sa_max: an SA that is up is renewed, and has one or two others for a while. */
struct ike_sa *ike_sa_successor(const struct ike_sa *old, bool initiator, uint64_t spi_i,
				uint64_t spi_r)
{
	struct ike_sa *sa = create(old->host, initiator, initiator ? spi_i : spi_r, &old->path);

	if (!sa)
		return NULL;
	sa->spi_i = spi_i;
	sa->spi_r = spi_r;
	sa->state = IKE_STATE_ESTABLISHED;
	sa->replaces = old->spi_local;
	sa->fragments = old->fragments;
	sa->last_heard = ike_host_now(sa->host);
	ike_path_copy(sa, old);
	return sa;
}

/* When this side rekeys it: at different times at both, so that they seldom meet. */
static void choose_rekey_time(struct ike_sa *sa)
{
	uint32_t after = sa->host->conf.rekey_after, r;

	if (after == 0)
		return;
	ike_host_random(sa->host, &r, sizeof(r));
	sa->rekey_at = ike_host_now(sa->host) + after - r % (after / 8 + 1);
}

void ike_sa_inherit(struct ike_sa *sa, struct ike_sa *old)
{
	const uint32_t own = 1u << IKE_TASK_REKEY | 1u << IKE_TASK_DELETE;

	sa->replaces = 0;
	sa->expires_at = 0;
	sa->predecessor = old->spi_local;
	sa->known = old->known;
	sa->data = old->data;
	sa->children = old->children;
	sa->wanted |= old->wanted & ~own;
	sa->retry[IKE_TASK_REKEY_CHILD] = old->retry[IKE_TASK_REKEY_CHILD];
	sa->peer_rekeys = old->peer_rekeys;
	sa->established_at = old->established_at;
	sa->last_heard = old->last_heard;
	sa->idle = old->idle;
	sa->tolerate = old->tolerate;
	sa->unasked_until = old->unasked_until;
	sa->rekeys = old->rekeys;
	sa->ike_rekeys = old->ike_rekeys;
	sa->sent += old->sent;
	sa->received += old->received;
	sa->retransmitted += old->retransmitted;
	ike_path_inherit(sa, old);
	ike_child_inherited(sa);
	choose_rekey_time(sa);
	old->known = false;
	old->children = NULL;
	old->wanted &= 1u << IKE_TASK_UPDATE; /* the peer may know no other */
}

bool ike_sa_set_state(struct ike_sa *sa, enum ike_state to)
{
	static const uint32_t allowed[] = {
		[IKE_STATE_INIT_SENT] = 1u << IKE_STATE_AUTH_SENT | 1u << IKE_STATE_DEAD,
		[IKE_STATE_AUTH_SENT] = 1u << IKE_STATE_ESTABLISHED | 1u << IKE_STATE_DEAD,
		[IKE_STATE_HALF_OPEN] = 1u << IKE_STATE_ESTABLISHED | 1u << IKE_STATE_DEAD,
		[IKE_STATE_ESTABLISHED] = 1u << IKE_STATE_CLOSING | 1u << IKE_STATE_DEAD,
		[IKE_STATE_CLOSING] = 1u << IKE_STATE_DEAD,
		[IKE_STATE_DEAD] = 0,
	};

	if (!(allowed[sa->state] >> to & 1))
		return false;
	log_debug("IKE SA %016" PRIx64 "-%016" PRIx64 ": %s -> %s", sa->spi_i, sa->spi_r,
		  ike_state_name(sa->state), ike_state_name(to));
	sa->state = to;
	return true;
}

static void free_handshake(struct ike_sa *sa)
{
	if (!sa->hs)
		return;
	crypto_wipe(sa->hs, sizeof(*sa->hs));
	free(sa->hs);
	sa->hs = NULL;
}

bool ike_sa_establish(struct ike_sa *sa)
{
	if (!ike_sa_set_state(sa, IKE_STATE_ESTABLISHED))
		return false;
	sa->established_at = sa->last_heard = ike_host_now(sa->host);
	sa->expires_at = 0;
	memcpy(sa->sk_d, sa->hs->keys.d, sizeof(sa->sk_d));
	free_handshake(sa);
	ike_limit_leave(&sa->host->half_open, &sa->limit);
	choose_rekey_time(sa);
	ike_send_arm(sa);
	return true;
}

/* Tells the outside. False when that was done before. */
static bool die(struct ike_sa *sa, enum ike_end why)
{
	const struct ike_host_conf *conf = &sa->host->conf;

	if (!ike_sa_set_state(sa, IKE_STATE_DEAD))
		return false;
	sa->expires_at = ike_host_now(sa->host) +
			 ((uint64_t)conf->retransmit_first << IKE_LINGER_SHIFT);
	free_handshake(sa);
	if (sa->known)
		conf->ops->ended(conf->user, sa, why);
	ike_child_free_all(sa);
	ike_rekey_ike_ended(sa);
	return true;
}

void ike_sa_end(struct ike_sa *sa, enum ike_end why)
{
	if (die(sa, why))
		ike_sa_release(sa);
}

void ike_sa_end_answered(struct ike_sa *sa, enum ike_end why)
{
	ike_send_forget(sa);
	if (die(sa, why))
		ike_send_arm(sa);
}

void ike_sa_fail(struct ike_sa *sa, enum ike_end why, uint16_t notify)
{
	if (sa->state == IKE_STATE_DEAD)
		return;
	if (notify)
		sa->notify = notify;
	ike_send_forget(sa);
	ike_info_farewell(sa, notify);
	if (die(sa, why))
		ike_send_arm(sa);
}

void ike_sa_close(struct ike_sa *sa, enum ike_end why)
{
	if (sa->state != IKE_STATE_ESTABLISHED && sa->state != IKE_STATE_CLOSING) {
		ike_sa_end(sa, why);
		return;
	}
	if (!ike_sa_set_state(sa, IKE_STATE_CLOSING))
		return;
	sa->why = why;
	ike_rekey_ike_closing(sa);
	ike_task_want(sa, IKE_TASK_DELETE);
	ike_task_run(sa);
}

void ike_sa_release(struct ike_sa *sa)
{
	struct ike_host *host = sa->host;

	HASH_DEL(host->by_spi, sa);
	if (sa->hh_digest.tbl)
		HASH_DELETE(hh_digest, host->by_digest, sa);
	ike_heap_remove(&host->timers, &sa->timer);
	ike_limit_leave(&host->half_open, &sa->limit);
	host->sa_count--;
	sa->next_garbage = host->garbage;
	host->garbage = sa;
}

void ike_sa_free(struct ike_sa *sa)
{
	free_handshake(sa);
	ike_send_forget(sa);
	ike_rekey_free(sa->rekey);
	free(sa->response);
	ike_frag_free(&sa->frags[0]);
	ike_frag_free(&sa->frags[1]);
	ike_crypt_wipe(&sa->in);
	ike_crypt_wipe(&sa->out);
	crypto_wipe(sa->sk_d, sizeof(sa->sk_d));
	free(sa);
}

void *ike_sa_data(const struct ike_sa *sa)
{
	return sa->data;
}

void ike_sa_set_data(struct ike_sa *sa, void *data)
{
	sa->data = data;
}

void ike_sa_info(const struct ike_sa *sa, struct ike_sa_info *out)
{
	const struct ike_slot *child = ike_child_current(sa);

	*out = (struct ike_sa_info){
		.state = sa->state, .initiator = sa->initiator,
		.spi_i = sa->spi_i, .spi_r = sa->spi_r,
		.path = sa->path, .notify = sa->notify,
		.nat_local = sa->paths.nat.local, .nat_remote = sa->paths.nat.remote,
		.encap = sa->paths.encap, .mobike = sa->paths.mobike,
		.child_in = child ? child->spi_in : 0, .child_out = child ? child->spi_out : 0,
		.rekeys = sa->rekeys, .ike_rekeys = sa->ike_rekeys,
		.established_at = sa->established_at, .last_heard = sa->last_heard,
		.sent = sa->sent, .received = sa->received, .retransmitted = sa->retransmitted,
	};
}

const char *ike_state_name(enum ike_state state)
{
	switch (state) {
	case IKE_STATE_INIT_SENT: return "init-sent";
	case IKE_STATE_AUTH_SENT: return "auth-sent";
	case IKE_STATE_HALF_OPEN: return "half-open";
	case IKE_STATE_ESTABLISHED: return "established";
	case IKE_STATE_CLOSING: return "closing";
	case IKE_STATE_DEAD: return "dead";
	}
	return "unknown";
}

const char *ike_end_name(enum ike_end why)
{
	switch (why) {
	case IKE_END_LOCAL: return "closed here";
	case IKE_END_PEER: return "closed by the peer";
	case IKE_END_TIMEOUT: return "no answer";
	case IKE_END_AUTH: return "authentication failed";
	case IKE_END_REFUSED: return "refused by the peer";
	case IKE_END_PROTOCOL: return "protocol error";
	}
	return "unknown";
}

bool ike_sa_path_fits(const struct ike_sa *sa, const struct ike_path *path)
{
	return addr_equal(&path->remote.addr, &sa->path.remote.addr) &&
	       path->remote.port == sa->path.remote.port && path->mark == sa->path.mark &&
	       path->channel == sa->path.channel;
}
