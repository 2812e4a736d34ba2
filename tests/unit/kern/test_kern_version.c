/* Which kernels have the ESP fixes: of the two series that SECURITY.md names, by what uname says. */
#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/kern/kern_version.h"

Test(kern_version, fixes)
{
	static const struct {
		const char *release, *version;
		enum kern_fixes fixes;
	} cases[] = {
		{ "6.1.0-57-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-11-02)", KERN_FIXES_THERE },
		{ "6.1.0-57-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.174-1 (2026-06-02)", KERN_FIXES_THERE },
		{ "6.1.0-57-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.173-1 (2026-05-02)", KERN_FIXES_MISSING },
		{ "6.12.0-9-amd64", "#1 SMP Debian 6.12.89-1", KERN_FIXES_MISSING },
		{ "6.12.0-9-amd64", "#1 SMP Debian 6.12.90-1", KERN_FIXES_THERE },
		{ "6.1.200", "#1 SMP", KERN_FIXES_THERE },
		{ "6.12.4-custom", "#1 SMP", KERN_FIXES_MISSING },
		{ "6.18.44-fc", "#1 SMP", KERN_FIXES_UNKNOWN },
		{ "6.8.0-31-generic", "#31-Ubuntu SMP", KERN_FIXES_UNKNOWN },
		{ "6.1", "#1 SMP", KERN_FIXES_UNKNOWN },
		{ "6.1.0-57-amd64", "#1 SMP Debian ", KERN_FIXES_UNKNOWN },
		{ "", "", KERN_FIXES_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		cr_expect_eq(kern_version_fixes(cases[i].release, cases[i].version), cases[i].fixes,
			     "%s %s", cases[i].release, cases[i].version);
}
