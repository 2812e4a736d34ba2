#include "ippriv-client/ctl_admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/ctl/ctl.h"
#include "ippriv-client/ctl_identity.h"
#include "ippriv-client/ctl_log.h"
#include "ippriv-client/ctl_session.h"
#include "ippriv-client/ctl_status.h"

struct ctl_admin {
	struct io_loop *loop;
	struct ctl_server *server;
	struct ctl_stock *stock; /* NULL: nobody answers yet */
	struct dir_watch *watch;
	struct ctl_host *host;
	struct ctl_runs *runs;
	struct ctl_log *log;
};

/* What a command gets. */
struct request {
	struct ctl_conn *conn;
	uid_t uid;
	json_t *json; /* borrowed */
	int fd;       /* a network namespace that came along, or -1; a command may steal it */
};

static void attach(struct ctl_admin *admin, struct request *request)
{
	ctl_runs_attach(admin->runs, request->conn, request->uid, request->json,
			steal_fd(&request->fd));
}

static void circuits(struct ctl_admin *admin, struct request *request)
{
	ctl_reply(request->conn, ctl_status_circuits(admin->stock, io_loop_now(admin->loop),
						     request->uid));
}

static void new_identity(struct ctl_admin *admin, struct request *request)
{
	ctl_identity_renew(admin->stock, admin->runs, admin->host, io_loop_now(admin->loop),
			   request->conn, request->uid);
}

static void show_log(struct ctl_admin *admin, struct request *request)
{
	ctl_log_request(admin->log, request->conn, request->uid, request->json);
}

static void status(struct ctl_admin *admin, struct request *request)
{
	json_t *answer = ctl_status_build(admin->stock, dir_watch_list(admin->watch),
					  io_loop_now(admin->loop), request->uid);

	json_object_set_new(answer, "host", ctl_host_status(admin->host));
	ctl_reply(request->conn, answer);
}

static void host(struct ctl_admin *admin, struct request *request)
{
	ctl_host_request(admin->host, request->conn, request->uid, request->json);
}

static const struct {
	const char *name;
	void (*run)(struct ctl_admin *admin, struct request *request);
} commands[] = {
	{ "status", status },
	{ "circuits", circuits },
	{ "new-identity", new_identity },
	{ "log", show_log },
	{ "attach", attach },
	{ "up", host },
	{ "down", host },
	{ "lockdown", host },
	{ "exclude", host },
	{ "portal", host },
};

static void refuse_unknown(struct ctl_conn *conn)
{
	char known[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t len = strlen(known);

		snprintf(known + len, sizeof(known) - len, "%s%s", i > 0 ? ", " : "",
			 commands[i].name);
	}
	ctl_reply_error(conn, "unknown command; known are: %s", known);
}

static void on_request(void *user, struct ctl_conn *conn, uid_t uid, json_t *json, int fd)
{
	struct request request = { conn, uid, json, fd };
	const char *name = json_string_value(json_object_get(json, "command"));
	struct ctl_admin *admin = user;
	size_t i = 0;

	while (i < ARRAY_SIZE(commands) && strcmp(commands[i].name, name) != 0)
		i++;
	if (!admin->stock)
		ctl_reply_error(conn, "ippriv-client is still starting; try again");
	else if (i < ARRAY_SIZE(commands))
		commands[i].run(admin, &request);
	else
		refuse_unknown(conn);
	if (request.fd >= 0)
		close(request.fd);
}

static void on_closed(void *user, struct ctl_conn *conn)
{
	struct ctl_session *session = ctl_conn_data(conn);

	(void)user;
	if (session)
		session->closed(session);
}

void ctl_admin_ready(struct ctl_admin *admin)
{
	if (admin->runs)
		ctl_runs_ready(admin->runs);
}

void ctl_admin_lost(void *taker, struct ctl_circuit *circuit)
{
	ctl_runs_lost(taker, circuit);
}

static const struct ctl_handler handler = { .request = on_request, .closed = on_closed };

int ctl_admin_new(struct io_loop *loop, const char *path, struct ctl_admin **out)
{
	struct ctl_admin *admin = calloc(1, sizeof(*admin));
	int r;

	if (!admin)
		return -ENOMEM;
	admin->loop = loop;
	r = ctl_log_new(loop, &admin->log);
	if (r == 0)
		r = ctl_server_new(loop, path, 0666, &handler, admin, &admin->server);
	if (r < 0) {
		ctl_log_free(admin->log);
		free(admin);
		return r;
	}
	*out = admin;
	return 0;
}

int ctl_admin_serve(struct ctl_admin *admin, const struct ctl_runs_conf *conf,
		    struct ctl_host *host)
{
	int r = ctl_runs_new(conf, &admin->runs);

	if (r < 0)
		return r;
	admin->stock = conf->stock;
	admin->watch = conf->watch;
	admin->host = host;
	return 0;
}

void ctl_admin_free(struct ctl_admin *admin)
{
	if (!admin)
		return;
	ctl_server_free(admin->server);
	ctl_runs_free(admin->runs);
	ctl_log_free(admin->log);
	free(admin);
}
