/*
 * Truncated, oversized and mutated messages of every kind in the state that waits for them, before
 * and after authentication, and garbage from a peer that holds the keys.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"

static struct duo duo;

/* What is attacked: the first message of this kind, just before the right one arrives. */
static struct {
	bool from_a, response, done;
	uint8_t exchange;
	void (*with)(struct duo_side *from, struct duo_side *to, uint8_t *msg, size_t *len);
} attack;

static bool attack_tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	struct duo_side *to = from == &d->a ? &d->b : &d->a;

	if (attack.done || (from == &d->a) != attack.from_a || msg[18] != attack.exchange ||
	    !(msg[19] & IKE_FLAG_RESPONSE) != !attack.response)
		return true;
	attack.done = true;
	attack.with(from, to, msg, len);
	return true;
}

static void start(uint64_t seed)
{
	const struct ike_host_conf conf = { .half_open_per_path = 100000,
					    .cookie_threshold = 100000, .half_open_max = 100000,
					    .retransmit_first = 200 };

	duo_init(&duo, seed);
	duo_start(&duo, &conf);
	duo.tap = attack_tap;
	attack.done = false;
}

static bool is_up(const struct duo_record *r)
{
	struct ike_sa_info info = { .state = IKE_STATE_DEAD };

	if (r && r->sa)
		ike_sa_info(r->sa, &info);
	return info.state == IKE_STATE_ESTABLISHED;
}

/* From start to end: handshake, a probe from A, a Delete from A; then nothing may be left. */
static void live(bool expect_up)
{
	struct ike_init_conf conf = duo_client(&duo);
	struct duo_record *i = duo_connect(&duo, &conf);

	duo_run(&duo, duo.now + 20000);
	if (expect_up)
		cr_assert(is_up(i) && is_up(duo_last(&duo.b)) && duo.b.count == 1);
	if (is_up(i))
		ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	if (expect_up)
		cr_assert(is_up(i) && is_up(duo_last(&duo.b)));
	if (is_up(i))
		ike_host_close(duo.a.host, i->sa);
	duo_run(&duo, duo.now + 100000);
	cr_assert(attack.done);
	cr_assert_eq(duo_counters(&duo.a).sas, 0);
	cr_assert_eq(duo_counters(&duo.b).sas, 0);
	duo_fini(&duo);
}

/* ---- changes to bytes ---- */

static void put_length(uint8_t *msg, size_t len)
{
	msg[24] = msg[25] = 0;
	msg[26] = (uint8_t)(len >> 8);
	msg[27] = (uint8_t)len;
}

static void for_each_change(struct duo_side *to, const uint8_t *msg, size_t len,
			    void (*input)(struct duo_side *to, const uint8_t *msg, size_t len))
{
	uint8_t copy[DUO_MESSAGE_MAX] = { 0 };

	for (size_t cut = 0; cut < len; cut++) { /* truncated, with the old and a fitting length */
		memcpy(copy, msg, len);
		input(to, copy, cut);
		if (cut >= 28) {
			put_length(copy, cut);
			input(to, copy, cut);
		}
	}
	for (size_t more = 1; len + more <= sizeof(copy); more += 1 + more) { /* oversized */
		memset(copy, 0, sizeof(copy));
		memcpy(copy, msg, len);
		input(to, copy, len + more);
		put_length(copy, len + more);
		input(to, copy, len + more);
	}
	for (size_t bit = 0; bit < len * 8; bit++) {
		memcpy(copy, msg, len);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		input(to, copy, len);
	}
	for (int i = 0; i < 300; i++) { /* several bytes at once */
		memcpy(copy, msg, len);
		for (uint64_t k = 0; k <= duo_random(&duo.fault_seed) % 6; k++)
			copy[duo_random(&duo.fault_seed) % len] = (uint8_t)duo_random(&duo.fault_seed);
		if (memcmp(copy, msg, len) != 0)
			input(to, copy, len);
	}
}

static void input_only(struct duo_side *to, const uint8_t *msg, size_t len)
{
	struct ike_path path = duo_path_to(to);

	ike_host_input(to->host, &path, msg, len);
}

/* With other SPIs it is a message of an SA that there is not: it may be told so. */
static bool names(const struct ike_sa *sa, const uint8_t *msg, size_t len)
{
	struct rbuf r = rbuf_init(msg, len);

	return rbuf_u64(&r) == sa->spi_i && rbuf_u64(&r) == sa->spi_r;
}

/* Not one byte of the SA may change, and nothing may be sent over it. */
static void input_unchanged(struct duo_side *to, const uint8_t *msg, size_t len)
{
	struct ike_sa *sa = to->host->by_spi, before = *sa;
	size_t sent = to->sent;

	input_only(to, msg, len);
	cr_assert_eq(memcmp(&before, sa, sizeof(before)), 0, "state changed");
	cr_assert(to->sent == sent || !names(sa, msg, len), "answered");
}

/* Changed requests may well be good ones: their answers get lost, not taken for another. */
static void change_plain(struct duo_side *from, struct duo_side *to, uint8_t *msg, size_t *len)
{
	(void)from;
	duo.faults.lose = 100;
	for_each_change(to, msg, *len, input_only);
	duo.faults.lose = 0;
}

static void change_sealed(struct duo_side *from, struct duo_side *to, uint8_t *msg, size_t *len)
{
	uint8_t copy[DUO_MESSAGE_MAX];

	(void)from;
	memcpy(copy, msg, *len);
	copy[*len - 1] ^= 1;
	input_only(to, copy, *len); /* derives keys, where that was still to do */
	for_each_change(to, msg, *len, input_unchanged);
}

static void attack_message(uint8_t exchange, bool from_a, bool response, bool expect_up)
{
	attack.exchange = exchange;
	attack.from_a = from_a;
	attack.response = response;
	attack.with = exchange == IKE_EXCHANGE_SA_INIT ? change_plain : change_sealed;
	start(5);
	live(expect_up);
}

Test(ike_hostile, init_request) { attack_message(IKE_EXCHANGE_SA_INIT, true, false, true); }
/* Whoever sees the request can answer in the responder's place: this SA is lost, nothing else. */
Test(ike_hostile, init_response) { attack_message(IKE_EXCHANGE_SA_INIT, false, true, false); }
Test(ike_hostile, auth_request) { attack_message(IKE_EXCHANGE_AUTH, true, false, true); }
Test(ike_hostile, auth_response) { attack_message(IKE_EXCHANGE_AUTH, false, true, true); }
Test(ike_hostile, info_request) { attack_message(IKE_EXCHANGE_INFORMATIONAL, true, false, true); }
Test(ike_hostile, info_response) { attack_message(IKE_EXCHANGE_INFORMATIONAL, false, true, true); }

/* ---- garbage under the right keys ---- */

static void reseal(const struct ike_crypt *c, uint8_t *msg, size_t *len, uint8_t first,
		   const uint8_t *plain, size_t plain_len)
{
	uint8_t nonce[12], padded[DUO_MESSAGE_MAX];

	memcpy(padded, plain, plain_len);
	padded[plain_len] = 0;
	*len = 28 + 4 + 8 + plain_len + 1 + 16;
	put_length(msg, *len);
	msg[28] = first;
	msg[29] = 0;
	msg[30] = (uint8_t)((*len - 28) >> 8);
	msg[31] = (uint8_t)(*len - 28);
	memcpy(nonce, c->salt, 4);
	memcpy(nonce + 4, msg + 32, 8);
	crypto_seal(c->key, nonce, msg, 32, padded, plain_len + 1, msg + 40);
}

static uint64_t pick(uint64_t below)
{
	return duo_random(&duo.fault_seed) % below;
}

static size_t random_chain(uint8_t *plain, uint8_t *first)
{
	size_t len = 0, count = pick(6);

	*first = (uint8_t)(count ? 33 + pick(22) : 0);
	for (size_t i = 0; i < count; i++) { /* well-formed headers, random inside */
		size_t body = pick(60);

		plain[len] = (uint8_t)(i + 1 < count ? 33 + pick(22) : 0);
		plain[len + 1] = pick(10) ? 0 : IKE_PAYLOAD_CRITICAL;
		plain[len + 2] = 0;
		plain[len + 3] = (uint8_t)(body + 4);
		for (size_t k = 0; k < body; k++)
			plain[len + 4 + k] = (uint8_t)pick(pick(2) ? 4 : 256);
		len += body + 4;
	}
	return len;
}

static void garbage(struct duo_side *from, struct duo_side *to, uint8_t *msg, size_t *len)
{
	struct ike_crypt c = from->host->by_spi->out;
	uint8_t plain[DUO_MESSAGE_MAX], first = msg[28];
	struct ike_view sk = { msg + 32, *len - 32 };
	size_t inner;

	(void)to;
	cr_assert_eq(ike_crypt_open(&c, msg, sk, plain, &inner), 0);
	switch (pick(4)) {
	case 0: /* noise */
		inner = pick(300);
		first = (uint8_t)pick(60);
		for (size_t i = 0; i < inner; i++)
			plain[i] = (uint8_t)pick(256);
		break;
	case 1:
		inner = random_chain(plain, &first);
		break;
	case 2: /* cut */
		inner = inner ? pick(inner) : 0;
		break;
	case 3: /* some bytes changed */
		for (uint64_t i = 0; inner && i <= pick(4); i++)
			plain[pick(inner)] = (uint8_t)pick(256);
		break;
	}
	reseal(&c, msg, len, first, plain, inner);
}

static void attack_inside(uint8_t exchange, bool from_a, bool response)
{
	attack.exchange = exchange;
	attack.from_a = from_a;
	attack.response = response;
	attack.with = garbage;
	for (uint64_t seed = 0; seed < 150; seed++) {
		start(seed);
		live(false);
	}
}

Test(ike_hostile, inside_auth_request) { attack_inside(IKE_EXCHANGE_AUTH, true, false); }
Test(ike_hostile, inside_auth_response) { attack_inside(IKE_EXCHANGE_AUTH, false, true); }
Test(ike_hostile, inside_info_request) { attack_inside(IKE_EXCHANGE_INFORMATIONAL, true, false); }
Test(ike_hostile, inside_info_response) { attack_inside(IKE_EXCHANGE_INFORMATIONAL, false, true); }

/* ---- replays ---- */

static void save_window(const struct ike_sa *sa, uint8_t before[16])
{
	memcpy(before, &sa->peer_id, sizeof(sa->peer_id));
	memcpy(before + 4, &sa->next_id, sizeof(sa->next_id));
	memcpy(before + 8, &sa->last_heard, sizeof(sa->last_heard));
}

/* Every message seen, to both sides, in any order, from the right and from a wrong address. */
Test(ike_hostile, replays_change_nothing)
{
	struct ike_init_conf conf;
	struct duo_record *i, *r;
	uint8_t before[2][16], after[2][16];

	start(9);
	duo.tap = NULL;
	duo.recording = true;
	conf = duo_client(&duo);
	i = duo_connect(&duo, &conf);
	ike_host_probe(duo.a.host, i->sa);
	duo_settle(&duo);
	r = duo_last(&duo.b);
	ike_host_probe(duo.b.host, r->sa);
	duo_settle(&duo);
	duo.recording = false;
	cr_assert_eq(duo.logged, 8);
	save_window(i->sa, before[0]);
	save_window(r->sa, before[1]);
	duo.now += 1000;
	for (int k = 0; k < 2000; k++) {
		struct duo_datagram *g = duo.log[pick(duo.logged)];
		struct duo_side *to = pick(2) ? &duo.a : &duo.b;
		struct ike_path path = duo_path_to(to);

		if (pick(2))
			path.remote.addr = addr_v4(0x0a0b0c0d);
		duo_inject(to, &path, g->msg, g->len);
		duo_settle(&duo);
	}
	save_window(i->sa, after[0]);
	save_window(r->sa, after[1]);
	cr_assert_arr_eq(before[0], after[0], 16);
	cr_assert_arr_eq(before[1], after[1], 16);
	cr_assert(is_up(i) && is_up(r));
	cr_assert_eq(duo.b.count, 1);
	cr_assert_eq(duo_counters(&duo.b).sas, 1);
	cr_assert_eq(duo_counters(&duo.b).half_open, 0);
	cr_assert(addr_equal(&r->sa->path.remote.addr, &(struct addr){
			.family = AF_INET, .bytes = { 192, 0, 2, 1 } }));
	duo_fini(&duo);
}

/* Sends the next probe of FROM to TO by PATH; how many datagrams TO answered with. */
static unsigned int answers_to_probe(struct duo_side *from, struct ike_sa *sa, struct duo_side *to,
				     const struct ike_path *path)
{
	struct duo_datagram *g;

	duo.recording = true;
	duo.logged = 0;
	duo.faults.lose = 100; /* only the injected copy arrives */
	ike_host_probe(from->host, sa);
	duo.faults.lose = 0;
	cr_assert_eq(duo.logged, 1);
	g = duo.log[0];
	duo_inject(to, path, g->msg, g->len);
	duo_settle(&duo);
	duo.recording = false;
	return (unsigned int)duo.logged - 1;
}

/* A hop that knows the keys looks for its client's other addresses: no other way gets an answer. */
Test(ike_hostile, probe_by_another_way_gets_no_answer)
{
	struct ike_init_conf conf;
	struct duo_record *i, *r;

	for (int way = 0; way < 5; way++) {
		struct ike_path path;
		unsigned int answers;

		start(13);
		duo.tap = NULL;
		conf = duo_client(&duo);
		i = duo_connect(&duo, &conf);
		r = duo_last(&duo.b);
		cr_assert(is_up(i) && is_up(r));
		path = duo_path_to(&duo.a);
		path.channel += way == 1;
		path.mark += way == 2;
		path.remote.port += way == 3;
		path.remote.addr.bytes[3] ^= way == 4;
		answers = answers_to_probe(&duo.b, r->sa, &duo.a, &path);
		cr_expect_eq(answers, way == 0 ? 1 : 0, "way %d: %u answers", way, answers);
		duo_fini(&duo);
	}
}

/* Random bytes with a plausible header, to hosts in every state. */
Test(ike_hostile, noise)
{
	struct ike_init_conf conf;
	uint8_t msg[DUO_MESSAGE_MAX];

	start(11);
	duo.tap = NULL;
	conf = duo_client(&duo);
	duo_connect(&duo, &conf);
	duo_initiate(&duo, &conf);
	for (int k = 0; k < 20000; k++) {
		size_t len = 28 + pick(pick(20) ? 200 : sizeof(msg) - 28);
		struct duo_side *to = pick(2) ? &duo.a : &duo.b;
		const struct ike_sa *sa = to->host->by_spi;

		for (size_t b = 0; b < len; b++)
			msg[b] = (uint8_t)pick(pick(2) ? 8 : 256);
		for (int b = 0; sa && b < 8; b++) {
			msg[b] = (uint8_t)(sa->spi_i >> (56 - 8 * b));
			msg[8 + b] = (uint8_t)(sa->spi_r >> (56 - 8 * b));
		}
		msg[16] = (uint8_t)(33 + pick(22));
		msg[17] = 0x20;
		msg[18] = (uint8_t)(34 + pick(4));
		msg[19] = (uint8_t)(pick(8) << 3);
		memset(msg + 20, 0, 3);
		msg[23] = (uint8_t)pick(4);
		put_length(msg, len);
		input_only(to, msg, len);
	}
	cr_assert(is_up(duo.a.records[0]));
	cr_assert(is_up(duo.b.records[0]));
	duo_fini(&duo);
}
