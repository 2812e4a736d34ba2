#pragma once
/*
 * The stock of circuits: keeps some ready, builds more when one is taken or dies, along other
 * paths and ever more slowly when building fails. A free circuit is replaced when it is old, and
 * closed when a relay of its is no longer listed.
 */
#include <sys/types.h>

#include "common/dir/dir_watch.h"
#include "common/io/loop.h"
#include "ippriv-client/ctl_circuit.h"
#include "ippriv-client/ctl_guard.h"
#include "ippriv-client/ctl_ike.h"

struct ctl_stock;

enum { CTL_STOCK_AGE_MS = 600000 }; /* then a free circuit is replaced */

/* What a stock tells its owner; the owner may take and release in here. */
struct ctl_stock_events {
	void (*ready)(void *user); /* there is a circuit to take */
	/* A circuit that was taken is dying by itself; release it no more. */
	void (*lost)(void *user, void *taker, struct ctl_circuit *circuit);
	void (*list_wanted)(void *user); /* the list has expired */
	void (*guards_changed)(void *user); /* they are to be saved */
	void (*stopped)(void *user); /* after ctl_stock_stop: nothing is left */
};

struct ctl_stock_conf {
	struct io_loop *loop;
	struct ctl_ike *ike;
	struct dp *dp;
	uint32_t keep;     /* circuits to keep ready */
	uint32_t look_every; /* milliseconds between two looks at the counters */
	struct ctl_circuit_rules rules;
	const struct pins *pins; /* entry, middle, exit */
	struct guards *guards; /* entries to keep to; NULL: another one for each circuit */
	size_t guards_used;    /* so many of them */
	const struct ctl_stock_events *events; /* all borrowed */
	void *user;
};

int ctl_stock_new(const struct ctl_stock_conf *conf, struct ctl_stock **out) _must_check_;
/* Takes down what is left without waiting; no event comes from it. NULL is fine. */
void ctl_stock_free(struct ctl_stock *stock);
/* The list to choose from (borrowed until the next call), NULL: none in force. */
void ctl_stock_set_list(struct ctl_stock *stock, const struct dir_list *list);

/*
 * Which circuits somebody wants. While it is added, and names exits, the stock builds one for it
 * alone where none that is ready serves; when it is deleted what was built so and not taken goes.
 */
struct ctl_stock_wish {
	const struct pins *exit; /* instead of the configuration's; NULL: any of the stock */
	const struct crypto_pub *not_exit; /* rather not that one; NULL: no matter */
	/* The stock's own: */
	bool added;
	unsigned int failures;
	uint64_t next_try;
	struct ctl_stock_wish *prev, *next;
};

void ctl_stock_wish_add(struct ctl_stock *stock, struct ctl_stock_wish *wish);
/* Again: nothing happens. */
void ctl_stock_wish_del(struct ctl_stock *stock, struct ctl_stock_wish *wish);
/* A ready circuit for TAKER (not NULL), who is of user UID; NULL when there is none. */
struct ctl_circuit *ctl_stock_take(struct ctl_stock *stock, void *taker, uid_t uid,
				   const struct ctl_stock_wish *wish);
/* The taker could not use it, and it is as it was: for the next one to take. */
void ctl_stock_give_back(struct ctl_stock *stock, struct ctl_circuit *circuit);
/* The taker needs it no more. */
void ctl_stock_release(struct ctl_stock *stock, struct ctl_circuit *circuit);
/* Builds no more and closes all circuits, at most CTL_CIRCUIT_CLOSE_MS; `stopped` tells. */
void ctl_stock_stop(struct ctl_stock *stock);

/* Those that nobody has taken, ready or not yet. */
size_t ctl_stock_free_count(const struct ctl_stock *stock);
/* Closes these and builds others in their place; how many. */
size_t ctl_stock_renew(struct ctl_stock *stock);

/* The host's addresses or routes have changed, perhaps: circuits follow, or wait. */
void ctl_stock_roam(struct ctl_stock *stock);

/* Who has a circuit, or has had it before it began to close. */
struct ctl_stock_holder {
	bool taken;    /* ever: false for a free circuit, which nobody's traffic has used */
	bool attached; /* still */
	uid_t uid;     /* when taken */
};

/* Calls EACH for every circuit, oldest first. */
void ctl_stock_each(struct ctl_stock *stock,
		    void (*each)(void *user, struct ctl_circuit *circuit,
				 const struct ctl_stock_holder *holder),
		    void *user);
/* Milliseconds from the first failure on to the next attempt: doubled each time, jittered. */
uint64_t ctl_stock_backoff(unsigned int failures, random_source random, void *ctx);
/* Whether LIST still names all relays of PATH, as they are (address, port and key). */
bool ctl_stock_listed(const struct dir_list *list, const struct ctl_path *path);
