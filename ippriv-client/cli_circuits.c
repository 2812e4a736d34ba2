#include "ippriv-client/cli_circuits.h"

#include "ippriv-client/cli_daemon.h"
#include "ippriv-client/cli_text.h"

/* What went through a circuit is what its last layer has carried. */
static const char *carried(const json_t *circuit, const char *way, char out[CLI_TEXT])
{
	const json_t *hops = json_object_get(circuit, "hops");
	const json_t *exit = json_array_get(hops, json_array_size(hops) - 1);
	const json_t *count = json_object_get(exit, way);

	return count ? cli_text_bytes(cli_text_number(count, "bytes"), out) : "-";
}

static void print_circuit(FILE *out, const json_t *c)
{
	char age[CLI_TEXT], in[CLI_TEXT], sent[CLI_TEXT], holder[CLI_TEXT], path[160];

	fprintf(out, "%4d  %-8s  %-4s  %-13s  %-8s  %8s  %8s  %s\n", (int)cli_text_number(c, "id"),
		cli_text_of(c, "state"), json_is_true(json_object_get(c, "attached")) ? "yes" : "no",
		cli_text_age(cli_text_number(c, "age"), age), cli_text_holder(c, holder),
		carried(c, "in", in), carried(c, "out", sent), cli_text_path(c, path, sizeof(path)));
}

void cli_circuits_print(FILE *out, const json_t *answer)
{
	const json_t *circuits = json_object_get(answer, "circuits"), *c;
	size_t i;

	if (json_array_size(circuits) == 0) {
		fputs("no circuits\n", out);
		return;
	}
	fprintf(out, "%4s  %-8s  %-4s  %-13s  %-8s  %8s  %8s  %s\n", "id", "state", "used", "age",
		"holder", "in", "out", "path");
	json_array_foreach(circuits, i, c)
		print_circuit(out, c);
}

int cli_circuits(const char *control, bool json)
{
	return cli_daemon_show(control, "circuits", json, cli_circuits_print);
}

static void print_identity(FILE *out, const json_t *answer)
{
	fprintf(out, "free circuits replaced: %d; runs that go on with another circuit: %d%s\n",
		(int)cli_text_number(answer, "replaced"), (int)cli_text_number(answer, "runs"),
		json_is_true(json_object_get(answer, "host")) ? "; so does the host" : "");
}

int cli_new_identity(const char *control)
{
	return cli_daemon_show(control, "new-identity", false, print_identity);
}
