#include "ippriv-client/leak_capture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "ippriv-client/leak_host.h"

enum { SNAP = 2048, ROOM = 16 << 20, NAMES_MAX = 256 };

struct leak_capture {
	int fd;
	uint64_t missed;
	char names[NAMES_MAX][LEAK_LINK_NAME]; /* by index: a link may be gone when we read of it */
};

/* Outgoing packets only, and not more than SNAP bytes of each. */
static int filter_outgoing(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SNAP),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int leak_capture_new(struct leak_capture **out)
{
	/* Protocol 0: it hears nothing before it is bound, and has its filter then. */
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct leak_capture *c;
	int room = ROOM, r;

	if (fd < 0)
		return -errno;
	r = filter_outgoing(fd);
	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&all, sizeof(all)) < 0)
		return -errno;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = steal_fd(&fd);
	*out = c;
	return 0;
}

void leak_capture_free(struct leak_capture *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

int leak_capture_fd(const struct leak_capture *c)
{
	return c->fd;
}

static const char *name_of(struct leak_capture *c, int index, char out[IF_NAMESIZE])
{
	bool kept = index > 0 && index < NAMES_MAX;

	if (kept && c->names[index][0])
		return c->names[index];
	if (!if_indextoname((unsigned int)index, out))
		snprintf(out, IF_NAMESIZE, "link %d", index % 1000000);
	else if (kept)
		memcpy(c->names[index], out, LEAK_LINK_NAME);
	return out;
}

void leak_capture_drain(struct leak_capture *c, struct leak_tally *tally)
{
	struct sockaddr_ll from;
	uint8_t data[SNAP];
	char text[IF_NAMESIZE] = "";

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t len = recvfrom(c->fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);
		const char *name;

		if (len < 0 && errno == ENETDOWN)
			continue; /* told once when a link goes down */
		if (len < 0)
			return;
		name = name_of(c, from.sll_ifindex, text);
		if (from.sll_hatype != ARPHRD_LOOPBACK && !leak_host_ours(name))
			leak_tally_add(tally, name, ntohs(from.sll_protocol), data, (size_t)len);
	}
}

uint64_t leak_capture_missed(struct leak_capture *c)
{
	struct tpacket_stats stats = { 0 };
	socklen_t size = sizeof(stats);

	if (getsockopt(c->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
		c->missed += stats.tp_drops;
	return c->missed;
}
