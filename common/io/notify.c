#include "common/io/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/cleanup.h"
#include "common/base/log.h"

/* A name that begins with @ is in the abstract namespace: a NUL stands in its place. */
static int address_of(const char *name, struct sockaddr_un *out, socklen_t *len)
{
	size_t n = strlen(name);

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (name[0] != '/' && name[0] != '@')
		return -EINVAL;
	if (n < 2 || n >= sizeof(out->sun_path))
		return -EINVAL;
	memcpy(out->sun_path, name, n);
	if (name[0] == '@')
		out->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static int send_state(const char *name, const char *state)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	socklen_t len;
	int err = address_of(name, &addr, &len);

	if (err < 0)
		return err;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		return -errno;
	return 0;
}

int notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int err = name ? send_state(name, state) : 0;

	if (err < 0)
		log_warning("cannot tell %s, who started this: %s: %s", name, state, strerror(-err));
	return err;
}
