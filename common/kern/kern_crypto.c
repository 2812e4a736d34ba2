#include "common/kern/kern_crypto.h"

#include <stdlib.h>
#include <string.h>

bool kern_crypto_is_synchronous(FILE *crypto, const char *name)
{
	char line[256], key[32], value[192];
	long best = -1, priority = -1;
	bool ours = false, synchronous = false;

	while (fgets(line, sizeof(line), crypto)) {
		if (sscanf(line, "%31s : %191s", key, value) != 2)
			continue;
		if (strcmp(key, "name") == 0) {
			ours = strcmp(value, name) == 0;
			priority = -1;
		} else if (strcmp(key, "priority") == 0) {
			priority = strtol(value, NULL, 10);
		} else if (ours && strcmp(key, "async") == 0 && priority > best) {
			best = priority;
			synchronous = strcmp(value, "no") == 0;
		}
	}
	return synchronous;
}
