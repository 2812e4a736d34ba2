#pragma once
/* A control server in a thread of its own, with a handler that answers as the request says. */
#include <pthread.h>
#include <stdatomic.h>

#include "common/ctl/ctl.h"

struct harness {
	struct io_loop *loop;
	struct io_watch *stop;
	struct io_timer *timer;
	struct ctl_server *server;
	struct ctl_conn *waiting; /* its answer comes from the timer */
	pthread_t thread;
	int stop_pipe[2];
	int fds_before;
	atomic_int requests, closed, dropped;
	char dir[64], path[96];
};

/*
 * Commands: echo (n, uid), later (answers after n ms), fd (tells what came), big (n bytes), close,
 * memory, and others are errors.
 */
extern const struct ctl_handler harness_handler;

int count_fds(void);
/* Everything but the server and the thread. */
void harness_init(struct harness *h);
void *harness_run(void *data); /* the thread; DATA is the harness */
struct harness *harness_start(void);
/*
 * Stops the thread: so many REQUESTS were served (-1: it depends on the timing), so many
 * connections CLOSED once the server is gone, and no descriptor is left.
 */
void harness_end(struct harness *h, int requests, int closed);

/* A connection; reads from it end after five seconds. */
int dial(const struct harness *h);
json_t *call(int fd, const char *command, int n, int pass);
bool is_true(const json_t *answer, const char *key);
void put(int fd, const char *text, size_t len);
void get_line(int fd, char *line, size_t size);
void expect_line(int fd, const char *expected);
void expect_end(int fd);
