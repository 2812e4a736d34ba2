/* Counting captured packets, and what a leak test makes of the numbers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ippriv-client/leak_child.h"
#include "ippriv-client/leak_probe.h"
#include "ippriv-client/leak_report.h"
#include "ippriv-client/leak_send.h"

enum { IP = 0x0800 };

static struct leak_result result;
static const struct addr me = { AF_INET, { 198, 51, 100, 9 } }, entry = { AF_INET, { 192, 0, 2, 1 } };

/* A good test: one answer, packets of the tunnel, nothing else. */
static void setup(void)
{
	result = (struct leak_result){ .captured = true, .user = "alice" };
	leak_probe_marks("0123456789abcdef", 10240, &result.tally.marks);
	leak_peers_add(&result.tally.peers, &entry);
	result.tried[0].known = true;
	result.tried[0].outcome = LEAK_ANSWERED;
	result.tally.tunnel = 10;
}

TestSuite(leak_tally, .init = setup);

static void captured(const char *link, const struct addr *dst, uint16_t port, const char *data)
{
	uint8_t packet[128];
	size_t len = leak_datagram(&me, dst, port, data, packet, sizeof(packet));

	cr_assert_gt(len, 0);
	leak_tally_add(&result.tally, link, IP, packet, len);
}

static char *printed(void)
{
	static char text[16384];
	FILE *f = fmemopen(text, sizeof(text), "w");

	leak_report_print(f, &result);
	fclose(f);
	return text;
}

#define EXPECT_SAYS(words) cr_expect(strstr(printed(), words), "%s", printed())

Test(leak_tally, nothing_in_clear_is_no_leak)
{
	cr_expect_eq(leak_report_verdict(&result), LEAK_NONE);
	EXPECT_SAYS("came back through the tunnel");
	EXPECT_SAYS("0 leaked\nno leak\n");
}

Test(leak_tally, packets_of_a_probe_are_leaks_with_their_links)
{
	captured("eth0", &me, 9, "0123456789abcdef08");
	captured("eth0", &entry, 4500, "0123456789abcdef08");
	captured("wlan0", &me, 9, "0123456789abcdef08");
	captured("eth0", &me, 9, "somebody else's");
	cr_expect_eq(leak_tally_leaked(&result.tally), 3);
	cr_expect_eq(leak_links_sum(&result.tally.probes[8]), 3);
	cr_expect_eq(result.tally.plain, 1);
	cr_expect_eq(leak_report_verdict(&result), LEAK_FOUND);
	EXPECT_SAYS("LEAKED 2 packets on eth0, 1 packet on wlan0\n");
	EXPECT_SAYS("1 leaked\nLEAKS");
	EXPECT_SAYS("1  UDP port 9 of 198.51.100.9");
}

Test(leak_tally, links_and_places_too_many_lose_no_packet)
{
	char link[16];

	for (int i = 0; i < 40; i++) {
		snprintf(link, sizeof(link), "eth%d", i);
		captured(link, &me, (uint16_t)(1000 + i), "x");
	}
	cr_expect_eq(leak_links_sum(&result.tally.seen), 40);
	cr_expect_eq(result.tally.plain, 40);
	cr_expect_eq(result.tally.flow_count, LEAK_FLOWS_MAX);
	EXPECT_SAYS("8  to other places\n");
}

Test(leak_tally, what_shows_nothing_is_not_called_good)
{
	result.captured = false;
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED);
	EXPECT_SAYS("sudo ippriv leaktest");
	setup();
	result.missed = 1;
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED);
	setup();
	result.tally.tunnel = 0;
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED);
	setup();
	result.tried[0].outcome = LEAK_SENT;
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED);
	setup();
	snprintf(result.why, sizeof(result.why), "the probes did not end");
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED);
	EXPECT_SAYS("not tested: the probes did not end\n");
	setup();
	result.place = LEAK_OUTSIDE;
	cr_expect_eq(leak_report_verdict(&result), LEAK_UNTESTED, "outside it has to find some");
	captured("eth0", &me, 9, "0123456789abcdef08");
	cr_expect_eq(leak_report_verdict(&result), LEAK_FOUND);
}

Test(leak_tally, a_host_that_is_up_lets_nothing_out_but_what_it_is_to)
{
	struct leak_allowed *allowed = &result.tally.allowed;
	uint8_t syn[40] = { 0x45, [9] = IPPROTO_TCP, [12] = 1, [16] = 192, 0, 2, 7, [22] = 31, 144 };

	allowed->nets[allowed->net_count++] = (struct prefix){ { AF_INET, { 198, 51, 100 } }, 24 };
	allowed->fetch[allowed->fetch_count++] =
		(struct endpoint){ { AF_INET, { 192, 0, 2, 7 } }, 8080 };
	result.place = LEAK_IN_HOST;
	captured("eth0", &me, 631, "a printer");
	leak_tally_add(&result.tally, "eth0", IP, syn, sizeof(syn));
	cr_expect_eq(result.tally.excluded, 1);
	cr_expect_eq(result.tally.fetch, 1);
	cr_expect_eq(leak_report_verdict(&result), LEAK_NONE);
	EXPECT_SAYS("1 of the fetch of the relay list, 1 to excluded networks");
	syn[23]++; /* another port */
	leak_tally_add(&result.tally, "eth0", IP, syn, sizeof(syn));
	cr_expect_eq(result.tally.plain, 1);
	cr_expect_eq(leak_report_verdict(&result), LEAK_FOUND);
	EXPECT_SAYS("1 packets of other programs left in clear: LEAKED");
	result.place = LEAK_IN_RUN;
	cr_expect_eq(leak_report_verdict(&result), LEAK_NONE);
}

Test(leak_tally, json_says_the_same)
{
	json_t *o, *probe;

	captured("eth0", &me, 9, "0123456789abcdef08");
	result.tried[1].known = true;
	result.tried[1].outcome = LEAK_REFUSED;
	result.tried[1].err = ENETUNREACH;
	o = leak_report_json(&result);
	cr_expect_str_eq(json_string_value(json_object_get(o, "verdict")), "leaks");
	cr_expect_eq(json_array_size(json_object_get(o, "probes")), leak_probe_count());
	probe = json_array_get(json_object_get(o, "probes"), 8);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(probe, "links"), "eth0")), 1);
	probe = json_array_get(json_object_get(o, "probes"), 1);
	cr_expect_str_eq(json_string_value(json_object_get(probe, "outcome")), "refused");
	json_decref(o);
}

Test(leak_tally, every_packet_of_a_probe_is_recognised)
{
	struct leak_plan plan = { .token = "0123456789abcdef" };
	uint8_t data[LEAK_PAYLOAD_MAX];
	char label[LEAK_LABEL];
	size_t len;

	cr_assert_leq(leak_probe_count(), LEAK_PROBES_MAX);
	for (size_t i = 0; i < leak_probe_count(); i++) {
		leak_probe_label(&plan, i, label);
		len = leak_query(label, "test", data, sizeof(data));
		cr_expect_eq(leak_packet_probe(0, data, len, &result.tally.marks), (int)i);
		cr_expect_eq(leak_query(label, "test", data, len - 1), 0);
		len = leak_echo(label, data, sizeof(data));
		cr_expect_eq(leak_packet_probe(0, data, len, &result.tally.marks), (int)i);
		len = leak_datagram(&me, &entry, 9, label, data, sizeof(data));
		cr_expect_eq(leak_packet_probe(IP, data, len, &result.tally.marks), (int)i);
		leak_payload(label, data, sizeof(data));
		cr_expect_eq(leak_packet_probe(0, data + 1480, 500, &result.tally.marks), (int)i,
			     "a later fragment");
	}
}

Test(leak_tally, a_plan_comes_as_it_was)
{
	struct leak_plan plan = { .token = "0123456789abcdef", .tcp_sport = 10240, .local = me,
				  .link = "eth0", .link_count = 2, .links = { "eth0", "wlan0" },
				  .host_pid = 7, .host_fd = 8 },
			 got;
	json_t *o;

	leak_addresses_add(&plan.lan, &me);
	leak_addresses_add(&plan.entries, &entry);
	leak_addresses_add(&plan.entries, &entry);
	o = leak_plan_json(&plan);
	cr_assert_eq(leak_plan_parse(o, &got), 0);
	cr_expect_arr_eq(&got, &plan, sizeof(plan));
	json_object_set_new(o, "token", json_string("0123456789abcdeX"));
	cr_expect_eq(leak_plan_parse(o, &got), -EBADMSG);
	json_object_set_new(o, "token", json_string(plan.token));
	json_object_set_new(o, "tcp_sport", json_integer(65535));
	cr_expect_eq(leak_plan_parse(o, &got), -EBADMSG);
	json_object_set_new(o, "tcp_sport", json_integer(10240));
	json_object_set_new(o, "links", json_pack("[s]", "a name that is too long"));
	cr_expect_eq(leak_plan_parse(o, &got), -EBADMSG);
	json_object_set_new(o, "links", json_array());
	json_object_set_new(o, "lan", json_pack("[s]", "here"));
	cr_expect_eq(leak_plan_parse(o, &got), -EBADMSG);
	json_decref(o);
	cr_expect_eq(leak_plan_parse(NULL, &got), -EBADMSG);
}

Test(leak_tally, the_prober_says_only_what_makes_sense)
{
	static const char *const bad[] = {
		"", "[]", "{}", "nonsense", "{\"probe\": -1, \"outcome\": \"sent\", \"errno\": 0}",
		"{\"probe\": 64, \"outcome\": \"sent\", \"errno\": 0}",
		"{\"probe\": 0, \"outcome\": \"lost\", \"errno\": 0}",
		"{\"probe\": 0, \"outcome\": \"sent\", \"errno\": -1}",
		"{\"probe\": 0, \"outcome\": \"sent\"}", "{\"streamed\": -1, \"answered\": 0}",
		"{\"probed\": false}",
	};
	struct leak_word_said said;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(leak_child_parse(bad[i], &said), -EBADMSG, "%s", bad[i]);
	cr_assert_eq(leak_child_parse("{\"probe\": 2, \"outcome\": \"refused\", \"errno\": 1}", &said), 0);
	cr_expect_eq(said.word, LEAK_WORD_PROBE);
	cr_expect_eq(said.probe, 2);
	cr_expect_eq(said.outcome, LEAK_REFUSED);
	cr_expect_eq(said.err, 1);
	cr_assert_eq(leak_child_parse("{\"streamed\": 3, \"answered\": 2}", &said), 0);
	cr_expect_eq(said.answered, 2);
}
