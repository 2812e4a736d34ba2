#include "ippriv-client/leak_disrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/ctl/ctl.h"
#include "ippriv-client/leak_net.h"

enum { DURING_MS = 2000, RECOVER_MS = 2000, WORD_MS = 10000 };

struct disruption {
	struct leak_session *s;
	pid_t daemon; /* 0: not known */
	bool kill;
	struct leak_net_down *down;
	struct leak_net_routes routes;
	struct leak_net_second *second;
};

/* 0, or -errno: nothing was done. -ECANCELED: WHY says why not. */
typedef int (*disrupt_begin)(struct disruption *d, char why[LEAK_WHY]);
/* 0 or -errno: something is left. */
typedef int (*disrupt_end)(struct disruption *d);

static pid_t find_daemon(const char *control)
{
	_cleanup_close_ int fd = ctl_connect(control);
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return 0;
	return cred.pid;
}

static int needs_link(const struct disruption *d, char why[LEAK_WHY])
{
	if (d->s->plan.link[0])
		return 0;
	snprintf(why, LEAK_WHY, "this host has no default route");
	return -ECANCELED;
}

static int needs_daemon(const struct disruption *d, char why[LEAK_WHY])
{
	if (d->daemon > 0)
		return 0;
	snprintf(why, LEAK_WHY, "ippriv-client's process is not visible from here");
	return -ECANCELED;
}

static int signal_daemon(const struct disruption *d, int sig)
{
	return kill(d->daemon, sig) < 0 ? -errno : 0;
}

static int link_begin(struct disruption *d, char why[LEAK_WHY])
{
	int r = needs_link(d, why);

	return r < 0 ? r : leak_net_down(d->s->plan.link, &d->down);
}

static int link_end(struct disruption *d)
{
	return leak_net_up(d->down);
}

static int routes_begin(struct disruption *d, char why[LEAK_WHY])
{
	int r = needs_link(d, why);

	leak_net_rogue(&d->s->plan, &d->routes);
	return r < 0 ? r : leak_net_add(&d->routes);
}

static int routes_end(struct disruption *d)
{
	leak_net_del(&d->routes);
	return 0;
}

static int second_begin(struct disruption *d, char why[LEAK_WHY])
{
	(void)why;
	return leak_net_second_add(&d->second);
}

static int second_end(struct disruption *d)
{
	return leak_net_second_del(d->second);
}

static int stop_begin(struct disruption *d, char why[LEAK_WHY])
{
	int r = needs_daemon(d, why);

	return r < 0 ? r : signal_daemon(d, SIGSTOP);
}

static int stop_end(struct disruption *d)
{
	return signal_daemon(d, SIGCONT);
}

/* All that runs stands still, and the link is down, as in a suspended host. */
static int sleep_begin(struct disruption *d, char why[LEAK_WHY])
{
	int r = stop_begin(d, why);

	if (r == 0) {
		r = link_begin(d, why);
		if (r < 0)
			(void)stop_end(d);
	}
	if (r == 0)
		kill(-d->s->child.pid, SIGSTOP);
	return r;
}

static int sleep_end(struct disruption *d)
{
	int r, err;

	kill(-d->s->child.pid, SIGCONT); /* the application wakes up first */
	leak_session_pass(d->s, 500);
	err = link_end(d);
	leak_session_pass(d->s, 500);
	r = stop_end(d);
	return err < 0 ? err : r;
}

/* Whether systemd runs it, whose unit starts it again. */
static bool is_service(pid_t pid)
{
	char path[64], text[512] = "";
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       strstr(text, "/ippriv-client.service");
}

static int kill_begin(struct disruption *d, char why[LEAK_WHY])
{
	int r = needs_daemon(d, why);
	bool service = r == 0 && is_service(d->daemon);

	if (r < 0)
		return r;
	if (!service && !d->kill) {
		snprintf(why, LEAK_WHY, "nobody would start ippriv-client again: give --kill, then "
					"start it again yourself");
		return -ECANCELED;
	}
	r = signal_daemon(d, SIGKILL);
	if (r == 0)
		snprintf(why, LEAK_WHY, "%s", service ? "systemd starts ippriv-client again" :
							"start ippriv-client again");
	return r;
}

static int kill_end(struct disruption *d)
{
	d->daemon = 0;
	return 0;
}

static const struct {
	const char *name, *text;
	disrupt_begin begin;
	disrupt_end end;
} steps[] = {
	{ "link", "link down", link_begin, link_end },
	{ "routes", "routes of a hostile DHCP server", routes_begin, routes_end },
	{ "second", "a second interface", second_begin, second_end },
	{ "stop", "ippriv-client stands still", stop_begin, stop_end },
	{ "sleep", "the host sleeps (simulated)", sleep_begin, sleep_end },
	{ "kill", "ippriv-client is killed", kill_begin, kill_end },
};

static void run_step(struct disruption *d, size_t i, struct leak_step *step)
{
	uint64_t before = leak_tally_leaked(&d->s->result.tally);
	struct leak_word_said said = { 0 };
	int r = leak_child_tell(&d->s->child, "stream\n");

	if (r == 0) {
		leak_session_pass(d->s, 500);
		r = steps[i].begin(d, step->why);
	}
	step->done = r == 0;
	if (r < 0 && !step->why[0])
		snprintf(step->why, LEAK_WHY, "%s", strerror(-r));
	if (r == 0) {
		leak_session_pass(d->s, DURING_MS);
		r = steps[i].end(d);
		if (r < 0)
			snprintf(step->why, LEAK_WHY, "NOT UNDONE: %s; look at %s and its routes",
				 strerror(-r), d->s->plan.link);
		leak_session_pass(d->s, RECOVER_MS);
	}
	if (leak_child_tell(&d->s->child, "stop\n") < 0 ||
	    leak_session_hear(d->s, LEAK_WORD_STREAMED, WORD_MS, &said) < 0)
		snprintf(d->s->result.why, LEAK_WHY, "the probes ended early (%s)", steps[i].text);
	step->sent = said.sent;
	step->answered = said.answered;
	step->leaked = leak_tally_leaked(&d->s->result.tally) - before;
}

void leak_disrupt(struct leak_session *s, bool kill)
{
	struct disruption d = { .s = s, .daemon = find_daemon(s->control), .kill = kill };
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && !s->ended; i++) {
		struct leak_step *step = &s->result.steps[s->result.step_count++];

		step->name = steps[i].name;
		step->text = steps[i].text;
		run_step(&d, i, step);
		if (d.daemon > 0)
			leak_session_ask(s);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}
