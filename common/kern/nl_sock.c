#include "common/kern/nl_sock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/kern/nl_attr.h"

enum { BUF_SIZE = 32768, ANSWER_SECONDS = 10, EVENT_RCVBUF = 1 << 22 };

struct nl_sock {
	struct mnl_socket *nl;
	uint32_t seq;
	char text[128];
	size_t pos, have; /* what nl_sock_next has not handed out yet */
	_Alignas(8) uint8_t buf[BUF_SIZE];
};

/* Extended acknowledgements are a help, not a need: failures to ask for them do not count. */
static void set_options(struct nl_sock *s)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	int on = 1;

	(void)mnl_socket_setsockopt(s->nl, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(s->nl, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(nl_sock_fd(s), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

int nl_sock_new(int bus, struct nl_sock **out)
{
	struct nl_sock *s = calloc(1, sizeof(*s));
	int err = 0;

	if (!s)
		return -ENOMEM;
	s->nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!s->nl || mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto out;
	}
	set_options(s);
	*out = s;
	s = NULL;
out:
	nl_sock_free(s);
	return err;
}

void nl_sock_free(struct nl_sock *s)
{
	if (!s)
		return;
	if (s->nl)
		mnl_socket_close(s->nl);
	free(s);
}

int nl_sock_fd(const struct nl_sock *s)
{
	return mnl_socket_get_fd(s->nl);
}

const char *nl_sock_text(const struct nl_sock *s)
{
	return s->text;
}

/* Receives what the kernel (nobody else) sent into S->buf: its length, or -errno. */
static ssize_t receive(struct nl_sock *s, int flags)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		struct iovec iov = { s->buf, sizeof(s->buf) };
		struct msghdr msg = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &iov,
			.msg_iovlen = 1,
		};
		ssize_t n = recvmsg(nl_sock_fd(s), &msg, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (msg.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (msg.msg_namelen == sizeof(from) && from.nl_pid == 0)
			return n;
	}
}

/* One exchange of nl_sock_talk. */
struct talk {
	uint32_t seq, port;
	size_t acks; /* still to come */
	int err;
	int (*each)(const struct nlmsghdr *msg, void *data);
	void *data;
};

static int start_talk(struct talk *t, void *msgs, size_t len)
{
	struct nlmsghdr *nlh = msgs;
	int left = (int)len;

	if (len > INT32_MAX)
		return -EMSGSIZE;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		nlh->nlmsg_seq = t->seq;
		nlh->nlmsg_pid = 0;
		/* The bits of NLM_F_DUMP mean other things in messages that make something. */
		if (nlh->nlmsg_flags == (NLM_F_REQUEST | NLM_F_DUMP) ||
		    nlh->nlmsg_flags & NLM_F_ACK)
			t->acks++;
	}
	return left == 0 && t->acks > 0 ? 0 : -EINVAL;
}

static void keep_text(struct nl_sock *s, const struct nlmsghdr *nlh, const struct nlmsgerr *e)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	size_t offset = sizeof(*e);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len > sizeof(e->msg))
		offset += MNL_ALIGN(e->msg.nlmsg_len - sizeof(e->msg));
	if (mnl_nlmsg_get_payload_len(nlh) < offset ||
	    nl_attr_table(mnl_nlmsg_get_payload_offset(nlh, offset),
			  mnl_nlmsg_get_payload_len(nlh) - offset, tb, ARRAY_SIZE(tb)) < 0 ||
	    nl_attr_get_text(tb[NLMSGERR_ATTR_MSG], s->text, sizeof(s->text)) < 0)
		s->text[0] = '\0';
}

static void set_error(struct talk *t, int err)
{
	if (t->err == 0)
		t->err = err < 0 ? err : -EPROTO;
}

static void on_error(struct nl_sock *s, struct talk *t, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e)) {
		set_error(t, -EBADMSG);
		return;
	}
	if (t->acks > 0)
		t->acks--;
	if (e->error == 0)
		return;
	if (t->err == 0)
		keep_text(s, nlh, e);
	set_error(t, e->error);
}

static void on_done(struct talk *t, const struct nlmsghdr *nlh)
{
	int err = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(err))
		memcpy(&err, mnl_nlmsg_get_payload(nlh), sizeof(err));
	if (t->acks > 0)
		t->acks--;
	if (err < 0)
		set_error(t, err);
}

static void on_message(struct nl_sock *s, struct talk *t, const struct nlmsghdr *nlh)
{
	int err;

	if (nlh->nlmsg_seq != t->seq || nlh->nlmsg_pid != t->port)
		return;
	if (nlh->nlmsg_flags & NLM_F_DUMP_INTR)
		set_error(t, -EINTR);
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		on_error(s, t, nlh);
	} else if (nlh->nlmsg_type == NLMSG_DONE) {
		on_done(t, nlh);
	} else if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && t->each && t->err == 0) {
		err = t->each(nlh, t->data);
		if (err < 0)
			set_error(t, err);
	}
}

/* Reads one datagram of the answer. 0, or -errno when no more can be read. */
static int take_answer(struct nl_sock *s, struct talk *t, int flags)
{
	ssize_t n = receive(s, flags);
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)s->buf;
	int left = (int)n;

	if (n < 0)
		return (int)n;
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
		on_message(s, t, nlh);
	explicit_bzero(s->buf, (size_t)n);
	return 0;
}

int nl_sock_talk(struct nl_sock *s, void *msgs, size_t len,
		 int (*each)(const struct nlmsghdr *msg, void *data), void *data)
{
	struct talk t = {
		.seq = ++s->seq,
		.port = mnl_socket_get_portid(s->nl),
		.each = each,
		.data = data,
	};
	int err = start_talk(&t, msgs, len);

	s->text[0] = '\0';
	if (err < 0)
		return err;
	if (mnl_socket_sendto(s->nl, msgs, len) < 0)
		return -errno;
	while (t.acks > 0 && t.err == 0) {
		err = take_answer(s, &t, 0);
		if (err < 0)
			return err == -EAGAIN ? -ETIMEDOUT : err;
	}
	/* The kernel answers before the send returns: what is left of a failed request is here. */
	while (t.acks > 0 && take_answer(s, &t, MSG_DONTWAIT) == 0)
		;
	return t.err;
}

int nl_sock_join(struct nl_sock *s, int group)
{
	int size = EVENT_RCVBUF;

	(void)setsockopt(nl_sock_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return mnl_socket_setsockopt(s->nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ?
		       -errno :
		       0;
}

int nl_sock_next(struct nl_sock *s, const struct nlmsghdr **out)
{
	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(s->buf + s->pos);
		int left = (int)(s->have - s->pos);
		ssize_t n;

		if (mnl_nlmsg_ok(nlh, left)) {
			(void)mnl_nlmsg_next(nlh, &left);
			s->pos = s->have - (size_t)(left > 0 ? left : 0);
			*out = nlh;
			return 1;
		}
		s->pos = s->have = 0;
		n = receive(s, MSG_DONTWAIT);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		s->have = (size_t)n;
	}
}
