/* ippriv-node: a relay. Options, configuration, then node.c. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/conf/conf_authorities.h"
#include "common/crypto/crypto_pem.h"
#include "common/dir/dir_http.h"
#include "common/io/notify.h"
#include "ippriv-node/check.h"
#include "ippriv-node/ctl_admin.h"
#include "ippriv-node/ctl_announce.h"
#include "ippriv-node/node.h"

/* Exit status 2: configuration or environment, nothing was touched. */
enum { STATUS_RUN = 1, STATUS_SETUP = 2 };

static const char usage[] =
	"ippriv-node " IPPRIV_VERSION ", a relay of the IPpriv overlay\n"
	"  ippriv-node [-c FILE]                      run it (root)\n"
	"  ippriv-node [-c FILE] -t                   check the configuration and say what is wrong\n"
	"  ippriv-node [-c FILE] --check [--json]     and the machine, the network, the directory (root)\n"
	"  ippriv-node [-c FILE] status [--json] [--addresses]\n"
	"                                             circuits and overlay tunnels of a running relay\n"
	"  ippriv-node --keygen FILE                  make an identity key, print its public half\n"
	"For a relay that is a stock IKEv2 daemon:\n"
	"  ippriv-node [-c FILE] --announce           only keep its descriptor in the list\n"
	"  ippriv-node --pem FILE | PUBLIC-KEY        print a key file or a public key as PEM\n"
	"The configuration is /etc/ippriv/node.conf unless -c names another. Directory and authorities\n"
	"that it does not name are in " CONF_AUTHORITIES_PATH ", unless -a names another file.\n";

struct options {
	const char *conf, *authorities, *keygen, *pem;
	bool announce, check, test, status, json, addresses;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' }, { "test", no_argument, NULL, 't' },
		{ "keygen", required_argument, NULL, 'k' }, { "json", no_argument, NULL, 'j' },
		{ "pem", required_argument, NULL, 'p' },    { "announce", no_argument, NULL, 'A' },
		{ "addresses", no_argument, NULL, 'd' },    { "authorities", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },      { "check", no_argument, NULL, 'C' },
		{ 0 },
	};
	int c;

	*o = (struct options){ .conf = "/etc/ippriv/node.conf",
			       .authorities = CONF_AUTHORITIES_PATH };
	while ((c = getopt_long(argc, argv, "a:c:th", longs, NULL)) != -1) {
		switch (c) {
		case 'c': o->conf = optarg; break;
		case 't': o->test = true; break;
		case 'k': o->keygen = optarg; break;
		case 'p': o->pem = optarg; break;
		case 'A': o->announce = true; break;
		case 'C': o->check = true; break;
		case 'j': o->json = true; break;
		case 'a': o->authorities = optarg; break;
		case 'd': o->addresses = true; break;
		case 'h': fputs(usage, stdout); exit(0);
		case 'v': puts("ippriv-node " IPPRIV_VERSION); exit(0);
		default: return -EINVAL;
		}
	}
	o->status = optind < argc && strcmp(argv[optind], "status") == 0;
	if (argc - optind > (o->status ? 1 : 0) || (o->json && !o->status && !o->check) ||
	    (o->addresses && !o->status)) {
		fputs(usage, stderr);
		return -EINVAL;
	}
	return 0;
}

static void on_stop(void *data)
{
	notify_send("STOPPING=1");
	io_loop_stop(data);
}

static void on_signal(void *data)
{
	struct node **node = data;

	notify_send("STOPPING=1");
	if (*node)
		node_stop(*node);
}

/* Until a signal comes. */
static int announce(struct node_conf *conf)
{
	struct ctl_announce *a = NULL;
	struct io_loop *loop = NULL;
	int status = STATUS_SETUP;
	char why[512];

	if (conf->key_later) { /* the other daemon has its own */
		crypto_key_why(-ENOENT, conf->identity, "ippriv-node", why, sizeof(why));
		log_error("%s", why);
		return STATUS_SETUP;
	}
	if (io_loop_new(&loop) < 0)
		return STATUS_SETUP;
	if (io_signals(loop, on_stop, loop) == 0 && ctl_announce_new(loop, conf, &a) == 0) {
		log_info("ready");
		notify_send("READY=1");
		status = io_loop_run(loop) < 0 ? STATUS_RUN : 0;
	} else {
		log_error("cannot start; is there memory left?");
	}
	ctl_announce_free(a);
	io_loop_free(loop);
	return status;
}

static int run(struct node_conf *conf)
{
	struct io_loop *loop = NULL;
	struct node *node = NULL;
	char why[512] = "out of memory";
	int err = conf->key_later ? node_conf_make_key(conf, why, sizeof(why)) : 0;

	if (err == 0)
		err = io_loop_new(&loop);
	if (err == 0)
		err = io_signals(loop, on_signal, &node);
	if (err == 0)
		err = node_new(loop, conf, &node, why, sizeof(why));
	if (err < 0) {
		log_error("%s", why);
		if (loop)
			io_loop_free(loop);
		return STATUS_SETUP;
	}
	log_info("ready");
	notify_send("READY=1");
	err = io_loop_run(loop) < 0 ? STATUS_RUN : 0;
	node_free(node);
	io_loop_free(loop);
	return err;
}

int main(int argc, char **argv)
{
	struct node_conf conf;
	struct options o;
	char why[512];
	int status;

	log_init("ippriv-node", LOG_LEVEL_INFO);
	if (parse_options(argc, argv, &o) < 0)
		return STATUS_SETUP;
	if (crypto_init() < 0 || dir_http_init() < 0) {
		log_error("cannot start libsodium and libcurl");
		return STATUS_RUN;
	}
	if (o.keygen)
		return crypto_keygen(o.keygen) < 0 ? STATUS_SETUP : 0;
	if (o.pem)
		return crypto_pem_print(o.pem) < 0 ? STATUS_SETUP : 0;
	if (node_conf_read(o.conf, o.authorities, &conf, why, sizeof(why)) < 0) {
		if (o.check)
			return check_run(NULL, why, o.json);
		log_error("%s", why);
		return STATUS_SETUP;
	}
	log_init("ippriv-node", (enum log_level)conf.log_level);
	if (o.test) {
		printf("%s: good\n", o.conf);
		status = 0;
	} else if (o.check) {
		status = check_run(&conf, NULL, o.json);
	} else if (o.status) {
		status = ctl_admin_print(conf.control, o.json, o.addresses);
	} else if (o.announce) {
		status = announce(&conf);
	} else {
		status = run(&conf);
	}
	node_conf_fini(&conf);
	return status;
}
