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

/* Takes LEN octets; a descriptor that came with them goes to *GOT, where there is none yet. */
static int take(int fd, char *data, size_t len, int *got)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c;
	int passed;

	if (n < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(&passed, CMSG_DATA(c), sizeof(int));
		if (*got < 0)
			*got = passed;
		else
			close(passed);
	}
	return (int)n;
}

/* Reads up to the newline that ends the line, and no further. 0 with the length before it. */
static int read_line(int fd, char *line, size_t size, size_t *len, int *got)
{
	size_t used = 0;

	while (used == 0 || line[used - 1] != '\n') {
		const char *end;
		ssize_t n;
		int r;

		if (used == size)
			return -EMSGSIZE;
		n = recv(fd, line + used, size - used, MSG_PEEK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		end = memchr(line + used, '\n', (size_t)n);
		r = take(fd, line + used, end ? (size_t)(end + 1 - line) - used : (size_t)n, got);
		if (r < 0 && r != -EINTR)
			return r;
		used += r < 0 ? 0 : (size_t)r;
	}
	*len = used - 1;
	return 0;
}

static int hear(int fd, json_t **line, int *got)
{
	_cleanup_free_ char *text = malloc(CTL_LINE_MAX);
	json_t *parsed;
	size_t len = 0;
	int err = text ? read_line(fd, text, CTL_LINE_MAX, &len, got) : -ENOMEM;

	if (err < 0)
		return err;
	parsed = json_loadb(text, len, 0, NULL);
	if (!json_is_object(parsed)) {
		json_decref(parsed);
		return -EBADMSG;
	}
	*line = parsed;
	return 0;
}

int ctl_call_pass(int fd, const json_t *request, int pass, json_t **answer, int *got)
{
	_cleanup_close_ int passed = -1;
	int err = send_request(fd, request, pass);

	/* a server that hangs up has said why before */
	if (err < 0 && err != -EPIPE && err != -ECONNRESET)
		return err;
	err = hear(fd, answer, &passed);
	if (err == 0)
		*got = steal_fd(&passed);
	return err;
}

int ctl_call(int fd, const json_t *request, int pass, json_t **answer)
{
	_cleanup_close_ int got = -1;

	return ctl_call_pass(fd, request, pass, answer, &got);
}

int ctl_hear(int fd, json_t **line)
{
	_cleanup_close_ int got = -1;

	return hear(fd, line, &got);
}
