/*
 * HTTP over loopback. First byte odd: the rest is what somebody sends to the directory. Even: it
 * is what a server answers to the client that fetches the list, whose body is then parsed. Both
 * libraries parse the protocol; the code around them is ours. A connection's port stays busy for a
 * minute where its end comes first: so uploads end with a reset, and each fetch has an address of
 * its own.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/dir/dir_http.h"
#include "common/dir/dir_list.h"
#include "directory/dir_serve.h"

/* A request that is not whole would be waited for; all is done when nothing has come for a while. */
enum { QUIET_MS = 2, SEND_MAX = 60000 };

/* The directory. */
static struct {
	struct io_loop *loop;
	struct dir_serve *serve;
	struct io_timer *timer;
	struct sockaddr_in at;
	int fd; /* the uploader's */
} directory;

/* A server that answers what it is told, also when it is asked again. */
static struct {
	int fd;
	char url[64];
	pthread_mutex_t lock; /* of what follows */
	uint8_t answer[SEND_MAX];
	size_t len;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void reset(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static int listen_on_loopback(struct sockaddr_in *at)
{
	struct endpoint local = { .addr = addr_v4(INADDR_LOOPBACK) };
	socklen_t len = sizeof(*at);
	char why[256];
	int fd = dir_serve_listen(&local, why, sizeof(why));

	must(fd >= 0 && getsockname(fd, (struct sockaddr *)at, &len) == 0);
	return fd;
}

/* ---- to the directory ---- */

static unsigned int on_upload(void *user, const struct addr *from, const uint8_t *data, size_t len,
			      char *say, size_t size)
{
	struct dir_desc desc;
	int err = dir_desc_parse(data, len, &desc);

	must(!user && addr_to_v4(from) == INADDR_LOOPBACK && len <= DIR_DESC_MAX);
	snprintf(say, size, "%s", err < 0 ? dir_error_text(err) : desc.entry.nickname);
	return err < 0 ? 400 : 200;
}

static void on_timer(void *data)
{
	(void)data;
	io_loop_stop(directory.loop);
}

/* What it answers, until it hangs up. */
static void on_answer(void *data)
{
	char buf[4096];

	(void)data;
	if (recv(directory.fd, buf, sizeof(buf), MSG_DONTWAIT) == 0)
		io_loop_stop(directory.loop);
	else
		io_timer_start(directory.timer, QUIET_MS);
}

static void ask(const uint8_t *data, size_t len)
{
	struct io_watch *watch;

	directory.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(directory.fd >= 0);
	must(connect(directory.fd, (struct sockaddr *)&directory.at, sizeof(directory.at)) == 0);
	if (len > 0)
		(void)send(directory.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	must(io_watch_new(directory.loop, directory.fd, on_answer, NULL, &watch) == 0);
	io_timer_start(directory.timer, QUIET_MS);
	io_loop_run(directory.loop);
	io_watch_free(watch);
	reset(directory.fd);
}

/* ---- from a server ---- */

static void *answer_all(void *data)
{
	char buf[4096];
	int fd;

	(void)data;
	while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (recv(fd, buf, sizeof(buf), 0) > 0) {
			pthread_mutex_lock(&server.lock);
			(void)send(fd, server.answer, server.len, MSG_DONTWAIT | MSG_NOSIGNAL);
			pthread_mutex_unlock(&server.lock);
			shutdown(fd, SHUT_WR);
			while (recv(fd, buf, sizeof(buf), 0) > 0)
				;
		}
		reset(fd);
	}
	return NULL;
}

static void fetch(const uint8_t *data, size_t len)
{
	static uint16_t number;
	struct dir_http_to to = { .url = server.url, .timeout = 2,
				  .source = addr_v4(INADDR_LOOPBACK + 256 * (uint32_t)++number) };
	struct dir_trust trust = { .count = 1, .threshold = 1 };
	_cleanup_free_ uint8_t *body = NULL;
	char why[512] = "";
	struct dir_list list;
	size_t size;
	int err;

	pthread_mutex_lock(&server.lock);
	if (len > 0)
		memcpy(server.answer, data, len);
	server.len = len;
	pthread_mutex_unlock(&server.lock);
	err = dir_http_fetch(&to, &body, &size, why, sizeof(why));
	must(err == 0 || why[0]);
	if (err == 0)
		must(size > 0 && size <= DIR_LIST_MAX &&
		     dir_list_parse(body, size, &trust, 1800000000, 0, &list) < 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct dir_serve_conf conf = dir_serve_defaults();
	struct sockaddr_in at;
	pthread_t thread;
	int fd;

	(void)argc;
	(void)argv;
	conf.requests = 0;
	conf.upload = on_upload;
	conf.upload_max = DIR_DESC_MAX;
	must(crypto_init() == 0 && dir_http_init() == 0 && io_loop_new(&directory.loop) == 0);
	fd = listen_on_loopback(&directory.at);
	must(dir_serve_new(directory.loop, fd, &conf, &directory.serve) == 0);
	must(dir_serve_set_list(directory.serve, (uint8_t *)strdup("list"), 4) == 0);
	must(io_timer_new(directory.loop, on_timer, NULL, &directory.timer) == 0);
	server.fd = listen_on_loopback(&at);
	must(fcntl(server.fd, F_SETFL, 0) == 0); /* waits */
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u", ntohs(at.sin_port));
	must(pthread_create(&thread, NULL, answer_all, NULL) == 0);
	pthread_detach(thread);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > SEND_MAX)
		return 0;
	if (data[0] & 1)
		ask(data + 1, size - 1);
	else
		fetch(data + 1, size - 1);
	return 0;
}
