#pragma once
/*
 * The host's own nftables table as a value: what may leave a host that is to use the tunnel alone,
 * and what may come in by it. shield_msg.c turns it into one batch.
 */
#include "common/base/mark.h"
#include "common/kern/kern_ops.h"

#define KERN_SHIELD_TABLE "ippriv_client"

enum { KERN_SHIELD_NETS = 16, KERN_SHIELD_SEATS = 4 };

struct kern_shield {
	uint16_t list_port; /* TCP, where the daemon gets its list */
	size_t net_count;
	struct prefix nets[KERN_SHIELD_NETS]; /* reached straight, by everybody */
	struct addr tunnel[KERN_SHIELD_SEATS]; /* of ippriv0, ippriv1, ...; family 0: none */
	struct addr tunnel6[KERN_SHIELD_SEATS]; /* IPv6 beside that; family 0: goes nowhere */
	bool has_names;       /* somebody is asked for names; else nobody is */
	unsigned int names;   /* by that interface */
	struct addr resolver; /* who, IPv4; family 0: whom the program asks */
};

/* A control group whose sockets may go straight. */
struct kern_direct {
	uint64_t cgroup;  /* its number, that of its folder; one below the root */
	uint32_t seconds; /* then no more, 0: for as long as the table is there */
};
