#include "ippriv-client/leak_net.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/kern/kern_keep.h"
#include "common/kern/kern_linux.h"

#define SECOND "leaktest0"

static const uint32_t SECOND_ADDRESS = 0xc612ff01; /* 198.18.255.1, RFC 2544 */

struct leak_net_down {
	char link[LEAK_NAME];
	char keep_addresses; /* what keep_addr_on_down was; 0: not known */
	struct kern_keep *routes;
};

/* The setting of LINK that lets IPv6 addresses outlive it: sets VALUE, returns what it was or 0. */
static char set_keep(const char *link, char value)
{
	_cleanup_close_ int fd = -1;
	char path[96], was = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/keep_addr_on_down", link);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, &was, 1) != 1 || pwrite(fd, &value, 1, 0) != 1)
		return 0;
	return was;
}

static int set_up(const char *link, bool up)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", link);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	req.ifr_flags = (short)(up ? req.ifr_flags | IFF_UP : req.ifr_flags & ~IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

static void down_free(struct leak_net_down *d)
{
	if (d->keep_addresses)
		(void)set_keep(d->link, d->keep_addresses);
	kern_keep_free(d->routes);
	free(d);
}

int leak_net_down(const char *link, struct leak_net_down **out)
{
	struct leak_net_down *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	snprintf(d->link, sizeof(d->link), "%s", link);
	r = kern_keep_routes(if_nametoindex(link), &d->routes);
	if (r == 0) {
		d->keep_addresses = set_keep(link, '1');
		r = set_up(link, false);
	}
	if (r < 0)
		down_free(d);
	else
		*out = d;
	return r;
}

int leak_net_up(struct leak_net_down *d)
{
	int r = set_up(d->link, true);

	if (r == 0)
		r = kern_keep_restore(d->routes);
	down_free(d);
	return r;
}

static struct leak_net_route *put(struct leak_net_routes *out, const struct leak_plan *plan,
				  const struct addr *dst, uint8_t len)
{
	struct leak_net_route *r = &out->route[out->count++];

	*r = (struct leak_net_route){ .dst = { *dst, len }, .gateway = plan->gateway };
	memcpy(r->link, plan->link, sizeof(r->link));
	return r;
}

void leak_net_rogue(const struct leak_plan *plan, struct leak_net_routes *out)
{
	struct addr low = addr_v4(0), high = addr_v4(0x80000000), nobody = addr_v4(0xc00002fe),
		    network = addr_v4(0xc0000200); /* 192.0.2.254, 192.0.2.0 */

	*out = (struct leak_net_routes){ 0 };
	if (plan->gateway.family != AF_INET)
		return;
	put(out, plan, &low, 1);
	put(out, plan, &high, 1);
	put(out, plan, &nobody, 32);
	if (plan->server.family == AF_INET)
		put(out, plan, &plan->server, 32);
	for (size_t i = 0; i < plan->entries.count; i++)
		if (plan->entries.addr[i].family == AF_INET)
			put(out, plan, &plan->entries.addr[i], 32);
	put(out, plan, &network, 24)->gateway = (struct addr){ 0 };
}

static void put_ip(struct sockaddr *out, uint32_t ip)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ip) };

	memcpy(out, &in, sizeof(in));
}

static int change(unsigned long request, const struct leak_net_route *r)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rtentry rt = { .rt_flags = RTF_UP };
	char link[LEAK_NAME];

	memcpy(link, r->link, sizeof(link));
	rt.rt_dev = link;
	put_ip(&rt.rt_dst, addr_to_v4(&r->dst.addr));
	put_ip(&rt.rt_genmask, r->dst.len == 0 ? 0 : UINT32_MAX << (32 - r->dst.len));
	if (r->gateway.family != 0) {
		rt.rt_flags |= RTF_GATEWAY;
		put_ip(&rt.rt_gateway, addr_to_v4(&r->gateway));
	}
	return fd < 0 || ioctl(fd, request, &rt) < 0 ? -errno : 0;
}

int leak_net_add(struct leak_net_routes *routes)
{
	size_t kept = 0;
	int first = -ENETUNREACH;

	for (size_t i = 0; i < routes->count; i++) {
		int r = change(SIOCADDRT, &routes->route[i]);

		if (r == 0)
			routes->route[kept++] = routes->route[i];
		else if (kept == 0)
			first = r;
	}
	routes->count = kept;
	return kept > 0 ? 0 : first;
}

void leak_net_del(const struct leak_net_routes *routes)
{
	for (size_t i = routes->count; i-- > 0;)
		(void)change(SIOCDELRT, &routes->route[i]);
}

struct leak_net_second {
	struct kern_linux *kern;
	struct kern_op ops[2];
};

int leak_net_second_add(struct leak_net_second **out)
{
	struct leak_net_second *s = calloc(1, sizeof(*s));
	struct leak_net_route all = { .link = SECOND };
	int r;

	if (!s)
		return -ENOMEM;
	s->ops[0] = (struct kern_op){ .type = KERN_OP_LINK,
				      .link = { .kind = KERN_LINK_DUMMY, .name = SECOND } };
	s->ops[1] = (struct kern_op){ .type = KERN_OP_ADDRESS,
				      .address = { .link = SECOND,
						   .prefix = { addr_v4(SECOND_ADDRESS), 24 } } };
	r = kern_linux_new(&s->kern);
	if (r == 0)
		r = kern_plan_add(kern_linux_ops(s->kern), s->ops, ARRAY_SIZE(s->ops));
	if (r == 0) {
		r = change(SIOCADDRT, &all);
		if (r == 0) {
			*out = s;
			return 0;
		}
		(void)kern_plan_del(kern_linux_ops(s->kern), s->ops, ARRAY_SIZE(s->ops));
	}
	kern_linux_free(s->kern);
	free(s);
	return r;
}

int leak_net_second_del(struct leak_net_second *s)
{
	int r = kern_plan_del(kern_linux_ops(s->kern), s->ops, ARRAY_SIZE(s->ops));

	kern_linux_free(s->kern);
	free(s);
	return r;
}
