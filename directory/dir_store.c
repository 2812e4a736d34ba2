#include "directory/dir_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"

enum { DESC_NAME = CRYPTO_HEX + 5 /* ".desc" */ };

static const char name_published[] = "published", suffix[] = ".desc";

struct dir_store {
	int folder;
	uint64_t published;
	size_t count, size;
	struct dir_desc *descs; /* sorted by identity */
};

/* Where IDENTITY is, or where it would go; *FOUND tells which. */
static size_t place(const struct dir_store *s, const struct crypto_pub *identity, bool *found)
{
	size_t lo = 0, hi = s->count;

	*found = false;
	while (lo < hi && !*found) {
		size_t mid = lo + (hi - lo) / 2;
		int order = memcmp(identity, &s->descs[mid].entry.identity, sizeof(*identity));

		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static int make_room(struct dir_store *s)
{
	size_t size = s->size ? 2 * s->size : 16;
	struct dir_desc *grown;

	if (s->count >= DIR_LIST_ENTRIES)
		return -ENOSPC;
	if (s->count < s->size)
		return 0;
	grown = realloc(s->descs, size * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->descs = grown;
	s->size = size;
	return 0;
}

/* There is room. */
static void insert(struct dir_store *s, size_t at, const struct dir_desc *desc)
{
	memmove(s->descs + at + 1, s->descs + at, (s->count - at) * sizeof(*desc));
	s->descs[at] = *desc;
	s->count++;
}

static void take_out(struct dir_store *s, size_t at)
{
	s->count--;
	memmove(s->descs + at, s->descs + at + 1, (s->count - at) * sizeof(*s->descs));
}

static void desc_name(const struct crypto_pub *identity, char out[DESC_NAME])
{
	char hex[CRYPTO_HEX];

	snprintf(out, DESC_NAME, "%s%s", crypto_hex(identity->bytes, hex), suffix);
}

/* Bytes read, at most SIZE, or -errno. */
static ssize_t read_file(int folder, const char *name, void *out, size_t size)
{
	_cleanup_close_ int fd = openat(folder, name,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	n = read(fd, out, size);
	return n < 0 ? -errno : n;
}

static int load_desc(struct dir_store *s, const char *name)
{
	uint8_t data[DIR_DESC_MAX + 1];
	ssize_t len = read_file(s->folder, name, data, sizeof(data));
	struct dir_desc desc;
	char want[DESC_NAME];
	size_t at;
	bool found;
	int err;

	if (len < 0)
		return (int)len;
	err = dir_desc_parse(data, (size_t)len, &desc);
	if (err < 0)
		return err;
	desc_name(&desc.entry.identity, want);
	if (strcmp(name, want) != 0)
		return -EBADMSG;
	err = make_room(s);
	if (err < 0)
		return err;
	at = place(s, &desc.entry.identity, &found);
	if (!found)
		insert(s, at, &desc);
	return 0;
}

static bool is_desc(const char *name)
{
	size_t len = strlen(name);

	return len >= sizeof(suffix) && strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0;
}

static int load_descs(struct dir_store *s, const char *path)
{
	int fd = fcntl(s->folder, F_DUPFD_CLOEXEC, 0);
	const struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		int err = -errno;

		close(fd);
		return err;
	}
	while ((e = readdir(dir))) {
		int err = is_desc(e->d_name) ? load_desc(s, e->d_name) : 0;

		if (err < 0)
			log_warning("%s/%s skipped: %s", path, e->d_name, dir_error_text(err));
	}
	closedir(dir);
	return 0;
}

static void load_published(struct dir_store *s, const char *path)
{
	char text[24], *end;
	ssize_t len = read_file(s->folder, name_published, text, sizeof(text) - 1);
	uintmax_t v;

	if (len == -ENOENT)
		return;
	text[len < 0 ? 0 : len] = '\0';
	errno = 0;
	v = strtoumax(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno || strcmp(end, "\n") != 0)
		log_warning("%s/%s skipped: no number in it", path, name_published);
	else
		s->published = v;
}

/* Writing it back proves that later writes will work. */
static int prove_writable(struct dir_store *s)
{
	return dir_store_set_published(s, s->published);
}

static int open_folder(const char *path, char *why, size_t size)
{
	_cleanup_close_ int fd = -1;
	int err;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		err = -errno;
		snprintf(why, size, "%s: cannot make this folder: %s; make it, or set state to "
			 "another", path, strerror(-err));
		return err;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		snprintf(why, size, "%s: cannot open this folder: %s; set state to another", path,
			 strerror(-err));
		return err;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		snprintf(why, size, "%s: %s; stop it, or set state to another folder", path,
			 err == -EBUSY ? "another ippriv-directory works here" : strerror(-err));
		return err;
	}
	return steal_fd(&fd);
}

int dir_store_open(const char *path, struct dir_store **out, char *why, size_t size)
{
	int folder = open_folder(path, why, size), err;
	struct dir_store *s;

	if (folder < 0)
		return folder;
	s = calloc(1, sizeof(*s));
	if (!s) {
		close(folder);
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	s->folder = folder;
	load_published(s, path);
	err = load_descs(s, path);
	if (err == 0)
		err = prove_writable(s);
	if (err < 0) {
		snprintf(why, size, "%s: cannot work in this folder: %s; give it to the user that "
			 "runs ippriv-directory", path, strerror(-err));
		dir_store_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void dir_store_free(struct dir_store *store)
{
	if (!store)
		return;
	close(store->folder);
	free(store->descs);
	free(store);
}

/* The folder that PATH would be made in, into OUT. */
static void parent_of(const char *path, char out[PATH_MAX])
{
	char *slash;

	snprintf(out, PATH_MAX, "%s", path);
	slash = strrchr(out, '/');
	while (slash && slash > out && slash[1] == '\0') {
		*slash = '\0';
		slash = strrchr(out, '/');
	}
	if (slash)
		slash[slash == out ? 1 : 0] = '\0';
}

int dir_store_probe(const char *path, bool *busy, char *why, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;
	char parent[PATH_MAX];

	*busy = false;
	if (err == -ENOENT) {
		parent_of(path, parent);
		err = access(parent, W_OK | X_OK) < 0 ? -errno : 0;
	} else if (err == 0) {
		*busy = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
		err = access(path, R_OK | W_OK | X_OK) < 0 ? -errno : 0;
	}
	if (err < 0)
		snprintf(why, size, "%s: cannot work in this folder: %s; make it for the user that "
			 "runs ippriv-directory, or set state to another", path, strerror(-err));
	return err;
}

static bool same_entry(const struct dir_entry *a, const struct dir_entry *b)
{
	uint8_t x[DIR_ENTRY_MAX], y[DIR_ENTRY_MAX];
	struct wbuf wx = wbuf_init(x, sizeof(x)), wy = wbuf_init(y, sizeof(y));

	dir_entry_build(&wx, a);
	dir_entry_build(&wy, b);
	return wx.len == wy.len && memcmp(x, y, wx.len) == 0;
}

void dir_store_remove(struct dir_store *store, size_t index)
{
	char name[DESC_NAME];

	desc_name(&store->descs[index].entry.identity, name);
	if (unlinkat(store->folder, name, 0) < 0 && errno != ENOENT)
		log_warning("%s: cannot remove it: %s", name, strerror(errno));
	take_out(store, index);
}

/* Who had the address of DESC before: at most one, or what a crash left. */
static bool forget_former(struct dir_store *s, const struct dir_desc *desc)
{
	bool any = false;

	for (size_t i = s->count; i-- > 0;) {
		const struct dir_entry *e = &s->descs[i].entry;

		if (!addr_equal(&e->address, &desc->entry.address) ||
		    memcmp(&e->identity, &desc->entry.identity, sizeof(e->identity)) == 0)
			continue;
		log_info("relay %s drops out: %s has its address now", e->nickname,
			 desc->entry.nickname);
		dir_store_remove(s, i);
		any = true;
	}
	return any;
}

int dir_store_put(struct dir_store *store, const struct dir_desc *desc, const uint8_t *data,
		  size_t len, bool *changed)
{
	char name[DESC_NAME];
	bool found;
	size_t at = place(store, &desc->entry.identity, &found);
	int err;

	if (found && desc->published <= store->descs[at].published)
		return -EALREADY;
	err = found ? 0 : make_room(store);
	if (err < 0)
		return err;
	desc_name(&desc->entry.identity, name);
	err = file_replace_at(store->folder, name, data, len);
	if (err < 0)
		return err;
	*changed = !found || !same_entry(&store->descs[at].entry, &desc->entry);
	if (found)
		store->descs[at] = *desc;
	else
		insert(store, at, desc);
	*changed |= forget_former(store, desc);
	return 0;
}

size_t dir_store_expire(struct dir_store *store, uint64_t now, uint64_t life)
{
	size_t gone = 0;

	for (size_t i = store->count; i-- > 0;) {
		const struct dir_desc *d = &store->descs[i];

		bool early = d->published > now + DIR_SKEW;

		if (!early && (d->published > now || now - d->published < life))
			continue;
		log_info("relay %s drops out: %s", d->entry.nickname,
			 early ? "its descriptor is dated in the future" : "it uploads no more");
		dir_store_remove(store, i);
		gone++;
	}
	return gone;
}

size_t dir_store_count(const struct dir_store *store)
{
	return store->count;
}

const struct dir_desc *dir_store_at(const struct dir_store *store, size_t index)
{
	return &store->descs[index];
}

void dir_store_entries(const struct dir_store *store, struct dir_entry *out)
{
	for (size_t i = 0; i < store->count; i++)
		out[i] = store->descs[i].entry;
}

uint64_t dir_store_published(const struct dir_store *store)
{
	return store->published;
}

int dir_store_set_published(struct dir_store *store, uint64_t published)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64 "\n", published);
	int err = file_replace_at(store->folder, name_published, text, (size_t)len);

	if (err == 0)
		store->published = published;
	return err;
}
