#pragma once
/*
 * Where circuits are put: a network namespace, or the host. One is current; it is replaced when it has
 * served for its time, or has died: another one's interface appears beside it and takes the default
 * route. What goes from the old one's address goes on through the old one, until no connection of its
 * is left.
 */
#include "ippriv-client/ctl_stock.h"

enum {
	CTL_SEAT_SLOTS = 4,            /* circuits at once in one place */
	CTL_SEAT_QUIET_MS = 120000,    /* without a packet, where connections cannot be told */
	CTL_SEAT_OLD_MS = 86400000,    /* an old circuit ends then, whatever goes through it */
	CTL_SEAT_LOOK_MS = 5000,       /* between two looks at an old circuit */
	CTL_SEAT_SHORT_MS = 60000,     /* a circuit that dies sooner is replaced ever more slowly */
};

struct ctl_seat;

/* Called from within ctl_seat_offer, _lost or a timer; the seat may be freed in none of them. */
struct ctl_seat_ops {
	/* As ctl_circuit_attach, to the place. */
	int (*attach)(void *user, struct ctl_circuit *circuit, unsigned int slot);
	/* CIRCUIT has the default route now: the first one, or another. */
	void (*seated)(void *user, struct ctl_circuit *circuit);
	/* The circuit has died and there is no other yet: it gets one as soon as there is. */
	void (*empty)(void *user);
	/*
	 * CIRCUIT cannot be put there, as ERR (-errno) says. FINAL: nothing comes after that; else
	 * another one is tried later.
	 */
	void (*failed)(void *user, const struct ctl_circuit *circuit, int err, bool final);
};

struct ctl_seat_conf {
	struct io_loop *loop;
	struct ctl_stock *stock; /* borrowed, as OPS */
	const struct ctl_seat_ops *ops;
	void *user;
	uid_t uid;              /* whose it is */
	const struct pins *exit; /* copied; NULL: as the configuration says */
	uint32_t rotate;        /* seconds, a quarter more or less; 0: never */
	bool once;              /* when the first circuit cannot be put there, that is final */
};

/* It waits for a circuit: see offer. */
int ctl_seat_new(const struct ctl_seat_conf *conf, struct ctl_seat **out) _must_check_;
/* Releases all its circuits. NULL is fine. */
void ctl_seat_free(struct ctl_seat *seat);
/* The circuit with the default route, NULL: none. */
struct ctl_circuit *ctl_seat_circuit(const struct ctl_seat *seat);
/* Circuits that it has in all. */
size_t ctl_seat_count(const struct ctl_seat *seat);
/* There may be a circuit to take. True: it took one. */
bool ctl_seat_offer(struct ctl_seat *seat);
/* For ctl_stock_events: CIRCUIT, of this seat, is dying. */
void ctl_seat_lost(struct ctl_seat *seat, struct ctl_circuit *circuit);
/* Another circuit as soon as there is one to take. */
void ctl_seat_rotate(struct ctl_seat *seat);
