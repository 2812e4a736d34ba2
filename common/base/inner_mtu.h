#pragma once

/*
 * INNER_MTU: bytes of a packet that a telescope carries over 1500-byte links without a fragment,
 * whatever stands around the first layer; what clients get as their MTU, and the Internet hears of
 * from exits. MIDDLE_MTU: the same of the packet with the layer around it that ends at the exit.
 */
enum { INNER_MTU = 1306, MIDDLE_MTU = 1362, TCP_IP_HEADERS = 40 };
