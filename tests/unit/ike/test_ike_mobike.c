/* Roaming (RFC 4555) and NATs that forget: who is followed, when, and who is not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo_assert.h"
#include "mover.h"
#include "natbox.h"

TestSuite(ike_mobike, .fini = teardown);

/* ---- roaming ---- */

Test(ike_mobike, new_address_after_two_round_trips)
{
	uint64_t t0;

	start("192.0.2.1", false);
	t0 = duo.now;
	move("192.0.2.77");
	duo_run(&duo, t0 + ROUND_TRIP - 1);
	cr_assert_eq(i->moves, 0);
	duo_run(&duo, t0 + ROUND_TRIP); /* agreed: the client sends along the new path */
	cr_assert_eq(i->moves, 1);
	cr_assert_eq(r->moves, 0);
	duo_run(&duo, t0 + ROUND_TRIP + ONE_WAY); /* checked: the relay does, too */
	cr_assert_eq(r->moves, 1);
	duo_run(&duo, t0 + 100000);
	cr_assert(i->moves == 1 && r->moves == 1);
	assert_at(&box.address, false);
}

Test(ike_mobike, outside_learns_from_and_to)
{
	struct addr old, new;

	start("192.0.2.1", false);
	old = box.address;
	move("192.0.2.77");
	new = box.address;
	duo_settle(&duo);
	cr_assert(addr_equal(&i->moved_from.local.addr, &old));
	cr_assert(addr_equal(&i->moved_to.path.local.addr, &new));
	cr_assert(addr_equal(&r->moved_from.remote.addr, &old));
	cr_assert(addr_equal(&r->moved_to.path.remote.addr, &new));
	cr_assert(!i->moved_from_encap && !r->moved_from_encap);
	cr_assert_eq(i->moved_to.state, IKE_STATE_ESTABLISHED);
}

Test(ike_mobike, into_a_nat_and_out_again)
{
	start("192.0.2.1", false);
	natbox_translate(&box, "203.0.113.9");
	move("10.0.0.2");
	duo_settle(&duo);
	assert_at(&box.outside, true);
	cr_assert(info(i).nat_local && info(r).nat_remote);
	cr_assert(!i->moved_from_encap && i->moved_to.encap && r->moved_to.encap);
	duo_run(&duo, duo.now + 25000);
	cr_assert_eq(duo.a.keepalives, 1);
	move("192.0.2.1");
	duo_settle(&duo);
	assert_at(&box.address, false);
	cr_assert(!info(i).nat_local && !info(r).nat_remote);
	cr_assert(i->moved_from_encap && r->moved_from_encap);
	cr_assert(i->moves == 2 && r->moves == 2);
}

Test(ike_mobike, from_nat_to_nat)
{
	start("10.0.0.2", true);
	natbox_translate(&box, "203.0.113.77");
	move("10.9.9.9");
	duo_settle(&duo);
	assert_at(&box.outside, true);
	cr_assert(i->moves == 1 && r->moves == 1);
}

Test(ike_mobike, from_ipv4_to_ipv6_and_back)
{
	start("10.0.0.2", true);
	move("2001:db8::7");
	duo_settle(&duo);
	assert_at(&box.address, false);
	cr_assert_eq(info(r).path.local.addr.family, AF_INET6);
	cr_assert_eq(info(r).path.channel, 3);
	move("10.0.0.3");
	duo_settle(&duo);
	assert_at(&box.outside, true);
	cr_assert_eq(info(r).path.channel, 1);
	duo_run(&duo, duo.now + 200000);
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_mobike, same_address_again_tells_nobody)
{
	struct ike_path path;

	start("192.0.2.1", false);
	path = info(i).path;
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
	duo_settle(&duo);
	cr_assert(i->moves == 0 && r->moves == 0);
}

Test(ike_mobike, newest_of_several_wins)
{
	start("192.0.2.1", false);
	move("192.0.2.2");
	move("192.0.2.3");
	duo_run(&duo, duo.now + ONE_WAY);
	move("192.0.2.4");
	duo_run(&duo, duo.now + ONE_WAY + 3);
	move("192.0.2.5");
	duo_run(&duo, duo.now + 20000);
	assert_at(&box.address, false);
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_mobike, there_and_back_before_the_answer)
{
	start("192.0.2.1", false);
	move("192.0.2.2");
	move("192.0.2.1");
	duo_run(&duo, duo.now + 20000);
	assert_at(&box.address, false);
	duo_assert_up(r);
}

static void be_away(uint32_t relay_probes_after)
{
	start("192.0.2.1", false);
	ike_host_set_patience(duo.b.host, r->sa, relay_probes_after, 900000);
	ike_host_set_patience(duo.a.host, i->sa, 30000, 900000);
	box.address = addr_v4(0xc0000263); /* cut off: the client still sends from where it was */
	duo_run(&duo, duo.now + 600000);
	duo.a.sent = 0;
	move("198.18.0.9");
	cr_assert_eq(duo.a.sent, 1, "a probe was out");
}

Test(ike_mobike, after_a_long_absence)
{
	be_away(880000);
	duo_run(&duo, duo.now + ROUND_TRIP + ONE_WAY);
	cr_assert_eq(r->moves, 1);
	duo_run(&duo, duo.now + ONE_WAY);
	cr_assert_eq(i->moves, 1);
	assert_at(&box.address, false);
}

Test(ike_mobike, after_a_long_absence_that_the_relay_probed)
{
	be_away(30000); /* its probe has to be answered before it can check */
	duo_run(&duo, duo.now + 2 * ROUND_TRIP + ONE_WAY);
	cr_assert(i->moves == 1 && r->moves == 1);
	assert_at(&box.address, false);
}

Test(ike_mobike, request_from_elsewhere_alone_moves_nothing)
{
	struct addr old;

	start("192.0.2.1", false);
	old = box.address;
	natbox_readdress(&box, "192.0.2.77");
	i->sa->path = natbox_path(&box); /* a peer that only tries a path */
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 5000);
	cr_assert_eq(r->moves, 0);
	cr_assert(r->sa->paths.check.passed);
	natbox_readdress(&box, "192.0.2.1");
	i->sa->path = natbox_path(&box);
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 5000);
	cr_assert_not(r->sa->paths.check.on);
	assert_at(&old, false);
	cr_assert_eq(r->moves, 0);
}

/* ---- a request that waits ---- */

static struct { uint8_t msg[DUO_MESSAGE_MAX]; size_t len; unsigned int seen, odd; } watched;

/* Watches the client's requests with the ID of the first one seen. */
static bool watch_requests(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	if (from != &d->a || msg[19] & IKE_FLAG_RESPONSE)
		return true;
	if (watched.len == 0) {
		memcpy(watched.msg, msg, *len);
		watched.len = *len;
	}
	if (memcmp(msg + 20, watched.msg + 20, 4) != 0)
		return true;
	watched.seen++;
	if (*len != watched.len || memcmp(msg, watched.msg, *len) != 0)
		watched.odd++;
	return watched.seen > 1;
}

Test(ike_mobike, waiting_request_goes_again_as_it_was)
{
	uint64_t t0;

	start("192.0.2.1", false);
	memset(&watched, 0, sizeof(watched));
	duo.tap = watch_requests;
	ike_host_probe(duo.a.host, i->sa); /* is lost */
	duo_run(&duo, duo.now + 5);
	t0 = duo.now;
	move("192.0.2.77");
	cr_assert_eq(watched.seen, 2);
	duo_run(&duo, t0 + 2 * ROUND_TRIP + ONE_WAY);
	cr_assert_eq(watched.odd, 0);
	cr_assert_eq(watched.seen, 2);
	cr_assert(i->moves == 1 && r->moves == 1);
	assert_at(&box.address, false);
}

Test(ike_mobike, request_that_arrived_before_the_move)
{
	start("192.0.2.1", false);
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + ONE_WAY); /* its answer goes to the old address */
	move("192.0.2.77");
	duo_run(&duo, duo.now + 2 * ROUND_TRIP + ONE_WAY);
	cr_assert(i->moves == 1 && r->moves == 1);
}

/* ---- what cannot move ---- */

Test(ike_mobike, not_yet_and_not_any_more)
{
	struct ike_host_conf conf = { .first_layer = true };
	struct ike_init_conf client;
	struct ike_path path;

	duo_init(&duo, 1);
	duo_start(&duo, &conf);
	natbox_start(&box, &duo, "192.0.2.1");
	client = duo_client(&duo);
	client.first_layer = true;
	i = duo_initiate(&duo, &client);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EAGAIN);
	duo_run(&duo, duo.now + ROUND_TRIP);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EAGAIN);
	duo_settle(&duo);
	duo_assert_up(i);
	path.floated = false;
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EINVAL);
	path.floated = true;
	path.mark = 3;
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EINVAL);
	cr_assert_eq(ike_host_move(duo.b.host, duo_last(&duo.b)->sa, &path), -EINVAL);
	path.mark = 0;
	ike_host_close(duo.a.host, i->sa);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -ENOTCONN);
}

Test(ike_mobike, peer_without_mobike)
{
	struct ike_init_conf client;
	struct ike_path path;

	duo_init(&duo, 1);
	duo_start(&duo, NULL);
	natbox_start(&box, &duo, "192.0.2.1");
	client = duo_client(&duo);
	client.first_layer = true;
	i = duo_connect(&duo, &client);
	duo_assert_up(i);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EOPNOTSUPP);
	path = info(i).path;
	cr_assert(addr_equal(&path.local.addr, &client.path.local.addr));
}

Test(ike_mobike, inner_layer_never_moves)
{
	struct ike_init_conf client;
	struct ike_path path;

	start("192.0.2.1", false);
	client = duo_client(&duo);
	i = duo_connect(&duo, &client);
	duo_assert_up(i);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), -EINVAL);
}

Test(ike_mobike, outside_cannot_move)
{
	start("192.0.2.1", false);
	duo.a.moved_result = -EIO;
	move("192.0.2.77");
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_PROTOCOL, 0);
	duo_assert_gone(r, IKE_END_PEER, 0);
}

Test(ike_mobike, relay_cannot_move)
{
	start("192.0.2.1", false);
	duo.b.moved_result = -EIO;
	move("192.0.2.77");
	duo_settle(&duo);
	duo_assert_gone(r, IKE_END_PROTOCOL, 0);
	duo_assert_gone(i, IKE_END_PEER, 0);
}

/* ---- NATs that forget ---- */

static void assert_followed(uint64_t deadline)
{
	struct ike_sa_info at;

	duo_run(&duo, deadline - 1);
	cr_assert_eq(r->moves, 0);
	duo_run(&duo, deadline);
	cr_assert_eq(r->moves, 1);
	at = info(r);
	cr_assert(addr_equal(&at.path.remote.addr, &box.outside));
	cr_assert_eq(at.path.remote.port, box.next_port - 1);
	cr_assert(at.encap);
	duo_run(&duo, duo.now + 100000);
	cr_assert_eq(r->moves, 1);
	cr_assert_eq(i->moves, 0); /* its own address is the same */
	duo_assert_up(i);
	duo_assert_up(r);
}

Test(ike_mobike, new_mapping_seen_by_a_request)
{
	start("10.0.0.2", true);
	natbox_flush(&box);
	ike_host_probe(duo.a.host, i->sa); /* 0.5: answered and checked, 1.5: followed */
	assert_followed(duo.now + ROUND_TRIP + ONE_WAY);
}

Test(ike_mobike, new_address_of_the_nat_seen_by_a_request)
{
	start("10.0.0.2", true);
	natbox_translate(&box, "203.0.113.200");
	ike_host_probe(duo.a.host, i->sa);
	assert_followed(duo.now + ROUND_TRIP + ONE_WAY);
}

Test(ike_mobike, new_mapping_seen_by_the_kernel)
{
	struct ike_path seen;

	start("10.0.0.2", true);
	natbox_flush(&box);
	seen = (struct ike_path){ .local = info(r).path.local, .remote = info(i).path.local };
	cr_assert(duo.route(&duo, &duo.a, &seen)); /* a packet of ESP goes through the NAT */
	ike_host_mapping(duo.b.host, r->sa, &seen.remote);
	assert_followed(duo.now + ROUND_TRIP);
}

Test(ike_mobike, mapping_of_who_has_no_nat)
{
	struct endpoint elsewhere = { addr_v4(0xcb007163), 4500 };

	start("192.0.2.1", false);
	ike_host_mapping(duo.b.host, r->sa, &elsewhere);
	duo_run(&duo, duo.now + 100);
	cr_assert_eq(box.strangers, 0);
	duo_run(&duo, duo.now + 100000);
	cr_assert_eq(r->moves, 0);
	duo_assert_up(r);
}

static void without_mobike(void)
{
	i->sa->paths.mobike = r->sa->paths.mobike = false;
}

Test(ike_mobike, new_mapping_without_mobike)
{
	start("10.0.0.2", true);
	without_mobike();
	natbox_flush(&box);
	ike_host_probe(duo.a.host, i->sa);
	assert_followed(duo.now + ROUND_TRIP + ONE_WAY);
}

Test(ike_mobike, no_nat_no_mobike_no_change)
{
	start("192.0.2.1", false);
	without_mobike();
	natbox_readdress(&box, "192.0.2.77");
	i->sa->path.local.addr = box.address;
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 3000);
	cr_assert_eq(r->moves, 0);
	cr_assert_gt(duo_counters(&duo.b).dropped, 0);
}

/* ---- attackers ---- */

static const struct endpoint victim = { { AF_INET, { 203, 0, 113, 99 } }, 4500 };

/* As if each of the client's datagrams came from the victim, for as long as the tap is in. */
static bool steal(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct ike_path path;

	if (from != &d->a)
		return true;
	path = info(r).path;
	path.remote = victim;
	duo_inject(&d->b, &path, msg, *len);
	return false;
}

/* The same, and the client's own arrives a little later. */
static bool overtake(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	steal(d, from, msg, len);
	return true;
}

static void assert_not_redirected(void)
{
	cr_assert_eq(r->moves, 0);
	cr_assert_gt(box.strangers, 0); /* the victim got a few small messages of IKE */
	cr_assert_leq(box.strangers, IKE_PATH_CHECK_TRIES + 3);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 200000);
	duo_assert_up(i);
	duo_assert_up(r);
	cr_assert_eq(r->moves, 0);
}

Test(ike_mobike, copied_requests_redirect_nothing)
{
	start("10.0.0.2", true);
	duo.tap = steal;
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 100);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 20000);
	assert_not_redirected();
}

Test(ike_mobike, overtaken_requests_redirect_nothing)
{
	start("10.0.0.2", true);
	duo.tap = overtake;
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 100);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 20000);
	assert_not_redirected();
}

Test(ike_mobike, copied_esp_redirects_nothing)
{
	start("10.0.0.2", true);
	ike_host_mapping(duo.b.host, r->sa, &victim);
	duo_run(&duo, duo.now + 20000);
	assert_not_redirected();
}

/* A client that moves with somebody between who shows another address. */
Test(ike_mobike, overtaken_update_goes_nowhere_else)
{
	struct addr remote;

	start("192.0.2.1", false);
	duo.tap = overtake;
	move("192.0.2.77");
	duo_run(&duo, duo.now + 100);
	duo.tap = NULL;
	duo_run(&duo, duo.now + 20000);
	remote = followed_to();
	cr_assert_neq(addr_equal(&remote, &victim.addr), true);
	duo_assert_up(i); /* the client was told that all is well, and finds out by its traffic */
	duo_assert_up(r);
	move("192.0.2.78");
	duo_run(&duo, duo.now + 20000);
	assert_at(&box.address, false);
}

/* A client that says it is where it is not, to have its traffic flood somebody: it answers the
 * check unseen, from its own address and with the victim's as source. */
Test(ike_mobike, lying_client_redirects_nothing)
{
	struct ike_path path;

	start("192.0.2.1", false);
	path = natbox_path(&box);
	duo.tap = steal;
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
	duo_run(&duo, duo.now + 30000); /* all that it sends has the victim's address */
	cr_assert_eq(r->moves, 0);
	cr_assert_gt(box.strangers, 0);
}

Test(ike_mobike, wrong_cookie_ends_the_sa)
{
	start("192.0.2.1", false);
	move("192.0.2.77");
	duo_run(&duo, duo.now + ROUND_TRIP - 1); /* the check is on its way */
	cr_assert(r->sa->paths.check.asked);
	r->sa->paths.check.cookie[3] ^= 1;
	duo_run(&duo, duo.now + 30000);
	cr_assert_eq(r->moves, 0);
	duo_assert_gone(r, IKE_END_PROTOCOL, 0); /* RFC 4555 section 3.7 */
}

Test(ike_mobike, answer_from_elsewhere_is_no_proof)
{
	start("10.0.0.2", true);
	ike_host_mapping(duo.b.host, r->sa, &victim);
	cr_assert(r->sa->paths.check.on);
	/* The client gets the check by other ways, and answers truly, from where it is. */
	r->sa->paths.check.path.remote.port--;
	ike_send_again(r->sa, &r->sa->path, r->sa->request.data, r->sa->request.len);
	duo_run(&duo, duo.now + 100);
	cr_assert_eq(r->moves, 0);
	cr_assert_not(r->sa->paths.check.on);
	duo_assert_up(r);
}

/* OpenIKED once took a peer's address from messages that it had not authenticated. */
Test(ike_mobike, forged_messages_change_nothing)
{
	struct ike_sa_info before, after;
	uint8_t msg[80] = { 0 };
	struct ike_path path;

	start("10.0.0.2", true);
	before = info(r);
	path = before.path;
	path.remote = victim;
	memcpy(msg, &(uint64_t){ __builtin_bswap64(before.spi_i) }, 8);
	memcpy(msg + 8, &(uint64_t){ __builtin_bswap64(before.spi_r) }, 8);
	msg[16] = IKE_PAYLOAD_SK;
	msg[17] = IKE_VERSION_2_0;
	msg[18] = IKE_EXCHANGE_INFORMATIONAL;
	msg[27] = sizeof(msg);
	msg[31] = sizeof(msg) - IKE_HEADER_SIZE;
	for (uint8_t id = 0; id < 4; id++) {
		msg[19] = id % 2 ? IKE_FLAG_INITIATOR : IKE_FLAG_INITIATOR | IKE_FLAG_RESPONSE;
		msg[23] = id / 2 + 1;
		duo_inject(&duo.b, &path, msg, sizeof(msg));
	}
	duo_settle(&duo);
	after = info(r);
	cr_assert(ike_path_equal(&before.path, &after.path));
	cr_assert_eq(after.last_heard, before.last_heard);
	cr_assert_eq(after.received, before.received);
	cr_assert_not(r->sa->paths.check.on);
	cr_assert_eq(box.strangers, 0);
	cr_assert_gt(duo_counters(&duo.b).unauthenticated, 0);
}

Test(ike_mobike, replayed_update_changes_nothing)
{
	struct duo_datagram *update = NULL;
	struct ike_path path;

	start("192.0.2.1", false);
	duo.recording = true;
	move("192.0.2.77");
	duo_settle(&duo);
	duo.recording = false;
	for (size_t k = 0; k < duo.logged && !update; k++)
		if (duo.log[k]->to == &duo.b)
			update = duo.log[k];
	cr_assert(update);
	path = info(r).path;
	path.remote = victim;
	for (int k = 0; k < 3; k++) { /* the last request: answered again, to where it came from */
		duo_inject(&duo.b, &path, update->msg, update->len);
		duo_run(&duo, duo.now + 1000);
	}
	ike_host_probe(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 1000);
	duo_inject(&duo.b, &path, update->msg, update->len); /* an old one: dropped */
	duo_run(&duo, duo.now + 1000);
	cr_assert_eq(box.strangers, 3);
	cr_assert_eq(r->moves, 1);
	assert_at(&box.address, false);
}

/* The client's own remote end is fixed: nobody who knows the keys makes it answer elsewhere. */
Test(ike_mobike, client_follows_nobody)
{
	struct ike_path path;
	uint64_t dropped;

	start("10.0.0.2", true);
	path = info(i).path;
	path.remote.port = 4501;
	dropped = duo_counters(&duo.a).dropped;
	duo.recording = true;
	ike_host_probe(duo.b.host, r->sa);
	duo.recording = false;
	duo_inject(&duo.a, &path, duo.log[0]->msg, duo.log[0]->len);
	path.remote.port = 4500;
	path.channel++;
	duo_inject(&duo.a, &path, duo.log[0]->msg, duo.log[0]->len);
	duo_run(&duo, duo.now + 1);
	cr_assert_eq(duo_counters(&duo.a).dropped, dropped + 2);
	duo_settle(&duo);
	duo_assert_up(r);
}

/* ---- other words of RFC 4555 ---- */

static void ask(struct ike_sa *sa, uint16_t type, const void *data, size_t len)
{
	struct ike_out out;

	ike_send_begin(sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_notify(&out.b, type, data, len);
	ike_send_request(sa, &out);
}

Test(ike_mobike, update_of_the_follower_is_none)
{
	start("192.0.2.1", false);
	ask(r->sa, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
	duo_settle(&duo);
	cr_assert_eq(i->moves, 0);
	cr_assert_not(i->sa->paths.check.on);
	duo_assert_up(i);
}

Test(ike_mobike, path_test_is_no_move)
{
	uint8_t cookie[16] = { 1 };

	start("10.0.0.2", true);
	natbox_flush(&box);
	ask(i->sa, IKE_NOTIFY_COOKIE2, cookie, sizeof(cookie));
	duo_run(&duo, duo.now + 1000);
	cr_assert_eq(r->moves, 0);
	cr_assert_not(i->sa->request.data); /* it was answered */
}

Test(ike_mobike, refused_address)
{
	struct ike_path path;

	start("192.0.2.1", false);
	path = natbox_path(&box);
	cr_assert_eq(ike_host_move(duo.a.host, i->sa, &path), 0);
	ike_mobike_updated(i->sa, &(struct ike_payloads){ .notify_count = 1,
			.notifies = { { .type = IKE_NOTIFY_UNACCEPTABLE_ADDRESSES } } });
	cr_assert_eq(info(i).state, IKE_STATE_CLOSING);
	duo_settle(&duo);
	duo_assert_gone(i, IKE_END_REFUSED, IKE_NOTIFY_UNACCEPTABLE_ADDRESSES);
}

Test(ike_mobike, forbidden_nat_is_seen)
{
	static const uint8_t mine[] = { 10, 0, 0, 2, 198, 51, 100, 1, 0x11, 0x94, 0x11, 0x94 };
	struct ike_out out;

	start("192.0.2.1", false);
	natbox_translate(&box, "203.0.113.9");
	natbox_readdress(&box, "10.0.0.2");
	i->sa->path = natbox_path(&box);
	ike_send_begin(i->sa, &out, IKE_EXCHANGE_INFORMATIONAL, false);
	ike_build_notify(&out.b, IKE_NOTIFY_UPDATE_SA_ADDRESSES, NULL, 0);
	ike_build_notify(&out.b, IKE_NOTIFY_NO_NATS_ALLOWED, mine, sizeof(mine));
	ike_send_request(i->sa, &out);
	duo_run(&duo, duo.now + 1000);
	cr_assert_not(i->sa->request.data);
	cr_assert_eq(r->moves, 0);
	cr_assert_not(r->sa->paths.check.on);
}
