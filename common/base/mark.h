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
#define MARK_NAMES UINT32_C(0x20000000)  /* of questions to name servers, which are led elsewhere */
