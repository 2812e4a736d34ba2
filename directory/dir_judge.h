#pragma once
/*
 * Whether a descriptor may join the list: who uploads it, from where, how old it is, who else is at
 * its address or near. One host gets one place in the list, one network a few. Changes nothing.
 */
#include "directory/dir_store.h"
#include "directory/dird_conf.h"

/* Whether the configuration lets IDENTITY join. */
bool dir_judge_allowed(const struct dird_conf *conf, const struct crypto_pub *identity);
/*
 * HTTP status 200, or the one that refuses DESC (verified), which came from address FROM, with one
 * line for the uploader in SAY. NOW in seconds since the epoch.
 */
unsigned int dir_judge(const struct dird_conf *conf, const struct dir_store *store,
		       const struct dir_desc *desc, const struct addr *from, uint64_t now,
		       char *say, size_t size);
