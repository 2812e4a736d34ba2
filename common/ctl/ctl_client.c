#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "common/ctl/ctl.h"

int ctl_connect(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* One sendmsg; PASS rides on the first byte. */
static ssize_t send_some(int fd, const char *data, size_t len, int pass)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (pass >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(pass));
		memcpy(CMSG_DATA(c), &pass, sizeof(pass));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_request(int fd, const json_t *request, int pass)
{
	_cleanup_free_ char *line = json_dumps(request, JSON_COMPACT);
	size_t len, sent = 0;

	if (!line)
		return -EINVAL;
	len = strlen(line);
	if (len + 1 >= CTL_REQUEST_MAX)
		return -EMSGSIZE;
	line[len++] = '\n'; /* in place of the NUL */
	while (sent < len) {
		ssize_t n = send_some(fd, line + sent, len - sent, sent == 0 ? pass : -1);

		if (n < 0)
			return (int)n;
		sent += (size_t)n;
	}
	return 0;
}

/* Reads, but no further than to a newline. As recv. */
static ssize_t recv_line(int fd, char *data, size_t size)
{
	ssize_t n = recv(fd, data, size, MSG_PEEK);
	const char *end = n > 0 ? memchr(data, '\n', (size_t)n) : NULL;

	return n > 0 ? recv(fd, data, end ? (size_t)(end - data) + 1 : (size_t)n, 0) : n;
}

/* Reads up to the newline that ends the answer. 0 with the length before it. */
static int read_line(int fd, char *line, size_t size, size_t *len)
{
	size_t used = 0;

	while (used == 0 || line[used - 1] != '\n') {
		ssize_t n;

		if (used == size)
			return -EMSGSIZE;
		n = recv_line(fd, line + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		used += (size_t)n;
	}
	*len = used - 1;
	return 0;
}

int ctl_call(int fd, const json_t *request, int pass, json_t **answer)
{
	int err = send_request(fd, request, pass);

	/* a server that hangs up has said why before */
	if (err < 0 && err != -EPIPE && err != -ECONNRESET)
		return err;
	return ctl_next(fd, answer);
}

int ctl_next(int fd, json_t **answer)
{
	_cleanup_free_ char *line = malloc(CTL_LINE_MAX);
	json_t *parsed;
	size_t len = 0;
	int err = line ? read_line(fd, line, CTL_LINE_MAX, &len) : -ENOMEM;

	if (err < 0)
		return err;
	parsed = json_loadb(line, len, 0, NULL);
	if (!json_is_object(parsed)) {
		json_decref(parsed);
		return -EBADMSG;
	}
	*answer = parsed;
	return 0;
}
