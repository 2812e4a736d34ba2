#pragma once
/* `ippriv up`, `down`, `lockdown`: the whole host. All return the exit status. */
#include <stdbool.h>

#include "ippriv-client/cli_daemon.h"

enum { CLI_HOST_NETS = 16 };

int cli_host_up(const char *control, const char *const *nets, size_t count);
int cli_host_down(const char *control);
int cli_host_lockdown(const char *control, bool on);
