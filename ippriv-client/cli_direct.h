#pragma once
/*
 * `ippriv exclude` and `ippriv portal`: a command that does not use the tunnel when the host does.
 * It is in a control group that the firewall knows; it runs as the user who called sudo. Exit status
 * as of `ippriv run`.
 */
#include "ippriv-client/cli_daemon.h"

int cli_direct_exclude(const char *control, char *const *argv);
/* For SECONDS at the most, names too; then the firewall lets the group pass no more, by itself. */
int cli_direct_portal(const char *control, unsigned int seconds, char *const *argv);
