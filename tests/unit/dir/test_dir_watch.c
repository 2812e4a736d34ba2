/* The watch against a directory of one thread that serves what each test wants. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/dir/dir_http.h"
#include "common/dir/dir_watch.h"
#include "dir/sample.h"

struct fixture {
	int fd;
	char url[64];
	pthread_t thread;
	pthread_mutex_t mutex;
	uint8_t *data; /* what it serves, under the mutex */
	size_t len;
	atomic_uint asked;
	struct io_loop *loop;
	struct io_timer *timer;
	struct dir_watch *watch;
	struct dir_watch_conf conf;
	unsigned int lists; /* how often the watch told of one, */
	const struct dir_list *last;
	uint64_t published; /* and its time */
};

static void answer(struct fixture *f, int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
	char request[2048];

	if (recv(fd, request, sizeof(request), 0) > 0) {
		pthread_mutex_lock(&f->mutex);
		(void)!send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL);
		(void)!send(fd, f->data, f->len, MSG_NOSIGNAL);
		pthread_mutex_unlock(&f->mutex);
		atomic_fetch_add(&f->asked, 1);
	}
	close(fd);
}

static void *serve(void *data)
{
	struct fixture *f = data;
	int fd;

	while ((fd = accept(f->fd, NULL, NULL)) >= 0)
		answer(f, fd);
	return NULL;
}

static uint64_t wall(void)
{
	return (uint64_t)time(NULL);
}

/* From now on it serves a list published at PUBLISHED, fresh for 60 s, valid for three hours. */
static void set_list(struct fixture *f, uint64_t published)
{
	size_t len;
	uint8_t *data = sample_list(published, 1, &len);

	pthread_mutex_lock(&f->mutex);
	free(f->data);
	f->data = data;
	f->len = len;
	pthread_mutex_unlock(&f->mutex);
}

static void on_list(void *user, const struct dir_list *list)
{
	struct fixture *f = user;

	f->lists++;
	f->last = list;
	f->published = list->published;
}

static void on_timer(void *data)
{
	io_loop_stop(data);
}

static void setup(struct fixture *f, uint32_t refresh)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(dir_http_init(), 0);
	pthread_mutex_init(&f->mutex, NULL);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(f->fd, (struct sockaddr *)&sin, len), 0);
	cr_assert_eq(listen(f->fd, 8), 0);
	cr_assert_eq(getsockname(f->fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", ntohs(sin.sin_port));
	cr_assert_eq(io_loop_new(&f->loop), 0);
	cr_assert_eq(io_timer_new(f->loop, on_timer, f->loop, &f->timer), 0);
	f->conf = (struct dir_watch_conf){ .url = f->url, .trust = sample_trust(1, 1),
					   .refresh = refresh, .list = on_list, .user = f };
}

static void serve_lists(struct fixture *f)
{
	cr_assert_eq(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void teardown(struct fixture *f)
{
	dir_watch_free(f->watch);
	io_timer_free(f->timer);
	io_loop_free(f->loop);
	shutdown(f->fd, SHUT_RDWR);
	if (f->thread)
		pthread_join(f->thread, NULL);
	close(f->fd);
	free(f->data);
}

static void start(struct fixture *f)
{
	cr_assert_eq(dir_watch_new(f->loop, &f->conf, &f->watch), 0);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	io_timer_start(f->timer, ms);
	cr_assert_eq(io_loop_run(f->loop), 0);
}

Test(dir_watch, tells_of_a_list_once)
{
	struct fixture f = { 0 };
	uint64_t now = wall();

	setup(&f, 3600);
	set_list(&f, now - 5);
	serve_lists(&f);
	start(&f);
	run_for(&f, 300);
	cr_assert(f.lists == 1 && f.asked == 1, "%u lists, asked %u times", f.lists, f.asked);
	dir_watch_hurry(f.watch);
	run_for(&f, 300);
	cr_assert(f.lists == 1 && f.asked == 2, "%u lists, asked %u times", f.lists, f.asked);
	cr_assert_eq(f.last->entries[0].port, 500, "what it was told of is still there");
	cr_assert_eq(dir_watch_list(f.watch), f.last);
	dir_watch_hurry(f.watch);
	run_for(&f, 3100);
	cr_assert_eq(f.asked, 2, "hurry, but not all the time");
	set_list(&f, now - 4);
	dir_watch_hurry(f.watch);
	run_for(&f, 300);
	cr_assert(f.lists == 2 && f.asked == 3 && f.published == now - 4);
	teardown(&f);
}

Test(dir_watch, a_list_that_is_fresh_no_more_is_not_asked_for_all_the_time)
{
	struct fixture f = { 0 };

	setup(&f, 3600);
	set_list(&f, wall() - 100);
	serve_lists(&f);
	start(&f);
	run_for(&f, 4000);
	cr_assert(f.lists == 1 && f.asked == 1, "%u lists, asked %u times", f.lists, f.asked);
	teardown(&f);
}

Test(dir_watch, looks_each_refresh)
{
	struct fixture f = { 0 };

	setup(&f, 1);
	set_list(&f, wall() - 100);
	serve_lists(&f);
	start(&f);
	run_for(&f, 4500);
	cr_assert(f.lists == 1 && f.asked >= 4 && f.asked <= 6, "asked %u times", f.asked);
	teardown(&f);
}

static uint64_t ms_since(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - from->tv_sec) * 1000 +
			  (now.tv_nsec - from->tv_nsec) / 1000000);
}

/* Fetches for a while, then stops: how many milliseconds that takes. */
static uint64_t stop_while_it_fetches(struct fixture *f)
{
	struct timespec from;

	start(f);
	run_for(f, 400);
	clock_gettime(CLOCK_MONOTONIC, &from);
	dir_watch_free(f->watch);
	f->watch = NULL;
	io_loop_free(f->loop);
	f->loop = NULL;
	f->timer = NULL;
	return ms_since(&from);
}

Test(dir_watch, stops_at_once_while_a_directory_never_answers)
{
	struct fixture f = { 0 };
	uint64_t took;

	setup(&f, 3600); /* the kernel accepts, nobody answers */
	took = stop_while_it_fetches(&f);
	cr_assert_leq(took, 300, "%ju ms", (uintmax_t)took);
	cr_assert_eq(f.lists, 0);
	teardown(&f);
}

Test(dir_watch, stops_at_once_while_a_directory_is_away)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	struct fixture f = { 0 };
	uint64_t took;
	int fds[4];

	setup(&f, 3600);
	/* a full queue: the kernel drops what else wants to connect */
	cr_assert_eq(listen(f.fd, 0), 0);
	cr_assert_eq(getsockname(f.fd, (struct sockaddr *)&sin, &len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		cr_assert_lt(connect(fds[i], (struct sockaddr *)&sin, len), 0);
	}
	took = stop_while_it_fetches(&f);
	cr_assert_leq(took, 300, "%ju ms", (uintmax_t)took);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	teardown(&f);
}

Test(dir_watch, a_bad_list_changes_nothing)
{
	struct fixture f = { 0 };
	uint64_t now = wall();

	setup(&f, 1);
	set_list(&f, now);
	serve_lists(&f);
	start(&f);
	run_for(&f, 300);
	set_list(&f, now - 1);
	run_for(&f, 2500);
	cr_assert(f.lists == 1 && f.asked >= 2);
	cr_assert_eq(dir_watch_list(f.watch)->published, now);
	f.conf.trust = sample_trust(2, 2);
	dir_watch_free(f.watch);
	set_list(&f, now + 1);
	start(&f);
	run_for(&f, 300);
	cr_assert_eq(f.lists, 1);
	cr_assert_null(dir_watch_list(f.watch));
	teardown(&f);
}

Test(dir_watch, remembers_the_newest_over_a_restart)
{
	char path[] = "/tmp/ippriv-watch-XXXXXX";
	struct fixture f = { 0 };
	uint64_t now = wall();
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(unlink(path), 0);
	setup(&f, 3600);
	f.conf.state = path;
	set_list(&f, now);
	serve_lists(&f);
	start(&f);
	run_for(&f, 300);
	dir_watch_free(f.watch);
	set_list(&f, now - 1);
	start(&f);
	run_for(&f, 300);
	cr_assert_eq(f.lists, 1, "an older one is refused");
	dir_watch_free(f.watch);
	set_list(&f, now);
	start(&f);
	run_for(&f, 300);
	cr_assert_eq(f.lists, 2, "the same is good: there is no other yet");
	dir_watch_free(f.watch);
	f.watch = NULL;
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(dir_watch_new(f.loop, &f.conf, &f.watch), -EBADMSG);
	teardown(&f);
	cr_assert_eq(unlink(path), 0);
}

Test(dir_watch, remembers_where_the_directory_was)
{
	char path[] = "/tmp/ippriv-watch-XXXXXX", url[160], said[128] = "";
	struct fixture f = { 0 };
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_geq(dprintf(fd, "1\n"), 0); /* an older version's, without an address */
	setup(&f, 3600);
	f.conf.state = path;
	set_list(&f, wall());
	serve_lists(&f);
	start(&f);
	cr_assert_not(dir_watch_reached(f.watch));
	run_for(&f, 300);
	cr_assert(dir_watch_reached(f.watch));
	dir_watch_free(f.watch);
	close(fd);
	fd = open(path, O_RDONLY);
	cr_assert_gt(read(fd, said, sizeof(said) - 1), 0);
	close(fd);
	cr_assert_not_null(strstr(said, "\n127.0.0.1\n"), "%s", said);
	/* a name that cannot be looked up, with a label of 64 letters */
	snprintf(url, sizeof(url), "http://%064d%s", 0, strrchr(f.conf.url, ':'));
	f.conf.url = url;
	start(&f);
	cr_assert(dir_watch_reached(f.watch));
	run_for(&f, 600);
	cr_assert_eq(f.lists, 2);
	teardown(&f);
	cr_assert_eq(unlink(path), 0);
}

/* A clock that was ahead, at the authority and here: what to do is said, and helps. */
Test(dir_watch, a_newest_list_of_the_future)
{
	char path[] = "/tmp/ippriv-watch-XXXXXX", said[4096];
	struct fixture f = { 0 };
	uint64_t now = wall();
	int fd = mkstemp(path);
	size_t len;

	cr_redirect_stderr();
	cr_assert_geq(dprintf(fd, "%ju\n", (uintmax_t)now + 100000), 0);
	close(fd);
	setup(&f, 3600);
	f.conf.state = path;
	set_list(&f, now);
	serve_lists(&f);
	start(&f);
	run_for(&f, 300);
	cr_assert_eq(f.lists, 0);
	dir_watch_free(f.watch);
	fflush(stderr);
	len = fread(said, 1, sizeof(said) - 1, cr_get_redirected_stderr());
	said[len] = '\0';
	cr_assert_not_null(strstr(said, "s in the future; set this clock"), "%s", said);
	cr_assert_not_null(strstr(said, path), "%s", said);
	cr_assert_eq(unlink(path), 0);
	start(&f);
	run_for(&f, 300);
	cr_assert_eq(f.lists, 1);
	teardown(&f);
	cr_assert_eq(unlink(path), 0);
}
