#include "directory/dir_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "directory/dir_rate.h"

enum {
	SAY_MAX = 256,
	SWALLOW_MAX = 65536,     /* of a body that is too big, so that the answer can be read */
	CONNECTION_MEMORY = 8192,
};

/* An open connection, in the order of coming. */
struct conn {
	int fd; /* libmicrohttpd's */
	uint64_t deadline;
	bool cut;
	struct conn *prev, *next;
};

/* The body of one POST while it comes in. */
struct body {
	size_t len, swallowed;
	uint8_t data[];
};

struct dir_serve {
	struct io_loop *loop;
	struct dir_serve_conf conf;
	struct MHD_Daemon *daemon;
	struct MHD_Response *list;
	struct dir_rate *rate;
	struct io_watch *watch;
	struct io_timer *timer;
	struct conn *conns; /* oldest first; those that were cut are not in it */
	bool closed;        /* a connection was, since libmicrohttpd last ran */
};

struct dir_serve_conf dir_serve_defaults(void)
{
	return (struct dir_serve_conf){
		.connections = 512,
		.per_address = 16,
		.idle = 10,
		.lifetime = 60,
		.requests = 120,
	};
}

int dir_serve_listen(const struct endpoint *local, char *why, size_t size)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(local, &ss);
	_cleanup_close_ int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT];
	int one = 1, err;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (ss.ss_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, SOMAXCONN) == 0)
		return steal_fd(&fd);
	err = -errno;
	endpoint_text(local, text);
	if (err == -EADDRINUSE)
		snprintf(why, size, "cannot listen on %s: the port is in use; stop the program that "
			 "has it (ss -ltnp), or set listen to another port", text);
	else if (err == -EADDRNOTAVAIL)
		snprintf(why, size, "cannot listen on %s: this host does not have that address; set "
			 "listen to one of its own (ip address)", text);
	else
		snprintf(why, size, "cannot listen on %s: %s; set listen to another address or port",
			 text, strerror(-err));
	return err;
}

/* Cuts what has been open for too long; libmicrohttpd sees the end and cleans up. */
static void cut_old(struct dir_serve *s, uint64_t now)
{
	while (s->conns && s->conns->deadline <= now) {
		struct conn *c = s->conns;

		DL_DELETE(s->conns, c);
		c->cut = true;
		shutdown(c->fd, SHUT_RDWR);
	}
}

/* Lets libmicrohttpd work, and comes back when it or a deadline wants it. */
static void pump(void *data)
{
	struct dir_serve *s = data;
	uint64_t now = io_loop_now(s->loop), wait = UINT64_MAX;
	MHD_UNSIGNED_LONG_LONG timeout;

	cut_old(s, now);
	s->closed = false;
	MHD_run(s->daemon);
	if (MHD_get_timeout(s->daemon, &timeout) == MHD_YES)
		wait = timeout;
	/* after its limit it listens again only in the run after a close, and names no timeout */
	if (s->closed)
		wait = 0;
	if (s->conns && s->conns->deadline - now < wait)
		wait = s->conns->deadline - now;
	if (wait == UINT64_MAX)
		io_timer_stop(s->timer);
	else
		io_timer_start(s->timer, wait);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct dir_serve *s = user;
	struct conn *c = *context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c && !c->cut)
			DL_DELETE(s->conns, c);
		free(c);
		*context = NULL;
		s->closed = true;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	c = calloc(1, sizeof(*c));
	if (!info || !c) {
		free(c); /* then only the idle time bounds it */
		return;
	}
	c->fd = info->connect_fd;
	c->deadline = io_loop_now(s->loop) + 1000 * (uint64_t)s->conf.lifetime;
	DL_APPEND(s->conns, c);
	*context = c;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **body,
			 enum MHD_RequestTerminationCode code)
{
	(void)user;
	(void)connection;
	(void)code;
	free(*body);
	*body = NULL;
}

/* One line of plain text; ALLOW names the methods after a 405. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *line, const char *allow)
{
	char text[SAY_MAX + 2];
	int len = snprintf(text, sizeof(text), "%.*s\n", SAY_MAX, line);
	struct MHD_Response *r = MHD_create_response_from_buffer((size_t)len, text,
								 MHD_RESPMEM_MUST_COPY);
	enum MHD_Result done = MHD_NO;

	if (!r)
		return MHD_NO;
	if (MHD_add_response_header(r, "Content-Type", "text/plain") == MHD_YES &&
	    MHD_add_response_header(r, "Connection", "close") == MHD_YES &&
	    (!allow || MHD_add_response_header(r, "Allow", allow) == MHD_YES))
		done = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return done;
}

static enum MHD_Result answer_list(struct dir_serve *s, struct MHD_Connection *connection)
{
	if (!s->list)
		return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			      "there is no list yet; try again in a moment", NULL);
	return MHD_queue_response(connection, MHD_HTTP_OK, s->list);
}

/* The other side's address, without family when it cannot be told. */
static struct addr address_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct endpoint from;

	if (!info || endpoint_from_sockaddr(info->client_addr, &from) < 0)
		return (struct addr){ 0 };
	return from.addr;
}

static bool may_ask(struct dir_serve *s, struct MHD_Connection *connection)
{
	struct addr from = address_of(connection);

	return from.family != 0 && dir_rate_take(s->rate, &from, io_loop_now(s->loop));
}

static enum MHD_Result answer_too_big(struct MHD_Connection *connection)
{
	return answer(connection, MHD_HTTP_CONTENT_TOO_LARGE,
		      "this is too big for a descriptor", NULL);
}

static enum MHD_Result begin_upload(struct dir_serve *s, struct MHD_Connection *connection,
				    void **body)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (length && strtoull(length, NULL, 10) > s->conf.upload_max)
		return answer_too_big(connection);
	*body = calloc(1, sizeof(struct body) + s->conf.upload_max);
	return *body ? MHD_YES : MHD_NO;
}

/* The first call for a request has no BODY yet. */
static enum MHD_Result begin(struct dir_serve *s, struct MHD_Connection *connection,
			     const char *url, const char *method, void **body)
{
	bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	bool post = strcmp(method, "POST") == 0;

	if (!may_ask(s, connection))
		return answer(connection, MHD_HTTP_TOO_MANY_REQUESTS,
			      "too many requests from this address; wait a minute", NULL);
	if (strcmp(url, "/list") == 0)
		return get ? answer_list(s, connection)
			   : answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only", "GET, HEAD");
	if (strcmp(url, "/descriptor") == 0)
		return post ? begin_upload(s, connection, body)
			    : answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST only", "POST");
	return answer(connection, MHD_HTTP_NOT_FOUND,
		      "not here; there are /list and /descriptor", NULL);
}

static enum MHD_Result take_part(const struct dir_serve *s, struct body *b, const char *data,
				 size_t *len)
{
	if (b->swallowed > 0 || *len > s->conf.upload_max - b->len) {
		b->swallowed += *len;
	} else {
		memcpy(b->data + b->len, data, *len);
		b->len += *len;
	}
	*len = 0;
	return b->swallowed > SWALLOW_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *len, void **context)
{
	struct dir_serve *s = user;
	struct body *b = *context;
	char say[SAY_MAX] = "";
	unsigned int status;
	struct addr from;

	(void)version;
	if (!b)
		return begin(s, connection, url, method, context);
	if (*len > 0)
		return take_part(s, b, data, len);
	if (b->swallowed > 0)
		return answer_too_big(connection);
	from = address_of(connection);
	status = s->conf.upload(s->conf.user, &from, b->data, b->len, say, sizeof(say));
	return answer(connection, status, say, NULL);
}

static int start(struct dir_serve *s, int fd)
{
	const union MHD_DaemonInfo *info;
	int err;

	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, s->conf.connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->conf.per_address,
		MHD_OPTION_CONNECTION_TIMEOUT, s->conf.idle,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_END);
	if (!s->daemon) {
		close(fd);
		return -EIO;
	}
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EIO;
	err = io_timer_new(s->loop, pump, s, &s->timer);
	return err < 0 ? err : io_watch_new(s->loop, info->epoll_fd, pump, s, &s->watch);
}

int dir_serve_new(struct io_loop *loop, int fd, const struct dir_serve_conf *conf,
		  struct dir_serve **out)
{
	struct dir_serve *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->loop = loop;
	s->conf = *conf;
	err = dir_rate_new(conf->requests, &s->rate);
	if (err < 0)
		close(fd);
	else
		err = start(s, fd);
	if (err < 0) {
		dir_serve_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void dir_serve_free(struct dir_serve *serve)
{
	if (!serve)
		return;
	io_watch_free(serve->watch);
	io_timer_free(serve->timer);
	if (serve->daemon)
		MHD_stop_daemon(serve->daemon); /* closes the listening socket, tells of each close */
	if (serve->list)
		MHD_destroy_response(serve->list);
	dir_rate_free(serve->rate);
	free(serve);
}

int dir_serve_set_list(struct dir_serve *serve, uint8_t *data, size_t len)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);

	if (!r) {
		free(data);
		return -ENOMEM;
	}
	if (MHD_add_response_header(r, "Content-Type", "application/octet-stream") == MHD_NO ||
	    MHD_add_response_header(r, "Connection", "close") == MHD_NO) {
		MHD_destroy_response(r);
		return -ENOMEM;
	}
	if (serve->list)
		MHD_destroy_response(serve->list);
	serve->list = r;
	return 0;
}
