#include "ippriv-client/ctl_identity.h"

/* Every circuit counts, but nobody is refused for ever: a full burst pays for any number. */
static bool pay(struct ctl_quota *quota, uint64_t now, uid_t uid, size_t circuits)
{
	size_t price = circuits > CTL_QUOTA_BURST ? CTL_QUOTA_BURST : circuits;

	if (price == 0)
		price = 1;
	if (ctl_quota_left(quota, uid, now) < price)
		return false;
	while (price-- > 0 && ctl_quota_take(quota, uid, now))
		;
	return true;
}

void ctl_identity_renew(struct ctl_stock *stock, struct ctl_runs *runs, struct ctl_host *host,
			uint64_t now, struct ctl_conn *conn, uid_t uid)
{
	size_t circuits = ctl_stock_free_count(stock) + ctl_runs_count(runs, uid), replaced, rotated;

	if (uid != 0 && !pay(ctl_runs_quota(runs), now, uid, circuits)) {
		ctl_reply_error(conn, "too many circuits in a short time; try again in a minute");
		return;
	}
	replaced = ctl_stock_renew(stock);
	rotated = ctl_runs_rotate(runs, uid, uid == 0);
	ctl_reply(conn, json_pack("{s:b, s:I, s:I, s:b}", "ok", true, "replaced",
				  (json_int_t)replaced, "runs", (json_int_t)rotated, "host",
				  uid == 0 && ctl_host_rotate(host)));
}
