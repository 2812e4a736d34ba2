/* load: what the benchmarks carry: bulk flows, and 1024-byte exchanges beside them.
 * In C because in the deterministic guest all hosts share one processor: its own cost has to be small.
 *
 *   load serve ADDR:PORT                 until it is killed; says "load: ready"
 *   load OPTIONS ADDR:PORT               one JSON object on the output
 *     -s ADDR:PORT   through this SOCKS5 proxy
 *     -f FLOWS       bulk flows (default 1)
 *     -u             upwards, not downwards
 *     -n BYTES       that many by each flow; without it, for
 *     -t SECONDS     of which the first -w SECONDS do not count
 *     -e             exchanges beside them, from the end of -w on, of 1024 bytes (-x BYTES), 100 ms after each other (-p MS)
 *     -b MS          also the bytes of each interval that long
 * Without -n flows go down: what counts is what arrives. Upwards, the server says when all is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 256, EXCHANGE_MOST = 16384, SAMPLES = 20000, BINS = 10000 };

struct ask {
	char what; /* 'd' bytes down, 'u' bytes up and one back, 'e' echo */
	char pad[7];
	uint64_t bytes; /* 0: for ever; of an exchange: how long */
};

struct flow {
	struct ask ask;
	uint64_t done;
	size_t asked, held; /* bytes of ask that are here; of an echo, that wait to go back */
	char echo[EXCHANGE_MOST];
};

static char block[1 << 16];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *colon = strchr(text, ':');
	char host[INET_ADDRSTRLEN] = "";

	if (colon && colon - text < (long)sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	a.sin_port = htons((uint16_t)atoi(colon ? colon + 1 : ""));
	if (!a.sin_port || inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "load: '%s' is not ADDR:PORT\n", text);
		exit(2);
	}
	return a;
}

static bool again(ssize_t n) { return n < 0 && (errno == EAGAIN || errno == EINTR); }

static void settings(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* --- the server */

static size_t part(uint64_t bytes, uint64_t done)
{
	uint64_t left = bytes ? bytes - done : sizeof(block);

	return left < sizeof(block) ? (size_t)left : sizeof(block);
}

/* Serves a flow once; what poll should wait for next, or 0 when it is over. */
static short serve_flow(int fd, struct flow *f)
{
	ssize_t n;

	if (f->asked < sizeof(f->ask)) {
		n = read(fd, (char *)&f->ask + f->asked, sizeof(f->ask) - f->asked);
		if (n <= 0)
			return again(n) ? POLLIN : 0;
		f->asked += (size_t)n;
		return f->asked == sizeof(f->ask) && f->ask.what == 'd' ? POLLOUT : POLLIN;
	}
	if (f->ask.what == 'd') {
		n = send(fd, block, part(f->ask.bytes, f->done), MSG_NOSIGNAL);
		f->done += n > 0 ? (uint64_t)n : 0;
		return again(n) || (n > 0 && f->done != f->ask.bytes) ? POLLOUT : 0;
	}
	if (f->ask.what == 'u') {
		n = read(fd, block, sizeof(block));
		f->done += n > 0 ? (uint64_t)n : 0;
		if (n > 0 && f->done == f->ask.bytes && write(fd, "", 1) != 1)
			return 0;
		return again(n) || n > 0 ? POLLIN : 0;
	}
	if (f->ask.bytes > sizeof(f->echo))
		return 0;
	n = read(fd, f->echo + f->held, f->ask.bytes - f->held);
	if (n <= 0)
		return again(n) ? POLLIN : 0;
	f->held += (size_t)n;
	if (f->held == f->ask.bytes) {
		f->held = 0;
		if (send(fd, f->echo, f->ask.bytes, MSG_NOSIGNAL) != (ssize_t)f->ask.bytes)
			return 0;
	}
	return POLLIN;
}

static void serve(const char *where)
{
	static struct pollfd fds[MANY];
	static struct flow flows[MANY];
	struct sockaddr_in a = address(where);
	int i, count = 1, one = 1;

	fds[0] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN };
	setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fds[0].fd, (struct sockaddr *)&a, sizeof(a)) || listen(fds[0].fd, MANY))
		die(where);
	puts("load: ready");
	fflush(stdout);
	for (;;) {
		if (poll(fds, (nfds_t)count, -1) < 0)
			die("poll");
		for (i = count - 1; i > 0; i--) {
			if (!fds[i].revents)
				continue;
			fds[i].events = serve_flow(fds[i].fd, &flows[i]);
			if (fds[i].events)
				continue;
			close(fds[i].fd);
			fds[i] = fds[--count];
			flows[i] = flows[count];
		}
		if (!fds[0].revents || count == MANY)
			continue;
		fds[count] = (struct pollfd){ .fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN };
		if (fds[count].fd < 0)
			continue;
		settings(fds[count].fd);
		memset(&flows[count++], 0, sizeof(flows[0]));
	}
}

/* --- the client */

struct load {
	int flows, warm, seconds, bin_ms, size, pause_ms;
	bool up, exchange;
	uint64_t bytes;
	struct sockaddr_in to, socks;

	int64_t start, counting, end, finished; /* µs */
	uint64_t each[MANY], counted; /* bytes of each flow; after the warm-up */
	uint64_t bins[BINS];
	double samples[SAMPLES];
	int sample_count, left;
	int64_t asked; /* when the exchange that is out began; else when the next is due */
	size_t back;
	bool out;
};

static void wish(int fd, const void *data, size_t n)
{
	if (send(fd, data, n, MSG_NOSIGNAL) != (ssize_t)n)
		die("send");
}

static void want(int fd, void *data, size_t n)
{
	if (recv(fd, data, n, MSG_WAITALL) != (ssize_t)n)
		die("the SOCKS proxy");
}

static int join(const struct load *l, char what, uint64_t bytes)
{
	const struct sockaddr_in *a = l->socks.sin_port ? &l->socks : &l->to;
	unsigned char request[10] = { 5, 1, 0, 1 }, answer[10];
	struct ask ask = { .what = what, .bytes = bytes };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof(*a)))
		die("connect");
	if (l->socks.sin_port) {
		wish(fd, "\5\1", 3);
		want(fd, answer, 2);
		memcpy(request + 4, &l->to.sin_addr, 4);
		memcpy(request + 8, &l->to.sin_port, 2);
		wish(fd, request, sizeof(request));
		want(fd, answer, sizeof(answer));
		if (answer[1] != 0) {
			fprintf(stderr, "load: the SOCKS proxy answers %d\n", answer[1]);
			exit(1);
		}
	}
	wish(fd, &ask, sizeof(ask));
	settings(fd);
	return fd;
}

static void count_bytes(struct load *l, int i, size_t n, int64_t now)
{
	int64_t bin = l->bin_ms ? (now - l->start) / 1000 / l->bin_ms : -1;

	l->each[i] += n;
	if (now >= l->counting && now < l->end)
		l->counted += n;
	if (bin >= 0 && bin < BINS)
		l->bins[bin] += n;
}

/* One flow of bytes; false when it has carried all. */
static bool carry(struct load *l, int i, struct pollfd *p, int64_t now)
{
	ssize_t n;

	if (l->up && l->each[i] < l->bytes) {
		n = send(p->fd, block, part(l->bytes, l->each[i]), MSG_NOSIGNAL);
		if (n < 0 && !again(n))
			die("send");
		if (n > 0)
			count_bytes(l, i, (size_t)n, now);
		if (l->each[i] == l->bytes)
			p->events = POLLIN;
		return true;
	}
	n = read(p->fd, block, sizeof(block));
	if (again(n))
		return true;
	if (n > 0 && !l->up)
		count_bytes(l, i, (size_t)n, now);
	if (n < 0 || (n == 0 && l->bytes && l->each[i] != l->bytes))
		die("the flow ended early");
	return n > 0 && !l->up && l->each[i] != l->bytes;
}

static void exchange(struct load *l, struct pollfd *p, int64_t now)
{
	char answer[EXCHANGE_MOST];
	ssize_t n;

	if (!l->out && now >= l->asked) {
		wish(p->fd, block, (size_t)l->size);
		l->out = true;
		l->asked = now;
		l->back = 0;
	}
	if (!p->revents || !l->out)
		return;
	n = read(p->fd, answer, (size_t)l->size - l->back);
	if (n == 0 || (n < 0 && !again(n)))
		die("the exchange");
	l->back += n > 0 ? (size_t)n : 0;
	if (l->back < (size_t)l->size)
		return;
	if (l->sample_count < SAMPLES)
		l->samples[l->sample_count++] = (double)(now_us() - l->asked) / 1000;
	l->out = false;
	l->asked = now_us() + l->pause_ms * 1000;
}

static void run(struct load *l)
{
	struct pollfd fds[MANY];
	int64_t now, due;
	int i;

	l->start = now_us();
	for (i = 0; i < l->flows; i++)
		fds[i] = (struct pollfd){ .fd = join(l, l->up ? 'u' : 'd', l->bytes), .events = l->up ? POLLOUT : POLLIN };
	if (l->exchange)
		fds[i] = (struct pollfd){ .fd = join(l, 'e', (uint64_t)l->size), .events = POLLIN };
	now = now_us();
	if (l->bytes)
		l->counting = l->start;
	else
		l->start = now, l->counting = now + (int64_t)l->warm * 1000000;
	l->asked = l->counting;
	l->end = l->bytes ? INT64_MAX : now + (int64_t)l->seconds * 1000000;
	l->left = l->bytes ? l->flows : 1;
	while (l->left > 0 && (now = now_us()) < l->end) {
		due = l->exchange && !l->out && l->asked < l->end ? l->asked : l->end;
		if (poll(fds, (nfds_t)(l->flows + l->exchange), l->bytes && !l->exchange ? -1 : (int)((due - now) / 1000) + 1) < 0)
			die("poll");
		now = now_us();
		for (i = 0; i < l->flows; i++) {
			if (fds[i].revents && !carry(l, i, &fds[i], now)) {
				fds[i].fd = -1;
				l->left--;
			}
		}
		if (l->exchange)
			exchange(l, &fds[l->flows], now);
	}
	l->finished = now_us();
}

static void print(const struct load *l)
{
	double seconds = (double)((l->bytes ? l->finished : l->end) - l->counting) / 1e6;
	int64_t i, bins = l->bin_ms ? (l->finished - l->start) / 1000 / l->bin_ms : 0;

	printf("{\"flows\": %d, \"seconds\": %.6f, \"bytes\": %llu, \"goodput\": %.0f, \"each\": [", l->flows, seconds,
		(unsigned long long)l->counted, (double)l->counted / seconds);
	for (i = 0; i < l->flows; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)l->each[i]);
	printf("], \"delays\": [");
	for (i = 0; i < l->sample_count; i++)
		printf("%s%.2f", i ? ", " : "", l->samples[i]);
	if (l->out) /* it has taken at least that long */
		printf("%s%.2f", i ? ", " : "", (double)(l->finished - l->asked) / 1000);
	printf("]");
	for (i = 0; i < bins && i < BINS; i++)
		printf("%s%llu", i ? ", " : ", \"bins\": [", (unsigned long long)l->bins[i]);
	puts(bins ? "]}" : "}");
}

int main(int argc, char **argv)
{
	static struct load l = { .flows = 1, .seconds = 10, .size = 1024, .pause_ms = 100 };
	int option;

	signal(SIGPIPE, SIG_IGN);
	while ((option = getopt(argc, argv, "s:f:un:t:w:ex:p:b:")) != -1) {
		switch (option) {
		case 's': l.socks = address(optarg); break;
		case 'f': l.flows = atoi(optarg); break;
		case 'u': l.up = true; break;
		case 'n': l.bytes = strtoull(optarg, NULL, 10); break;
		case 't': l.seconds = atoi(optarg); break;
		case 'w': l.warm = atoi(optarg); break;
		case 'e': l.exchange = true; break;
		case 'x': l.size = atoi(optarg); break;
		case 'p': l.pause_ms = atoi(optarg); break;
		case 'b': l.bin_ms = atoi(optarg); break;
		default: return 2;
		}
	}
	if (argc - optind == 2 && strcmp(argv[optind], "serve") == 0)
		serve(argv[optind + 1]);
	if (argc - optind != 1 || l.flows < 0 || l.flows >= MANY || (l.up && !l.bytes) || l.size < 1 || l.size > EXCHANGE_MOST) {
		fprintf(stderr, "load: see the top of load.c\n");
		return 2;
	}
	l.to = address(argv[optind]);
	run(&l);
	print(&l);
	return 0;
}
