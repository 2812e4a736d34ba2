#include "ippriv-client/cli_daemon.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"

int cli_daemon_connect(const char *path)
{
	int fd = ctl_connect(path);

	if (fd < 0)
		log_error("%s: %s; start ippriv-client, or name its socket by --control", path,
			  strerror(-fd));
	return fd;
}

int cli_daemon_ask(int fd, json_t *request, json_t **answer)
{
	const char *error;
	int r = request ? ctl_call(fd, request, -1, answer) : -ENOMEM;

	json_decref(request);
	if (r < 0) {
		log_error("no answer from ippriv-client: %s", strerror(-r));
		return CLI_FAILED;
	}
	error = json_string_value(json_object_get(*answer, "error"));
	if (!error)
		return CLI_GOOD;
	log_error("%s", error);
	json_decref(*answer);
	*answer = NULL;
	return CLI_FAILED;
}

int cli_daemon_call(const char *path, json_t *request, json_t **answer)
{
	_cleanup_close_ int fd = cli_daemon_connect(path);

	if (fd < 0) {
		json_decref(request);
		return CLI_USAGE;
	}
	return cli_daemon_ask(fd, request, answer);
}

int cli_daemon_show(const char *path, const char *command, bool json,
		    void (*print)(FILE *out, const json_t *answer))
{
	json_t *answer;
	int status = cli_daemon_call(path, json_pack("{s:s}", "command", command), &answer);

	if (status != CLI_GOOD)
		return status;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(stdout, answer);
	}
	json_decref(answer);
	return CLI_GOOD;
}
