#pragma once
/*
 * What the host has been told, as a small file that outlives the daemon and the machine's uptime:
 * a line each of "up", "lockdown" and "exclude NET".
 */
#include <stdbool.h>
#include <stddef.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

enum { HOST_STATE_NETS = 16, HOST_STATE_TEXT = 1024 /* bytes of the longest file */ };

struct host_state {
	bool up, lockdown;
	size_t net_count;
	struct prefix nets[HOST_STATE_NETS];
};

/* Whether nothing but exceptions may pass outside of the tunnel. */
static inline bool host_state_shut(const struct host_state *s)
{
	return s->up || s->lockdown;
}

/* Why NET cannot be excluded, NULL: it can. */
const char *host_state_net_error(const struct prefix *net);
/* Pure. 0, or -EBADMSG for anything that build would not write. */
int host_state_parse(const char *text, struct host_state *out) _must_check_;
size_t host_state_build(const struct host_state *s, char out[HOST_STATE_TEXT]);

/* The file "host" in FOLDER. 0 (also when there is none), or -errno with a line in WHY. */
int host_state_load(const char *folder, struct host_state *out, char *why,
		    size_t size) _must_check_;
int host_state_save(const char *folder, const struct host_state *s) _must_check_;
