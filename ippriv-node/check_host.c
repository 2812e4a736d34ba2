#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>

#include "common/base/ike_port.h"
#include "common/base/inner6.h"
#include "common/ctl/ctl.h"
#include "common/io/udp.h"
#include "common/kern/kern_linux.h"
#include "common/kern/kern_version.h"
#include "ippriv-node/check.h"

static void check_version(struct check *check)
{
	struct utsname name;

	if (uname(&name) < 0)
		return;
	switch (kern_version_fixes(name.release, name.version)) {
	case KERN_FIXES_THERE:
		check_say(check, CHECK_OK, "kernel", "%s has the ESP fixes of 2026", name.release);
		break;
	case KERN_FIXES_MISSING:
		check_say(check, CHECK_WRONG, "kernel", "%s, %s, lacks the ESP fixes of 2026: install "
			  "Debian's 6.1.174 or 6.12.90, or later, and boot it", name.release,
			  name.version);
		break;
	case KERN_FIXES_UNKNOWN:
		check_say(check, CHECK_NOTE, "kernel", "the version %s does not tell whether it has the "
			  "fixes of CVE-2026-43284 and CVE-2026-46300: ask who made it", name.release);
		break;
	}
}

void check_machine(struct check *check)
{
	struct timex clock = { 0 };

	check_version(check);
	if (adjtimex(&clock) == TIME_ERROR)
		check_say(check, CHECK_NOTE, "clock", "no time service says that it keeps this clock: "
			  "see `timedatectl`");
}

/* The interface with ADDRESS, or the empty string; OTHERS: what could be meant instead. */
static void find_interface(const struct addr *address, char name[IF_NAMESIZE], char *others,
			   size_t size)
{
	struct ifaddrs *all, *i;
	char text[ADDR_TEXT];
	size_t used = 0;

	name[0] = others[0] = '\0';
	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next) {
		struct endpoint at;

		if (!i->ifa_addr || endpoint_from_sockaddr(i->ifa_addr, &at) < 0 ||
		    at.addr.family != address->family || i->ifa_flags & IFF_LOOPBACK)
			continue;
		if (addr_equal(&at.addr, address))
			snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
		if (used < size)
			used += (size_t)snprintf(others + used, size - used, "%s%s", used ? ", " : "",
						 addr_text(&at.addr, text));
	}
	freeifaddrs(all);
	if (used == 0)
		snprintf(others, size, "none");
}

static int read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	int number = -1;

	if (f && fscanf(f, "%d", &number) != 1)
		number = -1;
	if (f)
		fclose(f);
	return number;
}

static void check_path_filter(struct check *check, const char *interface)
{
	char path[128];
	int all = read_number("/proc/sys/net/ipv4/conf/all/rp_filter"), own;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
	own = read_number(path);
	if (all == 1 ? own < 2 : all <= 0 && own == 1)
		check_say(check, CHECK_NOTE, "rp_filter", "is strict (1) on %s: where packets come in by "
			  "another interface than answers leave by, sysctl -w "
			  "net.ipv4.conf.%s.rp_filter=2", interface, interface);
	else
		check_say(check, CHECK_OK, "rp_filter", "is not strict on %s", interface);
}

static void check_addresses(struct check *check, const struct node_conf *conf)
{
	bool translated = !addr_equal(&conf->address, &conf->listen);
	char interface[IF_NAMESIZE], others[256], at[ADDR_TEXT], public[ADDR_TEXT];

	addr_text(&conf->listen, at);
	find_interface(&conf->listen, interface, others, sizeof(others));
	if (interface[0] && translated)
		check_say(check, CHECK_NOTE, "address", "%s is on %s; a NAT has to translate %s to it, "
			  "both ways, for UDP %d, UDP %d and ESP", at, interface,
			  addr_text(&conf->address, public), IKE_PORT, IKE_PORT_FLOATED);
	else if (interface[0])
		check_say(check, CHECK_OK, "address", "%s is on %s", at, interface);
	else if (translated)
		check_say(check, CHECK_WRONG, "address", "`listen`, %s, is on no interface of this "
			  "machine, which has: %s", at, others);
	else
		check_say(check, CHECK_WRONG, "address", "%s is on no interface of this machine: add it "
			  "to one or, when a 1:1 NAT translates it, set `listen` to one of: %s", at,
			  others);
	if (interface[0])
		check_path_filter(check, interface);
	if (conf->address6.family == 0)
		return;
	find_interface(&conf->address6, interface, others, sizeof(others));
	check_say(check, interface[0] ? CHECK_OK : CHECK_WRONG, "address6", "%s is on %s",
		  addr_text(&conf->address6, at),
		  interface[0] ? interface : "no interface of this machine: mend or remove it");
}

static int try_port(const struct addr *address, uint16_t port)
{
	struct endpoint at = { *address, port };
	_cleanup_close_ int fd = socket(address->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = port == IKE_PORT_FLOATED ? udp_encap(fd) : 0;
	return err < 0 ? err : udp_bind(fd, &at, true);
}

/* Is it our own relay that has the ports? */
static bool runs_here(const struct node_conf *conf)
{
	_cleanup_close_ int fd = ctl_connect(conf->control);

	return fd >= 0;
}

static const char *port_advice(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return "stop the other IKE daemon (`ss -lunp` names it)";
	case -EACCES:
		return "run as root, or give the service CAP_NET_BIND_SERVICE";
	case -ENOPROTOOPT:
		return "marks of datagrams (SO_RCVMARK) need Linux 5.19 or later";
	case -EADDRNOTAVAIL:
		return "first mend the address";
	default:
		return "no advice for this";
	}
}

static void check_port(struct check *check, const struct node_conf *conf,
		       const struct addr *address, uint16_t port)
{
	struct endpoint at = { *address, port };
	int err = try_port(address, port);
	char text[ADDR_TEXT];

	endpoint_text(&at, text);
	if (err == 0)
		check_say(check, CHECK_OK, "port", "UDP %s is free", text);
	else if (err == -EADDRINUSE && runs_here(conf))
		check_say(check, CHECK_OK, "port", "UDP %s is the running ippriv-node's", text);
	else
		check_say(check, CHECK_WRONG, "port", "UDP %s: %s; %s", text, strerror(-err),
			  port_advice(err));
}

static void check_key(struct check *check, const struct node_conf *conf)
{
	_cleanup_free_ char *folder = strdup(conf->identity);
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!conf->key_later) {
		check_say(check, CHECK_OK, "key", "%s holds one, and nobody else may read it",
			  conf->identity);
		return;
	}
	if (!slash)
		return;
	slash[1] = '\0';
	if (access(folder, W_OK | X_OK) < 0)
		check_say(check, CHECK_WRONG, "key", "%s is not there and cannot be made: %s: %s; make "
			  "that folder, or name another file as `identity`", conf->identity, folder,
			  strerror(errno));
	else
		check_say(check, CHECK_OK, "key", "%s will be made at the first start", conf->identity);
}

static void check_state(struct check *check, const struct node_conf *conf)
{
	struct stat st;

	if (stat(conf->state, &st) < 0 && errno == ENOENT)
		check_say(check, CHECK_OK, "state", "%s will be made", conf->state);
	else if (access(conf->state, W_OK | X_OK) < 0)
		check_say(check, CHECK_WRONG, "state", "%s: %s; give another `state`, or run as its owner",
			  conf->state, strerror(errno));
	else
		check_say(check, CHECK_OK, "state", "%s can be written", conf->state);
}

static int read_conf6(const char *interface, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", interface, file);
	return read_number(path);
}

/* The address that packets to the IPv6 Internet get here; nothing is sent. */
static int source6(struct addr *out)
{
	const struct endpoint far = { { AF_INET6, { 0x20, [15] = 1 } }, IKE_PORT };
	_cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&far, &sa);
	struct endpoint own;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0)
		return -errno;
	len = sizeof(sa);
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return -errno;
	if (endpoint_from_sockaddr((struct sockaddr *)&sa, &own) < 0)
		return -EAFNOSUPPORT;
	*out = own.addr;
	return 0;
}

/* IPv6 has to come in inside of ESP, where IPv4 does, and to go out. */
static void check_six(struct check *check, const struct node_conf *conf)
{
	const struct prefix public = inner6_public();
	char interface[IF_NAMESIZE], others[256], why[256], text[ADDR_TEXT];
	struct addr from;
	int err = kern_linux_probe_six(why, sizeof(why));

	check_say(check, err < 0 ? CHECK_WRONG : CHECK_OK, "exit6", "%s",
		  err < 0 ? why : "net.ipv6.conf.all.forwarding is 1");
	find_interface(&conf->listen, interface, others, sizeof(others));
	if (interface[0] && read_conf6(interface, "disable_ipv6") == 1)
		check_say(check, CHECK_WRONG, "exit6", "clients' IPv6 comes in by %s, where it is off: "
			  "sysctl -w net.ipv6.conf.%s.disable_ipv6=0", interface, interface);
	err = source6(&from);
	if (err < 0 || !prefix_contains(&public, &from)) {
		check_say(check, CHECK_WRONG, "exit6", "no way to the IPv6 Internet%s%s: give this machine "
			  "a public IPv6 address and a default route, or set `exit6` to false",
			  err < 0 ? ": " : "", err < 0 ? strerror(-err) : "");
		return;
	}
	addr_text(&from, text);
	find_interface(&from, interface, others, sizeof(others));
	if (read_conf6(interface, "accept_ra") == 1)
		check_say(check, CHECK_NOTE, "exit6", "clients leave from %s; if %s learns its routes by "
			  "router advertisements: sysctl -w net.ipv6.conf.%s.accept_ra=2, as a host that "
			  "forwards ignores them else", text, interface, interface);
	else
		check_say(check, CHECK_OK, "exit6", "clients leave from %s, on %s", text, interface);
}

void check_host(struct check *check, const struct node_conf *conf)
{
	static const uint16_t ports[] = { IKE_PORT, IKE_PORT_FLOATED };

	check_addresses(check, conf);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		check_port(check, conf, &conf->listen, ports[i]);
		if (conf->address6.family != 0)
			check_port(check, conf, &conf->address6, ports[i]);
	}
	if (conf->firewall.exit6)
		check_six(check, conf);
	check_key(check, conf);
	check_state(check, conf);
}
