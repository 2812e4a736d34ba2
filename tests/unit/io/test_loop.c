#include "common/io/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct state {
	struct io_loop *loop;
	struct io_timer *timers[4];
	struct io_watch *watch;
	char order[16];
	int fds[2];
	int calls;
	atomic_int worked;
};

struct mark {
	struct state *state;
	char name;
	bool last;
};

static struct state *state_new(void)
{
	struct state *s = calloc(1, sizeof(*s));

	cr_assert_not_null(s);
	cr_assert_eq(io_loop_new(&s->loop), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->fds), 0);
	return s;
}

static void state_free(struct state *s)
{
	io_loop_free(s->loop);
	close(s->fds[0]);
	close(s->fds[1]);
	free(s);
}

static void on_mark(void *data)
{
	struct mark *mark = data;

	strncat(mark->state->order, &mark->name, 1);
	if (mark->last)
		io_loop_stop(mark->state->loop);
}

Test(loop, timers_fire_in_order)
{
	struct state *s = state_new();
	struct mark marks[] = { { s, 'a', false }, { s, 'b', false }, { s, 'c', true } };
	uint64_t start;

	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(io_timer_new(s->loop, on_mark, &marks[i], &s->timers[i]), 0);
	start = io_loop_now(s->loop);
	io_timer_start(s->timers[2], 60);
	io_timer_start(s->timers[0], 20);
	io_timer_start(s->timers[1], 40);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_str_eq(s->order, "abc");
	cr_assert_geq(io_loop_now(s->loop) - start, 60u);
	for (size_t i = 0; i < 3; i++)
		io_timer_free(s->timers[i]);
	io_timer_free(NULL);
	state_free(s);
}

Test(loop, restart_moves_and_stop_silences)
{
	struct state *s = state_new();
	struct mark marks[] = { { s, 'a', true }, { s, 'b', false }, { s, 'x', false } };

	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(io_timer_new(s->loop, on_mark, &marks[i], &s->timers[i]), 0);
	io_timer_start(s->timers[0], 5);
	io_timer_start(s->timers[1], 20);
	io_timer_start(s->timers[2], 10);
	io_timer_start(s->timers[0], 60); /* now the last */
	io_timer_stop(s->timers[2]);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_str_eq(s->order, "ba");
	io_timer_start(s->timers[0], 1); /* one-shot, and again after it fired */
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_str_eq(s->order, "baa");
	state_free(s); /* closes the timers */
}

/* A timer counts from the moment of start, not from the start of the loop's round. */
static void busy_then_start(void *data)
{
	struct state *s = data;
	uint64_t start = io_loop_now(s->loop);

	while (io_loop_now(s->loop) < start + 50)
		;
	io_timer_start(s->timers[1], 30);
	s->calls = (int)io_loop_now(s->loop);
}

static void note_delay(void *data)
{
	struct state *s = data;

	s->calls = (int)io_loop_now(s->loop) - s->calls;
	io_loop_stop(s->loop);
}

Test(loop, delay_counts_from_start)
{
	struct state *s = state_new();

	cr_assert_eq(io_timer_new(s->loop, busy_then_start, s, &s->timers[0]), 0);
	cr_assert_eq(io_timer_new(s->loop, note_delay, s, &s->timers[1]), 0);
	io_timer_start(s->timers[0], 1);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_geq(s->calls, 30);
	state_free(s);
}

static void free_all(void *data)
{
	struct state *s = data;

	s->calls++;
	io_timer_free(s->timers[0]); /* the one that runs */
	io_timer_free(s->timers[1]); /* due in the same round */
	io_watch_free(s->watch);
}

Test(loop, free_inside_callback)
{
	struct state *s = state_new();

	cr_assert_eq(io_timer_new(s->loop, free_all, s, &s->timers[0]), 0);
	cr_assert_eq(io_timer_new(s->loop, free_all, s, &s->timers[1]), 0);
	cr_assert_eq(io_watch_new(s->loop, s->fds[0], free_all, s, &s->watch), 0);
	io_timer_start(s->timers[0], 10);
	io_timer_start(s->timers[1], 10);
	/* nothing else is left: the loop ends by itself */
	cr_assert_eq(io_loop_run(s->loop), -ENODATA);
	cr_assert_eq(s->calls, 1);
	state_free(s);
}

static void read_byte(void *data)
{
	struct state *s = data;
	char byte;
	ssize_t n = read(s->fds[0], &byte, 1);

	s->calls++;
	if (n == 1) {
		strncat(s->order, &byte, 1);
	} else if (n == 0) {
		strncat(s->order, ".", 2);
		io_watch_free(s->watch);
		io_loop_stop(s->loop);
	}
}

Test(loop, watch_reads_until_hangup)
{
	struct state *s = state_new();

	cr_assert_eq(io_watch_new(s->loop, s->fds[0], read_byte, s, &s->watch), 0);
	cr_assert_eq(write(s->fds[1], "xyz", 3), 3);
	cr_assert_eq(shutdown(s->fds[1], SHUT_RDWR), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_str_eq(s->order, "xyz.");
	state_free(s);
}

static void count_and_stop(void *data)
{
	struct state *s = data;

	s->calls++;
	io_loop_stop(s->loop);
}

Test(loop, watch_events)
{
	struct state *s = state_new();
	struct mark end = { s, 'e', true };

	cr_assert_eq(io_timer_new(s->loop, on_mark, &end, &s->timers[0]), 0);
	cr_assert_eq(io_watch_new(s->loop, s->fds[0], count_and_stop, s, &s->watch), 0);
	io_timer_start(s->timers[0], 20);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 0, "nothing to read");
	io_watch_events(s->watch, IO_WRITE);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 1, "writable");
	io_watch_events(s->watch, 0);
	cr_assert_eq(write(s->fds[1], "x", 1), 1);
	io_timer_start(s->timers[0], 20);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 1, "paused");
	io_watch_events(s->watch, IO_READ);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 2, "readable");
	cr_assert_lt(io_watch_new(s->loop, s->fds[0], count_and_stop, s, &s->watch), 0);
	state_free(s);
}

/* A pending socket error (as of a netlink overrun) is seen once and the watch lives on. */
static void take_error(void *data)
{
	struct state *s = data;
	char buf[8];
	ssize_t n = recv(s->fds[0], buf, sizeof(buf), MSG_DONTWAIT);

	strncat(s->order, n < 0 && errno == ECONNREFUSED ? "e" : n == 1 ? "d" : "?", 2);
	io_loop_stop(s->loop);
}

Test(loop, watch_survives_socket_errors)
{
	struct state *s = state_new();
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) }, b;
	socklen_t len = sizeof(a);

	for (int i = 0; i < 2; i++) {
		close(s->fds[i]);
		s->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		cr_assert_geq(s->fds[i], 0);
	}
	cr_assert_eq(bind(s->fds[0], (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(bind(s->fds[1], (struct sockaddr *)&a, sizeof(a)), 0);
	cr_assert_eq(getsockname(s->fds[0], (struct sockaddr *)&a, &len), 0);
	cr_assert_eq(getsockname(s->fds[1], (struct sockaddr *)&b, &len), 0);
	close(s->fds[1]);
	cr_assert_eq(connect(s->fds[0], (struct sockaddr *)&b, sizeof(b)), 0);
	cr_assert_eq(send(s->fds[0], "x", 1, 0), 1); /* answered by ICMP port unreachable */
	cr_assert_eq(io_watch_new(s->loop, s->fds[0], take_error, s, &s->watch), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	s->fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(s->fds[1], (struct sockaddr *)&b, sizeof(b)), 0);
	cr_assert_eq(sendto(s->fds[1], "y", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_str_eq(s->order, "ed");
	state_free(s);
}

static void work(void *data)
{
	struct state *s = data;

	usleep(20000);
	atomic_fetch_add(&s->worked, 1);
}

static void work_done(void *data)
{
	struct state *s = data;

	if (++s->calls == 3)
		io_loop_stop(s->loop);
}

Test(loop, work_runs_then_done)
{
	struct state *s = state_new();

	for (int i = 0; i < 3; i++)
		cr_assert_eq(io_work(s->loop, work, work_done, s), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 3);
	cr_assert_eq(atomic_load(&s->worked), 3);
	state_free(s);
}

/* DONE may still use and free its timer when the loop is going down; the timer stays silent. */
static void done_at_the_end(void *data)
{
	struct state *s = data;

	s->calls += 10;
	io_timer_start(s->timers[0], 0);
	io_timer_stop(s->timers[1]);
	io_timer_free(s->timers[1]);
}

Test(loop, free_waits_for_work)
{
	struct state *s = state_new();

	cr_assert_eq(io_timer_new(s->loop, count_and_stop, s, &s->timers[0]), 0);
	cr_assert_eq(io_timer_new(s->loop, count_and_stop, s, &s->timers[1]), 0);
	cr_assert_eq(io_watch_new(s->loop, s->fds[0], count_and_stop, s, &s->watch), 0);
	cr_assert_eq(write(s->fds[1], "x", 1), 1);
	io_timer_start(s->timers[0], 0);
	cr_assert_eq(io_signals(s->loop, count_and_stop, s), 0);
	cr_assert_eq(io_work(s->loop, work, done_at_the_end, s), 0);
	io_loop_free(s->loop);
	s->loop = NULL;
	cr_assert_eq(s->calls, 10, "only DONE was called");
	state_free(s);
}

Test(loop, signals)
{
	struct state *s = state_new();
	struct sigaction action;

	cr_assert_eq(io_signals(s->loop, count_and_stop, s), 0);
	cr_assert_eq(raise(SIGTERM), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(raise(SIGINT), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(raise(SIGHUP), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 3);
	cr_assert_eq(sigaction(SIGPIPE, NULL, &action), 0);
	cr_assert_eq(action.sa_handler, SIG_IGN);
	state_free(s);
}

Test(loop, being_told_again_does_not_kill_who_cleans_up)
{
	struct state *s = state_new();

	cr_assert_eq(io_signals(s->loop, count_and_stop, s), 0);
	cr_assert_eq(raise(SIGINT), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	io_loop_free(s->loop);
	s->loop = NULL;
	cr_assert_eq(raise(SIGTERM), 0);
	cr_assert_eq(s->calls, 1);
	state_free(s);
}

Test(loop, a_hangup_that_was_ignored_still_is)
{
	struct state *s = state_new();

	signal(SIGHUP, SIG_IGN);
	cr_assert_eq(io_signals(s->loop, count_and_stop, s), 0);
	cr_assert_eq(raise(SIGHUP), 0);
	cr_assert_eq(raise(SIGTERM), 0);
	cr_assert_eq(io_loop_run(s->loop), 0);
	cr_assert_eq(s->calls, 1);
	state_free(s);
}

Test(loop, stop_before_run)
{
	struct state *s = state_new();

	cr_assert_eq(io_signals(s->loop, count_and_stop, s), 0);
	io_loop_stop(s->loop);
	cr_assert_eq(io_loop_run(s->loop), 0);
	state_free(s);
}
