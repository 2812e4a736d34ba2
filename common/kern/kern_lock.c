#include "common/kern/kern_lock.h"

#include <errno.h>
#include <stdio.h> /* libnftnl's headers want it first */
#include <libnftnl/table.h>
#include <linux/netfilter/nf_tables.h>

#include "common/kern/nft_batch.h"
#include "common/kern/nl_sock.h"

int kern_lock_batch(void *buf, size_t size, uint32_t seq, const char *table, size_t *len)
{
	struct nft_batch b = nft_batch_begin(buf, size, seq);
	struct nftnl_table *t = nftnl_table_alloc();
	union nft_message m;

	if (t && nftnl_table_set_str(t, NFTNL_TABLE_NAME, table) == 0) {
		nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER);
		nftnl_table_nlmsg_build_payload(nft_batch_message(&b, &m, NFT_MSG_NEWTABLE,
								  NLM_F_CREATE | NLM_F_EXCL), t);
		nft_batch_push(&b, &m);
	} else {
		b.err = -ENOMEM;
	}
	if (t)
		nftnl_table_free(t);
	return nft_batch_end(&b, len);
}

int kern_lock_take(const char *table, struct nl_sock **out)
{
	_Alignas(4) uint8_t buf[KERN_LOCK_MAX];
	struct nl_sock *sock = NULL;
	size_t len;
	int err = kern_lock_batch(buf, sizeof(buf), 0, table, &len);

	if (err == 0)
		err = nl_sock_new(NETLINK_NETFILTER, &sock);
	if (err == 0)
		err = nl_sock_talk(sock, buf, len, NULL, NULL);
	if (err < 0) {
		nl_sock_free(sock);
		return err == -EPERM || err == -EEXIST ? -EADDRINUSE : err;
	}
	*out = sock;
	return 0;
}
