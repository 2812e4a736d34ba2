/* ippriv-client: the daemon on a laptop. Options, configuration, then client.c. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/dir/dir_http.h"
#include "ippriv-client/client.h"
#include "ippriv-client/client_place.h"

static const char usage[] =
	"ippriv-client " IPPRIV_VERSION ", keeps circuits through three relays ready for `ippriv run`\n"
	"  ippriv-client [-c FILE]       run it (root)\n"
	"  ippriv-client [-c FILE] -t    check the configuration and say what is wrong\n"
	"The configuration is /etc/ippriv/client.conf unless -c names another.\n";

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },         { "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	const char *path = "/etc/ippriv/client.conf";
	struct client_conf conf;
	bool test = false;
	char why[512];
	int c, status = 0;

	log_init("ippriv-client", LOG_LEVEL_INFO);
	while ((c = getopt_long(argc, argv, "c:th", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts("ippriv-client " IPPRIV_VERSION);
			return 0;
		default:
			return CLIENT_EXIT_SETUP;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return CLIENT_EXIT_SETUP;
	}
	if (crypto_init() < 0 || dir_http_init() < 0) {
		log_error("cannot start libsodium and libcurl");
		return CLIENT_EXIT_FAILURE;
	}
	if (client_conf_read(path, &conf, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return CLIENT_EXIT_SETUP;
	}
	log_init("ippriv-client", conf.log_level);
	if (!test) {
		status = client_run(&conf);
	} else if (client_place_check(&conf, why, sizeof(why)) == 0) {
		printf("%s: good\n", path);
	} else {
		log_error("%s", why);
		status = CLIENT_EXIT_SETUP;
	}
	client_conf_fini(&conf);
	return status;
}
