#pragma once
/* The daemon: owns all parts and wires control path, data path and kernel to each other. */
#include "ippriv-client/client_conf.h"

#define CLIENT_LOCK "ippriv_client_lock" /* kern_lock.h: one of them in a network namespace */

enum { CLIENT_EXIT_FAILURE = 1, CLIENT_EXIT_SETUP = 2 };

/* Runs until SIGINT, SIGTERM or SIGHUP. Exit status; every error is logged in one line. */
int client_run(const struct client_conf *conf);
