#pragma once
/*
 * The Internet between the two sides of a duo: which address the initiator has at the moment, and
 * a NAT in front of it, as Linux makes one: a mapping for each pair of inner and outer endpoint,
 * and nothing comes in that nobody asked for.
 */
#include "duo.h"

enum { NATBOX_MAPPINGS = 32 };

struct natbox_mapping {
	struct endpoint inside, outside, remote;
};

struct natbox {
	struct addr address;    /* of the initiator */
	uint32_t channel;       /* its socket for port 4500 of that address */
	struct prefix inside;   /* translated; family 0: there is no NAT */
	struct addr outside;
	uint16_t next_port;     /* of the next mapping */
	struct natbox_mapping mappings[NATBOX_MAPPINGS];
	size_t mapping_count;
	struct addr entry_inside; /* the responder's behind a 1:1 NAT; family 0: none */
	unsigned int strangers; /* datagrams to where nobody is */
};

/* The initiator has the address TEXT, nobody translates; becomes DUO's route. Borrowed. */
void natbox_start(struct natbox *box, struct duo *duo, const char *text);
/* The initiator has the address TEXT and no other, and opens a socket there. */
void natbox_readdress(struct natbox *box, const char *text);
/* From now on the initiator's addresses in 10.0.0.0/8 look like TEXT. */
void natbox_translate(struct natbox *box, const char *text);
/* The NAT forgets all mappings; the next ones have other ports. */
void natbox_flush(struct natbox *box);
/* From port 500 of the initiator's address to the responder. */
struct ike_path natbox_first_path(const struct natbox *box);
/* From port 4500 of the initiator's address to the responder's of that family. */
struct ike_path natbox_path(const struct natbox *box);
