#include "common/ctl/ctl_closer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct item {
	int fd;
	struct item *next;
};

/* The thread runs while there is something to close; it is the owner once FREED. */
struct ctl_closer {
	pthread_mutex_t lock;
	struct item *first, **last;
	bool running, freed;
};

static void destroy(struct ctl_closer *c)
{
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct item *next_item(struct ctl_closer *c)
{
	struct item *item;
	bool over;

	pthread_mutex_lock(&c->lock);
	item = c->first;
	if (item)
		c->first = item->next;
	if (!c->first)
		c->last = &c->first;
	c->running = item != NULL;
	over = !item && c->freed;
	pthread_mutex_unlock(&c->lock);
	if (over)
		destroy(c);
	return item;
}

static void *run(void *data)
{
	struct item *item;

	while ((item = next_item(data))) {
		close(item->fd);
		free(item);
	}
	return NULL;
}

/* Signals are the loop's: the thread has all of them blocked. */
static bool start(struct ctl_closer *c)
{
	pthread_t thread;
	sigset_t all, before;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&thread, NULL, run, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ok)
		pthread_detach(thread);
	return ok;
}

int ctl_closer_new(struct ctl_closer **out)
{
	struct ctl_closer *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->last = &c->first;
	*out = c;
	return 0;
}

void ctl_closer_free(struct ctl_closer *c)
{
	bool running;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->freed = true;
	running = c->running;
	pthread_mutex_unlock(&c->lock);
	if (!running)
		destroy(c);
}

void ctl_closer_put(struct ctl_closer *c, int fd)
{
	struct item *item = malloc(sizeof(*item));
	bool ok = item;

	if (item) {
		*item = (struct item){ .fd = fd };
		pthread_mutex_lock(&c->lock);
		if (!c->running)
			ok = c->running = start(c);
		if (ok) {
			*c->last = item;
			c->last = &item->next;
		}
		pthread_mutex_unlock(&c->lock);
	}
	if (!ok) {
		free(item);
		close(fd);
	}
}
