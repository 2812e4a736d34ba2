/*
 * Who shares a seat, with seats, connections and a list that are made here. The linker takes these
 * functions instead of the client's own.
 */
#include "ippriv-client/ctl_runs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ippriv-client/ctl_owner.h"
#include "ippriv-client/ctl_session.h"
#include "ippriv-client/ctl_status.h"

enum { CONNS = 12, SEATS = 12 };

struct ctl_conn {
	void *data;
	char said[200]; /* the last line */
	int passed;     /* with it, or -1 */
	size_t lines;
};

struct ctl_circuit {
	uint32_t id;
};

struct ctl_seat {
	struct ctl_seat_conf conf;
	bool has_exit, alive;
	struct ctl_circuit *circuit;
	size_t rotated;
};

static struct ctl_conn conns[CONNS];
static struct ctl_seat seats[SEATS];
static struct ctl_circuit circuit = { 5 };
static size_t seat_count, stock_count; /* circuits to take */
static int owner_error;
static int given[CONNS]; /* descriptors of namespaces */
static struct stat attached_to;
static struct dir_entry entries[2];
static struct dir_list list = { .entries = entries, .count = 2 };
static struct ctl_runs *runs;
static struct io_loop *loop;

int ctl_seat_new(const struct ctl_seat_conf *conf, struct ctl_seat **out)
{
	cr_assert_lt(seat_count, SEATS);
	*out = &seats[seat_count++];
	**out = (struct ctl_seat){ .conf = *conf, .has_exit = conf->exit, .alive = true };
	return 0;
}

void ctl_seat_free(struct ctl_seat *seat)
{
	cr_assert(seat->alive);
	seat->alive = false;
}

struct ctl_circuit *ctl_seat_circuit(const struct ctl_seat *seat)
{
	return seat->circuit;
}

bool ctl_seat_offer(struct ctl_seat *seat)
{
	if (seat->circuit || stock_count == 0)
		return false;
	stock_count--;
	seat->circuit = &circuit;
	seat->conf.ops->seated(seat->conf.user, &circuit);
	return true;
}

void ctl_seat_lost(struct ctl_seat *seat, struct ctl_circuit *c)
{
	cr_assert_eq(seat->circuit, c);
	seat->circuit = NULL;
	seat->conf.ops->empty(seat->conf.user);
}

void ctl_seat_rotate(struct ctl_seat *seat)
{
	seat->rotated++;
}

void *ctl_conn_data(const struct ctl_conn *conn)
{
	return conn->data;
}

void ctl_conn_set_data(struct ctl_conn *conn, void *data)
{
	conn->data = data;
}

void ctl_reply_pass(struct ctl_conn *conn, json_t *answer, int pass)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);

	snprintf(conn->said, sizeof(conn->said), "%s", text);
	conn->passed = pass;
	conn->lines++;
	free(text);
	json_decref(answer);
}

void ctl_reply(struct ctl_conn *conn, json_t *answer)
{
	ctl_reply_pass(conn, answer, -1);
}

void ctl_reply_error(struct ctl_conn *conn, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(conn->said, sizeof(conn->said), fmt, args);
	va_end(args);
	conn->passed = -1;
	conn->lines++;
}

int ctl_owner_check(int fd, uid_t uid)
{
	(void)fd, (void)uid;
	return owner_error;
}

void ctl_circuit_info(const struct ctl_circuit *c, struct ctl_circuit_info *out)
{
	*out = (struct ctl_circuit_info){ .id = c->id };
}

int ctl_circuit_attach(struct ctl_circuit *c, int fd, unsigned int slot)
{
	(void)c;
	cr_assert_eq(fstat(fd, &attached_to), 0);
	close(fd);
	return slot == 0 ? 0 : -EEXIST;
}

void ctl_status_lease(json_t *object, const struct ike_lease *lease)
{
	(void)object, (void)lease;
}

const struct dir_list *dir_watch_list(const struct dir_watch *watch)
{
	(void)watch;
	return &list;
}

void dir_watch_hurry(struct dir_watch *watch)
{
	(void)watch;
}

static void start(void)
{
	struct ctl_runs_conf conf = { .rotate = 9 };

	strcpy(entries[0].nickname, "out");
	entries[0].flags = DIR_FLAG_EXIT;
	strcpy(entries[1].nickname, "middle");
	cr_assert_eq(io_loop_new(&loop), 0);
	conf.loop = loop;
	cr_assert_eq(ctl_runs_new(&conf, &runs), 0);
}

static void leave(struct ctl_conn *c)
{
	struct ctl_session *session = c->data;

	if (session)
		session->closed(session);
	cr_assert_null(c->data);
}

static void end(void)
{
	for (size_t i = 0; i < CONNS; i++)
		leave(&conns[i]);
	for (size_t i = 0; i < seat_count; i++)
		cr_assert_not(seats[i].alive);
	ctl_runs_free(runs);
	io_loop_free(loop);
}

TestSuite(runs_of, .init = start, .fini = end);

/* NAME, EXIT: NULL: not said. Returns what the answer is, so far. */
static const char *attach(size_t conn, uid_t uid, const char *name, const char *exit)
{
	json_t *request = json_pack("{s:s}", "command", "attach");

	if (name)
		json_object_set_new(request, "isolate", json_string(name));
	if (exit)
		json_object_set_new(request, "exit", json_string(exit));
	given[conn] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ctl_runs_attach(runs, &conns[conn], uid, request, given[conn]);
	json_decref(request);
	return conns[conn].said;
}

static const char answered[] = "{\"circuit\":5,\"ok\":true}";

Test(runs_of, one_name_and_user_share)
{
	stock_count = 9;
	cr_assert_str_eq(attach(0, 7, "mail", NULL), answered);
	cr_assert_eq(conns[0].passed, -1);
	cr_assert_str_eq(attach(1, 7, "mail", NULL), answered);
	cr_assert_eq(conns[1].passed, given[0]);
	cr_assert_eq(seat_count, 1);
	cr_assert_str_eq(attach(2, 8, "mail", NULL), answered);
	cr_assert_str_eq(attach(3, 7, "web", NULL), answered);
	cr_assert_str_eq(attach(4, 7, NULL, NULL), answered);
	cr_assert_str_eq(attach(5, 7, NULL, NULL), answered);
	cr_assert_eq(seat_count, 5);
	for (size_t i = 2; i <= 5; i++)
		cr_assert_eq(conns[i].passed, -1);
	cr_assert_eq(seats[0].conf.rotate, 9);
	leave(&conns[0]);
	cr_assert(seats[0].alive);
	leave(&conns[1]);
	cr_assert_not(seats[0].alive);
	cr_assert(seats[1].alive);
	cr_assert_str_eq(attach(0, 7, "mail", NULL), answered);
	cr_assert_eq(seat_count, 6, "the name is free again");
}

Test(runs_of, who_joins_waits_with_the_first)
{
	cr_assert_str_eq(attach(0, 7, "mail", NULL), "");
	cr_assert_str_eq(attach(1, 7, "mail", NULL), "");
	cr_assert_eq(seat_count, 1);
	leave(&conns[0]);
	stock_count = 1;
	ctl_runs_ready(runs);
	cr_assert_str_eq(conns[1].said, answered);
	cr_assert_eq(conns[1].passed, given[0]);
}

Test(runs_of, circuits_go_to_the_namespace_that_came)
{
	const struct ctl_seat_ops *ops;
	struct stat st;

	attach(0, 7, "mail", NULL);
	ops = seats[0].conf.ops;
	cr_assert_eq(fstat(given[0], &st), 0);
	cr_assert_eq(ops->attach(seats[0].conf.user, &circuit, 0), 0);
	cr_assert_eq(attached_to.st_rdev, st.st_rdev);
	cr_assert_eq(fcntl(given[0], F_GETFD), FD_CLOEXEC, "it stays the place's");
	cr_assert_eq(ops->attach(seats[0].conf.user, &circuit, 1), -EEXIST);
}

Test(runs_of, are_told_when_there_is_no_place)
{
	const struct ctl_seat_ops *ops;

	attach(0, 7, "mail", NULL);
	attach(1, 7, "mail", NULL);
	ops = seats[0].conf.ops;
	cr_assert(seats[0].conf.once);
	ops->failed(seats[0].conf.user, &circuit, -EPERM, false);
	cr_assert_str_eq(conns[0].said, "");
	ops->failed(seats[0].conf.user, &circuit, -EEXIST, true);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_str_eq(conns[i].said, "there is an interface ippriv0 in that namespace; "
						"make a new one");
		cr_assert_null(conns[i].data);
	}
	ctl_runs_ready(runs);
	cr_assert_not(seats[0].alive);
}

Test(runs_of, hear_of_other_circuits)
{
	stock_count = 1;
	attach(0, 7, "mail", NULL);
	attach(1, 7, "mail", NULL);
	ctl_runs_lost(&seats[0], &circuit);
	cr_assert_str_eq(conns[0].said, "{\"event\":\"lost\"}");
	cr_assert_str_eq(conns[1].said, conns[0].said);
	cr_assert(strstr(attach(2, 7, "mail", NULL), "try again"));
	stock_count = 1;
	ctl_runs_ready(runs);
	cr_assert_str_eq(conns[0].said, "{\"circuit\":5,\"event\":\"circuit\"}");
	cr_assert_eq(conns[1].lines, 3);
	cr_assert_eq(conns[1].passed, -1);
}

Test(runs_of, exits_are_listed_and_the_same)
{
	stock_count = 9;
	cr_assert_str_eq(attach(0, 7, "a", "out"), answered);
	cr_assert(seats[0].has_exit);
	cr_assert_str_eq(attach(1, 7, "a", "out"), answered);
	cr_assert_str_eq(attach(2, 7, "a", NULL), answered, "as it is");
	cr_assert(strstr(attach(3, 7, "a", "out,other"), "has other exits"));
	cr_assert(strstr(attach(3, 7, NULL, "middle"), "no exit in the relay list"));
	cr_assert(strstr(attach(3, 7, NULL, "nobody"), "--exit names: nobody"));
	cr_assert(strstr(attach(3, 7, NULL, "a b"), "nicknames"));
	cr_assert(strstr(attach(3, 7, "", NULL), "characters"));
	cr_assert(strstr(attach(3, 7, "a\nb", NULL), "characters"));
	cr_assert_eq(seat_count, 1);
	cr_assert_str_eq(attach(3, 7, NULL, NULL), answered);
	cr_assert_not(seats[1].has_exit);
}

Test(runs_of, a_user_has_so_many_seats)
{
	size_t i;

	stock_count = 99;
	for (i = 0; i < CTL_RUNS_SEATS; i++)
		cr_assert_str_eq(attach(i, 7, NULL, NULL), answered);
	cr_assert(strstr(attach(i, 7, NULL, NULL), "you have 6 circuits"));
	cr_assert_str_eq(attach(i, 0, NULL, NULL), answered, "root, and others, have theirs");
	owner_error = -EPERM;
	cr_assert(strstr(attach(i + 1, 8, NULL, NULL), "not yours"));
	owner_error = 0;
	cr_assert_str_eq(attach(i + 1, 8, NULL, NULL), answered);
	cr_assert(strstr(attach(i + 1, 8, NULL, NULL), "open another"));
}

/* Who has fewest comes first, whoever came first. */
Test(runs_of, users_take_turns)
{
	stock_count = 1;
	attach(0, 7, NULL, NULL);
	attach(1, 7, NULL, NULL);
	attach(2, 8, NULL, NULL);
	cr_assert_str_eq(conns[0].said, answered);
	stock_count = 1;
	ctl_runs_ready(runs);
	cr_assert_str_eq(conns[1].said, "");
	cr_assert_str_eq(conns[2].said, answered);
	stock_count = 1;
	ctl_runs_ready(runs);
	cr_assert_str_eq(conns[1].said, answered);
}

Test(runs_of, rotate_for_a_user_or_all)
{
	stock_count = 9;
	attach(0, 7, NULL, NULL);
	attach(1, 8, NULL, NULL);
	cr_assert_eq(ctl_runs_rotate(runs, 7, false), 1);
	cr_assert_eq(ctl_runs_rotate(runs, 0, true), 2);
	cr_assert(seats[0].rotated == 2 && seats[1].rotated == 1);
}
