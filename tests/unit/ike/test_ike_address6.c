/* An IPv6 address beside the IPv4 one (RFC 7296 section 3.15): asked for, given, or not. */
#include <criterion/criterion.h>
#include <string.h>

#include "common/ike/ike_sa_priv.h"
#include "duo.h"
#include "duo_assert.h"
#include "duo_rekey.h"

static struct duo duo;
static struct ike_host_conf quick = { .retransmit_first = 100, .child_linger = 2000 };
static const struct prefix any4 = { .addr.family = AF_INET }, any6 = { .addr.family = AF_INET6 };
static struct addr six, other;

/* B gives IPv6, too. */
static void setup(void)
{
	duo_init(&duo, 1);
	duo_start(&duo, &quick);
	cr_assert_eq(addr_parse("fd49:5070:7269:7600::6440:7", &six), 0);
	cr_assert_eq(addr_parse("fd49:5070:7269:7600::6440:8", &other), 0);
	duo.b.lease.address6 = six;
	duo.b.local.items[duo.b.local.count++] = any6;
}

static void teardown(void)
{
	duo_fini(&duo);
}

TestSuite(ike_address6, .init = setup, .fini = teardown);

/* What a client asks an exit for. */
static struct ike_init_conf client6(void)
{
	struct ike_init_conf conf = duo_client(&duo);

	conf.want_address6 = true;
	conf.ts_local.items[conf.ts_local.count++] = any6;
	conf.ts_remote.items[conf.ts_remote.count++] = any6;
	return conf;
}

static void assert_both(const struct duo_record *r, const struct ike_child *child)
{
	const struct ike_ts_list *own = r->side == &duo.a ? &child->ts_local : &child->ts_remote;
	const struct ike_ts_list *far = r->side == &duo.a ? &child->ts_remote : &child->ts_local;
	struct prefix four = prefix_host(&duo.b.lease.address), host6 = prefix_host(&six);

	cr_assert(addr_equal(&r->lease.address6, &six));
	cr_assert_eq(own->count, 2);
	cr_assert(prefix_equal(&own->items[0], &four) && prefix_equal(&own->items[1], &host6));
	cr_assert_eq(far->count, 2);
	cr_assert(prefix_equal(&far->items[0], &any4) && prefix_equal(&far->items[1], &any6));
}

static void assert_four(const struct duo_record *r)
{
	const struct ike_child *c = &r->child;

	duo_assert_up(r);
	cr_assert(addr_equal(&r->lease.address, &duo.b.lease.address));
	cr_assert_eq(r->lease.address6.family, 0);
	cr_assert_eq(c->ts_local.count, 1);
	cr_assert_eq(c->ts_remote.count, 1);
	cr_assert_eq(c->ts_local.items[0].addr.family, AF_INET);
	cr_assert_eq(c->ts_remote.items[0].addr.family, AF_INET);
}

static void four_alone(const struct ike_init_conf *conf)
{
	assert_four(duo_connect(&duo, conf));
	assert_four(duo_last(&duo.b));
}

Test(ike_address6, given_beside_the_other)
{
	struct ike_init_conf conf = client6();
	struct duo_record *i = duo_connect(&duo, &conf), *r = duo_last(&duo.b);

	duo_assert_up(i);
	duo_assert_up(r);
	assert_both(i, &i->child);
	assert_both(r, &r->child);
	cr_assert_eq(i->lease.dns_count, 1);
}

Test(ike_address6, stays_when_the_child_is_rekeyed_by_either)
{
	struct ike_init_conf conf = client6();
	struct duo_record *i = duo_connect(&duo, &conf), *r = duo_last(&duo.b);

	for (int k = 0; k < 2; k++) {
		struct duo_record *who = k == 0 ? i : r;

		ike_host_rekey_child(who->side->host, who->sa, who->sending);
		duo_settle(&duo);
		duo_rekey_assert(&duo, i, r);
		assert_both(i, &duo_child(i, i->sending)->child);
		assert_both(r, &duo_child(r, r->sending)->child);
		duo_run(&duo, duo.now + 5000);
	}
	duo_rekey_assert_rest(&duo, i, r);
	cr_assert_eq(i->adds, 2);
}

Test(ike_address6, who_does_not_ask_gets_none)
{
	struct ike_init_conf conf = duo_client(&duo);

	four_alone(&conf);
	conf = client6();
	conf.want_address6 = false; /* its selectors alone do not ask */
	four_alone(&conf);
}

Test(ike_address6, who_has_none_gives_none)
{
	struct ike_init_conf conf = client6();

	duo.b.lease.address6 = (struct addr){ 0 };
	four_alone(&conf);
	duo.b.local.count = 1;
	four_alone(&conf);
}

Test(ike_address6, selectors_of_one_side_are_not_enough)
{
	struct ike_init_conf conf = client6();

	conf.ts_remote.count = 1;
	four_alone(&conf);
	conf = client6();
	conf.ts_local.count = 1;
	four_alone(&conf);
}

/* ---- answers that a client does not take ---- */

static void (*edit)(uint8_t *plain, const struct ike_payloads *p);

/* Opens what B says in IKE_AUTH, has EDIT change it in place and seals it again. */
static bool forge_tap(struct duo *d, struct duo_side *from, uint8_t *msg, size_t *len)
{
	uint8_t plain[DUO_MESSAGE_MAX], nonce[12];
	struct ike_payloads outer, p;
	struct ike_crypt c;
	size_t inner;

	if (from != &d->b || msg[18] != IKE_EXCHANGE_AUTH)
		return true;
	c = from->host->by_spi->out;
	cr_assert_eq(ike_parse_payloads(msg[16], msg + 28, *len - 28, &outer), 0);
	cr_assert_eq(ike_crypt_open(&c, msg, outer.sk, plain, &inner), 0);
	cr_assert_eq(ike_parse_payloads(outer.sk_next, plain, inner, &p), 0);
	edit(plain, &p);
	memcpy(nonce, c.salt, 4);
	memcpy(nonce + 4, outer.sk.data, 8);
	crypto_seal(c.key, nonce, msg, 32, plain, outer.sk.len - 8 - 16, msg + 40);
	return true;
}

static uint8_t *value_of(uint8_t *plain, const struct ike_payloads *p, uint16_t type)
{
	for (size_t i = 0; i < p->cp.count; i++)
		if (p->cp.attrs[i].type == type)
			return plain + (p->cp.attrs[i].value.data - plain);
	cr_assert_fail("no attribute %u", type);
	return NULL;
}

/* The address is another one than that of the selector. */
static void edit_address(uint8_t *plain, const struct ike_payloads *p)
{
	memcpy(value_of(plain, p, IKE_CFG_ATTR_IP6_ADDRESS), other.bytes, 16);
}

/* Its selector is there, the address is not. */
static void edit_type(uint8_t *plain, const struct ike_payloads *p)
{
	value_of(plain, p, IKE_CFG_ATTR_IP6_ADDRESS)[-3] = IKE_CFG_ATTR_IP6_SUBNET;
}

/* The address without its prefix length, as 16 bytes of a resolver before it. */
static void edit_length(uint8_t *plain, const struct ike_payloads *p)
{
	uint8_t *value = value_of(plain, p, IKE_CFG_ATTR_IP6_ADDRESS);

	value[-1] = 0; /* empty, and then an attribute of */
	memset(value, 0, 17);
	value[1] = IKE_CFG_ATTR_APPLICATION_VERSION;
	value[3] = 13;
}

static void refused(void (*by)(uint8_t *plain, const struct ike_payloads *p))
{
	struct ike_init_conf conf = client6();
	struct duo_record *i;

	edit = by;
	duo.tap = forge_tap;
	i = duo_connect(&duo, &conf);
	duo_assert_gone(i, IKE_END_PROTOCOL, 0);
	cr_assert_eq(i->ups, 0);
}

Test(ike_address6, not_what_the_selector_says) { refused(edit_address); }
Test(ike_address6, selector_without_an_address) { refused(edit_type); }
Test(ike_address6, empty_address) { refused(edit_length); }
