#include "ippriv-client/leak_session.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "ippriv-client/leak_host.h"
#include "ippriv-client/leak_probe.h"

enum { BEFORE_MS = 200, AFTER_MS = 700, SPORT_FIRST = 10240, SPORTS = 20000 };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note_circuit(struct leak_session *s, const json_t *circuit)
{
	const json_t *entry = json_array_get(json_object_get(circuit, "hops"), 0);
	const char *address = json_string_value(json_object_get(entry, "address"));
	const char *remote = json_string_value(json_object_get(entry, "remote"));
	struct endpoint e;
	struct addr a;

	if (address && addr_parse(address, &a) == 0) {
		leak_peers_add(&s->result.tally.peers, &a);
		leak_addresses_add(&s->plan.entries, &a);
	}
	if (remote && endpoint_parse(remote, &e) == 0)
		leak_peers_add(&s->result.tally.peers, &e.addr);
	if (s->child.pid > 0 && json_is_true(json_object_get(circuit, "attached"))) {
		const json_t *out = json_object_get(entry, "out");

		s->result.circuit_packets =
			(uint64_t)json_integer_value(json_object_get(out, "packets"));
	}
}

/* In the host itself the exit's resolver is in no file. */
static void note_server(struct leak_session *s, const json_t *host, const json_t *circuit)
{
	const json_t *seat = json_object_get(host, "circuit");
	const json_t *dns = json_array_get(json_object_get(circuit, "dns"), 0);

	if (s->result.place == LEAK_IN_HOST && s->plan.server.family == 0 && json_string_value(dns) &&
	    json_equal(seat, json_object_get(circuit, "id")))
		(void)!addr_parse(json_string_value(dns), &s->plan.server);
}

/* "http://HOST[:PORT]..." */
static void note_fetch(struct leak_allowed *allowed, const char *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[256], port[6] = "80";

	if (!url || sscanf(url, "http://%255[^:/]:%5[0-9]", host, port) < 1 ||
	    getaddrinfo(host, port, &hints, &found) != 0)
		return;
	for (struct addrinfo *a = found; a && allowed->fetch_count < LEAK_FETCHES_MAX; a = a->ai_next)
		if (endpoint_from_sockaddr(a->ai_addr, &allowed->fetch[allowed->fetch_count]) == 0)
			allowed->fetch_count++;
	freeaddrinfo(found);
}

static void note_host(struct leak_session *s, const json_t *host)
{
	struct leak_allowed *allowed = &s->result.tally.allowed;
	const json_t *net;
	size_t i;

	if (s->child.pid > 0)
		return;
	note_fetch(allowed, json_string_value(json_object_get(host, "directory")));
	json_array_foreach(json_object_get(host, "exclude"), i, net)
		if (json_is_string(net) && allowed->net_count < LEAK_NETS_MAX &&
		    prefix_parse(json_string_value(net), &allowed->nets[allowed->net_count]) == 0)
			allowed->net_count++;
}

static json_t *ask_status(const char *control)
{
	_cleanup_close_ int fd = ctl_connect(control);
	json_t *request = json_pack("{s:s}", "command", "status"), *answer = NULL;

	if (fd >= 0)
		(void)!ctl_call(fd, request, -1, &answer);
	json_decref(request);
	return answer;
}

bool leak_session_host_up(const char *control)
{
	json_t *answer = ask_status(control);
	bool up = json_is_true(json_object_get(json_object_get(answer, "host"), "up"));

	json_decref(answer);
	return up;
}

void leak_session_ask(struct leak_session *s)
{
	json_t *answer = ask_status(s->control);
	const json_t *host = json_object_get(answer, "host"), *circuit;
	size_t i;

	note_host(s, host);
	json_array_foreach(json_object_get(answer, "circuits"), i, circuit) {
		note_circuit(s, circuit);
		note_server(s, host, circuit);
	}
	json_decref(answer);
}

static void draw(struct leak_session *s)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[LEAK_TOKEN_LEN + 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* never for so few bytes */
	for (size_t i = 0; i < LEAK_TOKEN_LEN; i++)
		s->plan.token[i] = digits[random[i] & 15];
	/* Below those that the kernel gives to others. */
	s->plan.tcp_sport =
		(uint16_t)(SPORT_FIRST +
			   (random[LEAK_TOKEN_LEN] << 8 | random[LEAK_TOKEN_LEN + 1]) % SPORTS);
}

/* The descriptor that a careless program leaves open. */
static int left_open(void)
{
	struct endpoint nobody = { addr_v4(0xc00002fe /* 192.0.2.254 */), 9 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage ss;
	socklen_t size = endpoint_to_sockaddr(&nobody, &ss);

	if (fd >= 0)
		(void)!connect(fd, (struct sockaddr *)&ss, size);
	return fd;
}

static void name_user(struct leak_session *s, uid_t uid)
{
	const struct passwd *user = getpwuid(uid == (uid_t)-1 ? geteuid() : uid);

	snprintf(s->result.user, sizeof(s->result.user), "%s", user ? user->pw_name : "?");
}

int leak_session_begin(struct leak_session *s, uid_t uid)
{
	int r = leak_capture_new(&s->capture);

	s->result.captured = r == 0;
	if (r < 0 && r != -EPERM) {
		log_error("leaktest: cannot capture: %s", strerror(-r));
		return r;
	}
	draw(s);
	name_user(s, uid);
	leak_host_look(&s->plan);
	leak_probe_marks(s->plan.token, s->plan.tcp_sport, &s->result.tally.marks);
	if (s->result.place == LEAK_OUTSIDE && s->plan.server.family == 0)
		(void)!addr_parse("192.0.2.253", &s->plan.server); /* RFC 5737: nobody */
	leak_session_ask(s);
	s->plan.host_pid = getpid();
	s->plan.host_fd = left_open();
	leak_session_pass(s, BEFORE_MS);
	r = leak_child_start(&s->child, s->control, s->result.place == LEAK_IN_RUN, uid, &s->plan);
	if (r < 0)
		log_error("leaktest: cannot start the probes: %s", strerror(-r));
	return r;
}

static void heard(struct leak_session *s, const struct leak_word_said *said)
{
	if (said->word != LEAK_WORD_PROBE)
		return;
	s->result.tried[said->probe].known = true;
	s->result.tried[said->probe].outcome = said->outcome;
	s->result.tried[said->probe].err = said->err;
}

static void drain(struct leak_session *s)
{
	if (s->capture)
		leak_capture_drain(s->capture, &s->result.tally);
}

/* One wait of at most MS, and what has come of packets. */
static void look(struct leak_session *s, bool child, int64_t ms)
{
	struct pollfd fds[] = { { .fd = s->capture ? leak_capture_fd(s->capture) : -1,
				  .events = POLLIN },
				{ .fd = child ? s->child.out : -1, .events = POLLIN } };

	(void)poll(fds, ARRAY_SIZE(fds), (int)(ms < 0 ? 0 : ms));
	drain(s);
}

void leak_session_pass(struct leak_session *s, int ms)
{
	for (int64_t end = now_ms() + ms; now_ms() < end;)
		look(s, false, end - now_ms());
}

int leak_session_hear(struct leak_session *s, enum leak_word word, int ms,
		      struct leak_word_said *said)
{
	struct leak_word_said one;

	for (int64_t end = now_ms() + ms; now_ms() < end;) {
		int r = leak_child_hear(&s->child, &one);

		if (r < 0) {
			s->ended = true;
			return r;
		}
		if (r == 0) {
			look(s, true, end - now_ms());
			continue;
		}
		heard(s, &one);
		if (one.word == word) {
			if (said)
				*said = one;
			return 0;
		}
	}
	return -ETIMEDOUT;
}

void leak_session_end(struct leak_session *s)
{
	if (s->child.pid > 0) {
		leak_child_finish(&s->child);
		leak_session_pass(s, AFTER_MS);
		leak_child_wait(&s->child);
		leak_session_pass(s, AFTER_MS);
	}
	if (s->plan.host_fd > 0)
		close(s->plan.host_fd);
	if (s->capture)
		s->result.missed = leak_capture_missed(s->capture);
	leak_capture_free(s->capture);
	s->capture = NULL;
}
