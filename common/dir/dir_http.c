#include "common/dir/dir_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/dir/dir_list.h"

enum { ANSWER_MAX = 256, URL_MAX = 1024, POLL_MOST = 1000 /* milliseconds */ };

/* What an answer is gathered in. */
struct sink {
	uint8_t *data; /* owned */
	size_t len, size, max;
	bool too_big;
};

struct dir_http_stop {
	CURLM *multi; /* the transfer runs in it; it alone can be woken by another thread */
	atomic_bool wanted;
};

int dir_http_stop_new(struct dir_http_stop **out)
{
	struct dir_http_stop *stop = calloc(1, sizeof(*stop));

	if (!stop)
		return -ENOMEM;
	stop->multi = curl_multi_init();
	if (!stop->multi) {
		free(stop);
		return -ENOMEM;
	}
	*out = stop;
	return 0;
}

void dir_http_stop_free(struct dir_http_stop *stop)
{
	if (!stop)
		return;
	curl_multi_cleanup(stop->multi);
	free(stop);
}

void dir_http_stop(struct dir_http_stop *stop)
{
	atomic_store(&stop->wanted, true);
	curl_multi_wakeup(stop->multi);
}

int dir_http_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

static void cleanup_curl(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

static void cleanup_stop(struct dir_http_stop **stop)
{
	dir_http_stop_free(*stop);
}

static void cleanup_headers(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

static size_t on_data(char *data, size_t one, size_t len, void *user)
{
	struct sink *sink = user;
	uint8_t *grown;

	(void)one;
	if (len > sink->max - sink->len) {
		sink->too_big = true;
		return 0;
	}
	if (len > sink->size - sink->len) {
		size_t size = 2 * (sink->len + len);

		if (size > sink->max)
			size = sink->max;
		grown = realloc(sink->data, size);
		if (!grown)
			return 0;
		sink->data = grown;
		sink->size = size;
	}
	memcpy(sink->data + sink->len, data, len);
	sink->len += len;
	return len;
}

static int join_url(const char *base, const char *path, char out[URL_MAX], char *why,
		    size_t why_size)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	if (strncasecmp(base, "http://", 7) != 0 && strncasecmp(base, "https://", 8) != 0) {
		snprintf(why, why_size, "%s: not a URL of a directory; write http://HOST:PORT",
			 base);
		return -EINVAL;
	}
	if (snprintf(out, URL_MAX, "%.*s%s", (int)len, base, path) >= URL_MAX) {
		snprintf(why, why_size, "%.64s...: this URL is too long", base);
		return -EINVAL;
	}
	return 0;
}

/* The source as an address, never as the name of an interface; and a peer of its family. */
static void set_source(CURL *curl, const struct addr *source)
{
	char text[ADDR_TEXT], from[ADDR_TEXT + 8];

	if (source->family == 0)
		return;
	snprintf(from, sizeof(from), "host!%s", addr_text(source, text));
	curl_easy_setopt(curl, CURLOPT_INTERFACE, from);
	curl_easy_setopt(curl, CURLOPT_IPRESOLVE, source->family == AF_INET ? CURL_IPRESOLVE_V4
									    : CURL_IPRESOLVE_V6);
}

static int on_socket(void *user, curl_socket_t fd, curlsocktype purpose)
{
	(void)purpose;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, user, sizeof(uint32_t)) < 0 ? CURL_SOCKOPT_ERROR :
										  CURL_SOCKOPT_OK;
}

static CURL *request_new(const struct dir_http_to *to, const char *url, struct sink *sink,
			 char *detail)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)to->timeout);
	set_source(curl, &to->source);
	if (to->mark) {
		curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
		curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, &to->mark);
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	return curl;
}

static int errno_of(CURLcode code, const struct sink *sink)
{
	if (sink->too_big)
		return -EFBIG;
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	default:
		return -EIO;
	}
}

/* The first line of an answer's body, printable characters only. */
static void first_line(const struct sink *sink, char out[ANSWER_MAX + 1])
{
	size_t n = 0;

	while (n < sink->len && n < ANSWER_MAX && sink->data[n] >= ' ' && sink->data[n] < 127) {
		out[n] = (char)sink->data[n];
		n++;
	}
	out[n] = '\0';
}

static CURLcode run_in(struct dir_http_stop *stop, CURL *curl)
{
	const CURLMsg *msg;
	int running = 1, left;

	while (running > 0) {
		if (atomic_load(&stop->wanted)) {
			/* or the clean-up waits for a name server */
			curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
			return CURLE_ABORTED_BY_CALLBACK;
		}
		if (curl_multi_perform(stop->multi, &running) != CURLM_OK ||
		    (running > 0 &&
		     curl_multi_poll(stop->multi, NULL, 0, POLL_MOST, NULL) != CURLM_OK))
			return CURLE_OUT_OF_MEMORY;
	}
	msg = curl_multi_info_read(stop->multi, &left);
	return msg ? msg->data.result : CURLE_OUT_OF_MEMORY;
}

static CURLcode run(const struct dir_http_to *to, CURL *curl)
{
	_cleanup_(cleanup_stop) struct dir_http_stop *own = NULL;
	struct dir_http_stop *stop = to->stop;
	CURLcode code;

	if (!stop) {
		if (dir_http_stop_new(&own) < 0)
			return CURLE_OUT_OF_MEMORY;
		stop = own;
	}
	if (curl_multi_add_handle(stop->multi, curl) != CURLM_OK)
		return CURLE_OUT_OF_MEMORY;
	code = run_in(stop, curl);
	curl_multi_remove_handle(stop->multi, curl);
	return code;
}

/* A name that nobody answers for ends as a timeout. */
static bool not_looked_up(CURL *curl, CURLcode code)
{
	curl_off_t took = 0;

	if (code != CURLE_OPERATION_TIMEDOUT)
		return code == CURLE_COULDNT_RESOLVE_HOST;
	return curl_easy_getinfo(curl, CURLINFO_NAMELOOKUP_TIME_T, &took) == CURLE_OK && took == 0;
}

/* By the name, or where it led last. Certificates are still those of the name. */
static CURLcode run_somewhere(const struct dir_http_to *to, CURL *curl, char *detail)
{
	_cleanup_(cleanup_headers) struct curl_slist *instead = NULL;
	CURLcode code = run(to, curl);
	char text[ADDR_TEXT], any[ADDR_TEXT + 8];

	if (to->last.family == 0 || !not_looked_up(curl, code))
		return code;
	snprintf(any, sizeof(any), to->last.family == AF_INET6 ? "::[%s]:" : "::%s:",
		 addr_text(&to->last, text));
	instead = curl_slist_append(NULL, any);
	if (!instead)
		return CURLE_OUT_OF_MEMORY;
	*detail = '\0';
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, instead);
	code = run(to, curl);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, NULL);
	return code;
}

static void tell_reached(const struct dir_http_to *to, CURL *curl)
{
	char *text = NULL;

	if (to->reached && curl_easy_getinfo(curl, CURLINFO_PRIMARY_IP, &text) == CURLE_OK && text &&
	    addr_parse(text, to->reached) < 0)
		*to->reached = (struct addr){ 0 };
}

/* Runs the transfer; 0 only when it came through with status 200. */
static int perform(const struct dir_http_to *to, CURL *curl, const char *url,
		   const struct sink *sink, char *detail, char *why, size_t why_size)
{
	CURLcode code = run_somewhere(to, curl, detail);
	int err = errno_of(code, sink);
	char said[ANSWER_MAX + 1];
	long status = 0;

	if (err == -EFBIG) {
		snprintf(why, why_size, "%s: the answer is bigger than %zu bytes", url, sink->max);
		return err;
	}
	if (err < 0) {
		snprintf(why, why_size, "%s: %s", url,
			 *detail ? detail : curl_easy_strerror(code));
		return err;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200) {
		tell_reached(to, curl);
		return 0;
	}
	first_line(sink, said);
	snprintf(why, why_size, "%s: the server answered %ld%s%s", url, status, *said ? ": " : "",
		 said);
	return -EREMOTEIO;
}

int dir_http_fetch(const struct dir_http_to *to, uint8_t **out, size_t *len, char *why,
		   size_t why_size)
{
	char detail[CURL_ERROR_SIZE] = "", full[URL_MAX];
	struct sink sink = { .max = DIR_LIST_MAX };
	_cleanup_(cleanup_curl) CURL *curl = NULL;
	int err = join_url(to->url, "/list", full, why, why_size);

	if (err < 0)
		return err;
	curl = request_new(to, full, &sink, detail);
	if (!curl) {
		snprintf(why, why_size, "%s: out of memory", full);
		return -ENOMEM;
	}
	err = perform(to, curl, full, &sink, detail, why, why_size);
	if (err == 0 && sink.len == 0) {
		snprintf(why, why_size, "%s: the answer is empty", full);
		err = -EBADMSG;
	}
	if (err < 0) {
		free(sink.data);
		return err;
	}
	*out = sink.data;
	*len = sink.len;
	return 0;
}

int dir_http_upload(const struct dir_http_to *to, const uint8_t *data, size_t len, char *why,
		    size_t why_size)
{
	char detail[CURL_ERROR_SIZE] = "", full[URL_MAX];
	struct sink sink = { .max = 16 * ANSWER_MAX };
	_cleanup_(cleanup_headers) struct curl_slist *headers = NULL;
	_cleanup_(cleanup_curl) CURL *curl = NULL;
	int err = join_url(to->url, "/descriptor", full, why, why_size);

	if (err < 0)
		return err;
	curl = request_new(to, full, &sink, detail);
	headers = curl_slist_append(NULL, "Content-Type: application/octet-stream");
	if (!curl || !headers) {
		snprintf(why, why_size, "%s: out of memory", full);
		return -ENOMEM;
	}
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, (const char *)data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	err = perform(to, curl, full, &sink, detail, why, why_size);
	free(sink.data);
	return err;
}
