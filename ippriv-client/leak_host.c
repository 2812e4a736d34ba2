#include "ippriv-client/leak_host.h"

#include <errno.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int leak_host_resolver(const char *path, struct addr *out)
{
	FILE *f = fopen(path, "re");
	char line[512], text[64];
	int r = -ENOENT;

	if (!f)
		return r;
	while (r < 0 && fgets(line, sizeof(line), f)) {
		struct addr a;

		if (sscanf(line, " nameserver %63s", text) == 1 && addr_parse(text, &a) == 0 &&
		    !addr_is_loopback(&a)) {
			*out = a;
			r = 0;
		}
	}
	fclose(f);
	return r;
}

int leak_host_default(const char *path, char link[LEAK_NAME], struct addr *gateway)
{
	FILE *f = fopen(path, "re");
	unsigned int dst, via, flags, mask;
	char line[512], name[LEAK_NAME];
	int r = -ENOENT;

	if (!f)
		return r;
	while (r < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %x %x %x %*s %*s %*s %x", name, &dst, &via, &flags,
			   &mask) != 5 ||
		    dst != 0 || mask != 0 || !(flags & RTF_UP) || leak_host_ours(name))
			continue;
		*gateway = flags & RTF_GATEWAY ? addr_v4(ntohl(via)) : (struct addr){ 0 };
		snprintf(link, LEAK_NAME, "%s", name);
		r = 0;
	}
	fclose(f);
	return r;
}

bool leak_host_ours(const char *link)
{
	return strcmp(link, "lo") == 0 || strncmp(link, "ippriv", strlen("ippriv")) == 0;
}

static void find_links(struct leak_plan *plan)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *l = all; l && l->if_name; l++)
		if (!leak_host_ours(l->if_name) && plan->link_count < LEAK_ADDRESSES_MAX)
			snprintf(plan->links[plan->link_count++], LEAK_NAME, "%s", l->if_name);
	if (all)
		if_freenameindex(all);
}

static void find_local(struct leak_plan *plan)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };
	struct endpoint e;

	memcpy(req.ifr_name, plan->link, sizeof(plan->link));
	if (fd >= 0 && ioctl(fd, SIOCGIFADDR, &req) == 0 &&
	    endpoint_from_sockaddr(&req.ifr_addr, &e) == 0)
		plan->local = e.addr;
}

void leak_host_look(struct leak_plan *plan)
{
	struct addr resolver;

	find_links(plan);
	if (leak_host_default("/proc/net/route", plan->link, &plan->gateway) == 0) {
		leak_addresses_add(&plan->lan, &plan->gateway);
		find_local(plan);
	}
	if (leak_host_resolver("/etc/resolv.conf", &resolver) == 0 ||
	    leak_host_resolver("/run/systemd/resolve/resolv.conf", &resolver) == 0)
		leak_addresses_add(&plan->lan, &resolver);
}
