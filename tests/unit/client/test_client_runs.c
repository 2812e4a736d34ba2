#include <criterion/criterion.h>
#include <string.h>

#include "ippriv-client/ctl_runs.h"

Test(runs, names)
{
	char long_name[CTL_RUNS_NAME + 2] = "";

	cr_assert(ctl_runs_name_ok("mail"));
	cr_assert(ctl_runs_name_ok("my bank; it's ~"));
	cr_assert_not(ctl_runs_name_ok(""));
	cr_assert_not(ctl_runs_name_ok("a\nb"));
	cr_assert_not(ctl_runs_name_ok("a\x7f"));
	cr_assert_not(ctl_runs_name_ok("\xc3\xa4"));
	memset(long_name, 'x', CTL_RUNS_NAME);
	cr_assert(ctl_runs_name_ok(long_name));
	long_name[CTL_RUNS_NAME] = 'x';
	cr_assert_not(ctl_runs_name_ok(long_name));
}
