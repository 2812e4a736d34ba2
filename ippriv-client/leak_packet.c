#include "ippriv-client/leak_packet.h"

#include <ctype.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/ike_port.h"

enum {
	ETHERTYPE_EAPOL = 0x888e,
	ETHERTYPE_LLDP = 0x88cc,
	EXTENSIONS_MAX = 8,
	FRAGMENT_OFFSET = 0x1fff,
	DHCP_SERVER = 67,
	DHCP6_SERVER = 547,
	ICMP6_MLD_FIRST = 130,
	ICMP6_ND_LAST = 137,
	ICMP6_MLD2 = 143,
};

static void read_inner(struct rbuf *r, struct leak_packet *p)
{
	if (p->later_fragment) {
		/* the rest of something */
	} else if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) {
		p->sport = rbuf_u16(r);
		p->dport = rbuf_u16(r);
		if (p->proto == IPPROTO_UDP)
			rbuf_u32(r); /* length and checksum */
	} else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		p->icmp_type = rbuf_u8(r);
	}
	p->payload = r->p;
	p->payload_len = r->err ? 0 : r->left;
}

static int read_v4(struct rbuf *r, struct leak_packet *p)
{
	uint8_t first = rbuf_u8(r);
	size_t header = (size_t)(first & 15) * 4;

	rbuf_bytes(r, 5); /* service, length, identification */
	p->later_fragment = (rbuf_u16(r) & FRAGMENT_OFFSET) != 0;
	rbuf_u8(r); /* TTL */
	p->proto = rbuf_u8(r);
	rbuf_u16(r); /* checksum */
	p->src.family = p->dst.family = AF_INET;
	rbuf_copy(r, p->src.bytes, 4);
	rbuf_copy(r, p->dst.bytes, 4);
	if (r->err)
		return r->err;
	if (first >> 4 != 4 || header < 20)
		return -EBADMSG;
	rbuf_bytes(r, header - 20);
	return r->err;
}

/* Steps over one extension header when the next one is such; false: it is none. */
static bool skip_extension(struct rbuf *r, struct leak_packet *p)
{
	uint8_t next, size;

	if (p->later_fragment || (p->proto != IPPROTO_HOPOPTS && p->proto != IPPROTO_ROUTING &&
				  p->proto != IPPROTO_DSTOPTS && p->proto != IPPROTO_FRAGMENT))
		return false;
	next = rbuf_u8(r);
	size = rbuf_u8(r);
	if (p->proto == IPPROTO_FRAGMENT) {
		p->later_fragment = rbuf_u16(r) >> 3 != 0;
		rbuf_u32(r);
	} else {
		rbuf_bytes(r, (size_t)size * 8 + 6);
	}
	p->proto = next;
	return r->err == 0;
}

static int read_v6(struct rbuf *r, struct leak_packet *p)
{
	uint8_t first = rbuf_u8(r);

	rbuf_bytes(r, 5); /* class, flow, length */
	p->proto = rbuf_u8(r);
	rbuf_u8(r); /* hop limit */
	p->src.family = p->dst.family = AF_INET6;
	rbuf_copy(r, p->src.bytes, 16);
	rbuf_copy(r, p->dst.bytes, 16);
	if (r->err)
		return r->err;
	if (first >> 4 != 6)
		return -EBADMSG;
	for (int i = 0; i < EXTENSIONS_MAX && skip_extension(r, p); i++)
		;
	return r->err;
}

int leak_packet_read(uint16_t ethertype, const void *data, size_t len, struct leak_packet *out)
{
	struct rbuf r = rbuf_init(data, len);
	struct leak_packet p = { 0 };
	int err;

	if (ethertype == ETHERTYPE_IP)
		err = read_v4(&r, &p);
	else if (ethertype == ETHERTYPE_IPV6)
		err = read_v6(&r, &p);
	else
		return -EOPNOTSUPP;
	if (err == 0) {
		read_inner(&r, &p);
		err = r.err;
	}
	if (err == 0)
		*out = p;
	return err;
}

static bool is_peer(const struct leak_peers *peers, const struct addr *a)
{
	for (size_t i = 0; i < peers->count; i++)
		if (addr_equal(&peers->addr[i], a))
			return true;
	return false;
}

void leak_peers_add(struct leak_peers *peers, const struct addr *a)
{
	if (a->family != 0 && !is_peer(peers, a) && peers->count < LEAK_PEERS_MAX)
		peers->addr[peers->count++] = *a;
}

/* IKE's header (RFC 7296 section 3.1): version 2 and the length of the datagram. */
static bool is_ike(const uint8_t *data, size_t len)
{
	struct rbuf r = rbuf_init(data, len);
	uint8_t version;

	rbuf_bytes(&r, 17); /* SPIs, next payload */
	version = rbuf_u8(&r);
	rbuf_bytes(&r, 10); /* exchange, flags, message ID, length */
	return r.err == 0 && version >> 4 == 2;
}

/* RFC 3948: behind a marker IKE, a keepalive of one octet, or an SPI that is no marker. */
static bool is_floated(const uint8_t *data, size_t len)
{
	static const uint8_t marker[IKE_PORT_MARKER];

	if (len == 1)
		return data[0] == IKE_PORT_KEEPALIVE;
	if (len < sizeof(marker))
		return false;
	if (memcmp(data, marker, sizeof(marker)) == 0)
		return is_ike(data + sizeof(marker), len - sizeof(marker));
	return len >= 36; /* SPI, number, IV, a block and the ICV of 16 */
}

static bool is_encrypted(const struct leak_packet *p)
{
	if (p->proto == IPPROTO_ESP)
		return true; /* also later fragments of it */
	if (p->proto != IPPROTO_UDP || p->later_fragment)
		return false;
	if (p->dport == IKE_PORT)
		return is_ike(p->payload, p->payload_len);
	return p->dport == IKE_PORT_FLOATED && is_floated(p->payload, p->payload_len);
}

static bool is_link(const struct leak_packet *p)
{
	if (p->proto == IPPROTO_IGMP && p->src.family == AF_INET)
		return true;
	if (p->proto == IPPROTO_ICMPV6 && p->src.family == AF_INET6)
		return (p->icmp_type >= ICMP6_MLD_FIRST && p->icmp_type <= ICMP6_ND_LAST) ||
		       p->icmp_type == ICMP6_MLD2;
	return p->proto == IPPROTO_UDP && !p->later_fragment &&
	       (p->dport == DHCP_SERVER || p->dport == DHCP6_SERVER);
}

enum leak_kind leak_packet_kind(uint16_t ethertype, const void *data, size_t len,
				const struct leak_peers *peers)
{
	struct leak_packet p;

	if (ethertype == ETHERTYPE_ARP || ethertype == ETHERTYPE_EAPOL ||
	    ethertype == ETHERTYPE_LLDP)
		return LEAK_LINK;
	if (leak_packet_read(ethertype, data, len, &p) < 0)
		return LEAK_PLAIN;
	if (is_encrypted(&p))
		return is_peer(peers, &p.dst) ? LEAK_TUNNEL : LEAK_ENCRYPTED;
	return is_link(&p) ? LEAK_LINK : LEAK_PLAIN;
}

static bool same_text(const uint8_t *p, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (tolower(p[i]) != text[i])
			return false;
	return true;
}

static int hex_value(uint8_t c)
{
	if (!isxdigit(c))
		return -1;
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

static int find_token(const uint8_t *data, size_t len, const char *token)
{
	for (size_t i = 0; i + LEAK_TOKEN_LEN + 2 <= len; i++) {
		int high, low;

		if (!same_text(data + i, token, LEAK_TOKEN_LEN))
			continue;
		high = hex_value(data[i + LEAK_TOKEN_LEN]);
		low = hex_value(data[i + LEAK_TOKEN_LEN + 1]);
		if (high >= 0 && low >= 0 && high * 16 + low < LEAK_PROBES_MAX)
			return high * 16 + low;
	}
	return -1;
}

int leak_packet_probe(uint16_t ethertype, const void *data, size_t len,
		      const struct leak_marks *marks)
{
	int found = find_token(data, len, marks->token);
	struct leak_packet p;
	int i;

	if (found >= 0 || leak_packet_read(ethertype, data, len, &p) < 0 ||
	    p.proto != IPPROTO_TCP || p.later_fragment)
		return found;
	i = p.sport - marks->tcp_sport;
	return i >= 0 && i < LEAK_PROBES_MAX && marks->tcp_dport[i] != 0 &&
		       p.dport == marks->tcp_dport[i] ?
		       i :
		       -1;
}
