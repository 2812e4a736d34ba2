#pragma once
/* What must hold of two sides at any time, and when nothing more happens, whatever was rekeyed. */
#include "duo.h"

/* Whoever sends, the other one can read it: SPIs, keys and algorithms of both directions. */
void duo_rekey_assert(struct duo *duo, struct duo_record *a, struct duo_record *b);
/*
 * At rest: the same IKE SA and the same one child SA at both sides, nothing that waits, and nothing
 * else left.
 */
void duo_rekey_assert_rest(struct duo *duo, struct duo_record *a, struct duo_record *b);
