/* The HTTP client against a server of one thread that says what each test wants. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/dir/dir_http.h"
#include "common/dir/dir_list.h"

/* As the argument of one call. */
#define to(address, seconds) (&(struct dir_http_to){ .url = (address), .timeout = (seconds) })

struct server {
	int fd;
	struct sockaddr_in from; /* who asked */
	char url[64];
	const char *head;     /* what it answers, then... */
	size_t body;          /* ...that many bytes 'x' */
	unsigned int sleep;   /* seconds before it answers */
	char request[2048];   /* what it was asked */
	size_t request_len;
	pthread_t thread;
};

static void *serve_one(void *data)
{
	struct server *s = data;
	socklen_t from_len = sizeof(s->from);
	int fd = accept(s->fd, (struct sockaddr *)&s->from, &from_len);
	char chunk[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = recv(fd, s->request, sizeof(s->request) - 1, 0);
	s->request_len = n > 0 ? (size_t)n : 0;
	sleep(s->sleep);
	memset(chunk, 'x', sizeof(chunk));
	n = send(fd, s->head, strlen(s->head), MSG_NOSIGNAL);
	for (size_t left = s->body; left > 0 && n > 0; left -= (size_t)n)
		n = send(fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk), MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (recv(fd, chunk, sizeof(chunk), 0) > 0)
		;
	close(fd);
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	cr_assert_eq(dir_http_init(), 0);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(listen(s->fd, 1), 0);
	cr_assert_eq(getsockname(s->fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", ntohs(sin.sin_port));
	cr_assert_eq(pthread_create(&s->thread, NULL, serve_one, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	close(s->fd);
}

/* One fetch of what S answers; expects ERR and WORDS in the line. Its bytes on success. */
static uint8_t *fetch(struct server *s, int err, const char *words, size_t *len)
{
	char why[512] = "";
	uint8_t *data = NULL;

	server_start(s);
	cr_assert_eq(dir_http_fetch(to(s->url, 3), &data, len, why, sizeof(why)), err, "%s", why);
	if (err < 0) {
		cr_assert_not_null(strstr(why, s->url), "%s", why);
		cr_assert_not_null(strstr(why, words), "%s", why);
		cr_assert_null(strchr(why, '\n'), "%s", why);
		cr_assert_null(data);
	}
	server_stop(s);
	return data;
}

Test(dir_http, fetch_asks_little_and_takes_all)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
			    .body = DIR_LIST_MAX };
	size_t len;
	uint8_t *data = fetch(&s, 0, NULL, &len);

	cr_assert_eq(len, DIR_LIST_MAX);
	cr_assert(data[0] == 'x' && data[len - 1] == 'x');
	cr_assert_eq(strncmp(s.request, "GET /list HTTP/1.1\r\nHost: 127.0.0.1:", 36), 0, "%s",
		     s.request);
	cr_assert_null(strcasestr(s.request, "user-agent"), "%s", s.request);
	cr_assert_null(strcasestr(s.request, "cookie"), "%s", s.request);
	free(data);
}

Test(dir_http, more_than_a_list_may_have_is_cut)
{
	struct server told = { .head = "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
			       .body = 1 << 20 };
	struct server untold = { .head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
				 .body = DIR_LIST_MAX + 1 };
	size_t len;

	fetch(&told, -EFBIG, "bigger than", &len);
	fetch(&untold, -EFBIG, "bigger than", &len);
}

Test(dir_http, answers_that_are_no_list)
{
	struct server missing = { .head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
					  "no\033[31m such thing\nsecond line" };
	struct server moved = { .head = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
					"Content-Length: 0\r\n\r\n" };
	struct server empty = { .head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" };
	struct server cut = { .head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
			      .body = 99 };
	struct server junk = { .head = "220 mail.example ESMTP\r\n" };
	struct server nothing = { .head = "" };
	size_t len;

	fetch(&missing, -EREMOTEIO, "404: no", &len);
	fetch(&moved, -EREMOTEIO, "302", &len);
	fetch(&empty, -EBADMSG, "empty", &len);
	fetch(&cut, -EIO, "1 bytes", &len);
	fetch(&junk, -EIO, "", &len);
	fetch(&nothing, -EIO, "Empty reply", &len);
}

Test(dir_http, a_server_that_sleeps)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\n\r\n", .sleep = 2 };
	struct timespec from, to;
	char why[512] = "";
	uint8_t *data;
	size_t len;

	server_start(&s);
	clock_gettime(CLOCK_MONOTONIC, &from);
	cr_assert_eq(dir_http_fetch(to(s.url, 1), &data, &len, why, sizeof(why)), -ETIMEDOUT, "%s",
		     why);
	clock_gettime(CLOCK_MONOTONIC, &to);
	cr_assert_leq(to.tv_sec - from.tv_sec, 2);
	server_stop(&s);
}

Test(dir_http, a_transfer_that_was_stopped_before_it_began)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", .body = 1 };
	struct dir_http_to stopped = { .url = s.url, .timeout = 3 };
	char why[512] = "";
	uint8_t *data = NULL;
	size_t len;

	server_start(&s);
	cr_assert_eq(dir_http_stop_new(&stopped.stop), 0);
	dir_http_stop(stopped.stop);
	cr_assert_eq(dir_http_fetch(&stopped, &data, &len, why, sizeof(why)), -ECANCELED);
	cr_assert_null(data);
	dir_http_stop_free(stopped.stop);
	server_stop(&s);
}

/* A label of 64 letters is none, so that nobody is asked. */
#define NO_NAME "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"

Test(dir_http, goes_where_a_name_led_last)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", .body = 7 };
	char url[128], why[512] = "", text[ADDR_TEXT];
	struct addr reached = { 0 };
	struct dir_http_to to = { .url = url, .timeout = 3, .reached = &reached };
	uint8_t *data = NULL;
	size_t len = 0;

	server_start(&s);
	snprintf(url, sizeof(url), "http://" NO_NAME "%s", strrchr(s.url, ':'));
	cr_assert_eq(dir_http_fetch(&to, &data, &len, why, sizeof(why)), -ECONNREFUSED, "%s", why);
	cr_assert_eq(reached.family, 0);
	to.last = addr_v4(INADDR_LOOPBACK);
	cr_assert_eq(dir_http_fetch(&to, &data, &len, why, sizeof(why)), 0, "%s", why);
	server_stop(&s);
	free(data);
	cr_assert_eq(len, 7);
	cr_assert_str_eq(addr_text(&reached, text), "127.0.0.1");
	cr_assert_not_null(strstr(s.request, "Host: " NO_NAME), "the server knows itself by the name");
}

Test(dir_http, upload_posts_the_bytes)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntaken\n" };
	char why[512] = "";

	server_start(&s);
	/* a slash at the end of the URL changes nothing */
	strcat(s.url, "/");
	cr_assert_eq(dir_http_upload(to(s.url, 3), (const uint8_t *)"a\0b", 3, why, sizeof(why)), 0,
		     "%s", why);
	server_stop(&s);
	cr_assert_eq(strncmp(s.request, "POST /descriptor HTTP/1.1\r\n", 27), 0, "%s", s.request);
	cr_assert_not_null(strstr(s.request, "Content-Type: application/octet-stream\r\n"));
	cr_assert_arr_eq(s.request + s.request_len - 7, "\r\n\r\na\0b", 7);
}

Test(dir_http, upload_tells_what_the_server_said)
{
	struct server s = { .head = "HTTP/1.1 400 Bad Request\r\nContent-Length: 8\r\n\r\ntoo old\n" };
	char why[512] = "";

	server_start(&s);
	cr_assert_eq(dir_http_upload(to(s.url, 3), (const uint8_t *)"x", 1, why, sizeof(why)),
		     -EREMOTEIO);
	server_stop(&s);
	cr_assert_not_null(strstr(why, "/descriptor: the server answered 400: too old"), "%s", why);
}

Test(dir_http, connects_from_the_address_it_is_told)
{
	struct server s = { .head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntaken\n" };
	struct dir_http_to from = { .url = s.url, .timeout = 3, .source = addr_v4(0x7f090807) };
	char why[512] = "";

	server_start(&s);
	cr_assert_eq(dir_http_upload(&from, (const uint8_t *)"x", 1, why, sizeof(why)), 0, "%s",
		     why);
	server_stop(&s);
	cr_assert_eq(s.from.sin_addr.s_addr, htonl(0x7f090807));
	/* not an address of this host: it must not fall back to another */
	from.source = addr_v4(0xc0000201);
	server_start(&s);
	cr_assert_lt(dir_http_upload(&from, (const uint8_t *)"x", 1, why, sizeof(why)), 0);
	server_stop(&s);
	cr_assert_not_null(strstr(why, "bind"), "%s", why);
}

Test(dir_http, no_other_schemes_no_nobody)
{
	static const char *const bad[] = { "file:///etc/passwd", "ftp://127.0.0.1", "127.0.0.1:80",
					   "gopher://127.0.0.1", "", "http:/x" };
	char why[512], longest[2048] = "http://";
	uint8_t *data;
	size_t len;

	cr_assert_eq(dir_http_init(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		*why = '\0';
		cr_assert_eq(dir_http_fetch(to(bad[i], 1), &data, &len, why, sizeof(why)), -EINVAL);
		cr_assert_not_null(strstr(why, "http://HOST"), "%s", why);
	}
	memset(longest + 7, 'x', sizeof(longest) - 8);
	cr_assert_eq(dir_http_fetch(to(longest, 1), &data, &len, why, sizeof(why)), -EINVAL);
	cr_assert_eq(dir_http_fetch(to("http://127.0.0.1:1", 1), &data, &len, why, sizeof(why)),
		     -ECONNREFUSED);
	cr_assert_not_null(strstr(why, "http://127.0.0.1:1/list: "), "%s", why);
	/* whatever proxy the environment names */
	setenv("http_proxy", "http://127.0.0.1:2", 1);
	cr_assert_eq(dir_http_upload(to("http://127.0.0.1:1", 1), (uint8_t *)"x", 1, why, sizeof(why)),
		     -ECONNREFUSED);
	cr_assert_not_null(strstr(why, "port 1 "), "%s", why);
}
