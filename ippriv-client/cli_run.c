#include "ippriv-client/cli_run.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "ippriv-client/cli_caps.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_names.h"
#include "ippriv-client/cli_sockets.h"
#include "ippriv-client/cli_space.h"

/* What stays open while the command runs. */
struct running {
	const struct cli_run *run;
	int control, resolv;
};

static size_t read_servers(const json_t *answer, struct addr out[CLI_NAMES_SERVERS])
{
	const json_t *dns = json_object_get(answer, "dns");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(dns) && count < CLI_NAMES_SERVERS; i++) {
		const char *text = json_string_value(json_array_get(dns, i));

		if (text && addr_parse(text, &out[count]) == 0)
			count++;
	}
	if (count == 0)
		log_warning("the exit of this circuit named no resolver: names cannot be looked up, "
			    "addresses work");
	return count;
}

/*
 * Has a circuit put into the network namespace *NET, which becomes another one where a run of that name
 * is. 0, or -errno with one line logged.
 */
static int attach(const struct cli_run *run, int control, int *net, json_t **answer)
{
	json_t *request = json_pack("{s:s}", "command", "attach");
	const char *error;
	int r, joined = -1;

	if (run->isolate)
		json_object_set_new(request, "isolate", json_string(run->isolate));
	if (run->exit)
		json_object_set_new(request, "exit", json_string(run->exit));
	r = ctl_call_pass(control, request, *net, answer, &joined);
	json_decref(request);
	if (joined >= 0) {
		close(*net);
		*net = joined;
	}
	if (r < 0) {
		log_error("%s: %s; is ippriv-client still running?", run->control, strerror(-r));
		return r;
	}
	error = json_string_value(json_object_get(*answer, "error"));
	if (error)
		log_error("%s", error);
	return error ? -EPROTO : 0;
}

/* Namespaces, circuit, name lookups: all that the command needs. 0, or -errno with one line logged. */
static int prepare(struct running *running)
{
	_cleanup_close_ int net = -1;
	struct addr servers[CLI_NAMES_SERVERS];
	json_t *answer = NULL;
	char why[512];
	int r = cli_space_make(&net, why, sizeof(why));

	if (r < 0) {
		log_error("%s", why);
		return r;
	}
	r = attach(running->run, running->control, &net, &answer);
	if (r == 0) {
		r = cli_space_enter(net, why, sizeof(why));
		if (r == 0)
			r = cli_names_cover(servers, read_servers(answer, servers),
					    &running->resolv, why, sizeof(why));
		if (r < 0)
			log_error("%s", why);
	}
	json_decref(answer);
	return r;
}

static int shut_in(void *user)
{
	const struct running *running = user;
	int r = geteuid() == 0 ? cli_caps_drop() : 0;

	if (r == 0 && running->run->no_sockets)
		r = cli_sockets_close();
	return r;
}

static void change(struct running *running, const json_t *event)
{
	struct addr servers[CLI_NAMES_SERVERS];
	int r = cli_names_change(running->resolv, servers, read_servers(event, servers));

	if (r < 0)
		log_warning("the resolver of the new circuit cannot be written: %s", strerror(-r));
}

static bool heard(void *user)
{
	struct running *running = user;
	json_t *event = NULL;
	const char *name;
	int r = ctl_hear(running->control, &event);

	if (r < 0) {
		log_error("ippriv-client has ended: nothing passes any more; when it runs again, run "
			  "the command again");
		return false;
	}
	name = json_string_value(json_object_get(event, "event"));
	if (name && strcmp(name, "circuit") == 0)
		change(running, event);
	else if (name && strcmp(name, "lost") == 0)
		log_warning("the circuit has ended: nothing passes until there is another one, which "
			    "comes by itself");
	json_decref(event);
	return true;
}

int cli_run(const struct cli_run *run)
{
	struct running running = { .run = run, .resolv = -1 };
	struct cli_child child = { .argv = run->argv, .shut_in = shut_in, .heard = heard,
				   .user = &running };

	running.control = cli_daemon_connect(run->control);
	if (running.control < 0 || prepare(&running) < 0)
		return CLI_RUN_FAILED;
	child.control = running.control;
	return cli_child_run(&child);
}
