#include "pcap.h"

#include <errno.h>
#include <string.h>

#include "common/base/buf.h"

enum {
	PCAP_MAGIC = 0xa1b2c3d4, /* microseconds, in the byte order of the file */
	PCAP_RAW = 101,          /* packets begin with their IP header */
	PACKET_MAX = 4096,
	IP4_HEADER = 20,
	IP6_HEADER = 40,
	UDP_HEADER = 8,
	TTL = 64,
};

static int put(FILE *file, const struct wbuf *w)
{
	return w->err || fwrite(w->start, 1, w->len, file) != w->len ? -EIO : 0;
}

int pcap_begin(FILE *file)
{
	uint8_t head[24];
	struct wbuf w = wbuf_init(head, sizeof(head));

	wbuf_u32(&w, PCAP_MAGIC);
	wbuf_u16(&w, 2); /* version 2.4 */
	wbuf_u16(&w, 4);
	wbuf_u64(&w, 0);
	wbuf_u32(&w, PACKET_MAX);
	wbuf_u32(&w, PCAP_RAW);
	return put(file, &w);
}

static uint32_t sum(const uint8_t *p, size_t len, uint32_t from)
{
	for (size_t i = 0; i < len; i++)
		from += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return from;
}

static uint16_t checksum(uint32_t sum32)
{
	while (sum32 >> 16)
		sum32 = (sum32 & 0xffff) + (sum32 >> 16);
	return (uint16_t)~sum32;
}

static void ip4(struct wbuf *w, const struct addr *from, const struct addr *to, size_t payload)
{
	size_t at = w->len;

	wbuf_u16(w, 0x4500);
	wbuf_u16(w, (uint16_t)(IP4_HEADER + payload));
	wbuf_u32(w, 0);
	wbuf_u8(w, TTL);
	wbuf_u8(w, IPPROTO_UDP);
	wbuf_u16(w, 0);
	wbuf_bytes(w, from->bytes, 4);
	wbuf_bytes(w, to->bytes, 4);
	wbuf_patch_u16(w, at + 10, checksum(sum(w->start + at, IP4_HEADER, 0)));
}

static void ip6(struct wbuf *w, const struct addr *from, const struct addr *to, size_t payload)
{
	wbuf_u32(w, 0x60000000);
	wbuf_u16(w, (uint16_t)payload);
	wbuf_u8(w, IPPROTO_UDP);
	wbuf_u8(w, TTL);
	wbuf_bytes(w, from->bytes, 16);
	wbuf_bytes(w, to->bytes, 16);
}

int pcap_udp(FILE *file, uint64_t ms, const struct endpoint *from, const struct endpoint *to,
	     size_t before, const uint8_t *data, size_t len)
{
	size_t size = addr_size(&from->addr), udp = UDP_HEADER + before + len, at;
	size_t whole = udp + (size == 4 ? IP4_HEADER : IP6_HEADER);
	uint8_t packet[16 + PACKET_MAX];
	struct wbuf w = wbuf_init(packet, sizeof(packet));
	uint32_t all;
	uint16_t check;

	if (size == 0 || size != addr_size(&to->addr))
		return -EINVAL;
	wbuf_u32(&w, (uint32_t)(ms / 1000));
	wbuf_u32(&w, (uint32_t)(ms % 1000 * 1000));
	wbuf_u32(&w, (uint32_t)whole);
	wbuf_u32(&w, (uint32_t)whole);
	if (size == 4)
		ip4(&w, &from->addr, &to->addr, udp);
	else
		ip6(&w, &from->addr, &to->addr, udp);
	at = w.len;
	wbuf_u16(&w, from->port);
	wbuf_u16(&w, to->port);
	wbuf_u16(&w, (uint16_t)udp);
	wbuf_u16(&w, 0);
	wbuf_reserve(&w, before);
	wbuf_bytes(&w, data, len);
	if (w.err)
		return -EINVAL;
	/* the pseudo header: addresses, protocol, length */
	all = sum(from->addr.bytes, size, sum(to->addr.bytes, size, IPPROTO_UDP + (uint32_t)udp));
	check = checksum(sum(packet + at, udp, all));
	wbuf_patch_u16(&w, at + 6, check ? check : 0xffff);
	return put(file, &w);
}
