#include "common/ike/ike_sa_priv.h"

#include <errno.h>

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

void ike_child_linger(struct ike_sa *sa, struct ike_slot *slot)
{
	slot->state = IKE_CHILD_LINGERING;
	slot->delete_out = false;
	slot->over_at = ike_host_now(sa->host) + sa->host->conf.child_linger;
	drop_values(slot);
}

uint64_t ike_child_deadline(const struct ike_sa *sa)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		const struct ike_slot *slot = &sa->children->slots[i];

		if (slot->state == IKE_CHILD_LINGERING && slot->over_at < at)
			at = slot->over_at;
	}
	return at;
}

void ike_child_tick(struct ike_sa *sa, uint64_t now)
{
	const struct ike_host_conf *conf = &sa->host->conf;

	for (size_t i = 0; sa->children && i < IKE_CHILDREN_MAX; i++) {
		struct ike_slot *slot = &sa->children->slots[i];
		uint32_t spi = slot->spi_in;

		if (slot->state != IKE_CHILD_LINGERING || slot->over_at > now)
			continue;
		ike_child_free(sa, slot);
		conf->ops->child_del(conf->user, sa, spi);
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
