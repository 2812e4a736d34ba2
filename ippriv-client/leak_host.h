#pragma once
/* The host's network as its files tell it. */
#include "ippriv-client/leak_plan.h"

/* The first nameserver in a resolv.conf at PATH that is not the loopback. 0 or -ENOENT. */
int leak_host_resolver(const char *path, struct addr *out) _must_check_;
/*
 * The first default route in a file like /proc/net/route: where it leads, by whom (family 0:
 * nobody). 0 or -ENOENT.
 */
int leak_host_default(const char *path, char link[LEAK_NAME], struct addr *gateway) _must_check_;
/* Whether a link is lo or one of the tunnels that ippriv-client makes. */
bool leak_host_ours(const char *link);
/* Links, gateway, own address and LAN resolver into PLAN, as far as they are there. */
void leak_host_look(struct leak_plan *plan);
