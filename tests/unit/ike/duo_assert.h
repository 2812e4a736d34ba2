#pragma once
/* What tests say of both sides of a duo, and the SA that most of them begin with. */
#include "duo.h"

/* Up: one child, established, not ended. */
void duo_assert_up(const struct duo_record *r);
/* A client's SA, up at both sides: the records that A and B have of it. */
void duo_establish(struct duo *duo, struct duo_record **a, struct duo_record **b);
/* Ended once, so. */
void duo_assert_gone(const struct duo_record *r, enum ike_end why, uint16_t notify);
/* A while later neither side has an SA, or anything else to wait for. */
void duo_assert_nothing_left(struct duo *duo);
