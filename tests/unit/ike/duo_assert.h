#pragma once
/* What tests say of both sides of a duo. */
#include "duo.h"

/* Up: one child, established, not ended. */
void duo_assert_up(const struct duo_record *r);
/* Ended once, so. */
void duo_assert_gone(const struct duo_record *r, enum ike_end why, uint16_t notify);
