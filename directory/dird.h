#pragma once
/* The directory: takes descriptors, keeps them, signs the list of them and serves it. */
#include "common/io/loop.h"
#include "directory/dird_conf.h"

struct dird;

/*
 * Listens, reads the state, signs the first list. CONF is borrowed. 0, or -errno with one line in
 * WHY.
 */
int dird_new(struct io_loop *loop, const struct dird_conf *conf, struct dird **out, char *why,
	     size_t size) _must_check_;
void dird_free(struct dird *dird);
/*
 * Whether dird_new would find its address and its state folder usable; leaves nothing. A port that
 * is in use by the directory that already runs on this state is good. 0, or -errno with WHY.
 */
int dird_probe(const struct dird_conf *conf, char *why, size_t size) _must_check_;
