/* Captured packets. The first two bytes are the ethertype. */
#include <stdlib.h>
#include <string.h>

#include "ippriv-client/leak_tally.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct addr entry = { AF_INET, { 192, 0, 2, 1 } };
	struct leak_tally *t = calloc(1, sizeof(*t));
	struct leak_packet p = { 0 };
	uint16_t ethertype;

	if (!t || size < 2) {
		free(t);
		return 0;
	}
	ethertype = (uint16_t)(data[0] << 8 | data[1]);
	memcpy(t->marks.token, "0123456789abcdef", LEAK_TOKEN_LEN);
	t->marks.tcp_sport = 10240;
	t->marks.tcp_dport[3] = 53;
	leak_peers_add(&t->peers, &entry);
	leak_tally_add(t, "eth0", ethertype, data + 2, size - 2);
	if (leak_links_sum(&t->seen) != 1 ||
	    t->tunnel + t->encrypted + t->link + t->plain + leak_tally_leaked(t) != 1)
		abort();
	if (leak_packet_read(ethertype, data + 2, size - 2, &p) == 0 && p.payload_len > 0 &&
	    (p.payload < data || p.payload + p.payload_len != data + size))
		abort();
	free(t);
	return 0;
}
