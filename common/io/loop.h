#pragma once
/* Our only view of libuv: one loop, timers, readable descriptors, signals, work threads. */
#include <stdbool.h>
#include <stdint.h>

#include "common/base/cleanup.h"

struct io_loop;
struct io_timer;
struct io_watch;

int io_loop_new(struct io_loop **out) _must_check_;
/*
 * Waits for work under way and calls its DONE (no other callback runs any more), then closes what
 * is still open, the timers and watches too. NULL is fine here and in the other free functions.
 */
void io_loop_free(struct io_loop *loop);
/* 0 after io_loop_stop, -ENODATA when nothing is left that could call back. */
int io_loop_run(struct io_loop *loop);
void io_loop_stop(struct io_loop *loop);
uint64_t io_loop_now(struct io_loop *loop); /* monotonic milliseconds, current */

typedef void (*io_cb)(void *data);

/* One-shot timers; start on a running one moves it. free closes, also inside the callback. */
int io_timer_new(struct io_loop *loop, io_cb cb, void *data, struct io_timer **out) _must_check_;
void io_timer_start(struct io_timer *timer, uint64_t ms);
void io_timer_stop(struct io_timer *timer);
void io_timer_free(struct io_timer *timer);

/*
 * CB whenever FD is readable or hung up or has an error pending: read until -EAGAIN or a result.
 * FD is borrowed and made non-blocking: free the watch before closing it. One watch per FD.
 */
int io_watch_new(struct io_loop *loop, int fd, io_cb cb, void *data,
		 struct io_watch **out) _must_check_;
/* What CB is called for from now on, IO_READ alone at first. 0: for nothing, not even a hang-up. */
enum { IO_READ = 1, IO_WRITE = 2 };
void io_watch_events(struct io_watch *watch, unsigned int events);
void io_watch_free(struct io_watch *watch);

/*
 * CB on SIGINT, SIGTERM and SIGHUP (the terminal has gone; not when it was ignored before, as by
 * nohup). SIGPIPE is ignored.
 */
int io_signals(struct io_loop *loop, io_cb cb, void *data) _must_check_;

/* Runs WORK on a thread, then DONE on the loop. DATA is the caller's until DONE. */
int io_work(struct io_loop *loop, io_cb work, io_cb done, void *data) _must_check_;
