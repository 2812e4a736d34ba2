#pragma once
/* What even root's command does not get: the capabilities that lead out of its namespaces. */
#include "common/base/cleanup.h"

/* Gone for whatever this process executes, set-user-ID programs too. 0 or -errno. */
int cli_caps_drop(void) _must_check_;
