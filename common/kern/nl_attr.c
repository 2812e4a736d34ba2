#include "common/kern/nl_attr.h"

#include <errno.h>
#include <string.h>

int nl_attr_table(const void *data, size_t len, const struct nlattr **tb, size_t count)
{
	const uint8_t *p = data;

	memset(tb, 0, count * sizeof(*tb));
	while (len > 0) {
		const struct nlattr *a = (const struct nlattr *)p;
		size_t step;

		if (len < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > len)
			return -EBADMSG;
		if (mnl_attr_get_type(a) < count)
			tb[mnl_attr_get_type(a)] = a;
		step = MNL_ALIGN(a->nla_len);
		step = step < len ? step : len;
		p += step;
		len -= step;
	}
	return 0;
}

int nl_attr_message(const void *msg, size_t len, uint16_t type, void *body, size_t size,
		    const struct nlattr **tb, size_t count)
{
	const struct nlmsghdr *nlh = msg;
	size_t offset = MNL_NLMSG_HDRLEN + MNL_ALIGN(size);

	if (len < sizeof(*nlh))
		return -EMSGSIZE;
	if (nlh->nlmsg_type != type)
		return -EOPNOTSUPP;
	if (nlh->nlmsg_len > len || nlh->nlmsg_len < offset)
		return -EMSGSIZE;
	memcpy(body, (const uint8_t *)msg + MNL_NLMSG_HDRLEN, size);
	return nl_attr_table((const uint8_t *)msg + offset, nlh->nlmsg_len - offset, tb, count);
}

int nl_attr_get(const struct nlattr *a, void *out, size_t len)
{
	if (!a)
		return 0;
	if (mnl_attr_get_payload_len(a) < len)
		return -EBADMSG;
	memcpy(out, mnl_attr_get_payload(a), len);
	return 0;
}

int nl_attr_get_text(const struct nlattr *a, char *out, size_t size)
{
	size_t len;

	if (!a)
		return 0;
	len = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	if (len >= size)
		return -EBADMSG;
	memcpy(out, mnl_attr_get_payload(a), len);
	out[len] = '\0';
	return 0;
}
