#pragma once
/*
 * The SA pairs of one tunnel or circuit: one in use; while it is replaced, the next one; those that
 * were replaced and still take late packets. All go the same way (struct dp_way).
 */
#include "common/io/loop.h"
#include "ippriv-node/ctl_keys.h"

enum { CTL_PAIRS_MOST = 6 };

/* What they have in common with those of others. */
struct ctl_pairs_env {
	struct dp *dp;        /* borrowed, both */
	struct io_loop *loop;
	struct life_rule life; /* of each */
};

struct ctl_pair {
	uint32_t spi_in, spi_out;
	unsigned int halves;  /* of dp_half, that the kernel has from us */
	uint64_t soft_at;     /* loop time when the kernel is to tell that it is old */
	struct dp_stats seen; /* its counters at the last look */
};

/* Zeros at the start. */
struct ctl_pairs {
	size_t count;
	struct ctl_pair items[CTL_PAIRS_MOST]; /* oldest first */
	struct dp_stats total;                 /* of all there ever were, at the last look */
};

/* 0, -EBUSY when there are too many already, or as dp_pair_add. IN_ONLY: ctl_pairs_switch follows. */
int ctl_pairs_add(struct ctl_pairs *p, const struct ctl_pairs_env *env,
		  const struct dp_way *way, const struct ike_child *child, bool in_only) _must_check_;
/* The outbound half, too. -ENOENT: there is no such pair. */
int ctl_pairs_switch(struct ctl_pairs *p, const struct ctl_pairs_env *env,
		     const struct dp_way *way, const struct ike_child *child) _must_check_;
/* Nothing is sent through that pair any more. */
void ctl_pairs_mute(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t spi_in);
void ctl_pairs_del(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t spi_in);
/* All of them, the way it was before. 0, or -errno when something is left in the kernel. */
int ctl_pairs_down(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way);
/*
 * Leaves the newest half in each direction, *SPI_IN and *SPI_OUT. -ENOENT: there are not both.
 */
int ctl_pairs_lean(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way, uint32_t *spi_in,
		   uint32_t *spi_out) _must_check_;
/* Whether one of them has this SPI, and whether nothing newer stands in for that half. */
bool ctl_pairs_have(const struct ctl_pairs *p, uint32_t spi);
bool ctl_pairs_need(const struct ctl_pairs *p, uint32_t spi);
/* Whether there is an inbound half at all. */
bool ctl_pairs_hear(const struct ctl_pairs *p);
/*
 * When the kernel's news may have been lost: the inbound SPI of the newest pair if it is old enough
 * that the kernel may have told (a moment ago, as a rule), 0: it is not.
 */
uint32_t ctl_pairs_overdue(const struct ctl_pairs *p, const struct ctl_pairs_env *env);
/* What all there ever were have counted. Never less than before. */
struct dp_stats ctl_pairs_stats(struct ctl_pairs *p, const struct ctl_pairs_env *env, const struct dp_way *way);
