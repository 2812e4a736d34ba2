/* The judges of values: what passes, what does not, and that the words say what to write instead. */
#include "common/conf/conf_check.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/un.h>

#include "common/base/cleanup.h"

typedef const char *judge(const char *value);

static void good(judge *check, const char *const *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *said = check(values[i]);

		cr_expect_null(said, "\"%s\": %s", values[i], said ? said : "");
	}
}

/* Each is refused with words that name WORD, in one line. */
static void bad(judge *check, const char *word, const char *const *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *said = check(values[i]);

		cr_assert(said, "\"%s\" passes", values[i]);
		cr_expect(strstr(said, word), "\"%s\": %s", values[i], said);
		cr_expect_null(strchr(said, '\n'));
	}
}

#define GOOD(check, ...) \
	do { \
		static const char *const values[] = { __VA_ARGS__ }; \
		good(check, values, ARRAY_SIZE(values)); \
	} while (0)
#define BAD(check, word, ...) \
	do { \
		static const char *const values[] = { __VA_ARGS__ }; \
		bad(check, word, values, ARRAY_SIZE(values)); \
	} while (0)

#define DIGITS "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcde"

Test(conf_check, url)
{
	GOOD(conf_check_url, "http://192.0.2.1", "http://192.0.2.1:8080", "https://dir.example.net",
	     "http://[2001:db8::1]:80", "http://dir.example.net/sub");
	BAD(conf_check_url, "http://HOST:PORT", "", "192.0.2.1:8080", "ftp://192.0.2.1",
	    "http:/192.0.2.1", "http://", "https://", "http:///list", "http://192.0.2.1/",
	    "http://192.0.2.1:8080/", "HTTP//192.0.2.1", " http://192.0.2.1");
}

Test(conf_check, level)
{
	GOOD(conf_check_level, "error", "warning", "info", "debug");
	BAD(conf_check_level, "error, warning, info or debug", "", "Info", "warn", "info ", "3");
}

Test(conf_check, path)
{
	GOOD(conf_check_path, "/", "/run/ippriv/control", "/with a blank");
	BAD(conf_check_path, "begin it with /", "", "run/control", "./control", "~/control");
}

Test(conf_check, socket)
{
	char text[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	GOOD(conf_check_socket, "/run/ippriv/control");
	BAD(conf_check_socket, "begin it with /", "", "control");
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(strlen(text), (size_t)108);
	cr_assert(conf_check_socket(text));
	cr_expect(strstr(conf_check_socket(text), "107"));
	text[107] = '\0';
	cr_expect_null(conf_check_socket(text), "107 bytes fit");
}

Test(conf_check, key)
{
	GOOD(conf_check_key, DIGITS "f", DIGITS "F", DIGITS "0");
	BAD(conf_check_key, "64 hex digits", "", DIGITS, DIGITS "00", DIGITS "g", DIGITS " ",
	    "0x" DIGITS);
}
