#pragma once
/*
 * Serves metrics: GET /metrics over HTTP (libmicrohttpd), to this host alone. What is asked for is
 * a text that was made before, so how often it is asked for tells nothing more.
 */
#include "common/base/addr.h"
#include "common/io/loop.h"
#include "common/metrics/metrics.h"

struct metrics_serve;

/* From "127.0.0.1:9500" or "[::1]:9500". NULL when it is such a loopback address, else why not. */
const char *metrics_serve_check(const char *value);
/* Listens on AT. Until it has a text it answers 503. 0, or -errno as from bind(2), -EIO. */
int metrics_serve_new(struct io_loop *loop, const struct endpoint *at,
		      struct metrics_serve **out) _must_check_;
void metrics_serve_free(struct metrics_serve *serve);
/* The text from now on; it is taken, T is empty then. On an error it keeps the old one. */
void metrics_serve_set(struct metrics_serve *serve, struct metrics_text *t);
