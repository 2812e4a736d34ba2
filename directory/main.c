/* ippriv-directory: an authority. Options, configuration, then dird.c. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/io/notify.h"
#include "directory/dird.h"

/* Exit status 2: configuration or environment. */
enum { STATUS_RUN = 1, STATUS_SETUP = 2 };

static const char usage[] =
	"ippriv-directory " IPPRIV_VERSION ", an authority that lists the relays of the overlay\n"
	"  ippriv-directory [-c FILE]        run it\n"
	"  ippriv-directory [-c FILE] -t     check the configuration and say what is wrong\n"
	"  ippriv-directory --keygen FILE    make the authority's key, print its public half\n"
	"The configuration is /etc/ippriv/directory.conf unless -c names another.\n";

struct options {
	const char *conf, *keygen;
	bool test;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "keygen", required_argument, NULL, 'k' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },      { 0 },
	};
	int c;

	*o = (struct options){ .conf = "/etc/ippriv/directory.conf" };
	while ((c = getopt_long(argc, argv, "c:th", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->conf = optarg; break;
		case 't': o->test = true; break;
		case 'k': o->keygen = optarg; break;
		case 'h': fputs(usage, stdout); exit(0);
		case 'v': puts("ippriv-directory " IPPRIV_VERSION); exit(0);
		default: return -EINVAL;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return 0;
}

static void on_signal(void *data)
{
	notify_send("STOPPING=1");
	io_loop_stop(data);
}

static int run(const struct dird_conf *conf)
{
	struct io_loop *loop = NULL;
	struct dird *dird = NULL;
	char why[512] = "cannot start the event loop; is there memory, are there descriptors?";
	int err;

	err = io_loop_new(&loop);
	if (err == 0)
		err = io_signals(loop, on_signal, loop);
	if (err == 0)
		err = dird_new(loop, conf, &dird, why, sizeof(why));
	if (err < 0) {
		log_error("%s", why);
		io_loop_free(loop);
		return STATUS_SETUP;
	}
	log_info("ready");
	notify_send("READY=1");
	err = io_loop_run(loop);
	dird_free(dird);
	io_loop_free(loop);
	log_info("stopped");
	return err < 0 ? STATUS_RUN : 0;
}

int main(int argc, char **argv)
{
	struct dird_conf conf;
	struct options o;
	char why[512];
	int status;

	log_init("ippriv-directory", LOG_LEVEL_INFO);
	if (parse_options(argc, argv, &o) < 0)
		return STATUS_SETUP;
	if (crypto_init() < 0) {
		log_error("libsodium does not start; reinstall the package libsodium23");
		return STATUS_SETUP;
	}
	if (o.keygen)
		return crypto_keygen(o.keygen) < 0 ? STATUS_SETUP : 0;
	if (dird_conf_read(o.conf, &conf, why, sizeof(why)) < 0) {
		log_error("%s", why);
		return STATUS_SETUP;
	}
	log_init("ippriv-directory", (enum log_level)conf.log_level);
	if (!o.test) {
		status = run(&conf);
	} else if (dird_probe(&conf, why, sizeof(why)) < 0) {
		log_error("%s", why);
		status = STATUS_SETUP;
	} else {
		printf("%s: good\n", o.conf);
		status = 0;
	}
	dird_conf_fini(&conf);
	return status;
}
