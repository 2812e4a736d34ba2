#pragma once
/* The files that the configuration names: judged before anything is made, and by -t. */
#include "ippriv-client/client_conf.h"

/*
 * Looks at state (a directory, or one that can be made; a good file of the newest list's time in it,
 * or none) and control (a socket or nothing, in a directory that is there or can be made). Makes
 * nothing; what the caller may not see is not judged. 0, or -errno with one line in WHY.
 */
int client_place_check(const struct client_conf *conf, char *why, size_t size) _must_check_;
/* Path of the file in the state directory. -ENAMETOOLONG. */
int client_place_newest(const struct client_conf *conf, char *out, size_t size) _must_check_;
