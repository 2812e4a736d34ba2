#pragma once
/*
 * A peer that has the right keys and says what it likes: messages with any payloads inside, sealed
 * as those of one side's IKE SA, and what the other side answers.
 */
#include "common/ike/ike_sa_priv.h"
#include "duo.h"

struct peer_message {
	uint8_t buf[DUO_MESSAGE_MAX];
	struct ike_build b; /* add payloads here */
};

/* Ready for the inner payloads; ID is of the message. */
void peer_begin(struct peer_message *m, struct ike_sa *as, uint8_t exchange, bool response,
		uint32_t id);
/* The next request that AS can make; AS counts it as its own. */
void peer_begin_request(struct peer_message *m, struct ike_sa *as, uint8_t exchange);
/* Inner payloads as bytes, the first of type FIRST. */
void peer_raw(struct peer_message *m, uint8_t first, const void *data, size_t len);
/* Seals, and delivers to the other side, with what that leads to. */
void peer_send(struct peer_message *m, struct duo_record *as);
/* The same along PATH, as the other side sees it; what that leads to is only on its way then. */
void peer_send_by(struct peer_message *m, struct duo_record *as, const struct ike_path *path);
/* peer_send of a request; how many datagrams the other side sent then. *OUT borrows from *M. */
size_t peer_ask(struct peer_message *m, struct duo_record *as, struct ike_payloads *out);
/* One fragment of a message, sealed and delivered; LEN bytes of payloads. */
void peer_fragment(struct duo_record *as, const struct ike_header *h, uint8_t first,
		   uint16_t number, uint16_t total, const void *part, size_t len);
/* Header of the next request of AS, which is not counted. */
struct ike_header peer_header(struct ike_sa *as, uint8_t exchange);
/* The other side's record. */
struct duo_side *peer_other(struct duo_record *r);
