#pragma once
/*
 * Where the signed list is and whose signatures count. A daemon reads these keys from its own file;
 * what that lacks is in the file of authorities, which has the same three keys and no others.
 */
#include "common/conf/conf.h"

#define CONF_AUTHORITIES_PATH "/etc/ippriv/authorities"

struct conf_authorities {
	char *directory; /* URL */
	struct conf_strings keys;
	uint32_t threshold;
	int threshold_line; /* 0: not given */
	const char *path; /* the file that KEYS stand in, borrowed */
};

/*
 * Fills in what the daemon's own file PATH (NULL: it has none) left out from the file FILE.
 * `authorities` and `threshold` come from one file, `directory` may come from another. 0, or
 * -errno with one line in WHY. On failure, too, the caller ends with conf_authorities_fini.
 */
int conf_authorities_complete(struct conf_authorities *a, const char *path, const char *file,
			      char *why, size_t size) _must_check_;
void conf_authorities_fini(struct conf_authorities *a);
