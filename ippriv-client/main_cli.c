/* ippriv: the command people type. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "ippriv-client/cli_run.h"
#include "ippriv-client/cli_status.h"

enum { STATUS_USAGE = 2 };

static int usage_error(void);

static int do_run(const char *control, int argc, char **argv)
{
	static const struct option none[] = { { 0 } };

	optind = 0;
	if (getopt_long(argc, argv, "+", none, NULL) != -1 || optind == argc) {
		usage_error();
		return CLI_RUN_FAILED;
	}
	return cli_run(control, argv + optind);
}

static int do_status(const char *control, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	bool json = false;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'j')
			return STATUS_USAGE;
		json = true;
	}
	return optind == argc ? cli_status(control, json) : usage_error();
}

/* Each gets the socket and its own arguments, argv[0] its name; returns the exit status. */
static const struct {
	const char *name, *usage, *what;
	int (*run)(const char *control, int argc, char **argv);
} commands[] = {
	{ "run", "run [--] COMMAND [ARGUMENT...]",
	  "run COMMAND with the tunnel as its only network", do_run },
	{ "status", "status [--json]", "circuits, their relays and traffic", do_status },
};

static void print_usage(FILE *out)
{
	fputs("ippriv " IPPRIV_VERSION ", use the network through three relays\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  ippriv [--control PATH] %s\n%38s %s\n", commands[i].usage, "",
			commands[i].what);
	fputs("PATH is the socket of ippriv-client, /run/ippriv/control unless given.\n"
	      "`run` ends with COMMAND's exit status, or 128 and the number of the signal that "
	      "ended it;\n125 when the tunnel cannot be had, 126 or 127 when COMMAND cannot be run "
	      "or found.\n", out);
}

static int usage_error(void)
{
	print_usage(stderr);
	return STATUS_USAGE;
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
			return STATUS_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(control, argc, argv);
	return usage_error();
}
