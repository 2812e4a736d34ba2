#pragma once
/* The relay's configuration file as one plain, checked struct. */
#include "common/conf/conf.h"
#include "common/dir/dir_list.h"
#include "common/kern/kern_firewall.h"

enum { NODE_STATE_MAX = 1024 }; /* bytes of the folder's path */

struct node_conf {
	struct addr address;            /* IPv4, what others know us by; IKE on port 500 of it */
	struct addr listen;             /* IPv4, on this machine: another one behind a 1:1 NAT */
	struct addr address6;           /* for clients on IPv6; family 0: none */
	char *identity;                 /* path of the key file */
	struct crypto_sign_key key;
	bool key_later;                 /* KEY is a stand-in: the default file is not there yet */
	char *nickname;
	bool nickname_by_key;           /* none was given */
	char *directory;                /* URL */
	struct dir_trust trust;
	struct prefix pool;
	struct addr dns;                /* family 0: none */
	struct kern_firewall firewall;  /* exit policy, NAPT ports */
	uint32_t bandwidth;             /* kB/s */
	uint32_t max_circuits, circuit_rate; /* at one time, new ones a second */
	uint32_t peer_circuits, peer_rate;   /* of those, through one other relay */
	uint32_t liveness;              /* seconds without a message: is the other end there? */
	uint32_t client_silence;        /* seconds for which a client may sleep */
	uint32_t child_life, ike_life;  /* seconds until keys are replaced */
	uint32_t child_kilobytes;       /* KiB until then */
	uint32_t refresh;               /* seconds between list fetches at the most */
	char *control;                  /* path of the control socket */
	char *state;                    /* folder that keeps the newest list's time */
	struct endpoint metrics;        /* where Prometheus reads, family 0: nowhere */
	uint32_t metrics_every;         /* seconds between two looks at the numbers */
	int log_level;
	struct dir_entry entry;         /* what we publish */
};

#define NODE_KEY_PATH "/etc/ippriv/node.key" /* without `identity` */

/*
 * Everything that can be judged without touching the kernel. For directory and authorities that
 * PATH lacks it reads the file AUTHORITIES. 0, or -errno with one line in WHY.
 */
int node_conf_read(const char *path, const char *authorities, struct node_conf *out, char *why,
		   size_t size) _must_check_;
/* Where key_later: makes that file, once and for all. 0, or -errno with one line in WHY. */
int node_conf_make_key(struct node_conf *conf, char *why, size_t size) _must_check_;
/*
 * Whether a client may sleep for longer than its keys last: it falls asleep when they are due, after
 * `child_life`, and the kernel drops them half as long later.
 */
bool node_conf_outsleeps(const struct node_conf *conf);
void node_conf_fini(struct node_conf *conf);
