/* ippriv-directory as a running program, on loopback. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/dir/dir_http.h"
#include "directory/daemon.h"

static uint64_t wall(void)
{
	return (uint64_t)time(NULL);
}

static void expect_refusal(const struct daemon *d, const uint8_t *data, size_t len,
			   const char *status, const char *words)
{
	char why[256];

	cr_assert_eq(daemon_upload(d, data, len, why), -EREMOTEIO, "%s", why);
	cr_assert_not_null(strstr(why, status), "%s", why);
	cr_assert_not_null(strstr(why, words), "%s", why);
	cr_assert_null(strchr(why, '\n'));
}

static void expect_taken(const struct daemon *d, const uint8_t *data, size_t len)
{
	char why[256];

	cr_assert_eq(daemon_upload(d, data, len, why), 0, "%s", why);
}

Test(directory_daemon, what_a_relay_uploads_is_in_the_list_soon)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX];
	struct crypto_pub first = relay_identity(1), none = relay_identity(9);
	struct dir_list list;
	uint64_t before;

	daemon_init(&d, "interval = 3600\n");
	daemon_start(&d);
	before = daemon_wait_count(&d, 0);
	expect_taken(&d, desc, relay_desc(1, wall(), 100, desc));
	expect_taken(&d, desc, relay_desc(2, wall(), 100, desc));
	cr_assert_gt(daemon_wait_count(&d, 2), before);
	/* new values of a relay come as soon */
	expect_taken(&d, desc, relay_desc(1, wall() + 1, 200, desc));
	for (int i = 0; i < 50; i++) {
		list = daemon_list(&d, before);
		if (dir_list_find(&list, &first)->bandwidth == 200)
			break;
		dir_list_fini(&list);
		usleep(100000);
	}
	cr_assert_eq(dir_list_find(&list, &first)->bandwidth, 200);
	cr_assert_str_eq(dir_list_find(&list, &first)->nickname, "relay-1");
	cr_assert_null(dir_list_find(&list, &none));
	cr_assert_eq(list.valid_until, list.published + 3 * 3600);
	dir_list_fini(&list);
	daemon_fini(&d);
}

Test(directory_daemon, invalid_uploads_are_refused_with_a_line)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX + 1] = { 0 }, random[DIR_DESC_MAX];
	size_t len;

	daemon_init(&d, "");
	daemon_start(&d);
	len = relay_desc(1, wall(), 100, desc);
	expect_refusal(&d, desc, len - 1, "400", "truncated");
	expect_refusal(&d, desc, 0, "400", "truncated");
	desc[20] ^= 1;
	expect_refusal(&d, desc, len, "400", "not validly signed");
	desc[20] ^= 1;
	expect_refusal(&d, desc, len + 1, "400", "malformed");
	crypto_random(random, sizeof(random));
	expect_refusal(&d, random, sizeof(random), "400", "malformed");
	len = relay_desc(1, wall() + 600, 100, desc);
	expect_refusal(&d, desc, len, "400", "in the future");
	len = relay_desc(1, wall() - 3 * 3600 - 1, 100, desc);
	expect_refusal(&d, desc, len, "400", "old");
	daemon_wait_count(&d, 0);
	expect_taken(&d, desc, relay_desc(1, wall() + 240, 100, desc));
	daemon_wait_count(&d, 1);
	daemon_fini(&d);
}

Test(directory_daemon, replays_are_refused)
{
	struct daemon d;
	uint8_t old[DIR_DESC_MAX], new[DIR_DESC_MAX];
	size_t old_len, new_len;

	daemon_init(&d, "");
	daemon_start(&d);
	old_len = relay_desc(1, wall() - 10, 100, old);
	new_len = relay_desc(1, wall(), 200, new);
	expect_taken(&d, old, old_len);
	expect_taken(&d, new, new_len);
	expect_refusal(&d, old, old_len, "400", "not newer");
	expect_refusal(&d, new, new_len, "400", "not newer");
	/* also after a crash */
	cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
	daemon_start(&d);
	expect_refusal(&d, old, old_len, "400", "not newer");
	expect_refusal(&d, new, new_len, "400", "not newer");
	daemon_fini(&d);
}

Test(directory_daemon, only_configured_relays)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX];
	struct crypto_pub first = relay_identity(1);
	char hex[CRYPTO_HEX], extra[128];

	snprintf(extra, sizeof(extra), "relays = { \"%s\" }\n", crypto_hex(first.bytes, hex));
	daemon_init(&d, extra);
	daemon_start(&d);
	expect_refusal(&d, desc, relay_desc(2, wall(), 1, desc), "403", "configured relays only");
	expect_taken(&d, desc, relay_desc(1, wall(), 1, desc));
	daemon_wait_count(&d, 1);
	daemon_fini(&d);
}

Test(directory_daemon, who_is_taken_out_of_relays_is_out)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX];
	struct crypto_pub second = relay_identity(2);
	char hex[CRYPTO_HEX], path[128];
	struct dir_list list;
	FILE *conf;

	daemon_init(&d, "");
	daemon_start(&d);
	expect_taken(&d, desc, relay_desc(1, wall(), 1, desc));
	expect_taken(&d, desc, relay_desc(2, wall(), 1, desc));
	daemon_wait_count(&d, 2);
	cr_assert_eq(daemon_stop(&d, SIGTERM), 0);
	conf = fopen(daemon_path(&d, "conf", path), "a");
	cr_assert_not_null(conf);
	fprintf(conf, "relays = { \"%s\" }\n", crypto_hex(second.bytes, hex));
	cr_assert_eq(fclose(conf), 0);
	daemon_start(&d);
	list = daemon_list(&d, 0); /* the first one, signed before it was ready */
	cr_assert_eq(list.count, 1);
	cr_assert_str_eq(list.entries[0].nickname, "relay-2");
	dir_list_fini(&list);
	daemon_fini(&d);
}

/* A network of our own where lo has 192.0.2.0/24, too. Whether this machine lets us. */
static bool own_network(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING };
	struct ifreq more = { .ifr_name = "lo:1" }, mask = { .ifr_name = "lo:1" };
	int fd;

	if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	sin.sin_addr.s_addr = htonl(0xc0000201);
	memcpy(&more.ifr_addr, &sin, sizeof(sin));
	sin.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&mask.ifr_netmask, &sin, sizeof(sin));
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	cr_assert_eq(ioctl(fd, SIOCSIFADDR, &more), 0);
	cr_assert_eq(ioctl(fd, SIOCSIFNETMASK, &mask), 0);
	close(fd);
	return true;
}

Test(directory_daemon, one_host_has_one_place)
{
	struct addr first = relay_address(0), second = relay_address(1);
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX];
	char why[256];
	size_t len;

	if (!own_network())
		cr_skip_test("no network namespaces here");
	daemon_init(&d, "any_source = false\n");
	daemon_start(&d);
	len = relay_desc(1, wall(), 1, desc);
	expect_refusal(&d, desc, len, "403", "names 192.0.2.2 but came from another address");
	cr_assert_eq(daemon_upload_from(&d, first, desc, len, why), -EREMOTEIO);
	cr_assert_not_null(strstr(why, "403"), "%s", why);
	cr_assert_eq(daemon_upload_from(&d, second, desc, len, why), 0, "%s", why);
	len = relay_desc(0, wall(), 1, desc);
	cr_assert_eq(daemon_upload_from(&d, second, desc, len, why), -EREMOTEIO);
	cr_assert_eq(daemon_upload_from(&d, first, desc, len, why), 0, "%s", why);
	daemon_wait_count(&d, 2);
	daemon_fini(&d);
}

static int ask_text(const struct daemon *d, const char *request)
{
	return daemon_ask(d, request, strlen(request));
}

/* A POST in chunks of 4 KiB, COUNT of them: its length is not told beforehand. */
static int ask_chunked(const struct daemon *d, size_t count)
{
	static const char head[] = "POST /descriptor HTTP/1.1\r\nHost: x\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	size_t size = sizeof(head) + count * (6 + 4096 + 2) + 16, used = 0;
	char *text = malloc(size);
	int status;

	used += (size_t)sprintf(text, "%s", head);
	for (size_t i = 0; i < count; i++) {
		used += (size_t)sprintf(text + used, "1000\r\n");
		memset(text + used, 'x', 4096);
		memcpy(text + used + 4096, "\r\n", 2);
		used += 4098;
	}
	used += (size_t)sprintf(text + used, "0\r\n\r\n");
	status = daemon_ask(d, text, used);
	free(text);
	return status;
}

Test(directory_daemon, http_answers)
{
	struct daemon d;
	char big[2048];
	int status;

	daemon_init(&d, "");
	daemon_start(&d);
	cr_assert_eq(ask_text(&d, "GET /list HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	cr_assert_eq(ask_text(&d, "GET /list HTTP/1.0\r\n\r\n"), 200);
	cr_assert_eq(ask_text(&d, "HEAD /list HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	cr_assert_eq(ask_text(&d, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
	cr_assert_eq(ask_text(&d, "GET /list/ HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
	cr_assert_eq(ask_text(&d, "GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
	cr_assert_eq(ask_text(&d, "DELETE /list HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
	cr_assert_eq(ask_text(&d, "POST /list HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"),
		     405);
	cr_assert_eq(ask_text(&d, "GET /descriptor HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
	status = snprintf(big, sizeof(big), "POST /descriptor HTTP/1.1\r\nHost: x\r\n"
			  "Content-Length: %d\r\n\r\n%0*d", DIR_DESC_MAX + 1, DIR_DESC_MAX + 1, 0);
	cr_assert_eq(daemon_ask(&d, big, (size_t)status), 413);
	cr_assert_eq(ask_text(&d, "POST /descriptor HTTP/1.1\r\nHost: x\r\n"
				  "Content-Length: 99999999999999999999999\r\n\r\n"), 413);
	cr_assert_eq(ask_chunked(&d, 2), 413);
	/* more than it cares to read: cut without an answer */
	status = ask_chunked(&d, 4096);
	cr_assert(status == 0 || status == 413, "%d", status);
	cr_assert_eq(ask_text(&d, "GET /list HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	daemon_fini(&d);
}

Test(directory_daemon, garbage_does_no_harm)
{
	struct daemon d;
	uint8_t junk[4096];

	daemon_init(&d, "requests_per_minute = 0\n");
	daemon_start(&d);
	for (int i = 0; i < 100; i++) {
		size_t len = 32 + crypto_random_below(sizeof(junk) - 31);
		int fd;

		crypto_random(junk, len);
		if (i % 2)
			memcpy(junk, "POST /descriptor HTTP/1.1\r\n", 27);
		if (i % 4 < 2) {
			memcpy(junk + len - 4, "\r\n\r\n", 4);
			cr_assert_neq(daemon_ask(&d, junk, len), 200);
			continue;
		}
		fd = daemon_connect(&d, "127.0.0.1");
		cr_assert_eq(send(fd, junk, len, MSG_NOSIGNAL), (ssize_t)len);
		close(fd);
	}
	cr_assert_neq(ask_text(&d, ""), 200);
	daemon_wait_count(&d, 0);
	daemon_fini(&d);
}

/* Opens COUNT connections from addresses 127.HIGH.0.1 on, PER each, with half a request. */
static void open_slow(const struct daemon *d, int *fds, size_t count, size_t per, int high)
{
	static const char half[] = "GET /list HTTP/1.1\r\nX-Slow: ";
	char source[32];

	for (size_t i = 0; i < count; i++) {
		snprintf(source, sizeof(source), "127.%d.%zu.%zu", high, i / per / 200,
			 1 + i / per % 200);
		fds[i] = daemon_connect(d, source);
		/* a connection over the limit may be closed already */
		(void)!send(fds[i], half, sizeof(half) - 1, MSG_NOSIGNAL);
	}
}

/* How many of COUNT are still open on the other side. Closes them. */
static size_t close_slow(const int *fds, size_t count)
{
	size_t open = 0;
	char c;

	for (size_t i = 0; i < count; i++) {
		open += recv(fds[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
		close(fds[i]);
	}
	return open;
}

Test(directory_daemon, slow_connections_keep_nobody_out, .timeout = 120)
{
	static int one[200], many[200];
	struct daemon d;

	daemon_init(&d, "");
	daemon_start(&d);
	open_slow(&d, one, 200, 200, 1);
	daemon_wait_count(&d, 0);
	open_slow(&d, many, 200, 2, 2);
	daemon_wait_count(&d, 0);
	cr_assert_leq(close_slow(one, 200), 16, "one address may have 16");
	/* nobody may wait for ever: after the idle time of 10 s all are cut */
	sleep(12);
	cr_assert_eq(close_slow(many, 200), 0);
	daemon_wait_count(&d, 0);
	daemon_fini(&d);
}

Test(directory_daemon, one_address_may_ask_so_often)
{
	static const char get[] = "GET /list HTTP/1.1\r\nHost: x\r\n\r\n";
	struct daemon d;

	daemon_init(&d, "requests_per_minute = 3\n");
	daemon_start(&d);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ask_text(&d, get), 200);
	cr_assert_eq(ask_text(&d, get), 429);
	daemon_fini(&d);
}

Test(directory_daemon, relays_that_upload_no_more_drop_out)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX];
	size_t len;

	daemon_init(&d, "interval = 1\ndescriptor_life = 3\n");
	daemon_start(&d);
	len = relay_desc(1, wall(), 1, desc);
	expect_taken(&d, desc, len);
	daemon_wait_count(&d, 1);
	daemon_wait_count(&d, 0);
	expect_refusal(&d, desc, len, "400", "old");
	daemon_fini(&d);
}

static void write_file(const struct daemon *d, const char *name, const void *data, size_t len)
{
	char path[128];
	FILE *f = fopen(daemon_path(d, name, path), "w");

	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

Test(directory_daemon, corrupt_state_is_skipped_with_a_warning)
{
	struct daemon d;
	uint8_t desc[DIR_DESC_MAX], other[DIR_DESC_MAX];
	struct crypto_pub second = relay_identity(2), third = relay_identity(3);
	char hex[CRYPTO_HEX], name[128], junk[500] = "longer than what comes next", *log;
	uint64_t published;
	size_t len;

	daemon_init(&d, "");
	daemon_start(&d);
	expect_taken(&d, desc, relay_desc(1, wall(), 1, desc));
	cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
	len = relay_desc(2, wall(), 1, other);
	snprintf(name, sizeof(name), "state/%s.desc", crypto_hex(second.bytes, hex));
	write_file(&d, name, other, len / 2);
	snprintf(name, sizeof(name), "state/%s.desc", crypto_hex(third.bytes, hex));
	write_file(&d, name, other, len); /* not the third's */
	write_file(&d, "state/x.desc", "", 0);
	write_file(&d, "state/published.new", junk, sizeof(junk));
	write_file(&d, "state/published", "12x\n", 4);
	daemon_start(&d);
	log = daemon_log(&d);
	cr_assert_not_null(strstr(log, "x.desc skipped"), "%s", log);
	cr_assert_not_null(strstr(log, crypto_hex(second.bytes, hex)), "%s", log);
	cr_assert_not_null(strstr(log, crypto_hex(third.bytes, hex)), "%s", log);
	cr_assert_not_null(strstr(log, "published skipped"), "%s", log);
	free(log);
	published = daemon_wait_count(&d, 1);
	cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
	daemon_start(&d);
	log = daemon_log(&d);
	cr_assert_null(strstr(log, "published skipped"), "%s", log);
	free(log);
	cr_assert_gt(daemon_wait_count(&d, 1), published);
	daemon_fini(&d);
}

Test(directory_daemon, a_lists_time_never_goes_back)
{
	struct daemon d;
	uint64_t last, ahead = wall() + 200;
	char text[32];

	daemon_init(&d, "interval = 1\n");
	for (int i = 0; i < 5; i++) {
		uint64_t now;

		daemon_start(&d);
		now = daemon_wait_count(&d, 0);
		if (i > 0)
			cr_assert_gt(now, last);
		last = now;
		cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
	}
	/* as if the clock had been ahead */
	snprintf(text, sizeof(text), "%ju\n", (uintmax_t)ahead);
	write_file(&d, "state/published", text, strlen(text));
	daemon_start(&d);
	cr_assert_gt(daemon_wait_count(&d, 0), ahead);
	daemon_fini(&d);
}

/* State as if the newest list was published then. */
static void write_published(const struct daemon *d, uint64_t published)
{
	char text[32];

	snprintf(text, sizeof(text), "%ju\n", (uintmax_t)published);
	write_file(d, "state/published", text, strlen(text));
}

/* State as if relay NUMBER had uploaded then. Its file's name. */
static void write_desc(const struct daemon *d, uint8_t number, uint64_t published, char name[128])
{
	struct crypto_pub identity = relay_identity(number);
	uint8_t desc[DIR_DESC_MAX];
	char hex[CRYPTO_HEX];
	size_t len = relay_desc(number, published, 1, desc);

	snprintf(name, 128, "state/%s.desc", crypto_hex(identity.bytes, hex));
	write_file(d, name, desc, len);
}

static void expect_no_list(const struct daemon *d, const char *words)
{
	char *log;

	usleep(1500000); /* it tries each second */
	cr_assert_eq(ask_text(d, "GET /list HTTP/1.1\r\nHost: x\r\n\r\n"), 503);
	log = daemon_log(d);
	cr_assert_not_null(strstr(log, words), "%s", log);
	cr_assert_null(strstr(log, "drops out"), "%s", log);
	free(log);
}

/* Nobody can tell a clock that jumped from a long pause; a relay's upload can. */
Test(directory_daemon, a_clock_far_ahead_drops_nobody_before_a_relay_agrees)
{
	uint64_t now = wall(), published;
	char first[128], second[128], path[128], why[256];
	uint8_t desc[DIR_DESC_MAX];
	struct daemon d;
	struct stat st;

	daemon_init(&d, "interval = 1\n");
	cr_assert_eq(mkdir(daemon_path(&d, "state", path), 0700), 0);
	write_published(&d, now - 3 * 3600 - 10);
	write_desc(&d, 1, now - 3 * 3600 - 20, first);
	write_desc(&d, 2, now - 3600, second);
	daemon_start(&d);
	expect_no_list(&d, "s after the last list: no new list before");
	/* old enough to come from a time when all was well: proves nothing */
	expect_taken(&d, desc, relay_desc(3, now - 400, 1, desc));
	expect_no_list(&d, "remove");
	cr_assert_eq(stat(daemon_path(&d, first, path), &st), 0);
	cr_assert_eq(daemon_upload(&d, desc, relay_desc(4, wall(), 1, desc), why), 0, "%s", why);
	for (int i = 0; i < 30 && ask_text(&d, "GET /list HTTP/1.0\r\n\r\n") == 503; i++)
		usleep(100000);
	published = daemon_wait_count(&d, 3);
	cr_assert(published >= now && published <= wall() + 1);
	cr_assert_lt(stat(daemon_path(&d, first, path), &st), 0, "now it is really old");
	/* from here on as always */
	cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
	daemon_start(&d);
	cr_assert_gt(daemon_wait_count(&d, 3), published);
	daemon_fini(&d);
}

Test(directory_daemon, lists_and_descriptors_of_a_wrong_clock_are_got_over)
{
	uint64_t now = wall(), published, year = 365 * 24 * 3600;
	uint8_t desc[DIR_DESC_MAX];
	char name[128], path[128];
	struct daemon d;

	daemon_init(&d, "interval = 1\n");
	cr_assert_eq(mkdir(daemon_path(&d, "state", path), 0700), 0);
	write_published(&d, now + year);
	write_desc(&d, 1, now + year, name); /* it had the same wrong clock */
	daemon_start(&d);
	expect_no_list(&d, "s behind the last list: no new list before");
	expect_taken(&d, desc, relay_desc(1, wall(), 1, desc));
	for (int i = 0; i < 30 && ask_text(&d, "GET /list HTTP/1.0\r\n\r\n") == 503; i++)
		usleep(100000);
	published = daemon_wait_count(&d, 1);
	cr_assert(published >= now && published <= wall() + 1);
	daemon_fini(&d);
}

Test(directory_daemon, without_relays_the_operator_settles_it)
{
	char path[128];
	struct daemon d;

	daemon_init(&d, "interval = 1\n");
	cr_assert_eq(mkdir(daemon_path(&d, "state", path), 0700), 0);
	write_published(&d, wall() - 24 * 3600);
	daemon_start(&d);
	expect_no_list(&d, daemon_path(&d, "state/published, start", path));
	cr_assert_eq(daemon_stop(&d, SIGTERM), 0);
	cr_assert_eq(unlink(daemon_path(&d, "state/published", path)), 0);
	daemon_start(&d);
	daemon_wait_count(&d, 0);
	daemon_fini(&d);
}

/* Uploads without end until the directory goes away: a byte to TOLD for each taken, then to OUT which they were. */
static void upload_storm(const struct daemon *d, uint64_t published, int told, int out)
{
	uint8_t desc[DIR_DESC_MAX];
	uint32_t taken[64] = { 0 };
	char why[256];

	for (uint32_t i = 0;; i++) {
		uint8_t number = (uint8_t)(1 + i % 64);

		if (daemon_upload(d, desc, relay_desc(number, published + i, i, desc), why) < 0)
			break;
		taken[number - 1] = 1;
		if (write(told, "", 1) != 1)
			_exit(1);
	}
	_exit(write(out, taken, sizeof(taken)) == sizeof(taken) ? 0 : 1);
}

Test(directory_daemon, kill_at_any_moment_loses_nothing_taken, .timeout = 120)
{
	struct daemon d;
	uint32_t ever[64] = { 0 };
	size_t want = 0, have;
	struct dir_list list;

	daemon_init(&d, "requests_per_minute = 0\ninterval = 1\n");
	for (int round = 0; round < 10; round++) {
		uint32_t taken[64] = { 0 };
		int fds[2], told[2], status;
		char *log, byte;
		pid_t pid;

		daemon_start(&d);
		list = daemon_list(&d, 0);
		have = list.count;
		dir_list_fini(&list);
		cr_assert_geq(have, want, "round %d: %zu of %zu are left", round, have, want);
		log = daemon_log(&d);
		cr_assert_null(strstr(log, "skipped"), "%s", log);
		free(log);
		cr_assert(pipe(fds) == 0 && pipe(told) == 0);
		pid = fork();
		cr_assert_geq(pid, 0);
		if (pid == 0)
			upload_storm(&d, wall() - 9000 + 800 * (uint64_t)round, told[1], fds[1]);
		for (uint32_t i = 2 + crypto_random_below(20); i > 0; i--)
			cr_assert_eq(read(told[0], &byte, 1), 1);
		usleep(crypto_random_below(20000));
		cr_assert(WIFSIGNALED(daemon_stop(&d, SIGKILL)));
		cr_assert_eq(read(fds[0], taken, sizeof(taken)), sizeof(taken));
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		for (int i = 0; i < 2; i++)
			close(fds[i]), close(told[i]);
		want = 0;
		for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
			want += ever[i] |= taken[i];
	}
	cr_assert_gt(want, 10, "nothing was taken: this tests nothing");
	daemon_fini(&d);
}

static int run_conf(const struct daemon *d, const char *name, bool test, char *out, size_t size)
{
	char path[128];
	char *const args[] = { "ippriv-directory", "-c", (char *)daemon_path(d, name, path),
			       test ? "-t" : NULL, NULL };

	return daemon_run(args, out, size);
}

static void expect_setup_error(const struct daemon *d, const char *name, bool test,
			       const char *words)
{
	char out[4096];
	int status = run_conf(d, name, test, out, sizeof(out));

	cr_assert_eq(status, 2, "%d: %s", status, out);
	cr_assert_not_null(strstr(out, words), "%s", out);
	cr_assert_eq(strchr(out, '\n'), out + strlen(out) - 1, "one line: %s", out);
}

/* A configuration file that holds good lines but LINE in the place of the first. */
static void write_conf(const struct daemon *d, const char *listen, const char *identity,
		       const char *more)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "listen = \"%s\"\nidentity = \"%s/%s\"\n"
			   "state = \"%s/state\"\n%s", listen, d->folder, identity, d->folder, more);

	write_file(d, "bad", text, (size_t)len);
}

Test(directory_daemon, check_mode_points_at_file_and_line)
{
	struct daemon d;
	char out[4096], path[128];
	struct stat st;

	daemon_init(&d, "");
	cr_assert_eq(run_conf(&d, "conf", true, out, sizeof(out)), 0, "%s", out);
	cr_assert_lt(stat(daemon_path(&d, "state", path), &st), 0, "-t makes nothing");
	expect_setup_error(&d, "nothing", true, "/nothing");
	write_conf(&d, "127.0.0.1", "key", "");
	expect_setup_error(&d, "bad", true, "/bad:1: ");
	write_conf(&d, "192.0.2.77:7080", "key", "");
	expect_setup_error(&d, "bad", true, "does not have that address");
	write_conf(&d, "127.0.0.1:0", "none", "");
	expect_setup_error(&d, "bad", true, "/bad:2: ");
	expect_setup_error(&d, "bad", true, "--keygen");
	write_conf(&d, "127.0.0.1:0", "conf", "");
	cr_assert_eq(chmod(daemon_path(&d, "conf", path), 0600), 0);
	expect_setup_error(&d, "bad", true, "is no key file");
	write_conf(&d, "127.0.0.1:0", "key", "intervall = 3\n");
	expect_setup_error(&d, "bad", true, "/bad:4: ");
	write_conf(&d, "127.0.0.1:0", "key", "relays = { \"abc\" }\n");
	expect_setup_error(&d, "bad", true, "/bad:4: ");
	write_conf(&d, "127.0.0.1:0", "key", "list_life = 50\n");
	expect_setup_error(&d, "bad", true, "/bad:4: interval (60) must be less");
	write_conf(&d, "127.0.0.1:0", "key", "descriptor_life = 86401\n");
	expect_setup_error(&d, "bad", true, "/bad:4: ");
	write_file(&d, "bad", "listen = \"127.0.0.1:0\"\n", 23);
	expect_setup_error(&d, "bad", true, "identity");
	cr_assert_eq(chmod(daemon_path(&d, "key", path), 0644), 0);
	expect_setup_error(&d, "conf", true, "chmod 600");
	daemon_fini(&d);
}

Test(directory_daemon, a_port_or_a_state_in_use)
{
	struct daemon d;
	char out[4096], listen[64], path[128];

	daemon_init(&d, "");
	daemon_start(&d);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", d.port);
	write_conf(&d, listen, "key", "");
	cr_assert_eq(run_conf(&d, "bad", true, out, sizeof(out)), 0,
		     "its own running daemon is no error: %s", out);
	expect_setup_error(&d, "bad", false, "the port is in use");
	write_conf(&d, "127.0.0.1:0", "key", "");
	expect_setup_error(&d, "bad", false, "another ippriv-directory works here");
	snprintf(out, sizeof(out), "listen = \"%s\"\nidentity = \"%s/key\"\nstate = \"%s/other\"\n",
		 listen, d.folder, d.folder);
	write_file(&d, "bad", out, strlen(out));
	expect_setup_error(&d, "bad", true, "the port is in use");
	write_file(&d, "file", "", 0);
	snprintf(out, sizeof(out), "listen = \"127.0.0.1:0\"\nidentity = \"%s/key\"\n"
		 "state = \"%s\"\n", d.folder, daemon_path(&d, "file", path));
	write_file(&d, "bad", out, strlen(out));
	expect_setup_error(&d, "bad", true, "/file: ");
	expect_setup_error(&d, "bad", false, "/file: ");
	daemon_fini(&d);
}

Test(directory_daemon, keygen)
{
	struct daemon d;
	struct crypto_sign_key key;
	char out[256], path[128], hex[CRYPTO_HEX];
	char *args[] = { "ippriv-directory", "--keygen", path, NULL };
	struct stat st;

	daemon_init(&d, "");
	daemon_path(&d, "other", path);
	cr_assert_eq(daemon_run(args, out, sizeof(out)), 0, "%s", out);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(crypto_key_load(path, &key), 0);
	cr_assert_eq(strncmp(out, crypto_hex(key.pub.bytes, hex), 64), 0);
	cr_assert_str_eq(out + 64, "\n");
	cr_assert_eq(daemon_run(args, out, sizeof(out)), 2, "it must not overwrite a key");
	cr_assert_not_null(strstr(out, "already"));
	daemon_fini(&d);
}

Test(directory_daemon, logs_no_address_of_a_client)
{
	static const char get[] = "GET /list HTTP/1.1\r\nHost: x\r\n\r\n";
	struct daemon d;
	char *log, c;
	int fd;

	daemon_init(&d, "log_level = debug\n");
	daemon_start(&d);
	fd = daemon_connect(&d, "127.9.8.7");
	cr_assert_eq(send(fd, get, sizeof(get) - 1, 0), sizeof(get) - 1);
	cr_assert_eq(recv(fd, &c, 1, 0), 1);
	close(fd);
	cr_assert_eq(daemon_stop(&d, SIGINT), 0, "SIGINT is a clean stop too");
	log = daemon_log(&d);
	cr_assert_null(strstr(log, "127.9.8.7"), "%s", log);
	cr_assert_not_null(strstr(log, "stopped"), "%s", log);
	free(log);
	daemon_fini(&d);
}
