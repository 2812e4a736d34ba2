#pragma once
/*
 * What the directory remembers: the newest descriptor of each relay and the time of the newest
 * list, in memory and in a folder of its own (IDENTITY.desc as uploaded; published, a number as
 * text). A file is replaced by rename after fsync, so a crash leaves the old or the new one. The
 * caller brings the clock.
 */
#include "common/dir/dir_list.h"

struct dir_store;

/*
 * Opens folder PATH, making it when missing (not its parents), locks it against another process,
 * reads what is there. Files that do not verify are skipped with a warning. 0, or -errno with one
 * line in WHY; -EBUSY when another process has it.
 */
int dir_store_open(const char *path, struct dir_store **out, char *why, size_t size) _must_check_;
void dir_store_free(struct dir_store *store);
/*
 * Whether dir_store_open would succeed, changing nothing; *BUSY (then also 0) when another process
 * has it. 0, or -errno with one line in WHY.
 */
int dir_store_probe(const char *path, bool *busy, char *why, size_t size) _must_check_;
/*
 * Remembers DESC, which DATA (LEN bytes, verified) says, and forgets another relay at its address.
 * *CHANGED tells whether its entry is not what the last one of this relay said. -EALREADY when it
 * is not newer than the one that is there, -ENOSPC when there are DIR_LIST_ENTRIES relays, else
 * -errno of the disk: then nothing changes.
 */
int dir_store_put(struct dir_store *store, const struct dir_desc *desc, const uint8_t *data,
		  size_t len, bool *changed) _must_check_;
/* Forgets the descriptor at INDEX (below dir_store_count), on the disk, too. */
void dir_store_remove(struct dir_store *store, size_t index);
/*
 * Forgets descriptors published LIFE seconds or more before NOW, or more than DIR_SKEW after it
 * (taken while a clock was wrong; they would keep the relay's good ones out). Returns how many.
 */
size_t dir_store_expire(struct dir_store *store, uint64_t now, uint64_t life);
size_t dir_store_count(const struct dir_store *store);
/* The descriptor at INDEX (below dir_store_count), sorted by identity; until the next change. */
const struct dir_desc *dir_store_at(const struct dir_store *store, size_t index);
/* The entries, sorted by identity, at OUT: room for dir_store_count. */
void dir_store_entries(const struct dir_store *store, struct dir_entry *out);
/* When the newest list was published, 0 when there was none; and remembers it. */
uint64_t dir_store_published(const struct dir_store *store);
int dir_store_set_published(struct dir_store *store, uint64_t published) _must_check_;
