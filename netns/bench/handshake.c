/* handshake: as many initiators of IKEv2 as a responder can take: IKE_SA_INIT and IKE_AUTH by our own library, nothing is installed.
 *
 *   handshake COUNT PARALLEL FIRST SOURCES ADDR KEY
 *
 * COUNT handshakes, PARALLEL of them at one time, with the relay at ADDR:500 whose key is KEY (64 hex digits), from SOURCES addresses
 * in turn, the first is FIRST: relays take only so many from one. Each asks for an address as a client does, and proves itself by the
 * public PSK, which a stock strongSwan takes as well. What stands is kept until the end and left without a word. One JSON object on
 * the output: of COUNT those established and those that failed, seconds, and the milliseconds that each took.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/ike_port.h"
#include "common/ike/ike_host.h"
#include "common/io/udp.h"

enum { PARALLEL_MOST = 64, LONG = 3600000 };

/* A place for one handshake after the other, each with a socket of its own. */
struct slot {
	struct pollfd *poll;
	struct ike_path path;
	struct ike_sa *sa; /* NULL: none under way */
	uint64_t began;    /* microseconds */
};

static struct slot slots[PARALLEL_MOST];
static struct pollfd polls[PARALLEL_MOST];
static struct ike_init_conf init = {
	.auth = IKE_AUTH_PSK,
	.want_lease = true,
	.ts_local = { 1, { { .addr.family = AF_INET } } },
	.ts_remote = { 1, { { .addr.family = AF_INET } } },
};
static struct ike_host *host;
static uint32_t first, sources;
static int count, parallel, begun, good, bad;
static double *took; /* of those established */

static void die(const char *what, int err)
{
	fprintf(stderr, "handshake: %s: %s\n", what, strerror(-err));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void op_send(void *user, const struct ike_path *path, const uint8_t *msg, size_t len)
{
	(void)user;
	/* A socket that has gone is one whose handshake is over. */
	(void)udp_send(polls[path->channel].fd, msg, len, &path->remote, 0);
}

static uint64_t op_now(void *user)
{
	(void)user;
	return now_us() / 1000;
}

static int op_child_up(void *user, struct ike_sa *sa, const struct ike_child *child, const struct ike_lease *lease)
{
	(void)user;
	(void)sa;
	(void)child;
	return lease ? 0 : -EPROTO;
}

/* What stands belongs to no slot any more: ended is called for it, too. */
static struct slot *leave(struct ike_sa *sa)
{
	struct slot *s = ike_sa_data(sa);

	if (s)
		s->sa = NULL;
	ike_sa_set_data(sa, NULL);
	return s;
}

static void op_established(void *user, struct ike_sa *sa)
{
	struct slot *s = leave(sa);

	(void)user;
	took[good++] = (double)(now_us() - s->began) / 1000;
}

static void op_ended(void *user, struct ike_sa *sa, enum ike_end why)
{
	(void)user;
	if (!leave(sa))
		return;
	bad++;
	fprintf(stderr, "handshake: %s\n", ike_end_name(why));
}

static const struct ike_ops ops = {
	.send = op_send,
	.now = op_now,
	.random = crypto_random_source,
	.child_up = op_child_up,
	.established = op_established,
	.ended = op_ended,
};

static void begin(struct slot *s)
{
	struct endpoint from = { .addr = addr_v4(first + (uint32_t)begun % sources) };
	int err;

	begun++;
	if (s->poll->fd >= 0)
		close(s->poll->fd);
	s->poll->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->poll->fd < 0)
		die("socket", -errno);
	err = udp_bind(s->poll->fd, &from, false);
	if (err == 0)
		err = udp_local(s->poll->fd, &s->path.local);
	if (err < 0)
		die("bind", err);
	init.path = s->path;
	s->began = now_us();
	err = ike_host_initiate(host, &init, s, &s->sa);
	if (err < 0)
		die("initiate", err);
}

static void receive(struct slot *s)
{
	static uint8_t room[65536];
	struct ike_path path = s->path;
	uint32_t mark;
	ssize_t n;

	while ((n = udp_recv(s->poll->fd, room, sizeof(room), &path.remote, &mark)) >= 0)
		ike_host_input(host, &path, room, (size_t)n);
}

static void run(void)
{
	uint64_t deadline, now;
	int i;

	while (good + bad < count) {
		for (i = 0; i < parallel; i++)
			if (!slots[i].sa && begun < count)
				begin(&slots[i]);
		deadline = ike_host_deadline(host);
		now = op_now(NULL);
		if (poll(polls, (nfds_t)parallel, deadline > now ? (int)(deadline - now) : 0) < 0)
			die("poll", -errno);
		for (i = 0; i < parallel; i++)
			if (polls[i].revents)
				receive(&slots[i]);
		ike_host_tick(host);
	}
}

static void print(double seconds)
{
	int i;

	printf("{\"count\": %d, \"parallel\": %d, \"established\": %d, \"failed\": %d, \"seconds\": %.6f, \"delays\": [", count, parallel,
		good, bad, seconds);
	for (i = 0; i < good; i++)
		printf("%s%.2f", i ? ", " : "", took[i]);
	puts("]}");
}

static bool arguments(char **argv)
{
	struct addr from;

	count = atoi(argv[1]);
	parallel = atoi(argv[2]);
	sources = (uint32_t)atoi(argv[4]);
	init.path.remote.port = IKE_PORT;
	if (count < 1 || parallel < 1 || parallel > PARALLEL_MOST || sources < 1 || addr_parse(argv[3], &from) < 0 ||
	    addr_parse(argv[5], &init.path.remote.addr) < 0 || crypto_hex_parse(argv[6], init.peer.bytes) < 0)
		return false;
	first = addr_to_v4(&from);
	return true;
}

int main(int argc, char **argv)
{
	struct ike_host_conf conf = { .ops = &ops, .liveness = LONG };
	uint64_t start;
	int i, err;

	if (argc != 7 || !arguments(argv)) {
		fprintf(stderr, "handshake: see the top of handshake.c\n");
		return 2;
	}
	err = crypto_init();
	if (err == 0)
		err = ike_host_new(&conf, &host);
	if (err < 0)
		die("start", err);
	took = calloc((size_t)count, sizeof(*took));
	if (!took)
		die("start", -ENOMEM);
	for (i = 0; i < parallel; i++) {
		polls[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
		slots[i] = (struct slot){ .poll = &polls[i], .path = init.path };
		slots[i].path.channel = (uint32_t)i;
	}
	start = now_us();
	run();
	print((double)(now_us() - start) / 1e6);
	ike_host_free(host);
	free(took);
	return good == count ? 0 : 1;
}
