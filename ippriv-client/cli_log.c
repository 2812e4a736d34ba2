#include "ippriv-client/cli_log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_text.h"

/* A text may hold what a relay or directory said: nothing of it is to move a terminal's cursor. */
static void print_plain(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void print_line(FILE *out, const json_t *line)
{
	time_t t = (time_t)(cli_text_number(line, "time") / 1000);
	const char *level = cli_text_of(line, "level");
	char when[32] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%s  ", when);
	if (strcmp(level, "info") != 0)
		fprintf(out, "%s: ", level);
	print_plain(out, cli_text_of(line, "text"));
	fputc('\n', out);
}

void cli_log_print(FILE *out, const json_t *answer)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "lines"), i, line)
		print_line(out, line);
}

/* Answers come without being asked for again. */
static int print_all(int fd)
{
	json_t *answer;
	int r;

	while ((r = ctl_hear(fd, &answer)) == 0) {
		cli_log_print(stdout, answer);
		json_decref(answer);
		if (fflush(stdout) < 0)
			return CLI_FAILED;
	}
	log_error("%s", r == -ECONNRESET ? "ippriv-client has ended" : strerror(-r));
	return CLI_FAILED;
}

int cli_log(const char *control, int lines, bool follow)
{
	_cleanup_close_ int fd = cli_daemon_connect(control);
	json_t *answer;
	int status;

	if (fd < 0)
		return CLI_USAGE;
	status = cli_daemon_ask(fd, json_pack("{s:s, s:i, s:b}", "command", "log", "lines", lines,
					      "follow", follow), &answer);
	if (status != CLI_GOOD)
		return status;
	cli_log_print(stdout, answer);
	json_decref(answer);
	if (!follow)
		return CLI_GOOD;
	fflush(stdout);
	return print_all(fd);
}
