#include "ippriv-client/leak_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <netdb.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ippriv-client/leak_send.h"

enum { PORT_DNS = 53, PORT_MDNS = 5353, PORT_LLMNR = 5355, PORT_SSDP = 1900, PORT_DISCARD = 9,
       PORT_TRACE = 33434, PORT_HTTP = 80, PORT_HTTPS = 443, PORT_IKE = 500, PORT_NATT = 4500 };

static const struct leak_probe probes[] = {
	{ "lookup", "a name asked of libc", LEAK_BY_LOOKUP, LEAK_TO_SERVER, 0 },
	{ "dns-server", "DNS to a public resolver", LEAK_BY_DNS, LEAK_TO_SERVER, PORT_DNS },
	{ "dns-lan", "DNS to the LAN's resolver", LEAK_BY_DNS, LEAK_TO_LAN, PORT_DNS },
	{ "mdns", "multicast DNS", LEAK_BY_DNS, LEAK_TO_MDNS, PORT_MDNS },
	{ "llmnr", "LLMNR", LEAK_BY_DNS, LEAK_TO_LLMNR, PORT_LLMNR },
	{ "mdns6", "multicast DNS with IPv6", LEAK_BY_DNS, LEAK_TO_MDNS6, PORT_MDNS },
	{ "ipv6", "IPv6", LEAK_BY_UDP, LEAK_TO_NOBODY6, PORT_DNS },
	{ "icmp", "ping", LEAK_BY_ICMP, LEAK_TO_SERVER, 0 },
	{ "udp", "UDP", LEAK_BY_UDP, LEAK_TO_SERVER, PORT_TRACE },
	{ "udp-large", "UDP in fragments", LEAK_BY_LARGE, LEAK_TO_SERVER, PORT_TRACE },
	{ "udp-nobody", "UDP to an address of nobody", LEAK_BY_UDP, LEAK_TO_NOBODY, PORT_DISCARD },
	{ "tcp", "TCP", LEAK_BY_TCP, LEAK_TO_SERVER, PORT_DNS },
	{ "icmp-lan", "ping of the gateway", LEAK_BY_ICMP, LEAK_TO_LAN, 0 },
	{ "udp-lan", "UDP to the gateway", LEAK_BY_UDP, LEAK_TO_LAN, PORT_SSDP },
	{ "tcp-lan", "TCP to the gateway", LEAK_BY_TCP, LEAK_TO_LAN, PORT_HTTP },
	{ "broadcast", "UDP broadcast", LEAK_BY_UDP, LEAK_TO_BROADCAST, PORT_DISCARD },
	{ "icmp-entry", "ping of the entry", LEAK_BY_ICMP, LEAK_TO_ENTRY, 0 },
	{ "udp-entry", "UDP to the entry", LEAK_BY_UDP, LEAK_TO_ENTRY, PORT_HTTPS },
	{ "ike-entry", "UDP to the entry's port of IKE", LEAK_BY_UDP, LEAK_TO_ENTRY, PORT_IKE },
	{ "esp-entry", "UDP to its port of ESP in UDP", LEAK_BY_UDP, LEAK_TO_ENTRY, PORT_NATT },
	{ "tcp-entry", "TCP to the entry", LEAK_BY_TCP, LEAK_TO_ENTRY, PORT_HTTPS },
	{ "source", "UDP from the host's address", LEAK_BY_SOURCE, LEAK_TO_SERVER, PORT_DISCARD },
	{ "raw", "a raw packet", LEAK_BY_RAW, LEAK_TO_SERVER, PORT_DISCARD },
	{ "frame", "a packet socket", LEAK_BY_FRAME, LEAK_TO_SERVER, PORT_DISCARD },
	{ "links", "every interface there is", LEAK_BY_LINKS, LEAK_TO_SERVER, PORT_SSDP },
	{ "device", "bound to the host's interface", LEAK_BY_DEVICE, LEAK_TO_SERVER, PORT_DISCARD },
	{ "route", "a route by the host's gateway", LEAK_BY_ROUTE, LEAK_TO_NOBODY, PORT_DISCARD },
	{ "inherited", "a socket that was left open", LEAK_BY_INHERITED, LEAK_TO_NOBODY,
	  PORT_DISCARD },
	{ "namespace", "the host's namespace", LEAK_BY_NAMESPACE, LEAK_TO_NOBODY, PORT_DISCARD },
};

#define ZONE "test" /* RFC 6761: nobody has names there */

size_t leak_probe_count(void)
{
	return ARRAY_SIZE(probes);
}

const struct leak_probe *leak_probe_at(size_t i)
{
	return &probes[i];
}

void leak_probe_marks(const char *token, uint16_t tcp_sport, struct leak_marks *out)
{
	*out = (struct leak_marks){ .tcp_sport = tcp_sport };
	snprintf(out->token, sizeof(out->token), "%s", token);
	for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
		if (probes[i].kind == LEAK_BY_TCP)
			out->tcp_dport[i] = probes[i].port;
}

const char *leak_probe_label(const struct leak_plan *plan, size_t i, char out[LEAK_LABEL])
{
	snprintf(out, LEAK_LABEL, "%s%02x", plan->token, (unsigned int)(i & 0xff));
	return out;
}

static void add_text(struct leak_addresses *out, const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) == 0)
		leak_addresses_add(out, &a);
}

static struct leak_addresses targets(const struct leak_plan *plan, enum leak_target target)
{
	struct leak_addresses out = { 0 };

	switch (target) {
	case LEAK_TO_SERVER:
		leak_addresses_add(&out, &plan->server);
		break;
	case LEAK_TO_LAN:
		return plan->lan;
	case LEAK_TO_ENTRY:
		return plan->entries;
	case LEAK_TO_NOBODY:
		add_text(&out, "192.0.2.254");
		break;
	case LEAK_TO_NOBODY6:
		add_text(&out, "2001:db8::fffe");
		break;
	case LEAK_TO_MDNS:
		add_text(&out, "224.0.0.251");
		break;
	case LEAK_TO_LLMNR:
		add_text(&out, "224.0.0.252");
		break;
	case LEAK_TO_MDNS6:
		add_text(&out, "ff02::fb");
		break;
	case LEAK_TO_BROADCAST:
		add_text(&out, "255.255.255.255");
		break;
	}
	return out;
}

/* One packet of probe I to TO: a socket more in OUT. */
static int send_one(const struct leak_plan *plan, size_t i, const struct addr *to,
		    struct leak_sockets *out)
{
	bool icmp = probes[i].kind == LEAK_BY_ICMP, dns = probes[i].kind == LEAK_BY_DNS;
	bool named = probes[i].target == LEAK_TO_SERVER || probes[i].target == LEAK_TO_LAN;
	uint8_t data[LEAK_PAYLOAD_MAX];
	size_t len = LEAK_LABEL - 1;
	char label[LEAK_LABEL];
	int on = 1, r;

	leak_probe_label(plan, i, label);
	if (probes[i].kind == LEAK_BY_LARGE)
		len = sizeof(data);
	leak_payload(label, data, len);
	if (icmp)
		len = leak_echo(label, data, sizeof(data));
	else if (dns)
		len = leak_query(label, named ? ZONE : "local", data, sizeof(data));
	r = leak_socket(out, to->family, SOCK_DGRAM, icmp ? IPPROTO_ICMP : 0);
	if (icmp && (r == -EACCES || r == -EPERM))
		r = leak_socket(out, to->family, SOCK_RAW, IPPROTO_ICMP);
	if (r == 0 && probes[i].target == LEAK_TO_BROADCAST &&
	    setsockopt(out->fd[out->count - 1], SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0)
		r = -errno;
	return r < 0 ? r : leak_say(out, to, probes[i].port, data, len);
}

static int send_tcp(const struct leak_plan *plan, size_t i, const struct addr *to,
		    struct leak_sockets *out)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)(plan->tcp_sport + i)) };
	int on = 1, r = leak_socket(out, AF_INET, SOCK_STREAM, 0), fd;

	if (r < 0)
		return r;
	fd = out->fd[out->count - 1];
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		return -errno;
	return leak_say(out, to, probes[i].port, NULL, 0);
}

static int send_source(const struct leak_plan *plan, size_t i, const struct addr *to,
		       struct leak_sockets *out)
{
	struct endpoint from = { plan->local, 0 };
	int on = 1, r = leak_socket(out, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage ss;
	char label[LEAK_LABEL];
	socklen_t size = endpoint_to_sockaddr(&from, &ss);

	if (r < 0)
		return r;
	if (setsockopt(out->fd[0], IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0 ||
	    bind(out->fd[0], (struct sockaddr *)&ss, size) < 0)
		return -errno;
	return leak_say(out, to, probes[i].port, leak_probe_label(plan, i, label), LEAK_LABEL - 1);
}

static int send_raw(const struct leak_plan *plan, size_t i, const struct addr *to,
		    struct leak_sockets *out)
{
	int r = leak_socket(out, AF_INET, SOCK_RAW, IPPROTO_RAW);
	uint8_t data[LEAK_PAYLOAD_MAX];
	char label[LEAK_LABEL];
	size_t len = leak_datagram(&plan->local, to, probes[i].port,
				   leak_probe_label(plan, i, label), data, sizeof(data));

	return r < 0 ? r : leak_say(out, to, 0, data, len);
}

/* What EACH does on every link that is up but lo: 0 when one of them took a packet. */
static int on_links(const struct leak_plan *plan, size_t i, int fd,
		    int (*each)(const struct leak_plan *, size_t, int, unsigned int))
{
	struct if_nameindex *all = if_nameindex();
	int r = -ENODATA;

	for (struct if_nameindex *l = all; l && l->if_name; l++) {
		int one = strcmp(l->if_name, "lo") == 0 ? -ENODATA : each(plan, i, fd, l->if_index);

		if (one == 0 || (r == -ENODATA && one < 0))
			r = one;
	}
	if (all)
		if_freenameindex(all);
	return r;
}

static int frame_on(const struct leak_plan *plan, size_t i, int fd, unsigned int index)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)index, .sll_halen = ETH_ALEN,
				  .sll_addr = { 255, 255, 255, 255, 255, 255 } };
	uint8_t data[LEAK_PAYLOAD_MAX];
	char label[LEAK_LABEL];
	size_t len = leak_datagram(&plan->local, &plan->server, probes[i].port,
				   leak_probe_label(plan, i, label), data, sizeof(data));

	return sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int multicast_on(const struct leak_plan *plan, size_t i, int fd, unsigned int index)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(probes[i].port),
				  .sin_addr.s_addr = htonl(0xeffffffa) /* 239.255.255.250 */ };
	struct ip_mreqn by = { .imr_ifindex = (int)index };
	char label[LEAK_LABEL];

	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)) < 0)
		return -errno;
	return sendto(fd, leak_probe_label(plan, i, label), LEAK_LABEL - 1, 0,
		      (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int multicast6_on(const struct leak_plan *plan, size_t i, int fd, unsigned int index)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(probes[i].port),
				   .sin6_addr.s6_addr = { 0xff, 2, [15] = 0xfb },
				   .sin6_scope_id = index };
	uint8_t data[LEAK_PAYLOAD_MAX];
	char label[LEAK_LABEL];
	size_t len = leak_query(leak_probe_label(plan, i, label), "local", data, sizeof(data));

	return sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

static int send_links(const struct leak_plan *plan, size_t i, struct leak_sockets *out)
{
	bool frame = probes[i].kind == LEAK_BY_FRAME, six = probes[i].target == LEAK_TO_MDNS6;
	int r = leak_socket(out, frame ? AF_PACKET : six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

	return r < 0 ? r : on_links(plan, i, out->fd[0], frame ? frame_on :
				    six ? multicast6_on : multicast_on);
}

static int send_device(const struct leak_plan *plan, size_t i, const struct addr *to,
		       struct leak_sockets *out)
{
	char label[LEAK_LABEL];
	int first = -ENODATA;

	leak_probe_label(plan, i, label);
	for (size_t l = 0; l < plan->link_count; l++) {
		int r = leak_socket(out, AF_INET, SOCK_DGRAM, 0);

		if (r == 0 && setsockopt(out->fd[out->count - 1], SOL_SOCKET, SO_BINDTODEVICE,
					 plan->links[l], (socklen_t)strlen(plan->links[l])) < 0)
			r = -errno;
		if (r == 0)
			r = leak_say(out, to, probes[i].port, label, LEAK_LABEL - 1);
		if (r == 0 || first == -ENODATA)
			first = r;
	}
	return first;
}

static int host_route(int fd, unsigned long request, const struct leak_plan *plan,
		      const struct addr *to)
{
	struct rtentry rt = { .rt_flags = RTF_UP | RTF_GATEWAY | RTF_HOST };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char link[LEAK_NAME];

	memcpy(link, plan->link, sizeof(link));
	rt.rt_dev = link;
	in.sin_addr.s_addr = htonl(addr_to_v4(to));
	memcpy(&rt.rt_dst, &in, sizeof(in));
	in.sin_addr.s_addr = htonl(addr_to_v4(&plan->gateway));
	memcpy(&rt.rt_gateway, &in, sizeof(in));
	return ioctl(fd, request, &rt) < 0 ? -errno : 0;
}

static int send_route(const struct leak_plan *plan, size_t i, const struct addr *to,
		      struct leak_sockets *out)
{
	int r = leak_socket(out, AF_INET, SOCK_DGRAM, 0);
	char label[LEAK_LABEL];

	if (r == 0)
		r = host_route(out->fd[0], SIOCADDRT, plan, to);
	if (r < 0)
		return r;
	r = leak_say(out, to, probes[i].port, leak_probe_label(plan, i, label), LEAK_LABEL - 1);
	(void)host_route(out->fd[0], SIOCDELRT, plan, to);
	return r;
}

static int send_inherited(const struct leak_plan *plan, size_t i)
{
	char label[LEAK_LABEL];

	return send(plan->host_fd, leak_probe_label(plan, i, label), LEAK_LABEL - 1, 0) < 0 ?
		       -errno : 0;
}

static int send_namespace(const struct leak_plan *plan, size_t i, const struct addr *to,
			  struct leak_sockets *out)
{
	char path[64];
	_cleanup_close_ int ns = -1;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", plan->host_pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	return send_one(plan, i, to, out);
}

static int send_lookup(const struct leak_plan *plan, size_t i, bool *answered)
{
	char label[LEAK_LABEL], name[LEAK_LABEL + 8];
	struct addrinfo *found = NULL;
	int r;

	snprintf(name, sizeof(name), "%s.%s.", leak_probe_label(plan, i, label), ZONE);
	r = getaddrinfo(name, NULL, NULL, &found);
	if (found)
		freeaddrinfo(found);
	*answered = r == 0 || r == EAI_NONAME || r == EAI_NODATA;
	return r == EAI_SYSTEM ? -errno : 0;
}

static int send_to(const struct leak_plan *plan, size_t i, const struct addr *to,
		   struct leak_sockets *out, bool *answered)
{
	bool v4 = plan->local.family == AF_INET && plan->server.family == AF_INET;

	switch (probes[i].kind) {
	case LEAK_BY_LOOKUP:
		return send_lookup(plan, i, answered);
	case LEAK_BY_DNS:
	case LEAK_BY_UDP:
	case LEAK_BY_LARGE:
		return send_one(plan, i, to, out);
	case LEAK_BY_ICMP:
		return to->family == AF_INET ? send_one(plan, i, to, out) : -ENODATA;
	case LEAK_BY_TCP:
		return to->family == AF_INET ? send_tcp(plan, i, to, out) : -ENODATA;
	case LEAK_BY_SOURCE:
		return v4 ? send_source(plan, i, to, out) : -ENODATA;
	case LEAK_BY_RAW:
		return v4 ? send_raw(plan, i, to, out) : -ENODATA;
	case LEAK_BY_FRAME:
		return v4 ? send_links(plan, i, out) : -ENODATA;
	case LEAK_BY_LINKS:
		return send_links(plan, i, out);
	case LEAK_BY_DEVICE:
		return send_device(plan, i, to, out);
	case LEAK_BY_ROUTE:
		return plan->gateway.family == AF_INET ? send_route(plan, i, to, out) : -ENODATA;
	case LEAK_BY_INHERITED:
		return send_inherited(plan, i);
	case LEAK_BY_NAMESPACE:
		return send_namespace(plan, i, to, out);
	}
	return -EINVAL;
}

int leak_probe_send(const struct leak_plan *plan, size_t i, struct leak_sockets *out,
		    bool *answered)
{
	struct leak_addresses to = targets(plan, probes[i].target);
	int first = -ENODATA;

	*out = (struct leak_sockets){ 0 };
	*answered = false;
	if (probes[i].target == LEAK_TO_MDNS6)
		return send_links(plan, i, out);
	for (size_t t = 0; t < to.count; t++) {
		int r = send_to(plan, i, &to.addr[t], out, answered);

		if (r == 0 || first == -ENODATA)
			first = r;
	}
	return first;
}
