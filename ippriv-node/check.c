#include "ippriv-node/check.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/kern/kern_linux.h"

enum { STATUS_WRONG = 2 };

struct check {
	json_t *lines; /* NULL: as text, at once */
	bool wrong;
};

static const char *const words[] = {
	[CHECK_OK] = "ok",
	[CHECK_NOTE] = "note",
	[CHECK_WRONG] = "wrong",
};

void check_say(struct check *check, enum check_result result, const char *name, const char *fmt,
	       ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	check->wrong |= result == CHECK_WRONG;
	if (check->lines) {
		json_array_append_new(check->lines, json_pack("{s:s,s:s,s:s}", "check", name,
							      "result", words[result], "text", text));
		return;
	}
	printf("%-5s  %s: %s\n", words[result], name, text);
	fflush(stdout);
}

static bool say_probe(void *user, const char *name, int err, const char *text)
{
	check_say(user, err < 0 ? CHECK_WRONG : CHECK_OK, name, "%s", text);
	return err != -EPERM; /* without capabilities nothing else can be tried */
}

static void check_kernel(struct check *check)
{
	struct kern_linux *k;
	int err = kern_linux_new(&k);

	if (err < 0) {
		check_say(check, CHECK_WRONG, "kernel", "cannot open netlink sockets: %s; modprobe "
			  "xfrm_user nfnetlink", strerror(-err));
		return;
	}
	kern_linux_probe_each(k, KERN_ROLE_RELAY, say_probe, check);
	kern_linux_free(k);
}

int check_run(const struct node_conf *conf, const char *why, bool json)
{
	struct check check = { .lines = json ? json_array() : NULL };
	json_t *report;

	if (conf)
		check_say(&check, CHECK_OK, "configuration", "%s, %s",
			  conf->key_later && conf->nickname_by_key ? "a new relay" : conf->nickname,
			  conf->firewall.exit ? "an exit" : "no exit");
	else
		check_say(&check, CHECK_WRONG, "configuration", "%s", why);
	check_machine(&check);
	check_kernel(&check);
	if (conf) {
		check_host(&check, conf);
		check_net(&check, conf);
	}
	if (check.lines) {
		report = json_pack("{s:b,s:o}", "good", !check.wrong, "checks", check.lines);
		json_dumpf(report, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(report);
	}
	return check.wrong ? STATUS_WRONG : 0;
}
