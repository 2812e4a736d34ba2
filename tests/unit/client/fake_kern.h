#pragma once
/*
 * A kernel that only keeps books: what stands where, in which order it came and went. Refuses what
 * the real one would: things twice, things that are not there, dead namespaces.
 */
#include "common/kern/kern_ops.h"
#include "ippriv-client/dp.h"

enum { FAKE_OPS = 64, FAKE_EVENTS = 256, FAKE_NAMESPACES = 16 };

struct kern_netns {
	bool alive;
	int number; /* from 1 on; 0 stands for the daemon's own */
	int fd;     /* of kern_netns_from_fd, else -1 */
};

struct fake_event {
	bool add;
	enum kern_op_type type;
	int netns;
};

struct fake_kern {
	struct kern ops;
	size_t count; /* things that stand */
	struct kern_op standing[FAKE_OPS];
	size_t event_count;
	struct fake_event events[FAKE_EVENTS];
	size_t namespace_count;
	struct kern_netns namespaces[FAKE_NAMESPACES];
	unsigned int adds, fail_at; /* the fail_at-th add fails, 0: none does */
	int fail_with;              /* -ENOMEM at first */
	unsigned int wrong;    /* calls that the real kernel would not have got from a good plan */
	uint64_t packets;      /* what every SA counts */
};

void fake_kern_init(struct fake_kern *k);
struct dp_kernel fake_kern_dp(struct fake_kern *k);
/* Namespaces alive. */
size_t fake_kern_namespaces(const struct fake_kern *k);
/* Things of TYPE that stand. */
size_t fake_kern_count(const struct fake_kern *k, enum kern_op_type type);
/* The standing SA with that SPI, or NULL. */
const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi);
