#include "common/io/loop.h"

#include <errno.h>
#include <signal.h>
#include <uv.h>

/*
 * Every handle lives in a struct of its own, HANDLE.data points to it. It dies in two steps:
 * uv_close at free, free in the close callback; between the two only libuv holds it.
 */
struct io_loop {
	uv_loop_t uv;
	bool stopped, closing;
};

struct io_timer {
	uv_timer_t uv;
	struct io_loop *loop;
	io_cb cb;
	void *data;
};

struct io_watch {
	uv_poll_t uv;
	struct io_loop *loop;
	int events; /* enum uv_poll_event */
	io_cb cb;
	void *data;
};

struct io_signal {
	uv_signal_t uv;
	io_cb cb;
	void *data;
};

struct io_job {
	uv_work_t uv;
	io_cb work, done;
	void *data;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

int io_loop_new(struct io_loop **out)
{
	struct io_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	err = uv_loop_init(&loop->uv);
	if (err < 0) {
		free(loop);
		return err;
	}
	*out = loop;
	return 0;
}

/*
 * Whoever was told to stop cleans up after the loop, too, and must not be killed there by being told
 * again: libuv gives the signal back its default action. One that comes in between is dropped.
 */
static void stop_signal(uv_signal_t *handle)
{
	int signum = handle->signum;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, signum);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	uv_signal_stop(handle);
	if (signum != 0)
		signal(signum, SIG_IGN);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void stop_one(uv_handle_t *handle, void *unused)
{
	(void)unused;
	if (uv_is_closing(handle))
		return;
	if (handle->type == UV_TIMER)
		uv_timer_stop((uv_timer_t *)handle);
	else if (handle->type == UV_POLL)
		uv_poll_stop((uv_poll_t *)handle);
	else if (handle->type == UV_SIGNAL)
		stop_signal((uv_signal_t *)handle);
}

static void close_one(uv_handle_t *handle, void *unused)
{
	(void)unused;
	close_handle(handle);
}

static void run_dry(struct io_loop *loop)
{
	while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
		;
}

void io_loop_free(struct io_loop *loop)
{
	if (!loop)
		return;
	loop->closing = true;
	uv_walk(&loop->uv, stop_one, NULL);
	run_dry(loop);
	uv_walk(&loop->uv, close_one, NULL);
	run_dry(loop);
	uv_loop_close(&loop->uv);
	free(loop);
}

int io_loop_run(struct io_loop *loop)
{
	while (!loop->stopped)
		if (uv_run(&loop->uv, UV_RUN_DEFAULT) == 0 && !loop->stopped)
			return -ENODATA;
	loop->stopped = false;
	return 0;
}

void io_loop_stop(struct io_loop *loop)
{
	loop->stopped = true;
	uv_stop(&loop->uv);
}

uint64_t io_loop_now(struct io_loop *loop)
{
	uv_update_time(&loop->uv);
	return uv_now(&loop->uv);
}

static void on_timer(uv_timer_t *handle)
{
	struct io_timer *timer = handle->data;

	timer->cb(timer->data);
}

int io_timer_new(struct io_loop *loop, io_cb cb, void *data, struct io_timer **out)
{
	struct io_timer *timer = calloc(1, sizeof(*timer));
	int err;

	if (!timer)
		return -ENOMEM;
	err = uv_timer_init(&loop->uv, &timer->uv);
	if (err < 0) {
		free(timer);
		return err;
	}
	timer->uv.data = timer;
	timer->loop = loop;
	timer->cb = cb;
	timer->data = data;
	*out = timer;
	return 0;
}

void io_timer_start(struct io_timer *timer, uint64_t ms)
{
	if (timer->loop->closing)
		return;
	/* libuv counts from the start of the loop's round, which may be long ago */
	uv_update_time(&timer->loop->uv);
	uv_timer_start(&timer->uv, on_timer, ms, 0);
}

void io_timer_stop(struct io_timer *timer)
{
	uv_timer_stop(&timer->uv);
}

void io_timer_free(struct io_timer *timer)
{
	if (timer)
		close_handle((uv_handle_t *)&timer->uv);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct io_watch *watch = handle->data;

	(void)events;
	/* libuv stops watching after POLLERR; on netlink that is only an overrun to be read */
	if (status < 0)
		uv_poll_start(&watch->uv, watch->events, on_poll);
	watch->cb(watch->data);
}

int io_watch_new(struct io_loop *loop, int fd, io_cb cb, void *data, struct io_watch **out)
{
	struct io_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	err = uv_poll_init(&loop->uv, &watch->uv, fd);
	if (err < 0) {
		free(watch);
		return err;
	}
	watch->uv.data = watch;
	watch->loop = loop;
	watch->cb = cb;
	watch->data = data;
	io_watch_events(watch, IO_READ);
	*out = watch;
	return 0;
}

void io_watch_events(struct io_watch *watch, unsigned int events)
{
	watch->events = (events & IO_READ ? UV_READABLE | UV_DISCONNECT : 0) |
			(events & IO_WRITE ? UV_WRITABLE : 0);
	if (!watch->loop->closing)
		uv_poll_start(&watch->uv, watch->events, on_poll);
}

void io_watch_free(struct io_watch *watch)
{
	if (watch)
		close_handle((uv_handle_t *)&watch->uv);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct io_signal *sig = handle->data;

	(void)signum;
	sig->cb(sig->data);
}

static int watch_signal(struct io_loop *loop, int signum, io_cb cb, void *data)
{
	struct io_signal *sig = calloc(1, sizeof(*sig));
	int err;

	if (!sig)
		return -ENOMEM;
	err = uv_signal_init(&loop->uv, &sig->uv);
	if (err < 0) {
		free(sig);
		return err;
	}
	sig->uv.data = sig;
	sig->cb = cb;
	sig->data = data;
	err = uv_signal_start(&sig->uv, on_signal, signum);
	if (err < 0)
		close_handle((uv_handle_t *)&sig->uv);
	return err;
}

int io_signals(struct io_loop *loop, io_cb cb, void *data)
{
	struct sigaction hup;
	int err;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigaction(SIGHUP, NULL, &hup) < 0)
		return -errno;
	err = watch_signal(loop, SIGINT, cb, data);
	if (err == 0)
		err = watch_signal(loop, SIGTERM, cb, data);
	if (err == 0 && hup.sa_handler != SIG_IGN)
		err = watch_signal(loop, SIGHUP, cb, data);
	return err;
}

static void on_work(uv_work_t *req)
{
	struct io_job *job = req->data;

	job->work(job->data);
}

static void on_done(uv_work_t *req, int status)
{
	struct io_job *job = req->data;
	io_cb done = job->done;
	void *data = job->data;

	(void)status; /* nothing here cancels work */
	free(job);
	done(data);
}

int io_work(struct io_loop *loop, io_cb work, io_cb done, void *data)
{
	struct io_job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->uv.data = job;
	job->work = work;
	job->done = done;
	job->data = data;
	err = uv_queue_work(&loop->uv, &job->uv, on_work, on_done);
	if (err < 0)
		free(job);
	return err;
}
