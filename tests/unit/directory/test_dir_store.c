#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "directory/daemon.h"
#include "directory/dir_store.h"

enum { NOW = 1800000000 };

static char folder[64];

static void make_folder(void)
{
	strcpy(folder, "/tmp/ippriv-store-XXXXXX");
	cr_assert_eq(crypto_init(), 0);
	cr_assert_not_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	cr_assert_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(dir_store, .init = make_folder, .fini = remove_folder);

static struct dir_store *open_store(void)
{
	struct dir_store *store;
	char why[256] = "";

	cr_assert_eq(dir_store_open(folder, &store, why, sizeof(why)), 0, "%s", why);
	return store;
}

static int put(struct dir_store *store, uint8_t number, uint64_t published, uint32_t bandwidth,
	       bool *changed)
{
	uint8_t data[DIR_DESC_MAX];
	size_t len = relay_desc(number, published, bandwidth, data);
	struct dir_desc desc;

	cr_assert_eq(dir_desc_parse(data, len, &desc), 0);
	return dir_store_put(store, &desc, data, len, changed);
}

Test(dir_store, keeps_the_newest_and_tells_changes)
{
	struct dir_store *store = open_store();
	struct dir_entry entries[3];
	bool changed;

	cr_assert_eq(put(store, 1, NOW, 10, &changed), 0);
	cr_assert(changed);
	cr_assert_eq(put(store, 1, NOW, 20, &changed), -EALREADY);
	cr_assert_eq(put(store, 1, NOW - 1, 20, &changed), -EALREADY);
	cr_assert_eq(put(store, 1, NOW + 1, 10, &changed), 0);
	cr_assert_not(changed);
	cr_assert_eq(put(store, 1, NOW + 2, 20, &changed), 0);
	cr_assert(changed);
	cr_assert_eq(put(store, 2, NOW, 30, &changed), 0);
	cr_assert_eq(put(store, 3, NOW, 40, &changed), 0);
	dir_store_free(store);

	store = open_store();
	cr_assert_eq(dir_store_count(store), 3);
	dir_store_entries(store, entries);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(entries[i].bandwidth, 10 + 10 * (uint32_t)(entries[i].nickname[6] - '0'));
		cr_assert(i == 0 || memcmp(&entries[i - 1], &entries[i], 32) < 0, "sorted");
	}
	cr_assert_eq(put(store, 1, NOW + 2, 20, &changed), -EALREADY, "after a restart too");
	dir_store_free(store);
}

Test(dir_store, expires_on_disk_too)
{
	struct dir_store *store = open_store();
	bool changed;

	cr_assert_eq(put(store, 1, NOW, 1, &changed), 0);
	cr_assert_eq(put(store, 2, NOW + 1, 1, &changed), 0);
	cr_assert_eq(put(store, 3, NOW + 200, 1, &changed), 0);
	cr_assert_eq(dir_store_expire(store, NOW + 99, 100), 0);
	cr_assert_eq(dir_store_expire(store, NOW + 100, 100), 1);
	cr_assert_eq(dir_store_count(store), 2);
	cr_assert_eq(dir_store_expire(store, NOW + 100, 100), 0);
	cr_assert_eq(dir_store_expire(store, NOW - 100, 1000), 0);
	cr_assert_eq(put(store, 4, NOW + 500, 1, &changed), 0);
	cr_assert_eq(dir_store_expire(store, NOW + 100, 1000), 1, "one of the future");
	dir_store_free(store);
	store = open_store();
	cr_assert_eq(dir_store_count(store), 2);
	dir_store_free(store);
}

Test(dir_store, remembers_the_lists_time)
{
	struct dir_store *store = open_store();

	cr_assert_eq(dir_store_published(store), 0);
	cr_assert_eq(dir_store_set_published(store, NOW), 0);
	dir_store_free(store);
	store = open_store();
	cr_assert_eq(dir_store_published(store), NOW);
	dir_store_free(store);
}

Test(dir_store, one_process_at_a_time)
{
	struct dir_store *store = open_store(), *second;
	char why[256];
	bool busy;

	cr_assert_eq(dir_store_open(folder, &second, why, sizeof(why)), -EBUSY);
	cr_assert_eq(dir_store_probe(folder, &busy, why, sizeof(why)), 0);
	cr_assert(busy);
	dir_store_free(store);
	cr_assert_eq(dir_store_probe(folder, &busy, why, sizeof(why)), 0);
	cr_assert_not(busy);
	store = open_store();
	dir_store_free(store);
}

Test(dir_store, probe_makes_nothing)
{
	char path[128], why[256];
	struct stat st;
	bool busy;

	snprintf(path, sizeof(path), "%s/new/", folder);
	cr_assert_eq(dir_store_probe(path, &busy, why, sizeof(why)), 0);
	cr_assert_lt(stat(path, &st), 0);
	snprintf(path, sizeof(path), "%s/no/such", folder);
	cr_assert_eq(dir_store_probe(path, &busy, why, sizeof(why)), -ENOENT);
	cr_assert_not_null(strstr(why, "/no/such"));
}

/* What a crash left half written is longer than what is written next. */
Test(dir_store, a_torn_file_is_no_part_of_the_next)
{
	struct dir_store *store = open_store();
	char path[128], junk[500];
	FILE *f;

	cr_assert_eq(dir_store_set_published(store, NOW), 0);
	dir_store_free(store);
	memset(junk, 'x', sizeof(junk));
	snprintf(path, sizeof(path), "%s/published.new", folder);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(junk, 1, sizeof(junk), f), sizeof(junk));
	cr_assert_eq(fclose(f), 0);
	store = open_store(); /* writes one file, to see that it can */
	dir_store_free(store);
	store = open_store();
	cr_assert_eq(dir_store_published(store), NOW);
	dir_store_free(store);
}

/* Descriptors under names that are not theirs, links, folders: none is taken. */
Test(dir_store, takes_only_files_that_are_what_their_name_says)
{
	struct dir_store *store = open_store();
	struct crypto_pub first = relay_identity(1), second = relay_identity(2);
	char hex[CRYPTO_HEX], a[160], b[160];
	bool changed;

	cr_assert_eq(put(store, 1, NOW, 1, &changed), 0);
	dir_store_free(store);
	snprintf(a, sizeof(a), "%s/%s.desc", folder, crypto_hex(first.bytes, hex));
	snprintf(b, sizeof(b), "%s/%s.desc", folder, crypto_hex(second.bytes, hex));
	cr_assert_eq(rename(a, b), 0);
	cr_assert_eq(symlink(b, a), 0);
	snprintf(a, sizeof(a), "%s/folder.desc", folder);
	cr_assert_eq(mkdir(a, 0700), 0);
	store = open_store();
	cr_assert_eq(dir_store_count(store), 0);
	dir_store_free(store);
}
