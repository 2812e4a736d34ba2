#include "ippriv-client/cli_host.h"

#include <stdio.h>
#include <time.h>

#include "common/base/log.h"
#include "ippriv-client/cli_resolved.h"

enum { WAIT_TRIES = 200, WAIT_MS = 100 };

/* 0, or the exit status. From then on names come from elsewhere. */
static int say(const char *control, json_t *request)
{
	json_t *answer = NULL;
	int status = cli_daemon_call(control, request, &answer);

	json_decref(answer);
	if (status == 0)
		cli_resolved_forget();
	return status;
}

static bool have_circuit(const char *control, int *status)
{
	json_t *answer = NULL;
	bool have;

	*status = cli_daemon_call(control, json_pack("{s:s}", "command", "status"), &answer);
	have = json_is_integer(json_object_get(json_object_get(answer, "host"), "circuit"));
	json_decref(answer);
	return have;
}

static int await_circuit(const char *control)
{
	const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };
	int status = 0;

	for (int i = 0; i < WAIT_TRIES && status == 0; i++) {
		if (have_circuit(control, &status)) {
			puts("the whole host uses the tunnel");
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	if (status == 0)
		log_error("the host is shut, and there is no circuit yet: nothing passes until there is "
			  "one; the log of ippriv-client says why");
	return CLI_FAILED;
}

int cli_host_up(const char *control, const char *const *nets, size_t count)
{
	json_t *list = json_array();
	int status;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(nets[i]));
	status = say(control, json_pack("{s:s, s:o}", "command", "up", "exclude", list));
	return status ? status : await_circuit(control);
}

int cli_host_down(const char *control)
{
	return say(control, json_pack("{s:s}", "command", "down"));
}

int cli_host_lockdown(const char *control, bool on)
{
	return say(control, json_pack("{s:s, s:b}", "command", "lockdown", "on", on));
}
