#pragma once
/* Whether the other end of a tunnel is there, judged by what the kernel counts. Pure. */
#include <stdbool.h>
#include <stdint.h>

enum {
	IKE_ALIVE_EVERY = 5000,  /* milliseconds between looks */
	IKE_ALIVE_SILENCE = 10000, /* packets go out and none come in for so long: ask */
	IKE_ALIVE_TRIES = 4,     /* transmissions of the question */
};

/* Of one tunnel; zeros at the start. */
struct ike_alive {
	uint64_t in, out; /* packets at the last look */
	uint64_t waiting; /* since when something went out and nothing came in, 0: not */
};

enum ike_alive_news { IKE_ALIVE_NOTHING, IKE_ALIVE_HEARD, IKE_ALIVE_ASK };

/*
 * A look at time NOW: IN and OUT packets have been counted. NOW and SILENCE in milliseconds, NOW
 * is never 0. After ASK it waits for SILENCE anew before it says so again.
 */
enum ike_alive_news ike_alive_look(struct ike_alive *a, uint64_t in, uint64_t out, uint64_t now,
				   uint64_t silence);
