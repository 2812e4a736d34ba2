#pragma once
/*
 * The directory's HTTP side (libmicrohttpd, driven by our loop): GET /list, POST /descriptor, and
 * limits so that nobody can use it up. Knows nothing of what the bytes mean. A connection carries
 * one request. No address of a client is logged.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"
#include "common/io/loop.h"

struct dir_serve;

struct dir_serve_conf {
	unsigned int connections;  /* at a time, in all */
	unsigned int per_address;  /* at a time, from one address */
	unsigned int idle;         /* seconds without a byte, then it is cut */
	unsigned int lifetime;     /* seconds, then it is cut, whatever it does */
	uint32_t requests;         /* a minute from one address, 0: any number */
	size_t upload_max;         /* bytes */
	/*
	 * A body of LEN bytes was posted to /descriptor from address FROM. Returns the HTTP status
	 * and writes one line for the uploader into SAY.
	 */
	unsigned int (*upload)(void *user, const struct addr *from, const uint8_t *data,
			       size_t len, char *say, size_t size);
	void *user;
};

/* The limits for everyday use; upload and user are to be filled in. */
struct dir_serve_conf dir_serve_defaults(void);
/*
 * A listening, non-blocking TCP socket on LOCAL (port 0: a free one), or -errno with one line in
 * WHY.
 */
int dir_serve_listen(const struct endpoint *local, char *why, size_t size) _must_check_;
/* Serves on FD (taken, also on failure). 503 until there is a list. 0 or -errno. */
int dir_serve_new(struct io_loop *loop, int fd, const struct dir_serve_conf *conf,
		  struct dir_serve **out) _must_check_;
void dir_serve_free(struct dir_serve *serve);
/* What /list answers from now on: DATA (malloc'ed) is taken, also on failure. 0 or -ENOMEM. */
int dir_serve_set_list(struct dir_serve *serve, uint8_t *data, size_t len) _must_check_;
