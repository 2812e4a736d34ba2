#include "ippriv-client/leak_prober.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "ippriv-client/leak_host.h"
#include "ippriv-client/leak_probe.h"

/* An answer is waited for during STREAM_ROUNDS, of TCP during one. */
enum { ANSWER_MS = 2500, ROUND_MS = 100, STREAM_ROUNDS = 10, LINE_MAX_LEN = 8192, PROBER_FAILED = 2 };

struct tried {
	enum leak_outcome outcome;
	int err;
	struct leak_sockets sockets;
};

const char *leak_outcome_name(enum leak_outcome outcome)
{
	static const char *const names[LEAK_OUTCOMES] = { "answered", "sent", "refused",
							  "nothing" };

	return names[outcome];
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Something came from where the packet went; a connection that is made or refused, too. */
static bool has_answer(int fd)
{
	int type = 0, err = 0;
	socklen_t size = sizeof(int);
	char data[64];

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return false;
	if (type == SOCK_STREAM) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		if (poll(&p, 1, 0) <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
			return false;
		return err == 0 || err == ECONNREFUSED;
	}
	return recv(fd, data, sizeof(data), 0) >= 0 || errno == ECONNREFUSED;
}

static void try_one(const struct leak_plan *plan, size_t i, struct tried *t)
{
	bool answered;
	int r = leak_probe_send(plan, i, &t->sockets, &answered);

	t->err = r < 0 ? -r : 0;
	t->outcome = r == -ENODATA ? LEAK_NOTHING : r < 0 ? LEAK_REFUSED :
		     answered ? LEAK_ANSWERED : LEAK_SENT;
}

static void look_one(struct tried *t)
{
	/* A packet socket hears everything that its link carries. */
	for (size_t s = 0; t->outcome == LEAK_SENT && s < t->sockets.count; s++)
		if (has_answer(t->sockets.fd[s]))
			t->outcome = LEAK_ANSWERED;
}

static void close_one(struct tried *t)
{
	for (size_t s = 0; s < t->sockets.count; s++)
		close(t->sockets.fd[s]);
	t->sockets.count = 0;
}

/* Bound to nowhere: what such a socket hears is no answer. */
static bool hears_answers(size_t i)
{
	enum leak_probe_kind kind = leak_probe_at(i)->kind;

	return kind != LEAK_BY_FRAME && kind != LEAK_BY_RAW && kind != LEAK_BY_LINKS;
}

static void probe_all(const struct leak_plan *plan)
{
	struct tried tried[LEAK_PROBES_MAX] = { 0 };
	size_t count = leak_probe_count();
	int64_t end;

	for (size_t i = 0; i < count; i++)
		try_one(plan, i, &tried[i]);
	for (end = now_ms() + ANSWER_MS; now_ms() < end; poll(NULL, 0, ROUND_MS))
		for (size_t i = 0; i < count; i++)
			if (hears_answers(i))
				look_one(&tried[i]);
	for (size_t i = 0; i < count; i++) {
		printf("{\"probe\": %zu, \"outcome\": \"%s\", \"errno\": %d}\n", i,
		       leak_outcome_name(tried[i].outcome), tried[i].err);
		close_one(&tried[i]);
	}
	puts("{\"probed\": true}");
	fflush(stdout);
}

/* Those that do not wait and change nothing. */
static bool streams(size_t i)
{
	enum leak_probe_kind kind = leak_probe_at(i)->kind;

	return kind != LEAK_BY_LOOKUP && kind != LEAK_BY_ROUTE && kind != LEAK_BY_NAMESPACE;
}

typedef struct tried round_t[LEAK_PROBES_MAX];

/* Probe I of a round has had its time. 1: it was answered. */
static unsigned int finish(struct tried *round, size_t i)
{
	struct tried *t = &round[i];
	bool answered;

	if (hears_answers(i))
		look_one(t);
	answered = t->sockets.count > 0 && t->outcome == LEAK_ANSWERED;
	close_one(t);
	return answered;
}

/* All probes once more; a TCP connection's port has to be free for that. */
static void stream_round(const struct leak_plan *plan, struct tried *last, struct tried *now,
			 uint64_t *sent, uint64_t *answered)
{
	for (size_t i = 0; i < leak_probe_count(); i++) {
		if (!streams(i))
			continue;
		if (leak_probe_at(i)->kind == LEAK_BY_TCP)
			*answered += finish(last, i);
		*answered += finish(now, i);
		try_one(plan, i, &now[i]);
		*sent += now[i].outcome == LEAK_SENT;
	}
}

static void stream(const struct leak_plan *plan)
{
	round_t rounds[STREAM_ROUNDS] = { 0 };
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t sent = 0, answered = 0;

	for (size_t k = 0; poll(&input, 1, ROUND_MS) == 0; k++)
		stream_round(plan, rounds[k % STREAM_ROUNDS], rounds[(k + 1) % STREAM_ROUNDS],
			     &sent, &answered);
	for (size_t k = 0; k < STREAM_ROUNDS; k++)
		for (size_t i = 0; i < leak_probe_count(); i++)
			answered += finish(rounds[k], i);
	printf("{\"streamed\": %llu, \"answered\": %llu}\n", (unsigned long long)sent,
	       (unsigned long long)answered);
	fflush(stdout);
}

static int read_plan(struct leak_plan *plan)
{
	char line[LINE_MAX_LEN];
	json_t *json = NULL;
	int r = -EBADMSG;

	if (fgets(line, sizeof(line), stdin))
		json = json_loads(line, 0, NULL);
	if (json)
		r = leak_plan_parse(json, plan);
	json_decref(json);
	return r;
}

int leak_prober(void)
{
	struct leak_plan plan = { 0 };
	char line[16];

	setvbuf(stdin, NULL, _IONBF, 0); /* poll tells of lines that are not read yet */
	if (read_plan(&plan) < 0) {
		log_error("leaktest: the prober got no plan; it is started by `ippriv leaktest`");
		return PROBER_FAILED;
	}
	/* Now: later the number may be another descriptor's. */
	if (fcntl(plan.host_fd, F_GETFD) < 0)
		plan.host_fd = -1;
	if (plan.server.family == 0 && leak_host_resolver("/etc/resolv.conf", &plan.server) < 0) {
		log_error("leaktest: no resolver to talk to; name an address by --server");
		return PROBER_FAILED;
	}
	setenv("RES_OPTIONS", "timeout:2 attempts:1", 1);
	probe_all(&plan);
	while (fgets(line, sizeof(line), stdin))
		if (strcmp(line, "stream\n") == 0)
			stream(&plan);
	return 0;
}
