#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/ctl/ctl_conn.h"

enum { ACCEPT_PAUSE_MS = 200, SWEEP_MS = 1000 };

struct ctl_server {
	struct io_loop *loop;
	const struct ctl_handler *handler;
	void *user;
	struct sockaddr_un addr;
	dev_t dev; /* with INO: the file is ours still */
	ino_t ino;
	int fd;
	struct io_watch *watch;
	struct io_timer *pause;
	struct io_timer *sweep; /* runs while there are connections */
	struct ctl_closer *closer;
	size_t count;
	struct ctl_conn *conns[CTL_CLIENTS_MAX];
};

static void on_gone(void *data, struct ctl_conn *conn)
{
	struct ctl_server *server = data;
	size_t i = 0;

	while (server->conns[i] != conn)
		i++;
	server->conns[i] = server->conns[--server->count];
	server->handler->closed(server->user, conn);
	ctl_conn_free(conn);
}

/* Why a client of UID may not come in; NULL: it may. */
static const char *refusal(const struct ctl_server *server, uid_t uid)
{
	size_t same = 0;

	for (size_t i = 0; i < server->count; i++)
		same += ctl_conn_uid(server->conns[i]) == uid;
	if (uid != 0 && same >= CTL_CLIENTS_USER)
		return "{\"error\":\"this user has too many connections; close some\"}\n";
	if (server->count >= CTL_CLIENTS_MAX - (uid == 0 ? 0 : CTL_CLIENTS_ROOT))
		return "{\"error\":\"too many clients; try again later\"}\n";
	return NULL;
}

static void take_client(struct ctl_server *server, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const char *why;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
		ctl_conn_drop(server->closer, fd);
		return;
	}
	why = refusal(server, peer.uid);
	if (why)
		(void)send(fd, why, strlen(why), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (why || ctl_conn_new(server->loop, fd, peer.uid, server->closer, server->handler,
				server->user, on_gone, server, &server->conns[server->count]) < 0) {
		ctl_conn_drop(server->closer, fd);
		return;
	}
	if (server->count++ == 0)
		io_timer_start(server->sweep, SWEEP_MS);
}

static void on_accept(void *data)
{
	struct ctl_server *server = data;
	int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		take_client(server, fd);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	/* no descriptors or memory: the client stays in the queue, do not spin */
	io_watch_events(server->watch, 0);
	io_timer_start(server->pause, ACCEPT_PAUSE_MS);
}

static void on_sweep(void *data)
{
	struct ctl_server *server = data;
	uint64_t now = io_loop_now(server->loop);

	for (size_t i = 0; i < server->count; i++) {
		uint64_t since = ctl_conn_idle_since(server->conns[i]);

		if (since != UINT64_MAX && since + CTL_IDLE_MS <= now)
			ctl_conn_break(server->conns[i]);
	}
	if (server->count > 0)
		io_timer_start(server->sweep, SWEEP_MS);
}

static void on_pause(void *data)
{
	struct ctl_server *server = data;

	io_watch_events(server->watch, IO_READ);
}

static int set_path(struct sockaddr_un *addr, const char *path)
{
	if (*path == '\0')
		return -EINVAL;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strlen(path) + 1);
	return 0;
}

static int make_directory(const char *path)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) == 0)
		return chmod(dir, 0755) < 0 ? -errno : 0; /* whatever the umask */
	return errno == EEXIST ? 0 : -errno;
}

/* Removes a socket file on which nobody listens. */
static int remove_stale(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int bind_path(int fd, const struct sockaddr_un *addr)
{
	int err;

	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	err = remove_stale(addr);
	if (err < 0)
		return err;
	return bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
}

static int listen_on(struct ctl_server *server, mode_t mode)
{
	const char *path = server->addr.sun_path;
	struct stat st;
	int err = make_directory(path);

	if (err < 0)
		return err;
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->fd < 0)
		return -errno;
	err = bind_path(server->fd, &server->addr);
	if (err < 0)
		return err;
	if (lstat(path, &st) < 0)
		return -errno;
	server->dev = st.st_dev;
	server->ino = st.st_ino;
	/* nobody can connect before listen, so the mode is in force from the first client on */
	if (chmod(path, mode) < 0 || listen(server->fd, CTL_CLIENTS_MAX) < 0)
		return -errno;
	return 0;
}

int ctl_server_new(struct io_loop *loop, const char *path, mode_t mode,
		   const struct ctl_handler *handler, void *user, struct ctl_server **out)
{
	struct ctl_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->handler = handler;
	server->user = user;
	server->fd = -1;
	err = set_path(&server->addr, path);
	if (!err)
		err = ctl_closer_new(&server->closer);
	if (!err)
		err = listen_on(server, mode);
	if (!err)
		err = io_timer_new(loop, on_pause, server, &server->pause);
	if (!err)
		err = io_timer_new(loop, on_sweep, server, &server->sweep);
	if (!err)
		err = io_watch_new(loop, server->fd, on_accept, server, &server->watch);
	if (err < 0) {
		ctl_server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

void ctl_server_free(struct ctl_server *server)
{
	struct stat st;

	if (!server)
		return;
	while (server->count > 0)
		on_gone(server, server->conns[server->count - 1]);
	io_timer_free(server->pause);
	io_timer_free(server->sweep);
	io_watch_free(server->watch);
	if (server->ino && lstat(server->addr.sun_path, &st) == 0 && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		unlink(server->addr.sun_path);
	if (server->fd >= 0)
		close(server->fd);
	ctl_closer_free(server->closer);
	free(server);
}
