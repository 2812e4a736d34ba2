#include "tests/kernel/check_kern/check.h"

#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int check_failures;

void check_int(const struct kern *kern, const char *file, int line, const char *expr, long got,
	       long want)
{
	if (got == want)
		return;
	check_failures++;
	printf("FAIL %s:%d: %s is %ld (%s), wanted %ld; last error: %s\n", file, line, expr, got,
	       got < 0 ? strerror((int)-got) : "", want, kern->error(kern->ctx));
}

void check_shell(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0) {
		check_failures++;
		printf("FAIL: %s\n", command);
	}
}

struct addr check_addr(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) < 0)
		abort();
	return a;
}

struct prefix check_prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, &p) < 0)
		abort();
	return p;
}

struct kern_sa check_sa(const char *src, const char *dst, uint32_t spi, uint32_t reqid)
{
	struct kern_sa sa = {
		.src = check_addr(src),
		.dst = check_addr(dst),
		.spi = spi,
		.reqid = reqid,
		.aead = KERN_AEAD_AES_GCM_16_256,
		.key.len = 36,
		.esn = true,
		.replay_window = 1024,
	};

	for (uint8_t i = 0; i < 36; i++)
		sa.key.bytes[i] = (uint8_t)(spi + i);
	return sa;
}

struct kern_policy check_policy(enum kern_dir dir, const char *src, const char *dst)
{
	return (struct kern_policy){
		.dir = dir,
		.sel = { .src = check_prefix(src), .dst = check_prefix(dst) },
		.priority = 1000,
	};
}

void check_template(struct kern_policy *p, const char *src, const char *dst, uint32_t reqid)
{
	if (p->template_count == ARRAY_SIZE(p->templates))
		abort();
	p->templates[p->template_count++] =
		(struct kern_template){ check_addr(src), check_addr(dst), reqid };
}

struct kern_op *check_op(struct check_plan *plan, enum kern_op_type type, struct kern_netns *ns)
{
	struct kern_op *op = &plan->ops[plan->count++];

	if (plan->count > ARRAY_SIZE(plan->ops))
		abort();
	*op = (struct kern_op){ .type = type, .netns = ns };
	return op;
}

struct search {
	uint32_t spi, priority;
	const char *name;
	void *out;
	int count;
};

static int see_sa(const struct nlmsghdr *msg, void *data)
{
	struct search *s = data;
	struct xfrm_msg_sa sa;
	int err = xfrm_msg_parse_sa(msg, msg->nlmsg_len, &sa);

	if (err == 0 && (s->spi == 0 || s->spi == sa.spi)) {
		s->count++;
		if (s->out)
			*(struct xfrm_msg_sa *)s->out = sa;
	}
	return err;
}

static int see_policy(const struct nlmsghdr *msg, void *data)
{
	struct search *s = data;
	struct xfrm_msg_policy p;
	int err = xfrm_msg_parse_policy(msg, msg->nlmsg_len, &p);

	if (err == 0 && (s->priority == 0 || s->priority == p.priority)) {
		s->count++;
		if (s->out)
			*(struct xfrm_msg_policy *)s->out = p;
	}
	return err;
}

static int see_link(const struct nlmsghdr *msg, void *data)
{
	struct search *s = data;
	struct link_msg_link link;
	int err = link_msg_parse(msg, msg->nlmsg_len, &link);

	if (err == 0 && strcmp(link.name, s->name) == 0) {
		s->count++;
		*(struct link_msg_link *)s->out = link;
	}
	return err;
}

static int look(struct kern_netns *ns, enum kern_bus bus,
		int (*dump)(void *buf, size_t size, size_t *len),
		int (*see)(const struct nlmsghdr *msg, void *data), struct search *s)
{
	_Alignas(8) uint8_t buf[XFRM_MSG_ROOM];
	size_t len;
	int err = dump(buf, sizeof(buf), &len);

	if (err == 0)
		err = kern_netns_talk(ns, bus, buf, len, see, s);
	return err < 0 ? err : s->count;
}

int check_find_sa(struct kern_netns *ns, uint32_t spi, struct xfrm_msg_sa *out)
{
	struct search s = { .spi = spi, .out = out };

	return look(ns, KERN_BUS_XFRM, xfrm_msg_dump_sas, see_sa, &s);
}

int check_find_policy(struct kern_netns *ns, uint32_t priority, struct xfrm_msg_policy *out)
{
	struct search s = { .priority = priority, .out = out };

	return look(ns, KERN_BUS_XFRM, xfrm_msg_dump_policies, see_policy, &s);
}

int check_find_link(struct kern_netns *ns, const char *name, struct link_msg_link *out)
{
	struct search s = { .name = name, .out = out };

	return look(ns, KERN_BUS_ROUTE, link_msg_dump, see_link, &s);
}

int check_count_sas(struct kern_netns *ns)
{
	return check_find_sa(ns, 0, NULL);
}

int check_count_policies(struct kern_netns *ns)
{
	return check_find_policy(ns, 0, NULL);
}

void check_enter(struct kern_netns *ns, struct kern_linux **out)
{
	if (setns(ns->fd, CLONE_NEWNET) < 0 || kern_linux_new(out) < 0)
		abort();
}

void check_leave(struct kern_netns *ns)
{
	if (setns(ns->kern->own.fd, CLONE_NEWNET) < 0)
		abort();
}
