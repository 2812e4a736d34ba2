/* What root's command is left with, as the kernel tells it. */
#include <criterion/criterion.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "ippriv-client/cli_caps.h"

/* CapXxx of a program that is executed after the drop, 0 when it cannot be told. */
static unsigned long long after_exec(const char *line)
{
	unsigned long long caps = 0;
	int out[2];
	char text[64] = "";
	pid_t child;

	cr_assert_eq(pipe(out), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		if (cli_caps_drop() < 0 || dup2(out[1], STDOUT_FILENO) < 0)
			_exit(1);
		execlp("grep", "grep", line, "/proc/self/status", (char *)NULL);
		_exit(1);
	}
	close(out[1]);
	(void)!read(out[0], text, sizeof(text) - 1);
	close(out[0]);
	waitpid(child, NULL, 0);
	cr_assert_eq(sscanf(text + strcspn(text, ":"), ": %llx", &caps), 1, "%s", text);
	return caps;
}

static bool has(unsigned long long caps, int cap)
{
	return caps >> cap & 1;
}

Test(caps, that_lead_out_are_gone)
{
	static const char *const lines[] = { "CapEff", "CapPrm", "CapBnd" };

	if (geteuid() != 0)
		cr_skip_test("others have none");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		unsigned long long caps = after_exec(lines[i]);

		cr_expect(!has(caps, CAP_SYS_ADMIN) && !has(caps, CAP_NET_ADMIN) &&
			  !has(caps, CAP_SYS_PTRACE) && !has(caps, CAP_SYS_MODULE), "%s", lines[i]);
		cr_expect(has(caps, CAP_NET_RAW) && has(caps, CAP_CHOWN), "%s", lines[i]);
	}
	cr_expect_eq(after_exec("CapInh"), 0);
	cr_expect_eq(after_exec("CapAmb"), 0);
}
