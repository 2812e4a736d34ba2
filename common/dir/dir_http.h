#pragma once
/*
 * Fetching the list and uploading a descriptor over HTTP (libcurl). Blocking: call them from a
 * work thread (io_work). No redirects followed, no cookies, no user agent that tells a version,
 * at most DIR_LIST_MAX bytes taken.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"
#include "common/base/cleanup.h"

/* Ends a transfer from another thread. */
struct dir_http_stop;

/* A directory and how to talk to it. */
struct dir_http_to {
	const char *url;      /* borrowed, http://HOST[:PORT] */
	unsigned int timeout; /* seconds in all */
	struct addr source;   /* address to connect from, one of this host; no family: any */
	uint32_t mark;        /* of the socket, needs CAP_NET_ADMIN; 0: none */
	struct dir_http_stop *stop; /* borrowed, for one transfer at a time; NULL: none */
	struct addr last;     /* where to go when HOST cannot be looked up; no family: nowhere */
	struct addr *reached; /* filled when 0 is returned; NULL: not wanted */
};

/* Once in main before threads start. */
int dir_http_init(void) _must_check_;
/* 0 or -ENOMEM. Free it after the transfer. */
int dir_http_stop_new(struct dir_http_stop **out) _must_check_;
void dir_http_stop_free(struct dir_http_stop *stop);
/* Before or during a transfer, from any thread: it ends at once with -ECANCELED. */
void dir_http_stop(struct dir_http_stop *stop);
/* GET URL/list. 0 with *OUT malloc'ed, or -errno with one line in WHY. */
int dir_http_fetch(const struct dir_http_to *to, uint8_t **out, size_t *len, char *why,
		   size_t why_size) _must_check_;
/* POST URL/descriptor. */
int dir_http_upload(const struct dir_http_to *to, const uint8_t *data, size_t len, char *why,
		    size_t why_size) _must_check_;
