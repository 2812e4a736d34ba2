#include "common/ike/ike_sa_priv.h"

#include <errno.h>

/* Milliseconds; long for a packet inside one machine, short for the peer's inbound half. */
enum { MUTE_AFTER = 1000 };

static struct ike_slot *free_slot(struct ike_children *children)
{
	for (size_t i = 0; i < IKE_CHILDREN_MAX; i++)
		if (children->slots[i].state == IKE_CHILD_FREE)
			return &children->slots[i];
	return NULL;
}

int ike_child_choose(struct ike_sa *sa, struct ike_slot **out)
{
	struct ike_host *host = sa->host;
	struct ike_slot *slot, *other;

	if (!sa->children)
		sa->children = calloc(1, sizeof(*sa->children));
	if (!sa->children)
		return -ENOMEM;
	slot = free_slot(sa->children);
	if (!slot)
		return -ENOSPC;
	do {
		ike_host_random(host, &slot->spi_in, sizeof(slot->spi_in));
		HASH_FIND(hh, host->by_child, &slot->spi_in, sizeof(slot->spi_in), other);
	} while (slot->spi_in < IKE_ESP_SPI_MIN || other);
	HASH_ADD(hh, host->by_child, spi_in, sizeof(slot->spi_in), slot);
	if (!slot->hh.tbl)
		return -ENOMEM;
	slot->state = IKE_CHILD_LARVAL;
	*out = slot;
	return 0;
}

void ike_child_first(struct ike_sa *sa, const struct ike_child *child)
{
	struct ike_slot *slot = ike_child_in_state(sa, IKE_CHILD_LARVAL);

	slot->state = IKE_CHILD_CURRENT;
	slot->spi_out = child->spi_out;
	sa->children->ts_local = child->ts_local;
	sa->children->ts_remote = child->ts_remote;
}

struct ike_slot *ike_child_in_state(const struct ike_sa *sa, enum ike_child_state state)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++)
		if (sa->children->slots[i].state == state)
			return &sa->children->slots[i];
	return NULL;
}

struct ike_slot *ike_child_current(const struct ike_sa *sa)
{
	return ike_child_in_state(sa, IKE_CHILD_CURRENT);
}

struct ike_slot *ike_child_by_in(const struct ike_sa *sa, uint32_t spi_in)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		if (slot->state != IKE_CHILD_FREE && slot->spi_in == spi_in)
			return slot;
	}
	return NULL;
}

struct ike_slot *ike_child_by_out(const struct ike_sa *sa, uint32_t spi_out)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		if (slot->state > IKE_CHILD_LARVAL && slot->spi_out == spi_out)
			return slot;
	}
	return NULL;
}

static void drop_values(struct ike_slot *slot)
{
	if (!slot->values)
		return;
	crypto_wipe(slot->values, sizeof(*slot->values));
	free(slot->values);
	slot->values = NULL;
}

void ike_child_free(struct ike_sa *sa, struct ike_slot *slot)
{
	HASH_DEL(sa->host->by_child, slot);
	drop_values(slot);
	*slot = (struct ike_slot){ 0 };
}

struct ike_slot *ike_child_replacement(const struct ike_sa *sa, const struct ike_slot *old)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		if (slot->state == IKE_CHILD_NEW && slot->replaces == old->spi_in)
			return slot;
	}
	return NULL;
}

void ike_child_retire(struct ike_sa *sa, struct ike_slot *old)
{
	old->state = IKE_CHILD_REPLACED;
	old->mute_at = ike_host_now(sa->host) + MUTE_AFTER;
}

/* Deleted at both sides, but what is on its way may still come in. */
static void linger(struct ike_sa *sa, struct ike_slot *slot)
{
	slot->state = IKE_CHILD_LINGERING;
	slot->delete_out = false;
	slot->over_at = ike_host_now(sa->host) + sa->host->conf.child_linger;
}

/* Out of the data path too. */
static void drop(struct ike_sa *sa, struct ike_slot *slot)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	uint32_t spi = slot->spi_in;

	ike_child_free(sa, slot);
	conf->ops->child_del(conf->user, sa, spi);
}

/* A NEW one comes into use. 0, or -errno of the outside. */
static int switch_to(struct ike_sa *sa, struct ike_slot *slot)
{
	const struct ike_host_conf *conf = &sa->host->conf;
	struct ike_child child = *slot->values; /* the callee may end SA, and SLOT with it */
	int r = conf->ops->child_switch(conf->user, sa, &child);

	crypto_wipe(&child, sizeof(child));
	if (r < 0 || sa->state == IKE_STATE_DEAD)
		return r;
	slot->state = IKE_CHILD_CURRENT;
	drop_values(slot);
	sa->rekeys++;
	ike_task_done(sa, IKE_TASK_REKEY_CHILD);
	return 0;
}

/* ---- the peer deletes one ---- */

static int current_deleted(struct ike_sa *sa, struct ike_slot *slot)
{
	struct ike_slot *next = ike_child_replacement(sa, slot);
	int r;

	if (!next)
		return -ENOENT;
	r = switch_to(sa, next);
	if (r < 0 || sa->state == IKE_STATE_DEAD)
		return r;
	ike_child_retire(sa, slot);
	linger(sa, slot);
	return 0;
}

/* It gave way to ours, or the peer could not use it; then the old one still has to be replaced. */
static void new_deleted(struct ike_sa *sa, struct ike_slot *slot)
{
	const struct ike_slot *current;

	if (sa->rekey && sa->rekey->old_in == slot->replaces)
		sa->rekey->rival_len = 0;
	drop(sa, slot);
	current = ike_child_current(sa);
	if (current && current->due)
		ike_task_want(sa, IKE_TASK_REKEY_CHILD);
}

int ike_child_deleted(struct ike_sa *sa, struct ike_slot *slot, bool *answer)
{
	*answer = true;
	switch (slot->state) {
	case IKE_CHILD_CURRENT:
		return current_deleted(sa, slot);
	case IKE_CHILD_NEW:
		new_deleted(sa, slot);
		return 0;
	case IKE_CHILD_REPLACED: /* when our Delete is out too, the two answer each other (1.4.1) */
		*answer = !slot->delete_out;
		linger(sa, slot);
		return 0;
	case IKE_CHILD_REFUSED:
		*answer = !slot->delete_out;
		ike_child_free(sa, slot);
		return 0;
	case IKE_CHILD_LINGERING:
	case IKE_CHILD_LARVAL:
	case IKE_CHILD_FREE:
		break;
	}
	*answer = false;
	return 0;
}

/* ---- we delete one ---- */

static struct ike_slot *to_delete(const struct ike_sa *sa)
{
	struct ike_slot *slot = ike_child_in_state(sa, IKE_CHILD_REPLACED);

	return slot ? slot : ike_child_in_state(sa, IKE_CHILD_REFUSED);
}

bool ike_child_ask_delete(struct ike_sa *sa)
{
	struct ike_slot *slot = to_delete(sa);
	struct ike_out out;

	if (!slot)
		return false;
	slot->delete_out = true;
	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_delete(&out.b, true, slot->spi_in);
	ike_send_request(sa, &out);
	return true;
}

void ike_child_delete_answered(struct ike_sa *sa, const struct ike_payloads *p)
{
	ike_info_response(sa, p);
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		if (!slot->delete_out)
			continue;
		if (slot->state == IKE_CHILD_REPLACED)
			linger(sa, slot);
		else
			ike_child_free(sa, slot);
	}
	if (sa->state == IKE_STATE_ESTABLISHED && to_delete(sa))
		ike_task_want(sa, IKE_TASK_DELETE_CHILD);
}

void ike_child_inherited(struct ike_sa *sa)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		slot->delete_out = false;
		if (slot->state == IKE_CHILD_LARVAL)
			ike_child_free(sa, slot);
	}
	if (to_delete(sa))
		ike_task_want(sa, IKE_TASK_DELETE_CHILD);
}

/* ---- time ---- */

static bool has_end(const struct ike_slot *slot)
{
	return slot->state == IKE_CHILD_LINGERING || slot->state == IKE_CHILD_NEW;
}

uint64_t ike_child_deadline(const struct ike_sa *sa)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		const struct ike_slot *slot = &sa->children->slots[i];

		if (has_end(slot) && slot->over_at < at)
			at = slot->over_at;
		if (slot->mute_at != 0 && slot->mute_at < at)
			at = slot->mute_at;
	}
	return at;
}

/*
 * A peer that never deletes what its NEW one replaces must be using that one. When the old one is
 * out of use already, the NEW one has lost to another and its maker forgot it.
 */
static void finish_for_peer(struct ike_sa *sa, struct ike_slot *slot)
{
	struct ike_slot *old = ike_child_current(sa);

	if (!old || old->spi_in != slot->replaces) {
		drop(sa, slot);
		return;
	}
	if (switch_to(sa, slot) < 0) {
		ike_sa_fail(sa, IKE_END_PROTOCOL, 0);
		return;
	}
	if (sa->state == IKE_STATE_DEAD)
		return;
	ike_child_retire(sa, old);
	ike_task_want(sa, IKE_TASK_DELETE_CHILD);
}

static void mute_if_due(struct ike_sa *sa, struct ike_slot *slot, uint64_t now)
{
	const struct ike_host_conf *conf = &sa->host->conf;

	if (slot->mute_at == 0 || slot->mute_at > now)
		return;
	slot->mute_at = 0;
	conf->ops->child_mute(conf->user, sa, slot->spi_in);
}

void ike_child_tick(struct ike_sa *sa, uint64_t now)
{
	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];

		mute_if_due(sa, slot, now);
		if (!sa->children || !has_end(slot) || slot->over_at > now)
			continue;
		if (slot->state == IKE_CHILD_LINGERING)
			drop(sa, slot);
		else
			finish_for_peer(sa, slot);
	}
}

void ike_child_free_all(struct ike_sa *sa)
{
	if (!sa->children)
		return;
	for (size_t i = 0; i < IKE_CHILDREN_MAX; i++)
		if (sa->children->slots[i].state != IKE_CHILD_FREE)
			ike_child_free(sa, &sa->children->slots[i]);
	free(sa->children);
	sa->children = NULL;
}
