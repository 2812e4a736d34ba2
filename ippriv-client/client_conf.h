#pragma once
/* The client's configuration as one validated value. */
#include "common/base/log.h"
#include "common/dir/dir_watch.h"
#include "ippriv-client/pins.h"

enum { CLIENT_CONF_CIRCUITS = 16, CLIENT_CONF_GUARDS = 4 };

/* ciphers = …: of ESP, for the hops to choose from. */
enum client_ciphers {
	CLIENT_CIPHERS_AUTO, /* AES-GCM first where processor and kernel are good at it */
	CLIENT_CIPHERS_AES,  /* AES-GCM first, whatever the kernel */
	CLIENT_CIPHERS_CHACHA, /* ChaCha20-Poly1305 alone */
};

struct client_conf {
	char *directory; /* URL */
	struct dir_trust trust;
	uint32_t circuits;  /* kept ready */
	char *control;      /* path of the control socket */
	char *state;        /* directory that keeps the newest list's time */
	uint32_t liveness;  /* seconds without a sign of life from a hop before it is probed */
	uint32_t child_life;  /* seconds a pair of ESP SAs may be used */
	uint32_t child_kilobytes; /* KiB it may carry */
	uint32_t ike_life;    /* seconds an IKE SA may be used */
	bool force_encap;     /* encapsulation = "always": ESP in UDP even without a NAT */
	enum client_ciphers ciphers;
	uint32_t guards;      /* entries that it keeps to, 0: another one for each circuit */
	uint32_t rotate;      /* seconds until a run gets another circuit, 0: never */
	uint32_t keepalive;   /* seconds of silence before one is sent behind a NAT */
	struct pins pins[PINS_HOPS]; /* keys entry, middle, exit */
	struct endpoint metrics; /* where Prometheus reads, family 0: nowhere */
	uint32_t metrics_every;  /* seconds between two looks at the numbers */
	enum log_level log_level;
};

/*
 * Reads PATH (NULL: all defaults) and, for directory and authorities that it lacks, the file
 * AUTHORITIES. 0, or -errno with one line in WHY.
 */
int client_conf_read(const char *path, const char *authorities, struct client_conf *out, char *why,
		     size_t why_size) _must_check_;
void client_conf_fini(struct client_conf *conf);
