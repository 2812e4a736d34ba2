/* Anonymous namespaces: threads stay, links move, nothing outlives them. The probe, too. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/kernel/check_kern/check.h"

static ino_t own_namespace(void)
{
	struct stat st = { 0 };

	CHECK(stat("/proc/thread-self/ns/net", &st) == 0);
	return st.st_ino;
}

struct bystander {
	sem_t go;
	ino_t seen;
};

static void *stand_by(void *data)
{
	struct bystander *b = data;

	sem_wait(&b->go);
	b->seen = own_namespace();
	return NULL;
}

static void check_threads(struct kern_linux *k)
{
	struct bystander b = { 0 };
	ino_t before = own_namespace();
	struct kern_netns *ns = NULL;
	struct stat st = { 0 };
	pthread_t thread;

	CHECK(sem_init(&b.go, 0, 0) == 0);
	CHECK(pthread_create(&thread, NULL, stand_by, &b) == 0);
	CHECK(kern_netns_new(k, &ns) == 0);
	CHECK(fstat(ns->fd, &st) == 0 && st.st_ino != before);
	CHECK(own_namespace() == before);
	sem_post(&b.go);
	pthread_join(thread, NULL);
	CHECK(b.seen == before);
	kern_netns_free(ns);
	sem_destroy(&b.go);
}

static void check_from_fd(struct kern_linux *k)
{
	struct kern_netns *made = NULL, *given = NULL;
	struct link_msg_link seen;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	CHECK(kern_netns_from_fd(k, fd, &given) == -EINVAL);
	close(fd);
	fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	CHECK(kern_netns_from_fd(k, fd, &given) == -EINVAL);
	close(fd);
	CHECK(kern_netns_from_fd(k, -1, &given) == -EINVAL);
	CHECK(kern_netns_new(k, &made) == 0);
	CHECK(kern_netns_from_fd(k, fcntl(made->fd, F_DUPFD_CLOEXEC, 0), &given) == 0);
	CHECK(check_find_link(given, "lo", &seen) == 1 && seen.up);
	kern_netns_free(given);
	kern_netns_free(made);
}

/* A socket lives in its namespace: one port can be bound once in each. */
static void check_sockets(struct kern_linux *k)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(500) };
	struct kern_netns *ns = NULL;
	int a, b, c;

	CHECK(kern_netns_new(k, &ns) == 0);
	a = kern_netns_socket(NULL, AF_INET, SOCK_DGRAM, 0);
	b = kern_netns_socket(ns, AF_INET, SOCK_DGRAM, 0);
	c = kern_netns_socket(ns, AF_INET, SOCK_DGRAM, 0);
	CHECK(a >= 0 && b >= 0 && c >= 0);
	CHECK(bind(a, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	CHECK(bind(b, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	CHECK(bind(c, (struct sockaddr *)&sin, sizeof(sin)) < 0 && errno == EADDRINUSE);
	CHECK(kern_netns_socket(ns, -1, 0, 0) == -EAFNOSUPPORT);
	close(a);
	close(b);
	close(c);
	kern_netns_free(ns);
}

/* Namespaces die in the background: waits at most five seconds for the link to be gone. */
static bool link_goes(struct kern_netns *ns, const char *name)
{
	struct link_msg_link seen;

	for (int i = 0; i < 50; i++) {
		if (check_find_link(ns, name, &seen) == 0)
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
	}
	return false;
}

static void check_moved_link(struct kern_linux *k)
{
	const struct kern *kern = kern_linux_ops(k);
	struct kern_netns *birth = NULL, *end = NULL;
	struct kern_op op = { .type = KERN_OP_LINK }, dup = { .type = KERN_OP_LINK };
	struct link_msg_link seen = { 0 };

	CHECK(kern_netns_new(k, &birth) == 0 && kern_netns_new(k, &end) == 0);
	op.netns = birth;
	op.link = (struct kern_link){ .kind = KERN_LINK_XFRM, .name = "ippriv0", .mtu = 1334,
				      .if_id = KERN_REQID_CLIENT | 3, .target = end };
	dup.netns = end;
	dup.link = (struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv0" };
	CHECK_INT(kern, kern->add(kern->ctx, &dup), 0);
	CHECK_INT(kern, kern->add(kern->ctx, &op), -EEXIST);
	CHECK_INT(kern, check_find_link(birth, "ippriv0", &seen), 0);
	CHECK_INT(kern, check_find_link(end, "ippriv0", &seen), 1);
	CHECK(strcmp(seen.kind, "dummy") == 0);
	CHECK_INT(kern, kern->del(kern->ctx, &dup), 0);
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	CHECK_INT(kern, check_find_link(birth, "ippriv0", &seen), 0);
	CHECK_INT(kern, check_find_link(end, "ippriv0", &seen), 1);
	CHECK(strcmp(seen.kind, "xfrm") == 0 && seen.up && seen.mtu == 1334 &&
	      seen.if_id == (KERN_REQID_CLIENT | 3));
	CHECK_INT(kern, kern->del(kern->ctx, &op), 0);
	CHECK_INT(kern, kern->del(kern->ctx, &op), -ENOENT);
	CHECK_INT(kern, kern->add(kern->ctx, &op), 0);
	kern_netns_free(birth);
	CHECK(link_goes(end, "ippriv0"));
	kern_netns_free(end);
}

static void write_forwarding(const char *text)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "we");

	CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void check_probe(struct kern_linux *k)
{
	char why[256] = "";

	CHECK(kern_linux_probe(k, KERN_ROLE_CLIENT, why, sizeof(why)) == 0);
	write_forwarding("0");
	CHECK(kern_linux_probe(k, KERN_ROLE_RELAY, why, sizeof(why)) == -ENOTSUP);
	CHECK(strstr(why, "sysctl -w net.ipv4.ip_forward=1") != NULL);
	write_forwarding("1");
	why[0] = '\0';
	CHECK(kern_linux_probe(k, KERN_ROLE_RELAY, why, sizeof(why)) == 0);
	if (why[0])
		printf("     %s\n", why);
}

/* A packet into a policy without SA, both with MARK or none, is heard of, once, by its reqid. */
static void check_acquire(struct kern_linux *k, uint32_t mark)
{
	const struct kern *kern = kern_linux_ops(k);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(500) };
	struct check_plan plan = { 0 };
	struct kern_event heard = { 0 };
	struct xfrm_msg_sa larval = { .spi = 1 };
	size_t removed = 0;
	struct kern_policy p = check_policy(KERN_DIR_OUT, "0.0.0.0/0", "192.0.2.9");
	struct pollfd pfd = { .fd = kern_linux_events_all_fd(k), .events = POLLIN };
	int fd = kern_netns_socket(NULL, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	CHECK(pfd.fd >= 0 && kern_linux_events_fd(k, NULL) == pfd.fd);
	CHECK(kern_linux_events_next(k, NULL, &heard) == 0);
	p.sel.proto = IPPROTO_UDP;
	p.sel.dport = 500;
	if (mark)
		p.mark = (struct kern_mark){ mark, KERN_MARK_MASK };
	CHECK(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
	check_template(&p, "192.0.2.1", "192.0.2.9", KERN_REQID_NODE | 77);
	check_op(&plan, KERN_OP_LINK, NULL)->link =
		(struct kern_link){ .kind = KERN_LINK_DUMMY, .name = "ippriv-pool" };
	check_op(&plan, KERN_OP_ADDRESS, NULL)->address =
		(struct kern_address){ "ippriv-pool", check_prefix("192.0.2.1") };
	check_op(&plan, KERN_OP_ROUTE, NULL)->route =
		(struct kern_route){ .link = "ippriv-pool", .dst = check_prefix("192.0.2.0/24") };
	check_op(&plan, KERN_OP_POLICY, NULL)->policy = p;
	CHECK_INT(kern, kern_plan_add(kern, plan.ops, plan.count), 0);
	to.sin_addr.s_addr = inet_addr("192.0.2.9");
	(void)sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	CHECK(poll(&pfd, 1, 2000) == 1);
	CHECK(kern_linux_events_next(k, NULL, &heard) == 1);
	CHECK(heard.type == KERN_EVENT_ACQUIRE && heard.reqid == (KERN_REQID_NODE | 77));
	CHECK(addr_equal(&heard.src, &p.templates[0].src));
	CHECK(addr_equal(&heard.dst, &p.templates[0].dst));
	CHECK(kern_linux_events_next(k, NULL, &heard) == 0);
	CHECK_INT(kern, kern_plan_del(kern, plan.ops, plan.count), 0);
	/* What waits for the SA would stay for 30 seconds. */
	CHECK(check_find_sa(&k->own, 0, &larval) == 1 && larval.spi == 0);
	CHECK_INT(kern, kern_linux_purge(k, KERN_REQID_NODE, "ippriv", NULL, &removed), 0);
	CHECK(removed == 1);
	CHECK_INT(kern, check_count_sas(&k->own), 0);
	close(fd);
}

void check_namespaces(struct kern_linux *k)
{
	check_threads(k);
	check_from_fd(k);
	check_sockets(k);
	check_moved_link(k);
	check_probe(k);
	check_acquire(k, 0);
	check_acquire(k, 0x10000);
}
