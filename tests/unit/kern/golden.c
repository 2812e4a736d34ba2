#include "kern/golden.h"

#include <criterion/criterion.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

static size_t unhex(const char *hex, uint8_t *out, size_t size)
{
	size_t len = strlen(hex) / 2;

	cr_assert(len <= size);
	for (size_t i = 0; i < len; i++) {
		unsigned int byte;

		cr_assert(sscanf(hex + 2 * i, "%2x", &byte) == 1);
		out[i] = byte;
	}
	return len;
}

static void expect_message(size_t n, const struct nlmsghdr *nlh, const struct golden *g)
{
	static _Alignas(struct nlattr) uint8_t want[4096];
	size_t len = unhex(g->body, want, sizeof(want)), head = sizeof(struct nfgenmsg);
	const uint8_t *body = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *w, *have;

	cr_assert(nlh->nlmsg_type == g->type, "message %zu: type %#x, nft %#x", n, nlh->nlmsg_type,
		  g->type);
	cr_assert(mnl_nlmsg_get_payload_len(nlh) == len, "message %zu: %zu bytes, nft %zu", n,
		  mnl_nlmsg_get_payload_len(nlh), len);
	cr_assert(memcmp(body, want, head) == 0);
	for (w = (const void *)(want + head); mnl_attr_ok(w, want + len - (const uint8_t *)w);
	     w = mnl_attr_next(w)) {
		bool found = false;

		mnl_attr_for_each(have, nlh, head) {
			if (have->nla_type == w->nla_type) {
				cr_assert(!found && have->nla_len == w->nla_len);
				cr_assert(memcmp(have, w, w->nla_len) == 0,
					  "message %zu, attribute %#x", n, w->nla_type);
				found = true;
			}
		}
		cr_assert(found, "message %zu: no attribute %#x", n, w->nla_type);
	}
}

void golden_expect(const uint8_t *batch, size_t len, const struct golden *golden, size_t count)
{
	const struct nlmsghdr *nlh = (const void *)batch;
	int left = (int)len;
	size_t n = 0;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		cr_assert(n < count);
		expect_message(n, nlh, &golden[n]);
		n++;
	}
	cr_assert(left == 0);
	cr_assert(n == count, "%zu messages, nft %zu", n, count);
}
