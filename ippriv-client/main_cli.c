/* ippriv: the command people type. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "ippriv-client/cli_run.h"
#include "ippriv-client/cli_status.h"

enum { STATUS_USAGE = 2 };

static const char usage[] =
	"ippriv " IPPRIV_VERSION ", use the network through three relays\n"
	"  ippriv [--control PATH] run [--] COMMAND [ARGUMENT...]\n"
	"                                     run COMMAND with the tunnel as its only network\n"
	"  ippriv [--control PATH] status [--json]\n"
	"                                     circuits, their relays and traffic\n"
	"PATH is the socket of ippriv-client, /run/ippriv/control unless given.\n"
	"`run` ends with COMMAND's exit status, or 128 and the number of the signal that ended it;\n"
	"125 when the tunnel cannot be had, 126 or 127 when COMMAND cannot be run or found.\n";

static int usage_error(void)
{
	fputs(usage, stderr);
	return STATUS_USAGE;
}

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
			fputs(usage, stdout);
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
	if (argc > 0 && strcmp(argv[0], "run") == 0)
		return do_run(control, argc, argv);
	if (argc > 0 && strcmp(argv[0], "status") == 0)
		return do_status(control, argc, argv);
	return usage_error();
}
