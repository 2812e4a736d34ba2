#include "ippriv-client/cli_top_view.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "ippriv-client/cli_text.h"

enum { LINE = 256 };

struct page {
	FILE *out;
	struct cli_top_size size;
	unsigned int lines; /* written */
};

/* Nothing of a line is wider than a column for each byte: names are ASCII, others become '?'. */
static void _printf_(2, 3) put(struct page *page, const char *fmt, ...)
{
	char line[LINE];
	va_list args;

	if (page->lines == page->size.height)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	fprintf(page->out, "%.*s\n", (int)page->size.width, line);
	page->lines++;
}

static const json_t *find_circuit(const json_t *answer, json_int_t id)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(answer, "circuits"), i, c)
		if (cli_text_number(c, "id") == id)
			return c;
	return NULL;
}

static const json_t *count_of(const json_t *circuit, size_t hop, const char *way)
{
	return json_object_get(json_array_get(json_object_get(circuit, "hops"), hop), way);
}

/* Bytes a second of one layer; false: not known. Counters start anew when a layer's SAs do. */
static bool rate_of(const json_t *before, const json_t *now, size_t hop, const char *way,
		    json_int_t ms, json_int_t *out)
{
	const json_t *then = count_of(before, hop, way), *count = count_of(now, hop, way);
	json_int_t more = cli_text_number(count, "bytes") - cli_text_number(then, "bytes");

	if (!then || !count || ms <= 0)
		return false;
	*out = more > 0 ? (json_int_t)((double)more * 1000 / (double)ms) : 0;
	return true;
}

static const char *rate_text(const json_t *before, const json_t *now, size_t hop, const char *way,
			     json_int_t ms, char out[CLI_TEXT])
{
	json_int_t rate;

	if (!rate_of(before, now, hop, way, ms, &rate))
		return "-";
	cli_text_bytes(rate, out);
	strcat(out, "/s"); /* 8 characters and 2 */
	return out;
}

static const char *state_text(const json_t *c)
{
	if (json_is_true(json_object_get(c, "away")))
		return "no route";
	return cli_text_of(c, "state");
}

static void put_circuit(struct page *page, const json_t *before, const json_t *c, json_int_t ms)
{
	const json_t *hops = json_object_get(c, "hops"), *hop;
	char age[CLI_TEXT], holder[CLI_TEXT], in[CLI_TEXT], sent[CLI_TEXT];
	size_t i;

	put(page, "%4d  %-8s  %-8s  %-13s  %s", (int)cli_text_number(c, "id"), state_text(c),
	    json_is_true(json_object_get(c, "attached")) ? "in use" : "free",
	    cli_text_age(cli_text_number(c, "age"), age), cli_text_holder(c, holder));
	json_array_foreach(hops, i, hop)
		put(page, "      %-6s  %-20s  %10s  %10s", cli_text_of(hop, "role"),
		    cli_text_of(hop, "nickname"), rate_text(before, c, i, "in", ms, in),
		    rate_text(before, c, i, "out", ms, sent));
}

/* Of all circuits that are shown, at their last layer: what programs send and receive. */
static json_int_t total(const json_t *before, const json_t *now, const char *way, json_int_t ms)
{
	json_int_t sum = 0, rate;
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(now, "circuits"), i, c) {
		size_t hops = json_array_size(json_object_get(c, "hops"));

		if (hops > 0 && rate_of(find_circuit(before, cli_text_number(c, "id")), c, hops - 1,
					way, ms, &rate))
			sum += rate;
	}
	return sum;
}

static size_t count_used(const json_t *circuits)
{
	const json_t *c;
	size_t i, n = 0;

	json_array_foreach(circuits, i, c)
		n += json_is_true(json_object_get(c, "attached"));
	return n;
}

void cli_top_view(FILE *out, const json_t *before, const json_t *now, struct cli_top_size size)
{
	const json_t *circuits = json_object_get(now, "circuits"), *c;
	json_int_t ms = cli_text_number(now, "time") - cli_text_number(before, "time");
	struct page page = { out, size, 0 };
	char in[CLI_TEXT], sent[CLI_TEXT];
	size_t i;

	put(&page, "circuits: %zu, in use %zu   in %s/s  out %s/s", json_array_size(circuits),
	    count_used(circuits), cli_text_bytes(total(before, now, "in", ms), in),
	    cli_text_bytes(total(before, now, "out", ms), sent));
	put(&page, "%4s  %-8s  %-8s  %-13s  %s", "id", "state", "use", "age", "holder");
	put(&page, "      %-6s  %-20s  %10s  %10s", "layer", "relay", "in", "out");
	json_array_foreach(circuits, i, c)
		put_circuit(&page, find_circuit(before, cli_text_number(c, "id")), c, ms);
}
