#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/dir/dir_http.h"
#include "ippriv-node/check.h"
#include "ippriv-node/exit_policy.h"

enum {
	HTTP_TIMEOUT = 10, /* seconds */
	DNS_TRIES = 2,
	DNS_WAIT = 2000,   /* milliseconds, each time */
	DNS_PORT = 53,
	DNS_HEAD = 12,     /* RFC 1035 section 4.1.1 */
};

/* Of a list whose signatures are good: where dir_list.h says that it stands. */
static uint64_t published(const uint8_t *list, size_t len)
{
	struct rbuf r = rbuf_init(list, len);

	rbuf_bytes(&r, 5);
	return rbuf_u64(&r);
}

static void check_listed(struct check *check, const struct node_conf *conf,
			 const struct dir_list *list)
{
	const struct dir_entry *own = dir_list_find(list, &conf->key.pub);

	for (size_t i = 0; i < list->count && !own; i++)
		if (addr_equal(&list->entries[i].address, &conf->address)) {
			check_say(check, CHECK_WRONG, "list", "another key has this relay's address, as "
				  "%s: use that key, or wait until the directory forgets it",
				  list->entries[i].nickname);
			return;
		}
	if (own)
		check_say(check, CHECK_OK, "list", "has this relay, as %s, among %zu", own->nickname,
			  list->count);
	else
		check_say(check, CHECK_OK, "list", "has %zu relays; this one comes in when it runs",
			  list->count);
}

/* DATA is verified but for its times, which say something of the clock here. */
static void check_times(struct check *check, const uint8_t *data, size_t len, int err)
{
	uint64_t now = clock_wall(), then = published(data, len);

	if (err == 0)
		check_say(check, CHECK_OK, "clock", "agrees with the list, which is %" PRIu64 " s old",
			  now > then ? now - then : 0);
	else
		check_say(check, CHECK_WRONG, "clock", "is %" PRIu64 " s %s the list's time: set it, or, "
			  "when it is right, tell who runs the directory", now > then ? now - then : then - now,
			  now > then ? "after" : "before");
}

static void check_directory(struct check *check, const struct node_conf *conf)
{
	struct dir_http_to to = { .url = conf->directory, .timeout = HTTP_TIMEOUT,
				  .source = conf->listen };
	_cleanup_free_ uint8_t *data = NULL;
	struct dir_list list = { 0 };
	char why[512];
	size_t len;
	int err = dir_http_fetch(&to, &data, &len, why, sizeof(why));

	if (err < 0) {
		check_say(check, CHECK_WRONG, "directory", "%s; is the URL right, and does a firewall "
			  "let this machine out?", why);
		return;
	}
	err = dir_list_parse(data, len, &conf->trust, clock_wall(), 0, &list);
	if (err < 0 && err != -ESTALE) {
		check_say(check, CHECK_WRONG, "directory", "the list of %s is %s", conf->directory,
			  dir_error_text(err));
		return;
	}
	check_say(check, CHECK_OK, "directory", "%s answers, its list bears the signatures that it needs",
		  conf->directory);
	check_times(check, data, len, err);
	if (err == 0)
		check_listed(check, conf, &list);
	dir_list_fini(&list);
}

const char *check_dns_answer(const uint8_t *answer, size_t len, uint16_t id)
{
	if (len < DNS_HEAD || (answer[0] << 8 | answer[1]) != id || !(answer[2] & 0x80))
		return "answers with something that is no answer; is it a resolver?";
	if ((answer[3] & 0x0f) == 5)
		return "refuses to answer this machine; allow it there, or name another";
	if (!(answer[3] & 0x80))
		return "does not look names up for others; name one that does";
	if (answer[3] & 0x0f)
		return "answers with an error; see its log, or name another";
	return NULL;
}

/* Asks for the root's name servers, which every resolver knows. 0, or -errno. */
static int ask(const struct node_conf *conf, uint16_t id, uint8_t *answer, size_t *len)
{
	const uint8_t query[] = { id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 };
	struct endpoint from = { conf->listen, 0 }, to = { conf->dns, DNS_PORT };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct sockaddr_storage sa;
	socklen_t sa_len;
	ssize_t got;

	sa_len = endpoint_to_sockaddr(&from, &sa);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sa_len) < 0)
		return -errno;
	sa_len = endpoint_to_sockaddr(&to, &sa);
	if (connect(fd, (struct sockaddr *)&sa, sa_len) < 0)
		return -errno;
	for (int i = 0; i < DNS_TRIES; i++) {
		if (send(fd, query, sizeof(query), 0) < 0)
			return -errno;
		if (poll(&wait, 1, DNS_WAIT) <= 0)
			continue;
		got = recv(fd, answer, *len, 0);
		if (got < 0)
			return -errno;
		*len = (size_t)got;
		return 0;
	}
	return -ETIMEDOUT;
}

static void check_resolver(struct check *check, const struct node_conf *conf)
{
	uint8_t answer[1500];
	size_t len = sizeof(answer);
	char text[ADDR_TEXT];
	const char *wrong;
	uint16_t id;
	int err;

	if (conf->dns.family == 0) {
		check_say(check, CHECK_WRONG, "resolver", "clients of this exit cannot resolve names: set "
			  "`dns` to a public resolver");
		return;
	}
	addr_text(&conf->dns, text);
	if (!exit_policy_lets(conf->firewall.rules, conf->firewall.rule_count, &conf->dns,
			      KERN_PROTO_UDP, DNS_PORT)) {
		check_say(check, CHECK_WRONG, "resolver", "exit_policy does not let clients ask it: add "
			  "\"accept udp %s:%d\"", text, DNS_PORT);
		return;
	}
	crypto_random(&id, sizeof(id));
	err = ask(conf, id, answer, &len);
	wrong = err < 0 ? strerror(-err) : check_dns_answer(answer, len, id);
	if (wrong)
		check_say(check, CHECK_WRONG, "resolver", "%s%s%s%s", text, err < 0 ? ": " : " ", wrong,
			  err < 0 ? "; name one that answers this machine as `dns`" : "");
	else
		check_say(check, CHECK_OK, "resolver", "%s answers", text);
}

void check_net(struct check *check, const struct node_conf *conf)
{
	check_directory(check, conf);
	if (conf->firewall.exit)
		check_resolver(check, conf);
}
