#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/ctl/ctl.h"
#include "ippriv-node/ctl_admin.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_traffic(const json_t *item)
{
	const json_t *t = json_object_get(item, "traffic");

	printf("  in %" JSON_INTEGER_FORMAT " bytes %" JSON_INTEGER_FORMAT
	       " packets, out %" JSON_INTEGER_FORMAT " bytes %" JSON_INTEGER_FORMAT " packets\n",
	       number_of(t, "bytes_in"), number_of(t, "packets_in"), number_of(t, "bytes_out"),
	       number_of(t, "packets_out"));
}

static void print_status(const json_t *status)
{
	const json_t *circuits = json_object_get(status, "circuits");
	const json_t *tunnels = json_object_get(status, "tunnels");
	const json_t *item;
	size_t i;

	printf("relay %s at %s, up %" JSON_INTEGER_FORMAT " s\n", text_of(status, "nickname"),
	       text_of(status, "address"), number_of(status, "age"));
	printf("%zu overlay tunnels\n", json_array_size(tunnels));
	json_array_foreach(tunnels, i, item) {
		printf("  %-16s %-15s %-11s %6" JSON_INTEGER_FORMAT " s", text_of(item, "relay"),
		       text_of(item, "address"), text_of(item, "state"), number_of(item, "age"));
		print_traffic(item);
	}
	printf("%zu circuits\n", json_array_size(circuits));
	json_array_foreach(circuits, i, item) {
		printf("  %7" JSON_INTEGER_FORMAT " via %-16s %-11s %6" JSON_INTEGER_FORMAT " s",
		       number_of(item, "circuit"), text_of(item, "via"), text_of(item, "state"),
		       number_of(item, "age"));
		if (json_object_get(item, "outer"))
			printf("  %s is %s", text_of(item, "outer"), text_of(item, "assigned"));
		if (json_object_get(item, "assigned6"))
			printf(" and %s", text_of(item, "assigned6"));
		print_traffic(item);
	}
}

int ctl_admin_print(const char *path, bool json, bool addresses)
{
	_cleanup_close_ int fd = ctl_connect(path);
	json_t *request, *answer = NULL;
	const char *error;
	int err;

	if (fd < 0) {
		fprintf(stderr, "ippriv-node: %s: %s; is the relay running, and are you root?\n",
			path, strerror(-fd));
		return 1;
	}
	request = json_pack("{s:s,s:b}", "command", "status", "addresses", addresses);
	err = ctl_call(fd, request, -1, &answer);
	json_decref(request);
	error = err == 0 ? json_string_value(json_object_get(answer, "error")) : strerror(-err);
	if (error)
		fprintf(stderr, "ippriv-node: %s\n", error);
	else if (json)
		json_dumpf(answer, stdout, JSON_INDENT(2)), putchar('\n');
	else
		print_status(answer);
	json_decref(answer);
	return error ? 1 : 0;
}
