#pragma once
/*
 * `ippriv-node --check`: is this machine good for this configuration? A line for each thing: what is
 * so, or what is wrong and what to do. It changes nothing: what has to be tried in the kernel is
 * tried in a network namespace that is gone right after.
 */
#include "ippriv-node/node_conf.h"

/* NOTE: nobody can tell from here, or it may be meant so. */
enum check_result { CHECK_OK, CHECK_NOTE, CHECK_WRONG };

struct check;

/* One line on NAME, for the parts below. */
void check_say(struct check *check, enum check_result result, const char *name, const char *fmt,
	       ...) _printf_(4, 5);

/*
 * All checks, to standard output, as text or JSON. CONF is borrowed, NULL when it could not be
 * read: WHY says why not. Exit status: 0 nothing is wrong, 2 something is.
 */
int check_run(const struct node_conf *conf, const char *why, bool json);

/* check_host.c: kernel version, clock, addresses, ports, state, key. */
void check_machine(struct check *check);
void check_host(struct check *check, const struct node_conf *conf);
/* check_net.c: the directory and its list, the resolver. Waits for answers, some seconds each. */
void check_net(struct check *check, const struct node_conf *conf);
/* What a resolver's answer of LEN bytes to a query with ID is worth: NULL good, else what is wrong. */
const char *check_dns_answer(const uint8_t *answer, size_t len, uint16_t id);
