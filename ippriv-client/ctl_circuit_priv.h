#pragma once
/* A circuit and its hops from inside: what ctl_circuit.c, ctl_hop.c and ctl_roam.c share. */
#include "common/ike/ike_alive.h"
#include "ippriv-client/ctl_circuit.h"

struct ctl_hop {
	struct ctl_circuit *circuit;
	struct ike_sa *sa;    /* NULL: not started, or over */
	bool up, closing;
	bool open;            /* there is a channel, at PATH */
	struct ike_path path;
	bool moving;          /* hop 0: IKE goes along NEXT already, ESP not yet; it has a channel */
	struct ike_path next;
	struct ike_lease lease;
	struct ike_alive alive;
	struct life life;     /* of the newest pair of SAs, which came at SINCE with the counters FROM */
	uint64_t since;
	struct dp_stats from;
};

struct ctl_circuit {
	struct ctl_circuit_conf conf;
	enum ctl_circuit_state state;
	uint64_t started, ready, deadline;
	uint64_t progress; /* when a hop came up last, or building began */
	struct dp_circuit *dp;
	struct ctl_hop hops[CTL_CIRCUIT_HOPS];
	size_t broken;   /* hops from here on are out of reach */
	size_t failed_hop;
	bool silent;
	bool unwinding;
	bool our_fault; /* what `refusal` says is not the hop's fault */
	bool away;      /* the host has no way to the entry */
	uint64_t away_since;
	bool moved;     /* it ended since the host has another address, or none */
	uint64_t patient_until; /* hops may be silent until then (ops->now), 0: not */
	char refusal[CTL_CIRCUIT_WHY]; /* why a callback has made its SA end, "": none has */
	char why[CTL_CIRCUIT_WHY];
};

static inline size_t ctl_hop_index(const struct ctl_hop *hop)
{
	return (size_t)(hop - hop->circuit->hops);
}

/* The kernel has said R (-errno) when it was WHAT ("moving") the layer of HOP; the SA ends for that. */
void ctl_circuit_refused(struct ctl_hop *hop, const char *what, int r);
/* The circuit begins to close because of HOP, or of CTL_CIRCUIT_NO_HOP; once. */
void ctl_circuit_fail(struct ctl_circuit *c, size_t hop, const char *fmt, ...) _printf_(3, 4);
