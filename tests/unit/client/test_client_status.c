#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ippriv-client/cli_status.h"

static char *print(const char *json)
{
	json_t *answer = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert(answer && f);
	cli_status_print(f, answer);
	fclose(f);
	json_decref(answer);
	return text;
}

Test(status, of_circuits)
{
	char *text;

	setenv("TZ", "UTC", 1);
	text = print("{\"ok\": true, \"list\": {\"relays\": 5, \"published\": 0, \"fresh_until\": 1,"
		     " \"valid_until\": 86399}, \"circuits\": [{\"id\": 4, \"state\": \"ready\","
		     " \"attached\": true, \"age\": 3725, \"address\": \"100.64.0.9\", \"mtu\": 1306,"
		     " \"away\": true,"
		     " \"hops\": [{\"role\": \"entry\", \"nickname\": \"n2\", \"address\": \"192.0.2.1\","
		     " \"rekeys\": 3, \"encap\": true,"
		     " \"in\": {\"bytes\": 5000000000, \"packets\": 7},"
		     " \"out\": {\"bytes\": 8, \"packets\": 9}}, {\"role\": \"middle\"}]},"
		     " {\"id\": 5, \"state\": \"building\", \"attached\": false, \"age\": 61,"
		     " \"hops\": []}]}");
	cr_assert_str_eq(text,
			 "relay list: 5 relays, of 1970-01-01 00:00:00, valid until "
			 "1970-01-01 23:59:59\n"
			 "circuit 4: ready, in use, 1 h 2 min, address 100.64.0.9, MTU 1306, "
			 "no route to its entry\n"
			 "  entry   n2                192.0.2.1        in 5000000000 B, 7 packets"
			 "  out 8 B, 9 packets  rekeyed 3 times  in UDP\n"
			 "  middle  -                 -              \n"
			 "circuit 5: building, free, 1 min 1 s\n");
	free(text);
}

Test(status, of_nothing)
{
	char *text = print("{\"ok\": true, \"list\": null, \"circuits\": []}");

	cr_assert_str_eq(text, "relay list: none in force\nno circuits\n");
	free(text);
	text = print("{}");
	cr_assert_str_eq(text, "relay list: none in force\nno circuits\n");
	free(text);
}
