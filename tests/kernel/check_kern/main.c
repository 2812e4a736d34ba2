/*
 * check_kern [PART...]: common/kern on the running kernel, as root, in network namespaces of its own.
 * Exit: 0 all is well, 1 something is not, 2 there is no such part, 4 this kernel or user cannot.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "tests/kernel/check_kern/check.h"

static const struct part {
	const char *name;
	void (*run)(struct kern_linux *k);
} parts[] = {
	{ "objects", check_objects },
	{ "namespaces", check_namespaces },
	{ "purge", check_purge },
	{ "flows", check_flows },
	{ "ending", check_ending },
	{ "traffic", check_traffic },
	{ "move", check_move },
	{ "events", check_events },
};

static void run(const struct part *p, struct kern_linux *k)
{
	int before = check_failures;

	printf("---- %s\n", p->name);
	p->run(k);
	CHECK(check_count_sas(&k->own) == 0 && check_count_policies(&k->own) == 0);
	printf("%s %s\n", check_failures == before ? "ok  " : "FAIL", p->name);
}

/* Whether the part is among the arguments, or there are none. */
static bool wanted(const struct part *p, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], p->name) == 0)
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	size_t ran = 0;
	struct kern_linux *k;
	char why[256] = "";
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (unshare(CLONE_NEWNET) < 0) {
		printf("skipped: no network namespace of its own: %s\n", strerror(errno));
		return 4;
	}
	err = kern_linux_new(&k);
	if (err < 0) {
		printf("kern_linux_new: %s\n", strerror(-err));
		return 1;
	}
	err = kern_linux_probe(k, KERN_ROLE_CLIENT, why, sizeof(why));
	if (err == -EPROTONOSUPPORT || err == -EPERM) {
		printf("skipped: %s\n", why);
		kern_linux_free(k);
		return 4;
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!wanted(&parts[i], argc, argv))
			continue;
		run(&parts[i], k);
		ran++;
	}
	kern_linux_free(k);
	if (ran == 0) {
		printf("check_kern: no such part\n");
		return 2;
	}
	printf("%s\n", check_failures ? "check_kern: FAILED" : "check_kern: ok");
	return check_failures ? 1 : 0;
}
