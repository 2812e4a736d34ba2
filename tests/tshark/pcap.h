#pragma once
/* Datagrams between two addresses as a capture file of IP packets. */
#include <stdio.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

/* Begins a capture on FILE. 0 or -EIO. */
int pcap_begin(FILE *file) _must_check_;
/* One UDP datagram at MS; BEFORE bytes of value 0 stand in front of DATA. 0, -EIO or -EINVAL. */
int pcap_udp(FILE *file, uint64_t ms, const struct endpoint *from, const struct endpoint *to,
	     size_t before, const uint8_t *data, size_t len) _must_check_;
