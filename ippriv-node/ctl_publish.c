#include "ippriv-node/ctl_publish.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/dir/dir_http.h"

enum {
	UPLOAD_TIMEOUT = 20,             /* seconds */
	UPLOAD_EVERY = 3600 * 1000,      /* milliseconds */
	UPLOAD_MISSING = 10 * 1000,      /* when the list lacks us */
	RETRY_FIRST = 1000,
	RETRY_MOST = 60000,
};

/* Outlives ctl_publish when an upload is under way. */
struct upload {
	struct ctl_publish *publish; /* NULL: nobody wants it any more */
	char *url;
	struct dir_http_stop *stop;
	struct addr source; /* directories take a descriptor only from the address it names */
	uint8_t data[DIR_DESC_MAX];
	size_t len;
	int err;
	char why[256];
};

struct ctl_publish {
	struct io_loop *loop;
	const struct node_conf *conf;
	struct io_timer *timer;
	struct upload *upload;
	uint64_t last;  /* published time of the last descriptor: they must grow */
	uint32_t retry;
	bool told;      /* the first upload was logged */
};

static void upload_free(struct upload *u)
{
	free(u->url);
	dir_http_stop_free(u->stop);
	free(u);
}

static void upload_work(void *data)
{
	struct upload *u = data;

	struct dir_http_to to = { .url = u->url, .timeout = UPLOAD_TIMEOUT, .source = u->source,
				  .stop = u->stop };

	u->err = dir_http_upload(&to, u->data, u->len, u->why, sizeof(u->why));
}

static void upload_failed(struct ctl_publish *p, const char *why)
{
	log_warning("descriptor not uploaded to %s: %s; next try in %u s", p->conf->directory, why,
		    p->retry / 1000);
	io_timer_start(p->timer, p->retry);
	p->retry = p->retry * 2 > RETRY_MOST ? RETRY_MOST : p->retry * 2;
}

static void upload_done(void *data)
{
	struct upload *u = data;
	struct ctl_publish *p = u->publish;

	if (p) {
		p->upload = NULL;
		if (u->err < 0) {
			upload_failed(p, u->why);
		} else {
			if (!p->told)
				log_info("descriptor uploaded to %s", p->conf->directory);
			p->told = true;
			p->retry = RETRY_FIRST;
			io_timer_start(p->timer, UPLOAD_EVERY);
		}
	}
	upload_free(u);
}

static int upload_fill(struct ctl_publish *p, struct upload *u)
{
	uint64_t now = clock_wall();
	struct dir_desc desc = { .entry = p->conf->entry };

	/* a directory takes growing times only; one far ahead came from a clock that was wrong */
	p->last = now > p->last || p->last - now > DIR_SKEW ? now : p->last + 1;
	desc.published = p->last;
	u->source = p->conf->listen;
	u->url = strdup(p->conf->directory);
	if (!u->url || dir_http_stop_new(&u->stop) < 0)
		return -ENOMEM;
	return dir_desc_build(&desc, &p->conf->key, u->data, &u->len);
}

static void start_upload(void *data)
{
	struct ctl_publish *p = data;
	struct upload *u;
	int err;

	if (p->upload)
		return;
	u = calloc(1, sizeof(*u));
	if (!u) {
		upload_failed(p, strerror(ENOMEM));
		return;
	}
	err = upload_fill(p, u);
	if (err == 0)
		err = io_work(p->loop, upload_work, upload_done, u);
	if (err < 0) {
		upload_free(u);
		upload_failed(p, strerror(-err));
		return;
	}
	u->publish = p;
	p->upload = u;
}

int ctl_publish_new(struct io_loop *loop, const struct node_conf *conf, struct ctl_publish **out)
{
	struct ctl_publish *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->conf = conf;
	p->retry = RETRY_FIRST;
	err = io_timer_new(loop, start_upload, p, &p->timer);
	if (err < 0) {
		free(p);
		return err;
	}
	start_upload(p);
	*out = p;
	return 0;
}

void ctl_publish_free(struct ctl_publish *p)
{
	if (!p)
		return;
	if (p->upload) {
		p->upload->publish = NULL;
		dir_http_stop(p->upload->stop);
	}
	io_timer_free(p->timer);
	free(p);
}

void ctl_publish_seen(struct ctl_publish *p, const struct dir_list *list)
{
	if (p->told && !dir_list_find(list, &p->conf->key.pub)) {
		p->told = false;
		io_timer_start(p->timer, UPLOAD_MISSING);
	}
}
