#pragma once
/* The relay's configuration file as one plain, checked struct. */
#include "common/conf/conf.h"
#include "common/dir/dir_list.h"
#include "common/kern/kern_firewall.h"

enum { NODE_STATE_MAX = 1024 }; /* bytes of the folder's path */

struct node_conf {
	struct addr address;            /* IPv4, ours, the IKE port is 500 on it */
	char *identity;                 /* path of the key file */
	struct crypto_sign_key key;
	char *nickname;
	char *directory;                /* URL */
	struct dir_trust trust;
	struct prefix pool;
	struct addr dns;                /* family 0: none */
	struct kern_firewall firewall;  /* exit policy, NAPT ports */
	uint32_t bandwidth;             /* kB/s */
	uint32_t max_circuits;
	uint32_t liveness;              /* seconds */
	uint32_t refresh;               /* seconds between list fetches at the most */
	char *control;                  /* path of the control socket */
	char *state;                    /* folder that keeps the newest list's time */
	int log_level;
	struct dir_entry entry;         /* what we publish */
};

/* Everything that can be judged without touching the kernel. 0, or -errno with one line in WHY. */
int node_conf_read(const char *path, struct node_conf *out, char *why, size_t size) _must_check_;
void node_conf_fini(struct node_conf *conf);
