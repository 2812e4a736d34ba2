/* The guard's batch, against what nft(8) sends for the same rule; and that the kernel takes it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/kern/kern_guard.h"

/*
 * The expressions as nft 1.0.6 sends them (strace -e write=3) for
 *   iif != "lo" ct state new counter drop
 */
static const char expressions[] =
	"2801048024000180090001006d657461000000001400028008000200000000040800010000000001"
	"2c00018008000100636d700020000280080001000000000108000200000000010c00038008000100"
	"01000000200001800700010063740000140002800800020000000000080001000000000144000180"
	"0c0001006269747769736500340002800800010000000001080002000000000108000300000000"
	"040c00048008000100080000000c00058008000100000000002c00018008000100636d7000200002"
	"80080001000000000108000200000000010c0003800800010000000000140001800c000100636f75"
	"6e7465720004000280300001800e000100696d6d6564696174650000001c00028008000100000000"
	"00100002800c0002800800010000000000";

static _Alignas(8) uint8_t batch[KERN_GUARD_MAX];

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t len = strlen(hex) / 2;
	unsigned int byte;

	for (size_t i = 0; i < len; i++) {
		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

Test(guard, is_one_rule_in_an_input_chain)
{
	static const uint16_t types[] = { NFNL_MSG_BATCH_BEGIN, NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN,
					  NFT_MSG_NEWRULE, NFNL_MSG_BATCH_END };
	static const uint8_t hook[] = { 8, 0, 1, 0, 0, 0, 0, 1 /* NF_INET_LOCAL_IN */ };
	uint8_t want[512];
	const struct nlmsghdr *m = (const void *)batch;
	size_t len = 0, n = 0, want_len = unhex(expressions, want);
	int left;

	cr_assert_eq(kern_guard_batch(batch, sizeof(batch), 7, &len), 0);
	for (left = (int)len; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
		cr_assert_eq(m->nlmsg_type & 0xff, types[n], "message %zu", n);
		cr_assert_eq(m->nlmsg_seq, 7);
		cr_assert_eq(!!(m->nlmsg_flags & NLM_F_ACK), types[n] == NFT_MSG_NEWRULE);
		if (types[n] == NFT_MSG_NEWCHAIN)
			cr_assert(memmem(m, m->nlmsg_len, hook, sizeof(hook)));
		if (types[n] == NFT_MSG_NEWRULE)
			cr_assert(memmem(m, m->nlmsg_len, want, want_len));
		n++;
	}
	cr_assert_eq(left, 0);
	cr_assert_eq(n, 5);
}

Test(guard, fits_or_says_so)
{
	size_t len, all;

	cr_assert_eq(kern_guard_batch(batch, sizeof(batch), 7, &all), 0);
	for (size_t size = 0; size < all; size++)
		cr_assert_eq(kern_guard_batch(batch, size, 7, &len), -ENOSPC);
	cr_assert_eq(kern_guard_batch(batch, all, 7, &len), 0);
	cr_assert_eq(len, all);
}

Test(guard, is_taken_by_the_kernel_once)
{
	enum { NONE = 77 };
	int status;
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0) {
		int r;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			_exit(NONE);
		r = kern_guard_install();
		if (r == -EPROTONOSUPPORT || r == -EOPNOTSUPP || r == -ENOENT)
			_exit(NONE);
		_exit(r == 0 && kern_guard_install() == -EEXIST ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NONE)
		cr_skip_test("no namespaces or no nftables here");
	cr_assert_eq(status, 0);
}
