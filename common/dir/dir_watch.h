#pragma once
/*
 * Keeps a fresh signed list at hand: fetches on a work thread, verifies on the loop, remembers the
 * newest list's time so that an older one is never taken, tries again with back-off. Where a name
 * cannot be looked up any more it goes to the address where the last list was.
 */
#include "common/dir/dir_list.h"
#include "common/io/loop.h"

struct dir_watch;

struct dir_watch_conf {
	const char *url;       /* borrowed, http://HOST[:PORT] */
	struct dir_trust trust;
	uint32_t refresh;      /* seconds between fetches at the most, up to 86400: dir_pace.h */
	/* File that keeps the newest list's time and where it came from, borrowed; NULL: none. */
	const char *state;
	uint32_t mark;         /* of the sockets, 0: none */
	/* The first or a newer list was accepted; LIST is valid until the next call. */
	void (*list)(void *user, const struct dir_list *list);
	void *user;
};

/* Starts with a fetch at once. 0, -ENOMEM, or the error of the state file (one line logged). */
int dir_watch_new(struct io_loop *loop, const struct dir_watch_conf *conf,
		  struct dir_watch **out) _must_check_;
/* No callback after this; a fetch under way ends at once. */
void dir_watch_free(struct dir_watch *watch);
/* Fetch soon: somebody knows that there is a newer list. At most one every few seconds. */
void dir_watch_hurry(struct dir_watch *watch);
/* Whether sockets without the mark lead somewhere else: fetches are tried so first. */
void dir_watch_indirect(struct dir_watch *watch, bool indirect);
/* The list in force, NULL when there is none yet or it has expired. */
const struct dir_list *dir_watch_list(const struct dir_watch *watch);
/* Whether an address is known that serves when the directory's name cannot be looked up. */
bool dir_watch_reached(const struct dir_watch *watch);
/* The trusted keys from hex text. NULL when good, else what is wrong; *BAD: with which key. */
const char *dir_trust_parse(char *const *hex, size_t count, uint32_t threshold,
			    struct dir_trust *out, size_t *bad) _must_check_;
