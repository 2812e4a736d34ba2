#pragma once
/*
 * IKE fragmentation (RFC 7383): a message that is too long for the path goes as several, each with
 * the header of the whole and a part of its payloads, encrypted and authenticated by itself.
 */
#include "common/ike/ike_crypt.h"

enum {
	IKE_FRAGMENTS_MAX = 32,       /* of one message */
	IKE_FRAGMENT_BYTES_MAX = 3000, /* of payloads, in all fragments together */
	IKE_FRAGMENT_SIZE_MIN = 128,  /* bytes of a message, none is split into smaller ones */
	IKE_FRAGMENT_LIFE = 60000,    /* milliseconds for all fragments to come in */
};

/*
 * Ends the message B, whose SK is open, into OUT: as it is or, when it would be longer than SIZE
 * bytes, as fragments of at most SIZE, one after the other (see ike_frag_first). SIZE 0: never
 * split; less than IKE_FRAGMENT_SIZE_MIN counts as that. B is used up. ROOM of twice what B holds
 * is enough. 0 with *LEN bytes; -ENOSPC; -EINVAL when there is no SK.
 */
int ike_frag_seal(struct ike_crypt *c, struct ike_build *b, size_t size, uint8_t *out, size_t room,
		  size_t *len) _must_check_;
/* Bytes of the first of the messages that stand one after the other in MSGS (LEN, not 0). */
size_t ike_frag_first(const uint8_t *msgs, size_t len);

struct ike_frag; /* a message of which some fragments are there */

/*
 * Whether a fragment that says of itself what is in OUTER, of the message ID, is worth decrypting
 * at NOW: not too many, and not there already.
 */
bool ike_frag_wants(const struct ike_frag *frag, uint32_t id, const struct ike_payloads *outer,
		    uint64_t now);
/*
 * Keeps what an authentic fragment that ike_frag_wants held: LEN bytes of PART. *FRAG is made when
 * it is the first, and begun anew when it was for another message, is too old, or was split into
 * fewer fragments. 0 when all are there; -EAGAIN when not; -EBADMSG when it is empty but not the
 * only one; -EMSGSIZE when all together are too long, then *FRAG is gone; -ENOMEM.
 */
int ike_frag_keep(struct ike_frag **frag, uint32_t id, const struct ike_payloads *outer,
		  const uint8_t *part, size_t len, uint64_t now) _must_check_;
/* All payloads into OUT (IKE_FRAGMENT_BYTES_MAX); returns their bytes. *FRAG is gone. */
size_t ike_frag_join(struct ike_frag **frag, uint8_t *out, uint8_t *first);
/* Forgets it when it is too old. */
void ike_frag_expire(struct ike_frag **frag, uint64_t now);
void ike_frag_free(struct ike_frag **frag);
