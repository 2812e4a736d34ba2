#pragma once
/* What the host was told, carried out without the daemon: before the network is up, and at the end. */
#include "ippriv-client/client_conf.h"

/*
 * Shuts the host when it is to be; nothing else. CONF NULL: it could not be read, the places are the
 * usual ones. Exit status; every error is logged in one line.
 */
int client_shut(const struct client_conf *conf);
/* Opens the host and forgets that it was to be shut. The daemon must not run. */
int client_open(const struct client_conf *conf);
