#include "ippriv-client/cli_status.h"

#include <time.h>

#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_text.h"

static void print_time(FILE *out, const char *before, json_int_t seconds)
{
	time_t t = (time_t)seconds;
	char text[64] = "?";
	struct tm tm;

	if (localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "%s%s", before, text);
}

static void print_hop(FILE *out, const json_t *hop)
{
	const json_t *in = json_object_get(hop, "in"), *sent = json_object_get(hop, "out");

	fprintf(out, "  %-6s  %-16s  %-15s", cli_text_of(hop, "role"), cli_text_of(hop, "nickname"),
		cli_text_of(hop, "address"));
	if (in && sent)
		fprintf(out,
			"  in %" JSON_INTEGER_FORMAT " B, %" JSON_INTEGER_FORMAT " packets"
			"  out %" JSON_INTEGER_FORMAT " B, %" JSON_INTEGER_FORMAT " packets",
			cli_text_number(in, "bytes"), cli_text_number(in, "packets"), cli_text_number(sent, "bytes"),
			cli_text_number(sent, "packets"));
	if (cli_text_number(hop, "rekeys") > 0)
		fprintf(out, "  rekeyed %d times", (int)cli_text_number(hop, "rekeys"));
	if (json_is_true(json_object_get(hop, "encap")))
		fputs("  in UDP", out);
	fputc('\n', out);
}

static void print_circuit(FILE *out, const json_t *c)
{
	const json_t *hop;
	char age[CLI_TEXT];
	size_t i;

	fprintf(out, "circuit %d: %s, %s, ", (int)cli_text_number(c, "id"), cli_text_of(c, "state"),
		json_is_true(json_object_get(c, "attached")) ? "in use" : "free");
	fputs(cli_text_age(cli_text_number(c, "age"), age), out);
	if (json_object_get(c, "mtu"))
		fprintf(out, ", address %s", cli_text_of(c, "address"));
	if (json_object_get(c, "address6"))
		fprintf(out, " and %s", cli_text_of(c, "address6"));
	if (json_object_get(c, "mtu"))
		fprintf(out, ", MTU %d", (int)cli_text_number(c, "mtu"));
	if (json_is_true(json_object_get(c, "away")))
		fputs(", no route to its entry", out);
	fputc('\n', out);
	json_array_foreach(json_object_get(c, "hops"), i, hop)
		print_hop(out, hop);
}

/* Of others' daemons, which have none, nothing. */
static void print_host(FILE *out, const json_t *host)
{
	const json_t *circuit = json_object_get(host, "circuit"), *net;
	bool up = json_is_true(json_object_get(host, "up"));
	size_t i;

	if (!host)
		return;
	fprintf(out, "host: %s", up ? "up" : "down");
	if (json_is_integer(circuit))
		fprintf(out, ", through circuit %d", (int)json_integer_value(circuit));
	else if (up)
		fputs(", no circuit: nothing new passes", out);
	fprintf(out, ", lockdown %s", json_is_true(json_object_get(host, "lockdown")) ? "on" : "off");
	json_array_foreach(json_object_get(host, "exclude"), i, net)
		fprintf(out, "%s%s", i == 0 ? ", not " : " ", json_string_value(net));
	fputc('\n', out);
}

void cli_status_print(FILE *out, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "list");
	const json_t *circuits = json_object_get(answer, "circuits"), *c;
	size_t i;

	if (json_is_object(list)) {
		fprintf(out, "relay list: %d relays", (int)cli_text_number(list, "relays"));
		print_time(out, ", of ", cli_text_number(list, "published"));
		print_time(out, ", valid until ", cli_text_number(list, "valid_until"));
		fputc('\n', out);
	} else {
		fputs("relay list: none in force\n", out);
	}
	print_host(out, json_object_get(answer, "host"));
	if (json_array_size(circuits) == 0)
		fputs("no circuits\n", out);
	json_array_foreach(circuits, i, c)
		print_circuit(out, c);
}

int cli_status(const char *control, bool json)
{
	return cli_daemon_show(control, "status", json, cli_status_print);
}
