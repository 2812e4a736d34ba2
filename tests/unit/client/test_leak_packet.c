/* Captured packets: what they are, and whose. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/base/buf.h"
#include "ippriv-client/leak_packet.h"

enum { IP = 0x0800, IP6 = 0x86dd, ARP = 0x0806, ESP = 50, IGMP = 2 };

static uint8_t bytes[4096];

static const struct addr entry = { AF_INET, { 192, 0, 2, 1 } }, other = { AF_INET, { 192, 0, 2, 2 } };
static const struct addr entry6 = { AF_INET6, { 0x20, 1, 0x0d, 0xb8, [15] = 1 } };
static struct leak_peers peers;
static struct leak_marks marks = { .token = "0123456789abcdef", .tcp_sport = 10240,
				   .tcp_dport = { [3] = 53 } };

static void setup(void)
{
	leak_peers_add(&peers, &entry);
	leak_peers_add(&peers, &entry6);
	leak_peers_add(&peers, &entry);
}

TestSuite(leak_packet, .init = setup);

/* IPv4 from 198.51.100.9 with BODY; OFFSET in octets of eight. */
static size_t v4(const struct addr *dst, uint8_t proto, uint16_t offset, const void *body, size_t len)
{
	struct wbuf w = wbuf_init(bytes, sizeof(bytes));

	wbuf_u16(&w, 0x4500);
	wbuf_u16(&w, (uint16_t)(20 + len));
	wbuf_u16(&w, 1);
	wbuf_u16(&w, offset);
	wbuf_u8(&w, 64);
	wbuf_u8(&w, proto);
	wbuf_u16(&w, 0);
	wbuf_u32(&w, 0xc6336409);
	wbuf_bytes(&w, dst->bytes, 4);
	wbuf_bytes(&w, body, len);
	cr_assert_eq(w.err, 0);
	return w.len;
}

static size_t v6(const struct addr *dst, uint8_t next, const void *body, size_t len)
{
	struct wbuf w = wbuf_init(bytes, sizeof(bytes));

	wbuf_u32(&w, 0x60000000);
	wbuf_u16(&w, (uint16_t)len);
	wbuf_u8(&w, next);
	wbuf_u8(&w, 64);
	wbuf_bytes(&w, entry6.bytes, 16);
	wbuf_bytes(&w, dst->bytes, 16);
	wbuf_bytes(&w, body, len);
	cr_assert_eq(w.err, 0);
	return w.len;
}

static size_t udp(const struct addr *dst, uint16_t port, const void *data, size_t len)
{
	uint8_t body[512] = { 0x30, 0x39, (uint8_t)(port >> 8), (uint8_t)port };

	memcpy(body + 8, data, len);
	return dst->family == AF_INET ? v4(dst, IPPROTO_UDP, 0, body, 8 + len) :
					v6(dst, IPPROTO_UDP, body, 8 + len);
}

static enum leak_kind kind_of(size_t len)
{
	return leak_packet_kind(bytes[0] >> 4 == 6 ? IP6 : IP, bytes, len, &peers);
}

Test(leak_packet, esp_to_an_entry_is_the_tunnel)
{
	static const uint8_t esp[60] = { 1 };

	cr_expect_eq(peers.count, 2);
	cr_expect_eq(kind_of(v4(&entry, ESP, 0, esp, sizeof(esp))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(v4(&entry, ESP, 100, esp, sizeof(esp))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(v6(&entry6, ESP, esp, sizeof(esp))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(v4(&other, ESP, 0, esp, sizeof(esp))), LEAK_ENCRYPTED);
}

Test(leak_packet, ike_and_esp_in_udp_are_told_from_what_only_uses_their_ports)
{
	uint8_t ike[64] = { 1, [17] = 0x20 }, marked[64] = { [4] = 1, [21] = 0x20 };
	uint8_t esp[36] = { 1 };

	cr_expect_eq(kind_of(udp(&entry, 500, ike, sizeof(ike))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(udp(&entry, 4500, marked, sizeof(marked))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(udp(&entry, 4500, esp, sizeof(esp))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(udp(&entry6, 4500, esp, sizeof(esp))), LEAK_TUNNEL);
	cr_expect_eq(kind_of(udp(&entry, 4500, "\xff", 1)), LEAK_TUNNEL);
	cr_expect_eq(kind_of(udp(&other, 500, ike, sizeof(ike))), LEAK_ENCRYPTED);
	cr_expect_eq(kind_of(udp(&entry, 500, "hello", 5)), LEAK_PLAIN);
	ike[17] = 0x10;
	cr_expect_eq(kind_of(udp(&entry, 500, ike, sizeof(ike))), LEAK_PLAIN, "version 1");
	cr_expect_eq(kind_of(udp(&entry, 4500, "hello", 5)), LEAK_PLAIN);
	cr_expect_eq(kind_of(udp(&entry, 4500, "x", 1)), LEAK_PLAIN);
	cr_expect_eq(kind_of(udp(&entry, 4500, marked, 20)), LEAK_PLAIN, "a marker and no IKE");
	cr_expect_eq(kind_of(udp(&entry, 4501, esp, sizeof(esp))), LEAK_PLAIN);
}

Test(leak_packet, what_a_link_needs_is_neither)
{
	static const uint8_t solicit[24] = { 135 }, ping[8] = { 128 }, report[28] = { 143 };
	static const uint8_t extended[12] = { IPPROTO_ICMPV6, 0, [8] = 143 };

	memset(bytes, 0, 28);
	cr_expect_eq(leak_packet_kind(ARP, bytes, 28, &peers), LEAK_LINK);
	cr_expect_eq(leak_packet_kind(0x1234, bytes, 28, &peers), LEAK_PLAIN);
	cr_expect_eq(kind_of(v6(&entry6, IPPROTO_ICMPV6, solicit, sizeof(solicit))), LEAK_LINK);
	cr_expect_eq(kind_of(v6(&entry6, IPPROTO_ICMPV6, report, sizeof(report))), LEAK_LINK);
	cr_expect_eq(kind_of(v6(&entry6, IPPROTO_HOPOPTS, extended, sizeof(extended))), LEAK_LINK);
	cr_expect_eq(kind_of(v6(&entry6, IPPROTO_ICMPV6, ping, sizeof(ping))), LEAK_PLAIN);
	cr_expect_eq(kind_of(v4(&other, IGMP, 0, ping, sizeof(ping))), LEAK_LINK);
	cr_expect_eq(kind_of(v4(&other, IPPROTO_ICMP, 0, solicit, sizeof(solicit))), LEAK_PLAIN);
	cr_expect_eq(kind_of(udp(&other, 67, ping, sizeof(ping))), LEAK_LINK);
	cr_expect_eq(kind_of(udp(&other, 53, ping, sizeof(ping))), LEAK_PLAIN);
}

Test(leak_packet, tells_addresses_ports_and_payload)
{
	struct leak_packet p;
	size_t len = udp(&other, 53, "hello", 5);

	cr_assert_eq(leak_packet_read(IP, bytes, len, &p), 0);
	cr_expect(addr_equal(&p.dst, &other));
	cr_expect_eq(addr_to_v4(&p.src), 0xc6336409);
	cr_expect_eq(p.sport, 12345);
	cr_expect_eq(p.dport, 53);
	cr_expect_eq(p.payload_len, 5);
	cr_expect_arr_eq(p.payload, "hello", 5);
	len = v4(&other, IPPROTO_UDP, 3, "hello, world", 12);
	cr_assert_eq(leak_packet_read(IP, bytes, len, &p), 0);
	cr_expect(p.later_fragment);
	cr_expect_eq(p.dport, 0);
}

Test(leak_packet, does_not_read_past_the_end)
{
	static const uint8_t extended[16] = { IPPROTO_UDP, 1 };
	struct leak_packet p, untouched;
	size_t len = udp(&other, 53, "hello", 5);

	memset(&p, 0x5a, sizeof(p));
	untouched = p;
	for (size_t cut = 0; cut < 28; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1);

		memcpy(copy, bytes, cut);
		cr_expect_eq(leak_packet_read(IP, copy, cut, &p), -EMSGSIZE, "%zu", cut);
		cr_expect_eq(leak_packet_kind(IP, copy, cut, &peers), LEAK_PLAIN);
		cr_expect_eq(leak_packet_probe(IP, copy, cut, &marks), -1);
		free(copy);
	}
	cr_expect_arr_eq(&p, &untouched, sizeof(p));
	bytes[0] = 0x44; /* a header of 16 */
	cr_expect_eq(leak_packet_read(IP, bytes, len, &p), -EBADMSG);
	bytes[0] = 0x4f; /* of 60 */
	cr_expect_eq(leak_packet_read(IP, bytes, len, &p), -EMSGSIZE);
	bytes[0] = 0x65;
	cr_expect_eq(leak_packet_read(IP, bytes, len, &p), -EBADMSG);
	cr_expect_eq(leak_packet_read(ARP, bytes, len, &p), -EOPNOTSUPP);
	len = v6(&entry6, IPPROTO_DSTOPTS, extended, 8);
	cr_expect_eq(leak_packet_read(IP6, bytes, len, &p), -EMSGSIZE, "an extension of 16 in 8");
}

Test(leak_packet, a_probe_is_known_by_its_token)
{
	size_t len = udp(&other, 53, "....0123456789abcdef07....", 26);

	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), 7);
	cr_expect_eq(leak_packet_probe(ARP, bytes, len, &marks), 7, "whatever it is in");
	len = udp(&entry, 4500, "0123456789ABCDEF1f", 18);
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), 31, "in upper case");
	len = udp(&other, 53, "0123456789abcdef40", 18);
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "64: there is no such probe");
	len = udp(&other, 53, "0123456789abcde", 15);
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1);
	len = udp(&other, 53, "0123456789abcdef0", 17);
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "cut");
	len = v6(&entry6, 99, "0123456789abcdef02", 18);
	cr_expect_eq(leak_packet_probe(IP6, bytes, len, &marks), 2);
}

Test(leak_packet, a_probe_of_tcp_is_known_by_its_ports)
{
	uint8_t syn[20] = { 10243 >> 8, 10243 & 255, 0, 53 };
	size_t len = v4(&other, IPPROTO_TCP, 0, syn, sizeof(syn));

	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), 3);
	syn[3] = 54;
	len = v4(&other, IPPROTO_TCP, 0, syn, sizeof(syn));
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "another port");
	syn[1] = 10242 & 255, syn[3] = 0;
	len = v4(&other, IPPROTO_TCP, 0, syn, sizeof(syn));
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "a probe without TCP");
	syn[0] = 200, syn[3] = 53;
	len = v4(&other, IPPROTO_TCP, 0, syn, sizeof(syn));
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "no probe's port");
	syn[0] = 10243 >> 8, syn[1] = 10243 & 255;
	len = v4(&other, IPPROTO_UDP, 0, syn, sizeof(syn));
	cr_expect_eq(leak_packet_probe(IP, bytes, len, &marks), -1, "UDP");
}
