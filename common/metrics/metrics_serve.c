#include "common/metrics/metrics_serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>

enum {
	CONNECTIONS = 8,
	IDLE = 5, /* seconds */
	CONNECTION_MEMORY = 4096,
};

struct metrics_serve {
	struct io_loop *loop;
	struct MHD_Daemon *daemon;
	struct MHD_Response *response;
	struct io_watch *watch;
	struct io_timer *timer;
	bool closed; /* a connection was, since libmicrohttpd last ran */
};

const char *metrics_serve_check(const char *value)
{
	struct endpoint at;

	if (endpoint_parse(value, &at) < 0 || at.port == 0)
		return "no address and port; write 127.0.0.1:9500";
	return addr_is_loopback(&at.addr) ? NULL
				     : "not of this host alone; write 127.0.0.1:PORT, and let who may "
				       "read it in by other means";
}

/* Lets libmicrohttpd work, and comes back when it wants to. */
static void pump(void *data)
{
	struct metrics_serve *s = data;
	MHD_UNSIGNED_LONG_LONG wait;

	s->closed = false;
	MHD_run(s->daemon);
	if (s->closed) /* below its limit again it listens only in the next run */
		io_timer_start(s->timer, 0);
	else if (MHD_get_timeout(s->daemon, &wait) == MHD_YES)
		io_timer_start(s->timer, wait);
	else
		io_timer_stop(s->timer);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct metrics_serve *s = user;

	(void)connection;
	(void)context;
	s->closed |= code == MHD_CONNECTION_NOTIFY_CLOSED;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *line)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(line), (void *)line,
								 MHD_RESPMEM_PERSISTENT);
	enum MHD_Result done = r ? MHD_queue_response(connection, status, r) : MHD_NO;

	if (r)
		MHD_destroy_response(r);
	return done;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *len, void **context)
{
	struct metrics_serve *s = user;

	(void)version;
	(void)data;
	(void)context;
	*len = 0;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "not here; there is /metrics\n");
	if (!s->response)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not yet\n");
	return MHD_queue_response(connection, MHD_HTTP_OK, s->response);
}

static int listen_on(const struct endpoint *at)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, &sa);
	_cleanup_close_ int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0 || listen(fd, CONNECTIONS) < 0)
		return -errno;
	return steal_fd(&fd);
}

static int start(struct metrics_serve *s, int fd)
{
	const union MHD_DaemonInfo *info;
	int err;

	s->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
				     MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				     MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
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

int metrics_serve_new(struct io_loop *loop, const struct endpoint *at, struct metrics_serve **out)
{
	struct metrics_serve *s = calloc(1, sizeof(*s));
	int fd, err;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	fd = listen_on(at);
	err = fd < 0 ? fd : start(s, fd);
	if (err < 0) {
		metrics_serve_free(s);
		return err;
	}
	*out = s;
	return 0;
}

void metrics_serve_free(struct metrics_serve *serve)
{
	if (!serve)
		return;
	io_watch_free(serve->watch);
	io_timer_free(serve->timer);
	if (serve->daemon)
		MHD_stop_daemon(serve->daemon); /* closes the listening socket */
	if (serve->response)
		MHD_destroy_response(serve->response);
	free(serve);
}

void metrics_serve_set(struct metrics_serve *serve, struct metrics_text *t)
{
	struct MHD_Response *r;

	if (t->err || !t->text) {
		metrics_fini(t);
		return;
	}
	r = MHD_create_response_from_buffer(t->len, t->text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		metrics_fini(t);
		return;
	}
	*t = (struct metrics_text){ 0 };
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
				    "text/plain; version=0.0.4; charset=utf-8") != MHD_YES) {
		MHD_destroy_response(r);
		return;
	}
	if (serve->response)
		MHD_destroy_response(serve->response);
	serve->response = r;
}
