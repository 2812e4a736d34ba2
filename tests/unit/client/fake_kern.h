#pragma once
/*
 * A kernel that only keeps books: what stands where, in which order it came and went. Refuses what
 * the real one would: things twice, things that are not there, dead namespaces.
 */
#include "common/kern/kern_shield.h"
#include "ippriv-client/dp.h"

enum { FAKE_OPS = 128, FAKE_EVENTS = 256, FAKE_NAMESPACES = 64, FAKE_NEWS = 16 };

struct kern_netns {
	bool alive;
	int number; /* from 1 on; 0 stands for the daemon's own */
	int fd;     /* of kern_netns_from_fd, else -1 */
	int news_fd; /* readable when there is news of it; -1: nobody has asked */
};

struct fake_event {
	bool add;
	enum kern_op_type type;
	int netns;
};

/* Something the kernel tells by itself. */
struct fake_news {
	int netns;
	bool lost; /* it has dropped some */
	struct kern_event event;
};

struct fake_kern {
	struct kern ops;
	size_t count; /* things that stand */
	struct kern_op standing[FAKE_OPS];
	uint64_t base[FAKE_OPS]; /* `packets` when it was added */
	size_t event_count;
	struct fake_event events[FAKE_EVENTS];
	size_t namespace_count;
	struct kern_netns namespaces[FAKE_NAMESPACES];
	struct kern_shield shield; /* the last one */
	unsigned int adds, fail_at; /* the fail_at-th add fails, 0: none does */
	int fail_with;              /* -ENOMEM at first */
	unsigned int wrong;    /* calls that the real kernel would not have got from a good plan */
	uint64_t packets;      /* every SA counts those since it is there */
	int flows;             /* what flows_any answers */
	unsigned int ended;    /* calls of sockets_end */
	unsigned int moves;
	bool move_forgets;     /* a moved SA counts from zero again */
	bool move_fails;
	int news_fd, routes;   /* descriptors of the daemon's own namespace */
	size_t news_count;
	struct fake_news news[FAKE_NEWS];
};

void fake_kern_init(struct fake_kern *k);
/* Closes what it has opened. */
void fake_kern_fini(struct fake_kern *k);
struct dp_kernel fake_kern_dp(struct fake_kern *k);
/* Namespaces alive. */
size_t fake_kern_namespaces(const struct fake_kern *k);
/* Things of TYPE that stand. */
size_t fake_kern_count(const struct fake_kern *k, enum kern_op_type type);
/* The standing SA with that SPI, or NULL. */
const struct kern_sa *fake_kern_sa(const struct fake_kern *k, uint32_t spi);
/* The namespace where that SA stands; 0 is the daemon's own. */
int fake_kern_sa_place(const struct fake_kern *k, uint32_t spi);
/* The SA with that SPI reaches a limit. */
void fake_kern_expire(struct fake_kern *k, uint32_t spi, bool hard);
void fake_kern_tell(struct fake_kern *k, const struct fake_news *news);
