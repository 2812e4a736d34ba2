/* What people see of circuits and log: table, top, lines. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ippriv-client/cli_circuits.h"
#include "ippriv-client/cli_log.h"
#include "ippriv-client/cli_text.h"
#include "ippriv-client/cli_top_view.h"

static json_t *load(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	cr_assert(json, "%s", text);
	return json;
}

static char *print(void (*how)(FILE *out, const json_t *answer), const char *text)
{
	json_t *answer = load(text);
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	cr_assert(f);
	how(f, answer);
	fclose(f);
	json_decref(answer);
	return out;
}

static void expect(void (*how)(FILE *out, const json_t *answer), const char *text,
		   const char *expected)
{
	char *out = print(how, text);

	cr_assert_str_eq(out, expected);
	free(out);
}

Test(cli_text, bytes)
{
	static const struct {
		json_int_t bytes;
		const char *text;
	} cases[] = {
		{ -1, "0 B" },          { 0, "0 B" },          { 999, "999 B" },
		{ 1000, "1.0 kB" },     { 9949, "9.9 kB" },    { 9950, "10 kB" },
		{ 999499, "999 kB" },   { 999500, "1.0 MB" },  { 31000000, "31 MB" },
		{ INT64_MAX, "9.2 EB" },
	};
	char out[CLI_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_str_eq(cli_text_bytes(cases[i].bytes, out), cases[i].text);
}

Test(cli_text, a_long_path_is_cut)
{
	json_t *c = load("{\"hops\": [{\"nickname\": \"abcdef\"}, {\"nickname\": \"g\"}, {}]}");
	char out[64];

	cr_assert_str_eq(cli_text_path(c, out, sizeof(out)), "abcdef > g > -");
	cr_assert_str_eq(cli_text_path(c, out, 8), "abcdef ");
	cr_assert_str_eq(cli_text_path(c, out, 4), "abc");
	json_decref(c);
}

Test(cli_circuits, one_line_each)
{
	expect(cli_circuits_print,
	       "{\"circuits\": [{\"id\": 4, \"state\": \"ready\", \"attached\": true, \"age\": 3725,"
	       " \"holder\": 0, \"hops\": [{\"nickname\": \"n2\", \"in\": {\"bytes\": 1}},"
	       " {\"nickname\": \"n7\"}, {\"nickname\": \"n1\", \"in\": {\"bytes\": 5000000000},"
	       " \"out\": {\"bytes\": 8}}]},"
	       " {\"id\": 5, \"state\": \"building\", \"attached\": false, \"age\": 6,"
	       " \"hops\": []}]}",
	       "  id  state     used  age            holder          in       out  path\n"
	       "   4  ready     yes   1 h 2 min      root        5.0 GB       8 B  n2 > n7 > n1\n"
	       "   5  building  no    6 s            -                -         -  not shown\n");
	expect(cli_circuits_print, "{\"circuits\": []}", "no circuits\n");
}

Test(cli_log, lines_with_time_and_level)
{
	setenv("TZ", "UTC", 1);
	expect(cli_log_print,
	       "{\"lines\": [{\"time\": 1999, \"level\": \"info\", \"text\": \"ready\"},"
	       " {\"time\": 61000, \"level\": \"warning\", \"text\": \"a\\u001b[2Jb\\nc\"}, {}]}",
	       "1970-01-01 00:00:01  ready\n"
	       "1970-01-01 00:01:01  warning: a?[2Jb?c\n"
	       "1970-01-01 00:00:00  -: -\n");
	expect(cli_log_print, "{\"lines\": []}", "");
}

/* One circuit, whose layers have carried so much; and one of somebody else's. */
static json_t *snapshot(int time, int in, int out)
{
	static const char *const names[] = { "n2", "n7", "n1" };
	static const char *const roles[] = { "entry", "middle", "exit" };
	json_t *hops = json_array();

	for (int i = 0; i < 3; i++)
		json_array_append_new(hops, json_pack("{s:s, s:s, s:{s:i}, s:{s:i}}", "role",
						      roles[i], "nickname", names[i], "in", "bytes",
						      in - 100 * i, "out", "bytes", out));
	return json_pack("{s:i, s:[{s:i, s:s, s:b, s:i, s:i, s:o}, {s:i, s:s, s:b, s:i, s:[]}]}",
			 "time", time, "circuits", "id", 4, "state", "ready", "attached", true,
			 "age", 60, "holder", 0, "hops", hops, "id", 5, "state", "building",
			 "attached", false, "age", 1, "hops");
}

static char *view(json_t *before, json_t *now, unsigned int width, unsigned int height)
{
	struct cli_top_size size = { width, height };
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);

	cr_assert(f);
	cli_top_view(f, before, now, size);
	fclose(f);
	json_decref(before);
	json_decref(now);
	return out;
}

Test(cli_top, rates_of_each_layer)
{
	char *out = view(snapshot(1000, 1000, 50), snapshot(3000, 5000, 250), 80, 24);

	cr_assert_str_eq(out,
			 "circuits: 2, in use 1   in 2.0 kB/s  out 100 B/s\n"
			 "  id  state     use       age            holder\n"
			 "      layer   relay                         in         out\n"
			 "   4  ready     in use    1 min 0 s      root\n"
			 "      entry   n2                      2.0 kB/s     100 B/s\n"
			 "      middle  n7                      2.0 kB/s     100 B/s\n"
			 "      exit    n1                      2.0 kB/s     100 B/s\n"
			 "   5  building  free      1 s            -\n");
	free(out);
}

Test(cli_top, unknown_rates)
{
	char *out = view(NULL, snapshot(3000, 5000, 250), 80, 24);

	cr_assert(strstr(out, "      exit    n1                             -           -\n"), "%s", out);
	free(out);
	out = view(snapshot(3000, 5000, 1), snapshot(3000, 6000, 1), 80, 24);
	cr_assert(strstr(out, "n1                             -           -\n"), "no time: %s", out);
	free(out);
	out = view(snapshot(1000, 5000, 100), snapshot(2000, 300, 100), 80, 24);
	cr_assert(strstr(out, "n1                         0 B/s       0 B/s\n"), "anew: %s", out);
	free(out);
}

Test(cli_top, fits_any_window)
{
	for (unsigned int width = 1; width < 100; width += 7) {
		for (unsigned int height = 1; height < 12; height++) {
			char *out = view(snapshot(1, 2, 3), snapshot(2, 3, 4), width, height);
			unsigned int lines = 0;

			for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
				cr_assert_leq(strlen(line), width);
				lines++;
			}
			cr_assert_eq(lines, height < 8 ? height : 8);
			free(out);
		}
	}
}
