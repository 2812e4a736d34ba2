#include "directory/daemon.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "common/dir/dir_http.h"

static void pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

const char *daemon_path(const struct daemon *d, const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", d->folder, name);
	return out;
}

void daemon_init(struct daemon *d, const char *extra)
{
	struct crypto_sign_key key;
	char path[128];
	FILE *conf;

	*d = (struct daemon){ .folder = "/tmp/ippriv-directory-XXXXXX" };
	cr_assert_eq(crypto_init(), 0);
	cr_assert_eq(dir_http_init(), 0);
	cr_assert_not_null(mkdtemp(d->folder));
	cr_assert_eq(crypto_key_create(daemon_path(d, "key", path), &key), 0);
	d->authority = key.pub;
	crypto_sign_key_wipe(&key);
	conf = fopen(daemon_path(d, "conf", path), "w");
	cr_assert_not_null(conf);
	fprintf(conf, "listen = \"127.0.0.1:0\"\nidentity = \"%s/key\"\nstate = \"%s/state\"\n%s%s",
		d->folder, d->folder, strstr(extra, "any_source") ? "" : "any_source = true\n", extra);
	cr_assert_eq(fclose(conf), 0);
}

/* The child dies with the test, however that ends. */
static pid_t spawn(char *const args[], int out)
{
	pid_t parent = getpid(), pid = fork();

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(DIRECTORY_PROGRAM, args);
	_exit(127);
}

char *daemon_log(const struct daemon *d)
{
	char path[128], *text = calloc(1, 1 << 20);
	FILE *f = fopen(daemon_path(d, "log", path), "r");

	cr_assert(f && text);
	text[fread(text, 1, (1 << 20) - 1, f)] = '\0';
	fclose(f);
	return text;
}

void daemon_start(struct daemon *d)
{
	char path[128], conf[128], *log = NULL;
	char *const args[] = { "ippriv-directory", "-c", (char *)daemon_path(d, "conf", conf), NULL };
	int fd = open(daemon_path(d, "log", path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const char *at;

	cr_assert_geq(fd, 0);
	d->pid = spawn(args, fd);
	close(fd);
	for (int i = 0; i < 1000; i++) {
		free(log);
		log = daemon_log(d);
		if (strstr(log, "ippriv-directory: ready\n"))
			break;
		cr_assert_eq(waitpid(d->pid, NULL, WNOHANG), 0, "it ended: %s", log);
		pause_ms(10);
	}
	at = strstr(log, "listening on 127.0.0.1:");
	cr_assert_not_null(at, "not ready: %s", log);
	d->port = (uint16_t)atoi(at + strlen("listening on 127.0.0.1:"));
	snprintf(d->url, sizeof(d->url), "http://127.0.0.1:%u", d->port);
	free(log);
}

int daemon_stop(struct daemon *d, int signum)
{
	int status = 0;

	cr_assert_eq(kill(d->pid, signum), 0);
	cr_assert_eq(waitpid(d->pid, &status, 0), d->pid);
	d->pid = 0;
	return status;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void daemon_fini(struct daemon *d)
{
	if (d->pid) {
		int status = daemon_stop(d, SIGTERM);
		char *log = daemon_log(d);

		cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x: %s", status,
			  log);
		free(log);
	}
	cr_assert_eq(nftw(d->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int daemon_run(char *const args[], char *out, size_t size)
{
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = spawn(args, fds[1]);
	close(fds[1]);
	while (used < size - 1 && (n = read(fds[0], out + used, size - 1 - used)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	close(fds[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "%s", out);
	return WEXITSTATUS(status);
}

struct dir_list daemon_list(const struct daemon *d, uint64_t newest)
{
	struct dir_trust trust = { .count = 1, .threshold = 1, .keys = { d->authority } };
	struct dir_http_to to = { .url = d->url, .timeout = 10 };
	struct dir_list list;
	char why[256] = "";
	uint8_t *data;
	size_t len;
	int err;

	cr_assert_eq(dir_http_fetch(&to, &data, &len, why, sizeof(why)), 0, "%s", why);
	err = dir_list_parse(data, len, &trust, (uint64_t)time(NULL), newest, &list);
	cr_assert_eq(err, 0, "%s", dir_error_text(err));
	free(data);
	return list;
}

uint64_t daemon_wait_count(const struct daemon *d, size_t count)
{
	struct dir_list list = { 0 };
	uint64_t published;

	for (int i = 0; i < 50; i++) {
		list = daemon_list(d, list.published);
		if (list.count == count)
			break;
		free(list.entries);
		pause_ms(100);
	}
	cr_assert_eq(list.count, count);
	published = list.published;
	dir_list_fini(&list);
	return published;
}

int daemon_connect(const struct daemon *d, const char *source)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(inet_pton(AF_INET, source, &from.sin_addr), 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(d->port);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

int daemon_ask(const struct daemon *d, const void *request, size_t len)
{
	int fd = daemon_connect(d, "127.0.0.1"), status = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char reply[4096] = "";
	size_t used = 0;
	ssize_t n;

	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = send(fd, (const char *)request + sent, len - sent, MSG_NOSIGNAL);
		if (n < 0)
			break; /* it may answer and close before it has all */
	}
	shutdown(fd, SHUT_WR);
	while (used < sizeof(reply) - 1) {
		cr_assert_eq(poll(&p, 1, 20000), 1, "no answer and no end");
		n = recv(fd, reply + used, sizeof(reply) - 1 - used, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	return sscanf(reply, "HTTP/1.%*1[01] %d", &status) == 1 ? status : 0;
}

int daemon_upload(const struct daemon *d, const uint8_t *data, size_t len, char why[256])
{
	return daemon_upload_from(d, (struct addr){ 0 }, data, len, why);
}

int daemon_upload_from(const struct daemon *d, struct addr source, const uint8_t *data, size_t len,
		       char why[256])
{
	struct dir_http_to to = { .url = d->url, .timeout = 10, .source = source };

	*why = '\0';
	return dir_http_upload(&to, data, len, why, 256);
}

static struct crypto_sign_key relay_key(uint8_t number)
{
	uint8_t seed[CRYPTO_SIGN_SEED];
	struct crypto_sign_key key;

	memset(seed, number, sizeof(seed));
	crypto_sign_key_from_seed(seed, &key);
	return key;
}

struct crypto_pub relay_identity(uint8_t number)
{
	return relay_key(number).pub;
}

/* Four in each /24. */
struct addr relay_address(uint8_t number)
{
	return addr_v4(0xc0000201u + (number / 4u << 8) + number % 4);
}

size_t relay_desc(uint8_t number, uint64_t published, uint32_t bandwidth,
		  uint8_t out[DIR_DESC_MAX])
{
	struct crypto_sign_key key = relay_key(number);
	struct dir_desc d = {
		.published = published,
		.entry = {
			.identity = key.pub,
			.address = relay_address(number),
			.port = 500,
			.bandwidth = bandwidth,
		},
	};
	size_t len;

	snprintf(d.entry.nickname, sizeof(d.entry.nickname), "relay-%u", number);
	cr_assert_eq(dir_desc_build(&d, &key, out, &len), 0);
	return len;
}
