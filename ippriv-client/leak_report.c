#include "ippriv-client/leak_report.h"

#include <inttypes.h>
#include <string.h>

#include "ippriv-client/leak_probe.h"

static size_t count_outcome(const struct leak_result *r, enum leak_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < leak_probe_count(); i++)
		n += r->tried[i].known && r->tried[i].outcome == outcome;
	return n;
}

static size_t count_leaking(const struct leak_result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < leak_probe_count(); i++)
		n += r->tally.probes[i].count > 0;
	return n;
}

/* A host that is `up` has no programs that may do without the tunnel. */
static bool others_leak(const struct leak_result *r)
{
	return r->place == LEAK_IN_HOST && r->tally.plain > 0;
}

/* Why this says nothing; NULL: it does. */
static const char *untested(const struct leak_result *r)
{
	if (r->why[0])
		return r->why;
	if (!r->captured)
		return "nothing was captured: run it as root (sudo ippriv leaktest) to see what leaves "
		       "this host";
	if (r->missed > 0)
		return "the capture has missed packets: try again when this host has less to do";
	if (r->place == LEAK_OUTSIDE)
		return "the probes ran without the tunnel and nothing was seen: this test is blind here";
	if (count_outcome(r, LEAK_ANSWERED) == 0 || r->tally.tunnel == 0)
		return "no probe came back through the tunnel: nothing shows that it works at all";
	return NULL;
}

enum leak_verdict leak_report_verdict(const struct leak_result *r)
{
	if (r->captured && (leak_tally_leaked(&r->tally) > 0 || others_leak(r)))
		return LEAK_FOUND;
	return untested(r) ? LEAK_UNTESTED : LEAK_NONE;
}

static void print_links(FILE *out, const struct leak_links *links)
{
	for (size_t i = 0; i < links->count; i++)
		fprintf(out, "%s%" PRIu64 " packet%s on %s", i ? ", " : "", links->link[i].packets,
			links->link[i].packets == 1 ? "" : "s", links->link[i].name);
}

static void print_outcome(FILE *out, const struct leak_result *r, size_t i)
{
	if (!r->tried[i].known) {
		fputs("not tried", out);
		return;
	}
	switch (r->tried[i].outcome) {
	case LEAK_ANSWERED:
		fputs(r->place != LEAK_OUTSIDE && r->captured ? "came back through the tunnel" :
							       "was answered", out);
		break;
	case LEAK_SENT:
		fputs(r->place != LEAK_OUTSIDE && r->captured ?
			      "went into the tunnel or nowhere, no answer" :
			      "sent, no answer", out);
		break;
	case LEAK_REFUSED:
		fprintf(out, "blocked: %s", strerror(r->tried[i].err));
		break;
	case LEAK_NOTHING:
	case LEAK_OUTCOMES:
		fputs("not tried: nothing to try it on", out);
		break;
	}
}

static void print_probe(FILE *out, const struct leak_result *r, size_t i)
{
	const struct leak_links *links = &r->tally.probes[i];

	fprintf(out, "  %-32s  ", leak_probe_at(i)->text);
	if (links->count > 0) {
		fputs("LEAKED ", out);
		print_links(out, links);
	} else {
		print_outcome(out, r, i);
	}
	fputc('\n', out);
}

static void print_step(FILE *out, const struct leak_step *s)
{
	fprintf(out, "  %-32s  ", s->text);
	if (!s->done)
		fprintf(out, "not done: %s\n", s->why);
	else
		fprintf(out, "%s%" PRIu64 " of %" PRIu64 " packets leaked, %" PRIu64 " came back%s%s\n",
			s->leaked ? "LEAKED: " : "", s->leaked, s->sent, s->answered,
			s->why[0] ? "; " : "", s->why);
}

static const char *flow_text(const struct leak_flow *f, char *out, size_t size)
{
	const char *name = f->proto == IPPROTO_TCP    ? "TCP" :
			   f->proto == IPPROTO_UDP    ? "UDP" :
			   f->proto == IPPROTO_ICMP   ? "ICMP" :
			   f->proto == IPPROTO_ICMPV6 ? "ICMPv6" :
							NULL;
	char text[ADDR_TEXT];

	if (f->dst.family == 0)
		snprintf(out, size, "ethertype 0x%04x", f->port);
	else if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP)
		snprintf(out, size, "%s port %d of %s", name, f->port, addr_text(&f->dst, text));
	else if (name)
		snprintf(out, size, "%s to %s", name, addr_text(&f->dst, text));
	else
		snprintf(out, size, "IP protocol %d to %s", f->proto, addr_text(&f->dst, text));
	return out;
}

static void print_others(FILE *out, const struct leak_result *r)
{
	const struct leak_tally *t = &r->tally;
	uint64_t listed = 0;
	char text[128];

	fprintf(out, "%" PRIu64 " packets captured: %" PRIu64 " of the tunnel, %" PRIu64
		     " of other tunnels, %" PRIu64 " of the links themselves (ARP, DHCP and the like), "
		     "%" PRIu64 " of the probes\n",
		leak_links_sum(&t->seen), t->tunnel, t->encrypted, t->link, leak_tally_leaked(t));
	fprintf(out, "%" PRIu64 " of the fetch of the relay list, %" PRIu64 " to excluded networks\n",
		t->fetch, t->excluded);
	fprintf(out, "%" PRIu64 " packets of other programs left in clear%s\n", t->plain,
		others_leak(r) ? ": LEAKED, unless `ippriv exclude` or `portal` runs:" :
		t->plain ? "; they do not run by `ippriv run`, so this is expected:" : "");
	for (size_t i = 0; i < t->flow_count; i++) {
		listed += t->flows[i].packets;
		fprintf(out, "  %" PRIu64 "  %s\n", t->flows[i].packets,
			flow_text(&t->flows[i], text, sizeof(text)));
	}
	if (t->plain > listed)
		fprintf(out, "  %" PRIu64 "  to other places\n", t->plain - listed);
}

static void print_verdict(FILE *out, const struct leak_result *r)
{
	const char *why = untested(r);

	fprintf(out, "%zu probes: %zu came back, %zu sent without an answer, %zu blocked, %zu not tried; "
		     "%zu leaked\n",
		leak_probe_count(), count_outcome(r, LEAK_ANSWERED), count_outcome(r, LEAK_SENT),
		count_outcome(r, LEAK_REFUSED), count_outcome(r, LEAK_NOTHING), count_leaking(r));
	switch (leak_report_verdict(r)) {
	case LEAK_FOUND:
		fputs(r->place == LEAK_OUTSIDE ?
			      "LEAKS: as it must be without the tunnel; this test sees them\n" :
			      "LEAKS: see the lines above\n", out);
		break;
	case LEAK_UNTESTED:
		fprintf(out, "not tested: %s\n", why);
		break;
	case LEAK_NONE:
		fputs("no leak\n", out);
		break;
	}
}

const char *leak_report_name(enum leak_verdict verdict)
{
	static const char *const names[] = { "none", "leaks", "untested" };

	return names[verdict];
}

void leak_report_print(FILE *out, const struct leak_result *r)
{
	static const char *const places[] = { "by `ippriv run`", "in the host, which is up,",
					      "without the tunnel," };

	fprintf(out, "%s as %s", places[r->place], r->user);
	if (r->captured && r->tally.seen.count > 0)
		fputs(", captured: ", out);
	print_links(out, &r->tally.seen);
	fputs(":\n", out);
	for (size_t i = 0; i < leak_probe_count(); i++)
		print_probe(out, r, i);
	if (r->step_count > 0)
		fputs("while probes went on:\n", out);
	for (size_t i = 0; i < r->step_count; i++)
		print_step(out, &r->steps[i]);
	if (r->captured)
		print_others(out, r);
	if (r->circuit_packets > 0)
		fprintf(out, "the circuit of the probes has sent %" PRIu64 " packets\n",
			r->circuit_packets);
	print_verdict(out, r);
}

static json_t *links_json(const struct leak_links *links)
{
	json_t *o = json_object();

	for (size_t i = 0; i < links->count; i++)
		json_object_set_new(o, links->link[i].name,
				    json_integer((json_int_t)links->link[i].packets));
	return o;
}

static json_t *probe_json(const struct leak_result *r, size_t i)
{
	bool known = r->tried[i].known;
	json_t *o = json_pack("{s:s, s:s, s:I, s:o}", "name", leak_probe_at(i)->name, "outcome",
			      known ? leak_outcome_name(r->tried[i].outcome) : "unknown", "leaked",
			      (json_int_t)leak_links_sum(&r->tally.probes[i]), "links",
			      links_json(&r->tally.probes[i]));

	if (known && r->tried[i].err)
		json_object_set_new(o, "error", json_string(strerror(r->tried[i].err)));
	return o;
}

static json_t *step_json(const struct leak_step *s)
{
	json_t *o = json_pack("{s:s, s:b, s:I, s:I, s:I}", "name", s->name, "done", s->done, "sent",
			      (json_int_t)s->sent, "answered", (json_int_t)s->answered, "leaked",
			      (json_int_t)s->leaked);

	if (s->why[0])
		json_object_set_new(o, "note", json_string(s->why));
	return o;
}

static json_t *flows_json(const struct leak_tally *t)
{
	json_t *list = json_array();
	char text[128];

	for (size_t i = 0; i < t->flow_count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:I}", "to",
						flow_text(&t->flows[i], text, sizeof(text)),
						"packets", (json_int_t)t->flows[i].packets));
	return list;
}

json_t *leak_report_json(const struct leak_result *r)
{
	static const char *const places[] = { "run", "host", "outside" };
	const struct leak_tally *t = &r->tally;
	json_t *probes = json_array(), *steps = json_array(), *o;
	const char *why = untested(r);

	for (size_t i = 0; i < leak_probe_count(); i++)
		json_array_append_new(probes, probe_json(r, i));
	for (size_t i = 0; i < r->step_count; i++)
		json_array_append_new(steps, step_json(&r->steps[i]));
	o = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:o, s:o}", "verdict",
		      leak_report_name(leak_report_verdict(r)), "place", places[r->place], "user",
		      r->user, "captured", r->captured, "leaked", (json_int_t)leak_tally_leaked(t), "missed",
		      (json_int_t)r->missed, "probes", probes, "disrupted", steps);
	if (o && leak_report_verdict(r) == LEAK_UNTESTED)
		json_object_set_new(o, "why", json_string(why));
	if (o && r->captured)
		json_object_set_new(o, "packets",
				    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "fetch",
					      (json_int_t)t->fetch, "excluded",
					      (json_int_t)t->excluded, "tunnel",
					      (json_int_t)t->tunnel, "encrypted",
					      (json_int_t)t->encrypted, "link", (json_int_t)t->link,
					      "plain", (json_int_t)t->plain, "plain_to",
					      flows_json(t), "seen", links_json(&t->seen)));
	if (o && r->circuit_packets > 0)
		json_object_set_new(o, "circuit_packets",
				    json_integer((json_int_t)r->circuit_packets));
	return o;
}
