#include "ippriv-client/cli_text.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"

const char *cli_text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

json_int_t cli_text_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *cli_text_age(json_int_t seconds, char out[CLI_TEXT])
{
	int s = (int)seconds;

	if (s >= 3600)
		snprintf(out, CLI_TEXT, "%d h %d min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(out, CLI_TEXT, "%d min %d s", s / 60, s % 60);
	else
		snprintf(out, CLI_TEXT, "%d s", s);
	return out;
}

const char *cli_text_bytes(json_int_t bytes, char out[CLI_TEXT])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double n = bytes > 0 ? (double)bytes : 0;
	size_t unit = 0;

	while (n >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
		n /= 1000;
		unit++;
	}
	snprintf(out, CLI_TEXT, "%.*f %s", unit > 0 && n < 9.95 ? 1 : 0, n, units[unit]);
	return out;
}

const char *cli_text_holder(const json_t *circuit, char out[CLI_TEXT])
{
	const json_t *holder = json_object_get(circuit, "holder");
	const struct passwd *user;

	if (!holder)
		return "-";
	user = getpwuid((uid_t)json_integer_value(holder));
	if (user)
		snprintf(out, CLI_TEXT, "%s", user->pw_name);
	else
		snprintf(out, CLI_TEXT, "%u", (uid_t)json_integer_value(holder));
	return out;
}

const char *cli_text_path(const json_t *circuit, char *out, size_t size)
{
	const json_t *hop;
	size_t i, len = 0;

	snprintf(out, size, "not shown");
	json_array_foreach(json_object_get(circuit, "hops"), i, hop) {
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? " > " : "",
						cli_text_of(hop, "nickname"));
	}
	return out;
}
