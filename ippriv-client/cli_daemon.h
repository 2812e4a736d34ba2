#pragma once
/* The way to ippriv-client. */
#include "common/base/cleanup.h"

/* A connection to the control socket at PATH, or -errno with one line logged. */
int cli_daemon_connect(const char *path) _must_check_;
