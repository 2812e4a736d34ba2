/* Routes that are kept while a link is down. */
#include <criterion/criterion.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/kern/kern_keep.h"

enum { LINK = 7 };

static _Alignas(8) uint8_t buf[256];

static size_t route(uint8_t family, uint8_t type, uint8_t protocol, uint32_t flags, uint32_t link)
{
	struct nlmsghdr *nlh;
	struct rtmsg *m;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = RTM_NEWROUTE;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->rtm_family = family;
	m->rtm_type = type;
	m->rtm_protocol = protocol;
	m->rtm_flags = flags;
	mnl_attr_put_u32(nlh, RTA_OIF, link);
	return nlh->nlmsg_len;
}

#define WANTED(...) kern_keep_wants(buf, route(__VA_ARGS__), LINK)

Test(kern_keep, wants_what_somebody_has_set_on_that_link)
{
	cr_expect(WANTED(AF_INET, RTN_UNICAST, RTPROT_DHCP, 0, LINK));
	cr_expect(WANTED(AF_INET6, RTN_UNICAST, RTPROT_RA, 0, LINK));
	cr_expect_not(WANTED(AF_INET, RTN_UNICAST, RTPROT_DHCP, 0, LINK + 1));
	cr_expect_not(WANTED(AF_INET, RTN_UNICAST, RTPROT_KERNEL, 0, LINK));
	cr_expect_not(WANTED(AF_INET, RTN_LOCAL, RTPROT_BOOT, 0, LINK));
	cr_expect_not(WANTED(AF_INET6, RTN_UNICAST, RTPROT_BOOT, RTM_F_CLONED, LINK));
	cr_expect_not(WANTED(RTNL_FAMILY_IPMR, RTN_UNICAST, RTPROT_BOOT, 0, LINK));
}

Test(kern_keep, refuses_what_is_cut)
{
	size_t len = route(AF_INET, RTN_UNICAST, RTPROT_DHCP, 0, LINK);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = aligned_alloc(8, 64);

		memcpy(copy, buf, cut);
		cr_expect_not(kern_keep_wants(copy, cut, LINK), "%zu", cut);
		free(copy);
	}
}
