/* ippriv-client: the daemon on a laptop. Options, configuration, then client.c. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/conf/conf_authorities.h"
#include "common/dir/dir_http.h"
#include "ippriv-client/client.h"
#include "ippriv-client/client_place.h"
#include "ippriv-client/client_shut.h"

#define CONF_PATH "/etc/ippriv/client.conf"

static const char usage[] =
	"ippriv-client " IPPRIV_VERSION ", keeps circuits through three relays ready for `ippriv run`\n"
	"  ippriv-client [-c FILE] [-a FILE]       run it (root)\n"
	"  ippriv-client [-c FILE] [-a FILE] -t    check the configuration and say what is wrong\n"
	"  ippriv-client [-c FILE] [-a FILE] --lockdown\n"
	"                                shut the host if it was so before, and end: for the boot\n"
	"  ippriv-client [-c FILE] [-a FILE] --open\n"
	"                                open the host for good, when no daemon runs\n"
	"The configuration is " CONF_PATH " unless -c names another; it need not be there.\n"
	"Directory and authorities that it does not name are in " CONF_AUTHORITIES_PATH ",\n"
	"unless -a names another file.\n";

/* What may be missing: only the file that nobody has named. */
static const char *conf_path(const char *named)
{
	if (named)
		return named;
	return access(CONF_PATH, F_OK) < 0 && errno == ENOENT ? NULL : CONF_PATH;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "authorities", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },         { "version", no_argument, NULL, 'v' },
		{ "lockdown", no_argument, NULL, 'l' },     { "open", no_argument, NULL, 'o' },
		{ 0 },
	};
	const char *named = NULL, *authorities = CONF_AUTHORITIES_PATH, *path;
	struct client_conf conf;
	bool test = false;
	int (*act)(const struct client_conf *) = NULL;
	char why[512];
	int c, status = 0;

	log_init("ippriv-client", LOG_LEVEL_INFO);
	while ((c = getopt_long(argc, argv, "a:c:th", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			authorities = optarg;
			break;
		case 'c':
			named = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'l':
			act = client_shut;
			break;
		case 'o':
			act = client_open;
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
	path = conf_path(named);
	if (client_conf_read(path, authorities, &conf, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return act ? act(NULL) : CLIENT_EXIT_SETUP;
	}
	log_init("ippriv-client", conf.log_level);
	if (act) {
		status = act(&conf);
	} else if (!test) {
		status = client_run(&conf);
	} else if (client_place_check(&conf, why, sizeof(why)) == 0) {
		printf("%s: good\n", path ? path : authorities);
	} else {
		log_error("%s", why);
		status = CLIENT_EXIT_SETUP;
	}
	client_conf_fini(&conf);
	return status;
}
