/* One holder per name and network namespace, until it lets go or is killed. */
#include "common/kern/kern_lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/kern/nl_sock.h"

static const char name[] = "ippriv_test_lock";
static _Alignas(8) uint8_t batch[KERN_LOCK_MAX];

Test(lock, is_one_table_with_an_owner)
{
	static const uint16_t types[] = { NFNL_MSG_BATCH_BEGIN, NFT_MSG_NEWTABLE,
					  NFNL_MSG_BATCH_END };
	static const uint8_t flags[] = { 8, 0, NFTA_TABLE_FLAGS, 0, 0, 0, 0, NFT_TABLE_F_OWNER };
	const struct nlmsghdr *m = (const void *)batch;
	size_t len = 0, n = 0;
	int left;

	cr_assert_eq(kern_lock_batch(batch, sizeof(batch), 7, name, &len), 0);
	for (left = (int)len; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		cr_assert_eq(m->nlmsg_type & 0xff, types[n], "message %zu", n);
		cr_assert_eq(m->nlmsg_seq, 7);
		if (types[n] == NFT_MSG_NEWTABLE) {
			cr_assert_eq(m->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
			cr_assert(memmem(m, m->nlmsg_len, flags, sizeof(flags)));
			cr_assert(memmem(m, m->nlmsg_len, name, sizeof(name)));
		}
		n++;
	}
	cr_assert_eq(left, 0);
	cr_assert_eq(n, 3);
}

Test(lock, fits_or_says_so)
{
	size_t len, all;

	cr_assert_eq(kern_lock_batch(batch, sizeof(batch), 7, name, &all), 0);
	for (size_t size = 0; size < all; size++)
		cr_assert_eq(kern_lock_batch(batch, size, 7, name, &len), -ENOSPC);
}

enum { GOOD, NONE = 77 };

/* In a child with a network namespace of its own, where the kernel has nftables; else skipped. */
static void in_namespace(int (*what)(void))
{
	pid_t child = fork();
	struct nl_sock *lock;
	int status, r;

	cr_assert_geq(child, 0);
	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			_exit(NONE);
		r = kern_lock_take("probe", &lock);
		_exit(r == -EPROTONOSUPPORT || r == -EOPNOTSUPP || r == -ENOENT ? NONE : what());
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NONE)
		cr_skip_test("no namespaces or no nftables here");
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), GOOD, "line %d", WEXITSTATUS(status));
}

#define MUST(cond)                                \
	do {                                      \
		if (!(cond))                      \
			return __LINE__ & 0x7f;   \
	} while (0)

static int one_at_a_time(void)
{
	struct nl_sock *a, *b, *c;

	MUST(kern_lock_take(name, &a) == 0);
	MUST(kern_lock_take(name, &b) == -EADDRINUSE);
	MUST(kern_lock_take(name, &b) == -EADDRINUSE);
	MUST(kern_lock_take("ippriv_test_other", &b) == 0);
	nl_sock_free(a);
	MUST(kern_lock_take(name, &c) == 0);
	MUST(kern_lock_take("ippriv_test_other", &a) == -EADDRINUSE);
	nl_sock_free(b);
	nl_sock_free(c);
	return GOOD;
}

static int until_its_holder_dies(void)
{
	struct nl_sock *lock;
	int fds[2], status;
	pid_t child;
	char c = 0;

	MUST(pipe(fds) == 0);
	child = fork();
	if (child == 0) {
		c = kern_lock_take(name, &lock) == 0 ? 'y' : 'n';
		MUST(write(fds[1], &c, 1) == 1);
		pause();
	}
	MUST(read(fds[0], &c, 1) == 1 && c == 'y');
	MUST(kern_lock_take(name, &lock) == -EADDRINUSE);
	MUST(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	MUST(kern_lock_take(name, &lock) == 0);
	nl_sock_free(lock);
	return GOOD;
}

static int one_in_each_namespace(void)
{
	struct nl_sock *here, *there;

	MUST(kern_lock_take(name, &here) == 0);
	MUST(unshare(CLONE_NEWNET) == 0);
	MUST(kern_lock_take(name, &there) == 0);
	nl_sock_free(here);
	nl_sock_free(there);
	return GOOD;
}

Test(lock, one_at_a_time)
{
	in_namespace(one_at_a_time);
}

Test(lock, until_its_holder_dies)
{
	in_namespace(until_its_holder_dies);
}

Test(lock, one_in_each_namespace)
{
	in_namespace(one_in_each_namespace);
}
