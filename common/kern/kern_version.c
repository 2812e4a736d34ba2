#include "common/kern/kern_version.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"

/* Of long-term series, the first that has them. */
static const struct {
	unsigned int major, minor, patch;
} fixed[] = {
	{ 6, 1, 174 },
	{ 6, 12, 90 },
};

enum kern_fixes kern_version_fixes(const char *release, const char *version)
{
	const char *debian = strstr(version, "Debian ");
	unsigned int major, minor, patch;

	if (sscanf(debian ? debian + strlen("Debian ") : release, "%5u.%5u.%5u", &major, &minor,
		   &patch) != 3)
		return KERN_FIXES_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (major == fixed[i].major && minor == fixed[i].minor)
			return patch >= fixed[i].patch ? KERN_FIXES_THERE : KERN_FIXES_MISSING;
	return KERN_FIXES_UNKNOWN;
}
