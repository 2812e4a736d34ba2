#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/kern/kern_firewall.h"
#include "common/kern/kern_netns.h"

/* Where a line about what is missing goes. */
struct why {
	char *text;
	size_t size;
};

static int say(struct why *w, int err, const char *fmt, ...) _printf_(3, 4);

static int say(struct why *w, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->text, w->size, fmt, ap);
	va_end(ap);
	return err;
}

static int probe_capability(struct why *w, unsigned int cap, const char *name)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return say(w, -errno, "cannot read this process's capabilities: %s",
			   strerror(errno));
	if (data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap))
		return 0;
	return say(w, -EPERM, "no %s: start as root, or give the service that capability", name);
}

static int probe_capabilities(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	int err = probe_capability(w, CAP_NET_ADMIN, "CAP_NET_ADMIN");

	(void)k;
	(void)ns;
	return err < 0 ? err
		       : probe_capability(w, CAP_SYS_ADMIN, "CAP_SYS_ADMIN (for network namespaces)");
}

/* Adds and deletes OP in a namespace of the probe's own. */
static int try_op(struct kern_linux *k, const struct kern_op *op)
{
	int err = k->ops.add(k, op);

	return err < 0 ? err : k->ops.del(k, op);
}

static int probe_esp(struct kern_linux *k, struct kern_netns *ns, struct why *w,
		     enum kern_aead aead, const char *name, const char *module)
{
	struct kern_op op = { .type = KERN_OP_SA, .netns = ns };
	int err;

	op.sa = (struct kern_sa){
		.src = addr_v4(INADDR_LOOPBACK),
		.dst = addr_v4(INADDR_LOOPBACK + 1),
		.spi = 0x49500000,
		.reqid = KERN_REQID_NODE,
		.aead = aead,
		.key = { .len = 36, .bytes = { 1 } },
		.esn = true,
		.replay_window = 1024,
	};
	err = try_op(k, &op);
	/* Which of them depends on what is missing: XFRM, the cipher, ESP itself. */
	if (err == -EPROTONOSUPPORT || err == -ENOSYS || err == -ENOENT)
		return say(w, -EPROTONOSUPPORT,
			   "this kernel has no ESP with %s: modprobe esp4 xfrm_user %s, or boot "
			   "Debian's linux-image-amd64", name, module);
	return err < 0 ? say(w, err, "the kernel refuses an ESP SA: %s", k->error) : 0;
}

static int probe_aes(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	return probe_esp(k, ns, w, KERN_AEAD_AES_GCM_16_256, "AES-GCM", "gcm");
}

static int probe_chacha(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	return probe_esp(k, ns, w, KERN_AEAD_CHACHA20_POLY1305, "ChaCha20-Poly1305",
			 "chacha20poly1305");
}

static int probe_link(struct kern_linux *k, struct kern_netns *ns, struct why *w,
		      enum kern_link_kind kind, const char *module)
{
	struct kern_op op = { .type = KERN_OP_LINK, .netns = ns };
	int err;

	op.link = (struct kern_link){
		.kind = kind,
		.name = "ippriv-probe",
		.if_id = KERN_REQID_CLIENT | 1,
	};
	err = try_op(k, &op);
	if (err == -EOPNOTSUPP)
		return say(w, err,
			   "this kernel cannot make the link that is needed: modprobe %s, or boot "
			   "Debian's linux-image-amd64", module);
	return err < 0 ? say(w, err, "the kernel refuses a link of %s: %s", module, k->error) : 0;
}

static int probe_xfrm_link(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	return probe_link(k, ns, w, KERN_LINK_XFRM, "xfrm_interface");
}

static int probe_dummy_link(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	return probe_link(k, ns, w, KERN_LINK_DUMMY, "dummy");
}

static int probe_nftables(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	struct kern_firewall fw = {
		.table = "ippriv_probe",
		.pool = { addr_v4(0x64400000), 16 },
		.pools = { addr_v4(0x64400000), 10 },
		.address = addr_v4(INADDR_LOOPBACK),
		.exit = true,
		.nat_port_lo = 16384,
		.nat_port_hi = 65535,
		.client_connections = 1,
		.mss = 1266,
		.rule_count = 1,
		.rules = { { .accept = true,
			     .proto = KERN_PROTO_TCP,
			     .dst = { addr_v4(0), 0 },
			     .port_lo = 80,
			     .port_hi = 80 } },
	};
	struct kern_op op = { .type = KERN_OP_FIREWALL, .netns = ns, .firewall = &fw };
	int err = try_op(k, &op);

	if (err < 0)
		return say(w, err,
			   "this kernel cannot do the nftables rules that are needed (%s): "
			   "modprobe nf_tables nft_nat nft_ct nft_connlimit, or boot Debian's "
			   "linux-image-amd64", k->error);
	return 0;
}

static int probe_forwarding(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : EOF;

	(void)k;
	(void)ns;
	if (f)
		fclose(f);
	return c == '1' ? 0 : say(w, -ENOTSUP, "IPv4 forwarding is off: sysctl -w "
					       "net.ipv4.ip_forward=1");
}

int kern_linux_probe_six(char *why, size_t size)
{
	struct why w = { why, size };
	FILE *f = fopen("/proc/sys/net/ipv6/conf/all/forwarding", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	if (c == '1')
		return 0;
	return say(&w, -ENOTSUP, c == EOF ? "this kernel has no IPv6, which `exit6` needs: boot without "
					    "ipv6.disable=1, or set it to false" :
					    "IPv6 forwarding is off, which `exit6` needs: sysctl -w "
					    "net.ipv6.conf.all.forwarding=1 (where routes come by router "
					    "advertisements, accept_ra=2 of that link before)");
}

static int probe_offload(struct kern_linux *k, struct kern_netns *ns, struct why *w)
{
	(void)k;
	(void)ns;
	if (access("/sys/module/esp4_offload", F_OK) < 0)
		return 0;
	return say(w, -EBUSY, "the module esp4_offload is loaded, with it and GRO the kernel drops "
			      "the inner ESP that a relay forwards: modprobe -r esp4_offload");
}

/* What which role needs, in the order of asking. The first tells why others would fail. */
static const struct {
	const char *name, *good;
	bool client, relay;
	int (*probe)(struct kern_linux *k, struct kern_netns *ns, struct why *w);
} probes[] = {
	{ "capabilities", "CAP_NET_ADMIN and CAP_SYS_ADMIN", true, true, probe_capabilities },
	{ "ESP", "with AES-GCM", true, true, probe_aes },
	{ "ESP", "with ChaCha20-Poly1305", true, true, probe_chacha },
	{ "links", "xfrm interfaces can be made", true, false, probe_xfrm_link },
	{ "links", "dummy links can be made", false, true, probe_dummy_link },
	{ "firewall and NAT", "nftables takes the rules of an exit", false, true, probe_nftables },
	{ "forwarding", "net.ipv4.ip_forward is 1", false, true, probe_forwarding },
	{ "offload", "esp4_offload is not loaded", false, true, probe_offload },
};

void kern_linux_probe_each(struct kern_linux *k, enum kern_role role, kern_probe_report *report,
			   void *user)
{
	struct kern_netns *ns = NULL;
	char text[512];
	struct why w = { text, sizeof(text) };

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		int err = 0;

		if (role == KERN_ROLE_CLIENT ? !probes[i].client : !probes[i].relay)
			continue;
		/* the first needs none, and says what is missing for one */
		if (i > 0 && !ns)
			err = kern_netns_new(k, &ns);
		if (err < 0)
			say(&w, err, "cannot make a network namespace: %s", strerror(-err));
		else
			err = probes[i].probe(k, ns, &w);
		if (!report(user, probes[i].name, err, err < 0 ? text : probes[i].good))
			break;
	}
	kern_netns_free(ns);
}

struct first {
	struct why why;
	int err;
};

static bool keep_first(void *user, const char *name, int err, const char *text)
{
	struct first *first = user;

	(void)name;
	if (err < 0)
		first->err = say(&first->why, err, "%s", text);
	return err == 0;
}

int kern_linux_probe(struct kern_linux *k, enum kern_role role, char *why, size_t size)
{
	struct first first = { .why = { why, size } };

	kern_linux_probe_each(k, role, keep_first, &first);
	return first.err;
}
