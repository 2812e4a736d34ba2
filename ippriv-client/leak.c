#include "ippriv-client/leak.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/leak_disrupt.h"

enum { PROBED_MS = 60000 };

struct leak_options {
	bool disrupt, kill, outside, json, probe;
	struct addr server;
};

static const char usage[] =
	"  ippriv [--control PATH] leaktest [--disrupt [--kill]] [--server ADDRESS] [--json]\n"
	"  ippriv leaktest --outside [--server ADDRESS] [--json]\n";

static int usage_error(void)
{
	fputs(usage, stderr);
	return LEAK_UNTESTED;
}

/* 0, or the exit status. */
static int read_options(int argc, char **argv, struct leak_options *out)
{
	static const struct option longs[] = {
		{ "disrupt", no_argument, NULL, 'd' }, { "kill", no_argument, NULL, 'k' },
		{ "outside", no_argument, NULL, 'o' }, { "json", no_argument, NULL, 'j' },
		{ "probe", no_argument, NULL, 'p' },   { "server", required_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		out->disrupt |= c == 'd';
		out->kill |= c == 'k';
		out->outside |= c == 'o';
		out->json |= c == 'j';
		out->probe |= c == 'p';
		if (c == '?')
			return usage_error();
		if (c == 's' && addr_parse(optarg, &out->server) < 0) {
			log_error("leaktest: --server %s: no IP address", optarg);
			return LEAK_UNTESTED;
		}
	}
	if (optind != argc || (out->outside && out->disrupt) || (out->kill && !out->disrupt))
		return usage_error();
	return 0;
}

/* Who asked sudo, so that what is tested is what that user has; (uid_t)-1: who we are. */
static uid_t probing_user(void)
{
	const char *text = getenv("SUDO_UID");
	unsigned long uid;
	char *end;

	if (geteuid() != 0 || !text)
		return (uid_t)-1;
	errno = 0;
	uid = strtoul(text, &end, 10);
	return errno || *end || end == text || uid == 0 || uid >= (uid_t)-1 ? (uid_t)-1 : (uid_t)uid;
}

static void run_probes(struct leak_session *s, const struct leak_options *options)
{
	int r = leak_session_hear(s, LEAK_WORD_PROBED, PROBED_MS, NULL);

	if (r < 0) {
		snprintf(s->result.why, sizeof(s->result.why), "the probes did not end (%s)",
			 r == -ETIMEDOUT ? "time is up" : "see above");
		return;
	}
	leak_session_pass(s, 300);
	leak_session_ask(s);
	if (options->disrupt)
		leak_disrupt(s, options->kill);
}

/* Into REPORTS (NULL: on standard output, for people). */
static enum leak_verdict test(const char *control, const struct leak_options *options,
			      enum leak_place place, json_t *reports)
{
	struct leak_session *s = calloc(1, sizeof(*s));
	enum leak_verdict verdict = LEAK_UNTESTED;
	int r;

	if (!s)
		return LEAK_UNTESTED;
	s->control = control;
	s->plan.server = options->server;
	s->result.place = place;
	r = leak_session_begin(s, probing_user());
	if (r == 0)
		run_probes(s, options);
	leak_session_end(s);
	if (r == 0)
		verdict = leak_report_verdict(&s->result);
	if (r == 0 && reports)
		json_array_append_new(reports, leak_report_json(&s->result));
	else if (r == 0)
		leak_report_print(stdout, &s->result);
	free(s);
	return verdict;
}

static enum leak_verdict worse(enum leak_verdict a, enum leak_verdict b)
{
	return a == LEAK_FOUND || b == LEAK_NONE ? a : b;
}

static int test_places(const char *control, const struct leak_options *options)
{
	bool up = !options->outside && leak_session_host_up(control);
	struct leak_options first = *options;
	json_t *reports = options->json ? json_array() : NULL, *all;
	enum leak_verdict verdict;

	first.disrupt &= !up; /* once is enough: of what holds all programs */
	verdict = test(control, &first, options->outside ? LEAK_OUTSIDE : LEAK_IN_RUN, reports);
	if (up)
		verdict = worse(verdict, test(control, options, LEAK_IN_HOST, reports));
	if (options->json) {
		all = json_pack("{s:s, s:o}", "verdict", leak_report_name(verdict), "tests", reports);
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	}
	return verdict;
}

int leak_main(const char *control, int argc, char **argv)
{
	struct leak_options options = { 0 };
	int r = read_options(argc, argv, &options), fd;

	if (r != 0)
		return r;
	if (options.probe)
		return leak_prober();
	if (options.disrupt && geteuid() != 0) {
		log_error("leaktest: --disrupt changes the network: run it as root (sudo)");
		return LEAK_UNTESTED;
	}
	if (!options.outside) {
		fd = cli_daemon_connect(control);
		if (fd < 0)
			return LEAK_UNTESTED;
		close(fd);
	}
	return test_places(control, &options);
}
