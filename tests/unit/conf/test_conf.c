#include "common/conf/conf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct values {
	char *name;
	struct conf_strings list;
	uint32_t number;
	bool truth;
	struct addr addr;
	struct prefix prefix;
};

enum { KEYS = 6 };

static const char *check_word(const char *value)
{
	return strchr(value, ' ') ? "a blank; write one word" : NULL;
}

static void table(struct values *v, struct conf_key keys[KEYS])
{
	const struct conf_key all[KEYS] = {
		{ .name = "name", .type = CONF_STRING, .value = &v->name, .check = check_word },
		{ .name = "list", .type = CONF_STRINGS, .value = &v->list, .check = check_word },
		{ .name = "number", .type = CONF_UINT, .value = &v->number, .min = 2, .max = 90 },
		{ .name = "truth", .type = CONF_BOOL, .value = &v->truth },
		{ .name = "addr", .type = CONF_ADDR, .value = &v->addr, .required = true },
		{ .name = "prefix", .type = CONF_PREFIX, .value = &v->prefix },
	};

	memcpy(keys, all, sizeof(all));
}

static void values_init(struct values *v)
{
	*v = (struct values){ .name = strdup("before"), .number = 7, .truth = true,
			      .addr = addr_v4(0x01020304) };
	v->list.items[0] = strdup("old");
	v->list.lines[0] = 0;
	v->list.count = 1;
	v->prefix = prefix_host(&v->addr);
}

static void values_fini(struct values *v)
{
	free(v->name);
	conf_strings_fini(&v->list);
}

static char path[64];
static int saved_stderr = -1, stderr_file = -1;

/* Everything the library prints itself would land in STDERR_FILE. */
static void setup(void)
{
	char name[] = "/tmp/ippriv-conf-stderr.XXXXXX";
	int fd;

	snprintf(path, sizeof(path), "/tmp/ippriv-conf.XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	close(fd);
	stderr_file = mkstemp(name);
	cr_assert(stderr_file >= 0);
	unlink(name);
	saved_stderr = dup(2);
	dup2(stderr_file, 2);
}

static void teardown(void)
{
	off_t size = lseek(stderr_file, 0, SEEK_END);

	dup2(saved_stderr, 2);
	close(saved_stderr);
	close(stderr_file);
	unlink(path);
	cr_assert_eq(size, 0, "something was written to stderr");
}

static void write_file(const char *text, size_t len)
{
	FILE *fp = fopen(path, "w");

	cr_assert_not_null(fp);
	cr_assert_eq(fwrite(text, 1, len, fp), len);
	cr_assert_eq(fclose(fp), 0);
}

static int read_bytes(const char *text, size_t len, struct values *v, char *why, size_t size)
{
	struct conf_key keys[KEYS];

	table(v, keys);
	write_file(text, len);
	return conf_read(path, keys, KEYS, why, size);
}

static int read_text(const char *text, struct values *v, char *why, size_t size)
{
	return read_bytes(text, strlen(text), v, why, size);
}

static void assert_untouched(const struct values *v)
{
	cr_assert_str_eq(v->name, "before");
	cr_assert_eq(v->list.count, 1u);
	cr_assert_str_eq(v->list.items[0], "old");
	cr_assert_eq(v->number, 7u);
	cr_assert(v->truth);
	cr_assert_eq(addr_to_v4(&v->addr), 0x01020304u);
	cr_assert_eq(v->prefix.len, 32);
}

/* TEXT is refused in LINE with exactly MESSAGE, and no value changes. */
static void refuse_bytes(const char *text, size_t len, int line, const char *message)
{
	char why[1024] = "", expected[1024];
	struct values v;
	int err;

	values_init(&v);
	err = read_bytes(text, len, &v, why, sizeof(why));
	snprintf(expected, sizeof(expected), "%s:%d: %s", path, line, message);
	cr_assert_str_eq(why, expected, "text [%s]: got [%s]", text, why);
	cr_assert_eq(err, -EINVAL);
	assert_untouched(&v);
	values_fini(&v);
}

static void refuse(const char *text, int line, const char *message)
{
	refuse_bytes(text, strlen(text), line, message);
}

TestSuite(conf, .init = setup, .fini = teardown);

Test(conf, every_type)
{
	static const char text[] =
		"# a comment with \"quotes' and { braces }\n"
		"\n"
		"name = \"hello#\\\"world\" # another\n"
		"  list = { one, 'two', # first two\n"
		"\t\"three\",\n"
		"\thttp://192.0.2.1:80/x }\r\n"
		"##\n"
		"number = 90\n"
		"truth=off\n"
		"addr = 2001:db8::1\n"
		"prefix = 100.64.0.0/10";
	static const int lines[] = { 4, 4, 5, 6 };
	static const char *const items[] = { "one", "two", "three", "http://192.0.2.1:80/x" };
	char why[256] = "", out[ADDR_TEXT];
	struct values v;

	values_init(&v);
	cr_assert_eq(read_text(text, &v, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_empty(why);
	cr_assert_str_eq(v.name, "hello#\"world");
	cr_assert_eq(v.list.count, 4u);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_str_eq(v.list.items[i], items[i]);
		cr_assert_eq(v.list.lines[i], lines[i]);
	}
	cr_assert_eq(v.number, 90u);
	cr_assert_not(v.truth);
	cr_assert_str_eq(addr_text(&v.addr, out), "2001:db8::1");
	cr_assert_str_eq(prefix_text(&v.prefix, out), "100.64.0.0/10");
	values_fini(&v);
}

Test(conf, keys_not_given_keep_their_defaults)
{
	char why[256] = "";
	struct values v;

	values_init(&v);
	cr_assert_eq(read_text("addr = 1.2.3.4\nlist = {}\n", &v, why, sizeof(why)), 0, "%s", why);
	assert_untouched(&v);
	values_fini(&v);
}

Test(conf, lists_append_and_single_values)
{
	char why[256] = "";
	struct values v;

	values_init(&v);
	cr_assert_eq(read_text("addr = 1.2.3.4\nlist = a\nlist += { b, c, }\n", &v, why,
			       sizeof(why)), 0, "%s", why);
	cr_assert_eq(v.list.count, 3u);
	cr_assert_str_eq(v.list.items[0], "a");
	cr_assert_str_eq(v.list.items[2], "c");
	cr_assert_eq(v.list.lines[2], 3);
	values_fini(&v);
}

Test(conf, unknown_key)
{
	static const char known[] =
		"unknown key nmae; known are: name, list, number, truth, addr, prefix";

	refuse("# one\n# two\n\naddr = 1.2.3.4 # three\nnmae = x\n", 5, known);
	refuse("addr = 1.2.3.4\nlist = { a,\n# b\nc }\nnmae = x\n", 5, known);
	refuse("include(\"/etc/passwd\")\n", 1,
	       "unknown key include; known are: name, list, number, truth, addr, prefix");
	refuse("NAME = x\n", 1,
	       "unknown key NAME; known are: name, list, number, truth, addr, prefix");
}

Test(conf, duplicate_key)
{
	refuse("addr = 1.2.3.4\n# x\naddr = 1.2.3.5\n", 3,
	       "addr stands in line 1 already; keep one of them");
	refuse("addr = 1.2.3.4\nlist = { a }\nlist = { b }\n", 3,
	       "list stands in line 2 already; keep one of them");
	refuse("addr = 1.2.3.4\nlist = { a }\nlist = { }\n", 2,
	       "list is given twice; keep one of them");
	refuse("addr = 1.2.3.4\nname = a\n\nname = a\n", 4,
	       "name stands in line 2 already; keep one of them");
}

Test(conf, bad_numbers)
{
	static const char *const bad[] = {
		"1", "91", "-5", "x", "2x", "0x10", "4294967298", "18446744073709551618",
		"99999999999999999999999999", "2.5", "\"\"", "\" 3\"",
	};
	char text[128], message[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t len = strlen(bad[i]), quoted = bad[i][0] == '"';

		snprintf(text, sizeof(text), "\nnumber = %s\naddr = 1.2.3.4\n", bad[i]);
		snprintf(message, sizeof(message),
			 "\"%.*s\" is wrong for number; give a number from 2 to 90",
			 (int)(len - 2 * quoted), bad[i] + quoted);
		refuse(text, 2, message);
	}
}

Test(conf, bad_values)
{
	refuse("addr = 1.2.3.4\ntruth = maybe\n", 2,
	       "\"maybe\" is wrong for truth; give true or false");
	refuse("addr = 1.2.3\n", 1,
	       "\"1.2.3\" is wrong for addr; give an address like 192.0.2.1");
	refuse("addr = example.org\n", 1,
	       "\"example.org\" is wrong for addr; give an address like 192.0.2.1");
	refuse("addr = 1.2.3.4\n\nprefix = 10.1.0.0/8\n", 3,
	       "\"10.1.0.0/8\" is wrong for prefix; give a prefix like 192.0.2.0/24, "
	       "host bits zero");
	refuse("addr = 1.2.3.4\nprefix = 10.0.0.0/33\n", 2,
	       "\"10.0.0.0/33\" is wrong for prefix; give a prefix like 192.0.2.0/24, "
	       "host bits zero");
	refuse("addr = 1.2.3.4\nname = \"a b\"\n", 2,
	       "\"a b\" is wrong for name: a blank; write one word");
	refuse("addr = 1.2.3.4\nlist = { ok,\n  'not ok' }\n", 3,
	       "\"not ok\" is wrong for list: a blank; write one word");
	refuse("addr = 1.2.3.4\nname = \"a \\x1b[2J\"\n", 2,
	       "\"a ?[2J\" is wrong for name: a blank; write one word");
}

Test(conf, too_many_items)
{
	char text[2048] = "addr = 1.2.3.4\nlist = {\n";
	size_t used = strlen(text);

	for (int i = 0; i < CONF_STRINGS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "i%d,\n", i);
	snprintf(text + used, sizeof(text) - used, "last }\n");
	refuse(text, 2 + CONF_STRINGS_MAX + 1, "list has too many items; give at most 64");
}

Test(conf, missing_key)
{
	refuse("name = x\n# y\nnumber = 3\n", 3, "addr is missing; add a line addr = ...");
	refuse("", 1, "addr is missing; add a line addr = ...");
	refuse("# nothing\n\n", 2, "addr is missing; add a line addr = ...");
}

Test(conf, syntax)
{
#define HINT "; write key = value, or key = { value, value }"
	refuse("# c\naddr 1.2.3.4\n", 2, "missing equal sign after option 'addr'" HINT);
	refuse("addr = 1.2.3.4\n}\n", 2, "unexpected closing brace" HINT);
	refuse("addr = 1.2.3.4\nlist = { a b }\n", 2, "unexpected token 'b'" HINT);
	refuse("addr = 1.2.3.4\nlist = { a,\n", 3, "premature end of file" HINT);
	refuse("addr = { 1.2.3.4 }\n", 1, "unexpected token '{'" HINT);
	refuse("addr += 1.2.3.4\n", 1, "attempt to append to non-list option 'addr'" HINT);
	refuse("addr = \"\\777\"\n", 1, "invalid octal number '\\777'" HINT);
	refuse("a|b = 1\n", 1, "no sub-section title/index for 'a'" HINT);
	refuse("\"\" = 1\n", 1, "does not parse" HINT);
#undef HINT
}

Test(conf, what_libconfuse_would_drop)
{
	refuse("addr = 1.2.3.4\n\nname = \"open\nnumber = 3\n", 3,
	       "the string has no end in this line; close the quote");
	refuse("addr = 1.2.3.4\nname = 'open\\\n'\n", 2,
	       "the string has no end in this line; close the quote");
	refuse("addr = 1.2.3.4\nname = \"x", 2,
	       "the string has no end in this line; close the quote");
	refuse("addr = 1.2.3.4\n/* all the rest\nname = x\n", 2,
	       "a comment of this kind is not known; start it with #");
	refuse("addr = 1.2.3.4\nname = x //y\n", 2,
	       "a comment of this kind is not known; start it with #");
	refuse("addr = 1.2.3.4*\n", 1, "stray * or +; put the value in quotes");
	refuse("addr = 1.2.3.4\nname = a+b\n", 2, "stray * or +; put the value in quotes");
	refuse("addr = ${HOME}\n", 1, "${...} is not replaced here; write the value itself");
	refuse("addr = 1.2.3.4\nname = \"${HOME}\"\n", 2,
	       "${...} is not replaced here; write the value itself");
	refuse("addr = 1.2.3.4\rname = x\n", 1, "a control character; write plain text");
	refuse_bytes("addr = 1.2.3.4\nname\0= x\n", 25, 2, "a control character; write plain text");
	refuse_bytes("addr = 1.2.3.4\nname = \"x\0\"\n", 28, 2,
		     "the string has no end in this line; close the quote");
}

Test(conf, unreadable)
{
	char why[256] = "", expected[256];
	struct conf_key keys[KEYS];
	struct values v;

	values_init(&v);
	table(&v, keys);
	cr_assert_eq(conf_read("/nonexistent/x.conf", keys, KEYS, why, sizeof(why)), -ENOENT);
	cr_assert_str_eq(why, "/nonexistent/x.conf: cannot be read: No such file or directory; "
			      "check the path and its rights");
	cr_assert_eq(conf_read("/tmp", keys, KEYS, why, sizeof(why)), -EISDIR);
	cr_assert_str_eq(why, "/tmp: cannot be read: Is a directory; check the path and its rights");
	cr_assert_eq(truncate(path, (1 << 20) + 1), 0);
	cr_assert_eq(conf_read(path, keys, KEYS, why, sizeof(why)), -EFBIG);
	snprintf(expected, sizeof(expected),
		 "%s: cannot be read: File too large; check the path and its rights", path);
	cr_assert_str_eq(why, expected);
	assert_untouched(&v);
	values_fini(&v);
}

Test(conf, short_why_is_cut)
{
	char why[16];
	struct values v;

	values_init(&v);
	memset(why, 'x', sizeof(why));
	cr_assert_eq(read_text("bogus = 1\n", &v, why, 8), -EINVAL);
	cr_assert_eq(strlen(why), 7u);
	cr_assert_eq(why[8], 'x');
	values_fini(&v);
}

/* After every refused file a good one is read: the lexer keeps nothing. */
Test(conf, good_after_bad)
{
	static const char *const bad[] = { "addr = \"\\777\"\n", "list = { a,", "addr = \"\\9\"",
					   "name = \"", "}" };
	char why[256];
	struct values v;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		values_init(&v);
		cr_assert_eq(read_text(bad[i], &v, why, sizeof(why)), -EINVAL);
		cr_assert_eq(read_text("addr = 5.6.7.8\nname = good\n", &v, why, sizeof(why)), 0,
			     "%s", why);
		cr_assert_eq(addr_to_v4(&v.addr), 0x05060708u);
		cr_assert_str_eq(v.name, "good");
		values_fini(&v);
	}
}

/* Every prefix and every one-byte change of a good file: an answer, no crash, one line. */
Test(conf, mutations)
{
	static const char good[] = "name = \"x\" # c\nlist = { a, 'b' }\nnumber = 3\n"
				   "truth = on\naddr = 1.2.3.4\nprefix = 10.0.0.0/8\n";
	static const char bytes[] = "\n\"'{}=,#\\$*/\t\x01\x80z0";
	char text[sizeof(good)], why[512];
	struct values v;
	int refused = 0;

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++) {
			memcpy(text, good, sizeof(good));
			text[i] = bytes[k];
			why[0] = '\0';
			values_init(&v);
			/* the last turn (NUL) cuts the text there */
			if (read_bytes(text, k == sizeof(bytes) - 1 ? i : sizeof(good) - 1, &v, why,
				       sizeof(why)) < 0) {
				refused++;
				cr_assert_str_not_empty(why);
				cr_assert_null(strchr(why, '\n'));
				assert_untouched(&v);
			}
			values_fini(&v);
		}
	}
	cr_assert_gt(refused, 100);
}
