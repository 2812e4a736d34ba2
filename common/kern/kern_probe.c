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

static int probe_forwarding(struct why *w)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == '1' ? 0 : say(w, -ENOTSUP, "IPv4 forwarding is off: sysctl -w "
					       "net.ipv4.ip_forward=1");
}

static int probe_offload(struct why *w)
{
	if (access("/sys/module/esp4_offload", F_OK) < 0)
		return 0;
	return say(w, -EBUSY, "the module esp4_offload is loaded, with it and GRO the kernel drops "
			      "the inner ESP that a relay forwards: modprobe -r esp4_offload");
}

static int probe_in(struct kern_linux *k, struct kern_netns *ns, enum kern_role role, struct why *w)
{
	int err = probe_esp(k, ns, w, KERN_AEAD_AES_GCM_16_256, "AES-GCM", "gcm");

	if (err == 0)
		err = probe_esp(k, ns, w, KERN_AEAD_CHACHA20_POLY1305, "ChaCha20-Poly1305",
				"chacha20poly1305");
	if (err < 0)
		return err;
	switch (role) {
	case KERN_ROLE_CLIENT:
		return probe_link(k, ns, w, KERN_LINK_XFRM, "xfrm_interface");
	case KERN_ROLE_RELAY:
		err = probe_link(k, ns, w, KERN_LINK_DUMMY, "dummy");
		if (err == 0)
			err = probe_nftables(k, ns, w);
		if (err == 0)
			err = probe_forwarding(w);
		return err < 0 ? err : probe_offload(w);
	}
	return -EINVAL;
}

int kern_linux_probe(struct kern_linux *k, enum kern_role role, char *why, size_t size)
{
	struct why w = { why, size };
	struct kern_netns *ns;
	int err = probe_capability(&w, CAP_NET_ADMIN, "CAP_NET_ADMIN");

	if (err == 0)
		err = probe_capability(&w, CAP_SYS_ADMIN, "CAP_SYS_ADMIN (for network namespaces)");
	if (err < 0)
		return err;
	err = kern_netns_new(k, &ns);
	if (err < 0)
		return say(&w, err, "cannot make a network namespace: %s", strerror(-err));
	err = probe_in(k, ns, role, &w);
	kern_netns_free(ns);
	return err;
}
