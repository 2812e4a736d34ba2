#include "ippriv-client/host_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"

static const char exclude[] = "exclude ";

const char *host_state_net_error(const struct prefix *net)
{
	if (net->len == 0)
		return "that is everything; to use no tunnel, type ippriv down";
	if (net->addr.family == AF_INET && net->len < 8)
		return "that is more than a /8; give the networks that are meant";
	if (net->addr.family == AF_INET6 && net->len < 7)
		return "that is more than a /7; give the networks that are meant";
	return NULL;
}

static int parse_line(const char *line, void *data)
{
	struct host_state *out = data;
	struct prefix net;

	if (strcmp(line, "up") == 0 && !out->up) {
		out->up = true;
	} else if (strcmp(line, "lockdown") == 0 && !out->lockdown) {
		out->lockdown = true;
	} else if (strncmp(line, exclude, sizeof(exclude) - 1) == 0 &&
		   out->net_count < HOST_STATE_NETS &&
		   prefix_parse(line + sizeof(exclude) - 1, &net) == 0 &&
		   !host_state_net_error(&net)) {
		out->nets[out->net_count++] = net;
	} else {
		return -EBADMSG;
	}
	return 0;
}

int host_state_parse(const char *text, struct host_state *out)
{
	struct host_state s = { 0 };
	int r = file_lines(text, parse_line, &s);

	if (r == 0)
		*out = s;
	return r;
}

size_t host_state_build(const struct host_state *s, char out[HOST_STATE_TEXT])
{
	char net[ADDR_TEXT];
	size_t len = 0;

	out[0] = '\0';
	if (s->up)
		len += (size_t)snprintf(out + len, HOST_STATE_TEXT - len, "up\n");
	if (s->lockdown)
		len += (size_t)snprintf(out + len, HOST_STATE_TEXT - len, "lockdown\n");
	for (size_t i = 0; i < s->net_count; i++)
		len += (size_t)snprintf(out + len, HOST_STATE_TEXT - len, "%s%s\n", exclude,
					prefix_text(&s->nets[i], net));
	return len;
}

static void path_of(const char *folder, char out[4096])
{
	snprintf(out, 4096, "%.4000s/host", folder);
}

int host_state_load(const char *folder, struct host_state *out, char *why, size_t size)
{
	char path[4096], text[HOST_STATE_TEXT + 1];
	int r;

	path_of(folder, path);
	r = file_read_text(path, text, sizeof(text));
	if (r == -ENOENT) {
		*out = (struct host_state){ 0 };
		return 0;
	}
	if (r == 0)
		r = host_state_parse(text, out);
	if (r < 0)
		snprintf(why, size, "%.256s: %s; it says whether the host is shut: mend or remove it",
			 path, r == -EBADMSG ? "not what ippriv-client writes" : strerror(-r));
	return r;
}

int host_state_save(const char *folder, const struct host_state *s)
{
	char path[4096], text[HOST_STATE_TEXT];
	size_t len = host_state_build(s, text);

	path_of(folder, path);
	return file_replace(path, text, len);
}
