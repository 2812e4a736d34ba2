#include "ippriv-node/ctl_announce.h"

#include <errno.h>

#include "common/dir/dir_watch.h"
#include "ippriv-node/ctl_publish.h"

struct ctl_announce {
	struct ctl_publish *publish;
	struct dir_watch *watch;
};

static void on_list(void *user, const struct dir_list *list)
{
	struct ctl_announce *a = user;

	ctl_publish_seen(a->publish, list);
}

int ctl_announce_new(struct io_loop *loop, struct node_conf *conf, struct ctl_announce **out)
{
	struct dir_watch_conf watch_conf = { .url = conf->directory, .trust = conf->trust,
					     .refresh = conf->refresh, .list = on_list };
	struct ctl_announce *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	watch_conf.user = a;
	conf->entry.flags |= DIR_FLAG_PSK;
	err = ctl_publish_new(loop, conf, &a->publish);
	if (err == 0)
		err = dir_watch_new(loop, &watch_conf, &a->watch);
	if (err < 0) {
		ctl_announce_free(a);
		return err;
	}
	*out = a;
	return 0;
}

void ctl_announce_free(struct ctl_announce *a)
{
	if (!a)
		return;
	dir_watch_free(a->watch);
	ctl_publish_free(a->publish);
	free(a);
}
