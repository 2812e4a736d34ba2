#pragma once
/* Whether a kernel has the ESP fixes of 2026 (SECURITY.md), as far as its version tells. */

enum kern_fixes { KERN_FIXES_THERE, KERN_FIXES_MISSING, KERN_FIXES_UNKNOWN };

/*
 * RELEASE and VERSION as of uname(2). Debian's RELEASE is the name of an ABI, and what it was made
 * from stands in VERSION. Pure.
 */
enum kern_fixes kern_version_fixes(const char *release, const char *version);
