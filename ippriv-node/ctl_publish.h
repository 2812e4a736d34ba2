#pragma once
/* Uploads this relay's self-signed descriptor to the directory, again and again. */
#include "common/dir/dir_list.h"
#include "common/io/loop.h"
#include "ippriv-node/node_conf.h"

struct ctl_publish;

/* Starts with an upload at once. CONF is borrowed. */
int ctl_publish_new(struct io_loop *loop, const struct node_conf *conf,
		    struct ctl_publish **out) _must_check_;
void ctl_publish_free(struct ctl_publish *publish); /* an upload under way ends at once */
/* A new list came: uploads soon when we are not in it. */
void ctl_publish_seen(struct ctl_publish *publish, const struct dir_list *list);
