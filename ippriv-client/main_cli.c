/* ippriv: the command people type. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/log_ring.h"
#include "ippriv-client/cli_circuits.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_direct.h"
#include "ippriv-client/cli_host.h"
#include "ippriv-client/cli_log.h"
#include "ippriv-client/cli_run.h"
#include "ippriv-client/cli_status.h"
#include "ippriv-client/cli_top.h"
#include "ippriv-client/ctl_runs.h"
#include "ippriv-client/leak.h"

enum { PORTAL_SECONDS = 120 };

static int usage_error(void);

static int run_usage(const char *wrong)
{
	if (wrong)
		log_error("%s", wrong);
	else
		usage_error();
	return CLI_RUN_FAILED;
}

static int do_run(const char *control, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "isolate", required_argument, NULL, 'i' },
		{ "exit", required_argument, NULL, 'e' },
		{ "no-sockets", no_argument, NULL, 's' },
		{ 0 },
	};
	struct cli_run run = { .control = control };
	struct pins pins;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		if (c == 'i')
			run.isolate = optarg;
		else if (c == 'e')
			run.exit = optarg;
		else if (c == 's')
			run.no_sockets = true;
		else
			return run_usage(NULL);
	}
	if (optind == argc)
		return run_usage(NULL);
	if (run.isolate && !ctl_runs_name_ok(run.isolate))
		return run_usage("--isolate: a name has 1 to 64 printable ASCII characters");
	if (run.exit && pins_parse_list(run.exit, &pins) < 0)
		return run_usage("--exit: write nicknames or the 64 hex digits of identity keys, with "
				 "commas between");
	run.argv = argv + optind;
	return cli_run(&run);
}

/* Skips the options of a command that has none, and "--": false when there are some, or nothing else. */
static bool command_follows(int argc, char **argv)
{
	static const struct option none[] = { { 0 } };

	optind = 0;
	if (getopt_long(argc, argv, "+", none, NULL) == -1 && optind < argc)
		return true;
	usage_error();
	return false;
}

static int do_exclude(const char *control, int argc, char **argv)
{
	return command_follows(argc, argv) ? cli_direct_exclude(control, argv + optind) :
					     CLI_RUN_FAILED;
}

static int do_portal(const char *control, int argc, char **argv)
{
	unsigned int seconds = PORTAL_SECONDS;
	char rest;

	if (argc > 1 && sscanf(argv[1], "%u%c", &seconds, &rest) == 1) {
		argv++;
		argc--;
	}
	return command_follows(argc, argv) ? cli_direct_portal(control, seconds, argv + optind) :
					     CLI_RUN_FAILED;
}

/* Reads the options of a command that knows one switch, LONG. False: wrong, which has been said. */
static bool read_switch(int argc, char **argv, const char *name, bool *on)
{
	const struct option longs[] = { { name, no_argument, NULL, 's' }, { 0 } };
	int c;

	*on = false;
	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 's')
			return false;
		*on = true;
	}
	if (optind != argc)
		usage_error();
	return optind == argc;
}

static int do_status(const char *control, int argc, char **argv)
{
	bool json;

	return read_switch(argc, argv, "json", &json) ? cli_status(control, json) : CLI_USAGE;
}

static int do_circuits(const char *control, int argc, char **argv)
{
	bool json;

	return read_switch(argc, argv, "json", &json) ? cli_circuits(control, json) : CLI_USAGE;
}

static int do_top(const char *control, int argc, char **argv)
{
	bool once;

	return read_switch(argc, argv, "once", &once) ? cli_top(control, once) : CLI_USAGE;
}

static int do_new_identity(const char *control, int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? cli_new_identity(control) : usage_error();
}

static int do_log(const char *control, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "lines", required_argument, NULL, 'n' },
		{ 0 },
	};
	int lines = CLI_LOG_LINES, c;
	bool follow = false;
	char end;

	optind = 0;
	while ((c = getopt_long(argc, argv, "fn:", longs, NULL)) != -1) {
		if (c == 'f') {
			follow = true;
		} else if (c != 'n') {
			return CLI_USAGE;
		} else if (sscanf(optarg, "%d%c", &lines, &end) != 1 || lines < 0 ||
			   lines > LOG_RING_LINES) {
			log_error("-n wants a number from 0 to %d, not \"%s\"", LOG_RING_LINES,
				  optarg);
			return CLI_USAGE;
		}
	}
	return optind == argc ? cli_log(control, lines, follow) : usage_error();
}

static int do_up(const char *control, int argc, char **argv)
{
	static const struct option longs[] = { { "exclude", required_argument, NULL, 'e' }, { 0 } };
	const char *nets[CLI_HOST_NETS];
	size_t count = 0;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'e')
			return CLI_USAGE;
		if (count == CLI_HOST_NETS) {
			log_error("at most %d networks can be excluded", CLI_HOST_NETS);
			return CLI_USAGE;
		}
		nets[count++] = optarg;
	}
	return optind == argc ? cli_host_up(control, nets, count) : usage_error();
}

static int do_down(const char *control, int argc, char **argv)
{
	(void)argv;
	return argc == 1 ? cli_host_down(control) : usage_error();
}

static int do_lockdown(const char *control, int argc, char **argv)
{
	bool on = argc == 2 && strcmp(argv[1], "on") == 0;

	if (!on && (argc != 2 || strcmp(argv[1], "off") != 0))
		return usage_error();
	return cli_host_lockdown(control, on);
}

/* Each gets the socket and its own arguments, argv[0] its name; returns the exit status. */
static const struct {
	const char *name, *usage, *what;
	int (*run)(const char *control, int argc, char **argv);
} commands[] = {
	{ "run", "run [--isolate NAME] [--exit WHO] [--no-sockets] [--] COMMAND [ARGUMENT...]",
	  "run COMMAND with the tunnel as its only network", do_run },
	{ "status", "status [--json]", "relay list, circuits, their relays and traffic", do_status },
	{ "circuits", "circuits [--json]", "circuits, a line each", do_circuits },
	{ "top", "top [--once]", "circuits and their throughput, each second; q ends", do_top },
	{ "new-identity", "new-identity", "replace the circuits that are kept ready", do_new_identity },
	{ "up", "up [--exclude NET]...", "the whole host uses the tunnel, or nothing (root)", do_up },
	{ "down", "down", "and no more", do_down },
	{ "lockdown", "lockdown on|off", "nothing passes without the tunnel, not even when down",
	  do_lockdown },
	{ "exclude", "exclude [--] COMMAND [ARGUMENT...]", "run COMMAND past the tunnel (sudo)",
	  do_exclude },
	{ "portal", "portal [SECONDS] [--] COMMAND [ARGUMENT...]",
	  "the same for a captive portal, its names too, for 120 SECONDS, at most 900", do_portal },
	{ "log", "log [-f] [-n LINES]", "what ippriv-client has logged; -f: and goes on to log", do_log },
	{ "leaktest", "leaktest [--disrupt [--kill] | --outside] [--server ADDRESS] [--json]",
	  "tries to leak past the tunnel; as root it sees all", leak_main },
};

static void print_usage(FILE *out)
{
	fputs("ippriv " IPPRIV_VERSION ", use the network through three relays\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  ippriv [--control PATH] %s\n%38s %s\n", commands[i].usage, "",
			commands[i].what);
	fputs("PATH is the socket of ippriv-client, /run/ippriv/control unless given.\n"
	      "Your runs of one NAME share a circuit; any others never do. WHO: nicknames or keys of "
	      "exits,\nwith commas between. --no-sockets: no Unix sockets, so no D-Bus, X11 or agents "
	      "outside.\n"
	      "`run`, `exclude` and `portal` end with COMMAND's exit status, or 128 and the number of "
	      "the\nsignal that ended it; 125 when IPpriv failed, 126 or 127 when COMMAND cannot be "
	      "run or found.\n", out);
}

static int usage_error(void)
{
	print_usage(stderr);
	return CLI_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	const char *control = "/run/ippriv/control";
	int c;

	log_init("ippriv", LOG_LEVEL_INFO);
	while ((c = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			control = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		case 'v':
			puts("ippriv " IPPRIV_VERSION);
			return 0;
		default:
			return CLI_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(control, argc, argv);
	return usage_error();
}
