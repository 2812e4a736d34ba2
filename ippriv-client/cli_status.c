#include "ippriv-client/cli_status.h"

#include <string.h>
#include <time.h>

#include "common/base/log.h"
#include "common/ctl/ctl.h"
#include "ippriv-client/cli_daemon.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void print_time(FILE *out, const char *before, json_int_t seconds)
{
	time_t t = (time_t)seconds;
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%s%s", before, text);
}

static void print_age(FILE *out, json_int_t s)
{
	if (s >= 3600)
		fprintf(out, "%d h %d min", (int)(s / 3600), (int)(s / 60 % 60));
	else if (s >= 60)
		fprintf(out, "%d min %d s", (int)(s / 60), (int)(s % 60));
	else
		fprintf(out, "%d s", (int)s);
}

static void print_hop(FILE *out, const json_t *hop)
{
	const json_t *in = json_object_get(hop, "in"), *sent = json_object_get(hop, "out");

	fprintf(out, "  %-6s  %-16s  %-15s", text_of(hop, "role"), text_of(hop, "nickname"),
		text_of(hop, "address"));
	if (in && sent)
		fprintf(out,
			"  in %" JSON_INTEGER_FORMAT " B, %" JSON_INTEGER_FORMAT " packets"
			"  out %" JSON_INTEGER_FORMAT " B, %" JSON_INTEGER_FORMAT " packets",
			number_of(in, "bytes"), number_of(in, "packets"), number_of(sent, "bytes"),
			number_of(sent, "packets"));
	if (number_of(hop, "rekeys") > 0)
		fprintf(out, "  rekeyed %d times", (int)number_of(hop, "rekeys"));
	if (json_is_true(json_object_get(hop, "encap")))
		fputs("  in UDP", out);
	fputc('\n', out);
}

static void print_circuit(FILE *out, const json_t *c)
{
	const json_t *hop;
	size_t i;

	fprintf(out, "circuit %d: %s, %s, ", (int)number_of(c, "id"), text_of(c, "state"),
		json_is_true(json_object_get(c, "attached")) ? "in use" : "free");
	print_age(out, number_of(c, "age"));
	if (json_object_get(c, "mtu"))
		fprintf(out, ", address %s, MTU %d", text_of(c, "address"),
			(int)number_of(c, "mtu"));
	if (json_is_true(json_object_get(c, "away")))
		fputs(", no route to its entry", out);
	fputc('\n', out);
	json_array_foreach(json_object_get(c, "hops"), i, hop)
		print_hop(out, hop);
}

void cli_status_print(FILE *out, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "list");
	const json_t *circuits = json_object_get(answer, "circuits"), *c;
	size_t i;

	if (json_is_object(list)) {
		fprintf(out, "relay list: %d relays", (int)number_of(list, "relays"));
		print_time(out, ", of ", number_of(list, "published"));
		print_time(out, ", valid until ", number_of(list, "valid_until"));
		fputc('\n', out);
	} else {
		fputs("relay list: none in force\n", out);
	}
	if (json_array_size(circuits) == 0)
		fputs("no circuits\n", out);
	json_array_foreach(circuits, i, c)
		print_circuit(out, c);
}

int cli_status(const char *control, bool json)
{
	_cleanup_close_ int fd = cli_daemon_connect(control);
	json_t *request, *answer = NULL;
	const char *error;
	int r;

	if (fd < 0)
		return 2;
	request = json_pack("{s:s}", "command", "status");
	r = ctl_call(fd, request, -1, &answer);
	json_decref(request);
	error = r < 0 ? strerror(-r) : json_string_value(json_object_get(answer, "error"));
	if (error) {
		log_error("%s", error);
	} else if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		cli_status_print(stdout, answer);
	}
	json_decref(answer);
	return error ? 1 : 0;
}
