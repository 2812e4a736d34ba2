#pragma once
/*
 * Marks of packets and sockets of a client that do not go into its tunnel: the daemon's own, and
 * those of programs that may go straight. Rules route both as ever. In bits that nobody else of
 * ours uses.
 */
#include <stdint.h>

#define MARK_OURS UINT32_C(0x40000000)
#define MARK_DIRECT UINT32_C(0x50000000)
#define MARK_EXACT UINT32_C(0xf0000000)  /* the bits that tell one */
#define MARK_EITHER UINT32_C(0xe0000000) /* those that are alike in both, as in MARK_OURS */
/*
 * Of what belongs to a connection by the tunnel's interface in slot SLOT (0 to 3), so that it is led
 * there: questions to name servers, whose connections have it for a mark, too, and other things.
 */
#define MARK_NAMES(slot) (UINT32_C(0xc0000000) | (uint32_t)(slot) << 28)
#define MARK_SEAT(slot) (UINT32_C(0x80000000) | (uint32_t)(slot) << 28)
#define MARK_NAMES_ANY UINT32_C(0xc0000000) /* also the bits that tell it */
