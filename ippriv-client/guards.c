#include "ippriv-client/guards.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"

enum { KEY = CRYPTO_HEX - 1 };

bool guards_has(const struct guards *g, const struct crypto_pub *relay)
{
	for (size_t i = 0; i < g->count; i++)
		if (memcmp(&g->items[i].relay, relay, sizeof(*relay)) == 0)
			return true;
	return false;
}

static int parse_line(const char *line, void *data)
{
	struct guards *out = data;
	struct guard *g = &out->items[out->count];
	char key[CRYPTO_HEX], again[FILE_LINE];
	int end = 0;

	if (out->count == GUARDS_MOST ||
	    sscanf(line, "%64[0-9a-f] %20" SCNu64 "%n", key, &g->until, &end) != 2 || line[end] ||
	    crypto_hex_parse(key, g->relay.bytes) < 0)
		return -EBADMSG;
	snprintf(again, sizeof(again), "%s %" PRIu64, key, g->until);
	if (strcmp(line, again) != 0 || guards_has(out, &g->relay))
		return -EBADMSG;
	out->count++;
	return 0;
}

int guards_parse(const char *text, struct guards *out)
{
	struct guards g = { 0 };
	int r = file_lines(text, parse_line, &g);

	if (r == 0)
		*out = g;
	return r;
}

size_t guards_build(const struct guards *g, char out[GUARDS_TEXT + 1])
{
	char key[CRYPTO_HEX];
	size_t len = 0;

	_Static_assert(KEY + 1 + 20 + 1 <= GUARDS_TEXT / GUARDS_MOST, "a line fits");
	out[0] = '\0';
	for (size_t i = 0; i < g->count; i++)
		len += (size_t)snprintf(out + len, GUARDS_TEXT + 1 - len, "%s %" PRIu64 "\n",
					crypto_hex(g->items[i].relay.bytes, key), g->items[i].until);
	return len;
}

static void path_of(const char *folder, char out[4096])
{
	snprintf(out, 4096, "%.4000s/guards", folder);
}

int guards_load(const char *folder, struct guards *out, char *why, size_t size)
{
	char path[4096], text[GUARDS_TEXT + 1];
	int r;

	path_of(folder, path);
	r = file_read_text(path, text, sizeof(text));
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = guards_parse(text, out);
	if (r < 0)
		snprintf(why, size, "%.256s: %s", path,
			 r == -EBADMSG ? "not what ippriv-client writes" : strerror(-r));
	return r;
}

int guards_save(const char *folder, const struct guards *g)
{
	char path[4096], text[GUARDS_TEXT + 1];
	size_t len = guards_build(g, text);

	path_of(folder, path);
	return file_replace(path, text, len);
}
