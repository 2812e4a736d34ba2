#!/usr/bin/env python3
"""report.py DIR: from the results DIR/*.json, DIR/*.svg and the summary DIR/../RESULTS.md. No figure in it is typed."""
import json
import sys
from pathlib import Path

import plots
from runs import MBIT, NAMES, Point, load, median

HERE = Path(__file__).resolve().parent


class Page:
    def __init__(self):
        self.lines = []

    def say(self, *lines):
        self.lines += lines

    def table(self, head, rows):
        self.say("", "| " + " | ".join(head) + " |", "|" + "---|" * len(head))
        self.say(*("| " + " | ".join(str(c) for c in row) + " |" for row in rows), "")


def verdict(met):
    return "**met**" if met else "**not met**"


# --- first: where Tor wins

def tor_builds_faster(page, results):
    rows = []
    for hop in results.values("hop"):
        ours, theirs = (median(results.point(system=s, kind="circuit", hop=hop).times) * 1000 for s in ("ippriv", "tor"))
        if theirs < ours:
            rows.append([f"{hop} ms", f"{ours:.0f} ms", f"{theirs:.0f} ms"])
    if rows:
        page.say("It builds a circuit in one round trip for each hop, IKEv2 takes two:")
        page.table(["round trip of a hop", "IPpriv", "Tor"], rows)


def tor_wins(page, found):
    page.say("## Where Tor wins", "")
    if "setup" in found:
        tor_builds_faster(page, found["setup"])
    results = found.get("loss")
    measured = results.systems() if results else []
    if "ippriv" not in measured or not {"tor", "torfixed"} & set(measured):
        page.say("Not measured yet (`loss`).", "")
        return
    rows = []
    for rtt in results.values("rtt"):
        for flows in results.values("flows"):
            for loss in results.values("loss"):
                tags = {"rtt": rtt, "flows": flows, "loss": loss}
                ours = results.point(system="ippriv", **tags)
                tors = [(results.point(system=s, **tags), NAMES[s]) for s in ("tor", "torfixed")]
                best, name = max(((p, n) for p, n in tors if p.goodputs), key=lambda x: x[0].goodput, default=(None, ""))
                if best and best.goodput > ours.goodput:
                    rows.append([f"{rtt} ms", flows, f"{loss} %", f"{ours.goodput / MBIT:.2f}", f"{best.goodput / MBIT:.2f} ({name})",
                                 f"{ours.delay:.0f}", f"{best.delay:.0f}"])
    if not rows:
        page.say("Nowhere in goodput, in these measurements.", "")
        return
    page.say("Tor repairs a loss between two relays, on the short way, and its segments carry more payload: a single flow can be "
             "faster with it than with us or directly. In goodput it wins here, at the price of delay:")
    page.table(["RTT", "flows", "loss", "IPpriv, Mbit/s", "Tor, Mbit/s", "delay with IPpriv, ms", "with Tor, ms"], rows)


# --- targets: each gives rows (target, figure, met)

def bulk_targets(results):
    for us in [s for s in ("ippriv", "ippriv_aes") if s in results.systems()]:
        for other, factor in (("tor", 2.5), ("wireguard", 1.0)):
            for gro in results.values("gro"):
                for way in results.values("way"):
                    ours, theirs = (results.point(system=s, gro=gro, way=way).goodput for s in (us, other))
                    if theirs == theirs:
                        yield (f"bulk {way}, GRO {gro}: {NAMES[us]} at least {factor} x {NAMES[other]}",
                               f"{ours / theirs:.2f} x ({ours / 1e6:.2f} and {theirs / 1e6:.2f} MB/s)", ours >= factor * theirs)


def loss_targets(results):
    ratio = results.segment_ratio()
    for rtt in results.values("rtt"):
        for loss in results.values("loss"):
            direct, ours = (results.point(system=s, rtt=rtt, loss=loss, flows=5) for s in ("direct", "ippriv"))
            if loss < 1 or not direct.goodputs or not ours.goodputs:
                continue
            share = ours.goodput / direct.goodput / ratio
            yield (f"{loss} % loss, 5 flows, RTT {rtt} ms: goodput at least 0.95 of direct x {ratio:.3f} (segments)",
                   f"{share:.2f}", share >= 0.95)
            yield (f"{loss} % loss, 5 flows, RTT {rtt} ms: delay at most direct's + 2 ms",
                   f"{ours.delay:.1f} and {direct.delay:.1f} ms", ours.delay <= direct.delay + 2)
        direct, ours = (results.point(system=s, rtt=rtt, loss=1, flows=1) for s in ("direct", "ippriv"))
        if direct.goodputs and ours.goodputs:
            share = ours.goodput / direct.goodput
            yield (f"1 % loss, 1 flow, RTT {rtt} ms: as near to direct as segments allow ({ratio:.3f})", f"{share:.2f}",
                   share >= 0.95 * ratio)


def setup_targets(results):
    for hop in results.values("hop"):
        build = median(results.point(system="ippriv", kind="circuit", hop=hop).times) * 1000
        limit = 2 * (1 + 2 + 3) * hop + 5
        if build == build:
            yield (f"{hop} ms a hop: circuit in 6 round trips of its growing path + 5 ms = {limit} ms", f"{build:.0f} ms", build <= limit)
        ours, direct = (median(results.point(system=s, kind="first byte", hop=hop).times) for s in ("ippriv", "direct"))
        if ours == ours and direct == direct:
            yield (f"{hop} ms a hop: warm first byte within 1.05 of direct's", f"{ours / direct:.3f}", ours <= 1.05 * direct)


TARGETS = {"bulk": bulk_targets, "loss": loss_targets, "setup": setup_targets}


def targets(page, found):
    rows = [[text, figure, verdict(met)] for name, of in TARGETS.items() if name in found for text, figure, met in of(found[name])]
    page.say("## Targets", "", f"{sum('not' not in r[2] for r in rows)} of {len(rows)} are met.")
    page.table(["target", "figure", ""], rows)


# --- a section for each benchmark

def bulk(page, results, baseline):
    rows = []
    for system in results.systems():
        row = [NAMES[system]]
        for gro in results.values("gro"):
            for way in results.values("way"):
                row.append(Point.spread(results.point(system=system, gro=gro, way=way).goodputs, 1e-6, 2))
        rows.append(row + [baseline["bulk"].get(NAMES[system], "–")])
    page.say("MB/s of payload. GRO off is how veth comes, on is what network cards have. All hosts share one processor. The baseline's "
             "telescope was typed by hand: AES-GCM-128 everywhere, one policy for all layers, no firewall, no connection tracking but at the "
             "exit. On this kernel a client takes ChaCha20-Poly1305 by itself (SECURITY.md); AES-GCM is by its configuration. What stands in "
             "the way of more is under profile: each packet is encrypted and decrypted ten times, WireGuard's six, and between these come "
             "XFRM's lookups, routing and the firewall at each relay, all of them for each packet. WireGuard's exit merges what it has "
             "decrypted before it forwards it.")
    page.table(["system"] + [f"{w}, GRO {g}" for g in results.values("gro") for w in results.values("way")] + ["baseline, down"], rows)


def links(page, results, key, unit, tags):
    head = [f"{key}", *(f"{NAMES[s]}: Mbit/s, delay (p95) ms" for s in results.systems())]
    rows = []
    for x in results.values(key):
        row = [f"{x} {unit}"]
        for system in results.systems():
            point = results.point(system=system, **tags, **{key: x})
            row.append(f"{Point.spread(point.goodputs, 1 / MBIT, 2)}, {point.delay:.0f} ({point.p95:.0f})" if point.goodputs else "–")
        rows.append(row)
    page.table(head, rows)


def loss(page, results, baseline):
    for rtt in results.values("rtt"):
        for flows in results.values("flows"):
            page.say("", f"RTT {rtt} ms, flows: {flows}")
            links(page, results, "loss", "%", {"rtt": rtt, "flows": flows})
    rows = []
    for old in baseline["loss"]:
        tags = {k: old[k] for k in ("rtt", "flows", "loss", "system")}
        point = results.point(**tags)
        if point.goodputs:
            now = point.goodput / MBIT
            rows.append([NAMES[old["system"]], old["flows"], f"{old['loss']} %", old["goodput"], f"{now:.2f}",
                         f"{now / old['goodput'] - 1:+.0%}", old["delay"], f"{point.delay:.0f}"])
    page.say("", "Beside the baseline. There, the segments that a sender hands over together were lost together, as netem sees them as one "
             "packet: paths that carry TCP itself, direct and Tor, met fewer losses than tunnels. Here each segment is lost by itself, so a "
             "single lossy flow of theirs is slower than then, and the distance between ours and direct's is what segments explain. Single "
             "flows meet their losses by chance: some ten percent from run to run.")
    page.table(["system", "flows", "loss", "then, Mbit/s", "now", "", "delay then, ms", "now"], rows)


def capacity(page, results, _):
    for flows in results.values("flows"):
        page.say("", f"Flows: {flows}")
        links(page, results, "rate", "Mbit/s", {"flows": flows})


LINKS = ("S-A", "A-B", "B-C", "C-D")


def passed(run):
    """IP bytes on each link and on all four."""
    found = {link: run["after"][link][0] - run["before"][link][0] for link in LINKS}
    return found | {"all": sum(found.values())}


def overhead_ratio(results, system, kind, size):
    """IP bytes by payload byte. What passes by itself is in it: it comes in bursts (Tor's votes), most measurements see none."""
    tags = {"kind": kind} if size is None else {"kind": kind, "size": size}
    runs = [(passed(r), r["bytes"] or 2 * size * r["exchanges"]) for r in results.point(system=system, **tags).runs]
    return {link: median([p[link] / payload for p, payload in runs if payload]) for link in (*LINKS, "all")}


def overhead(page, results, _):
    rows = []
    for kind, size in [("exchange", n) for n in results.values("size")] + [("down", None), ("up", None)]:
        row = [f"{size} bytes there and back" if size else f"bulk {kind}"]
        for system in results.systems():
            ratio = overhead_ratio(results, system, kind, size)
            row.append("–" if ratio["all"] != ratio["all"] else f"{ratio['S-A']:.3f}, {ratio['A-B']:.3f}, {ratio['all']:.3f}")
        rows.append(row)
    page.say("IP bytes for a byte of payload, both directions, the connection's beginning and end included: on the link S-A, on A-B, on "
             "all four together.")
    page.table(["payload"] + [NAMES[s] for s in results.systems()], rows)
    alone = []
    for system in results.systems():
        runs = [(passed(r), r["seconds"]) for r in results.point(system=system, kind="idle").runs]
        alone.append(", ".join(f"{median([p[link] / seconds for p, seconds in runs]):.0f}" for link in ("S-A", "A-B", "all")) if runs else "–")
    page.say("Bytes in a second when nothing is sent, on the same links:")
    page.table([NAMES[s] for s in results.systems()], [alone])


def setup(page, results, _):
    rows = []
    for hop in results.values("hop"):
        for kind in ("circuit", "first byte"):
            rows.append([f"{hop} ms", kind] + [Point.spread(results.point(system=s, kind=kind, hop=hop).times, 1000, 0)
                                               for s in results.systems()])
    page.say("Milliseconds. First byte: a TCP connection through a circuit that stands, until a byte of the server's is there.")
    page.table(["round trip of a hop", "what"] + [NAMES[s] for s in results.systems()], rows)


def tunnel(page, results, _):
    for flows in results.values("flows"):
        page.say("", f"Flows: {flows}")
        links(page, results, "loss", "%", {"flows": flows})


HOSTS = ("client", "entry", "middle", "exit", "server", "kernel threads")


def cpu_shares(results, system, rate, way):
    """Instructions by payload byte of each of HOSTS."""
    found = {h: [] for h in HOSTS}
    for run in results.point(system=system, rate=rate, way=way).runs:
        names = {run["hosts"][k]: v for k, v in (("A", "entry"), ("B", "middle"), ("C", "exit"), ("D", "server"))}
        names[1] = "kernel threads"
        sums = dict.fromkeys(HOSTS, 0)
        for namespace, spent in run["spent"].items():
            if int(namespace) not in [0, *run["hosts"]["others"]]:
                # The client has several: of its host, of its layers, of the application.
                sums[names.get(int(namespace), "client")] += spent
        for host in HOSTS:
            found[host].append(sums[host] / max(1, sum(run["each"])))
    return {h: median(v) for h, v in found.items()}


def cpu_cases(results):
    cases = {(r["rate"], r["way"]) for r in results.runs}
    return sorted(cases, key=lambda c: (c[0] != "no limit", -float(c[0]) if c[0] != "no limit" else 0, c[1]))


def cpu(page, results, _):
    rows = []
    for rate, way in cpu_cases(results):
        for system in results.systems():
            shares = cpu_shares(results, system, rate, way)
            if shares["client"] == shares["client"]:
                rows.append([rate if rate == "no limit" else f"{rate} Mbit/s", way, NAMES[system]]
                            + [f"{shares[h]:.1f}" for h in HOSTS] + [f"{sum(shares.values()):.1f}"])
    page.say("Instructions for a byte of payload. Each is attributed to the network namespace whose packet or process the processor works "
             "on (`cpu.bt`): where a packet is received or sent, its device's; in a process, the process'. WireGuard encrypts in kernel threads "
             "that belong to no host; of the guest's own threads, what direct shows there is background, by time and not by byte. The "
             "probes' own cost is included.")
    page.table(["link A-B", "way", "system", *HOSTS, "all"], rows)


def page_rows(results):
    for wait in results.values("wait"):
        for system in results.systems():
            point = results.point(system=system, wait=wait)
            times = [r["seconds"] for r in point.runs if "seconds" in r]
            if times:
                by_link = [median([(r["after"][k][0] - r["before"][k][0]) / r["bytes"] for r in point.runs]) for k in ("S-A", "A-B", "C-D")]
                yield wait, system, times, by_link


def page_section(page, results, _):
    page.say("Seconds until all is there, with two starts of curl; IP bytes on links for a byte of content, both directions.")
    page.table(["delay of each link, one way", "system", "seconds", "S-A", "A-B", "C-D"],
               [[f"{w} ms", NAMES[s], Point.spread(t, 1, 2)] + [f"{x:.3f}" for x in links] for w, s, t, links in page_rows(results)])


def stress_share(run):
    """Goodput under load by goodput before it; the first second is slow start."""
    calm, loaded = (run["bins"][int(a * 10):int(b * 10)] for a, b in ((1, run["from"]), (run["from"], run["to"])))
    return (sum(loaded) / len(loaded)) / (sum(calm) / len(calm))


def stress(page, results, _):
    rows = []
    for kind in dict.fromkeys(r["kind"] for r in results.runs):
        for nice in sorted({r["nice"] for r in results.runs}, reverse=True):
            rows.append([kind, nice] + [f"{median([stress_share(r) for r in results.point(system=s, kind=kind, nice=nice).runs]):.3f}"
                                        for s in results.systems()])
    page.say("Goodput under load by goodput before, link A-B 10 Mbit/s.")
    page.table(["load", "nice of the middle's daemon"] + [NAMES[s] for s in results.systems()], rows)


def stress_targets(results):
    for kind in dict.fromkeys(r["kind"] for r in results.runs):
        shares = [stress_share(r) for r in results.point(system="ippriv", kind=kind, nice=0).runs]
        if shares:
            yield f"middle under load of {kind}: goodput within 5 %", f"{median(shares):.3f}", median(shares) >= 0.95


def handshake_rate(results, system):
    """Circuits by billion instructions of the relay, of each run."""
    return [r["established"] * 1e9 / r["instructions"] for r in results.point(system=system).runs]


def handshake(page, results, _):
    rows = []
    for system in results.systems():
        runs = results.point(system=system).runs
        user, kernel = (sum(r[k] for r in runs) for k in ("user", "kernel"))
        rows.append([NAMES[system], f"{sum(r['established'] for r in runs)} of {sum(r['count'] for r in runs)}",
                     Point.spread(handshake_rate(results, system), 1, 0),
                     Point.spread([r["instructions"] / max(1, r["established"]) for r in runs], 1e-3, 0),
                     f"{kernel / max(1, user + kernel):.0%}", Point.spread([r["established"] / r["seconds"] for r in runs], 1, 0),
                     f"{results.point(system=system).delay:.1f}"])
    run = results.runs[0]
    page.say(f"{run['parallel']} initiators at one time, ESP with {' and '.join(sorted({r['cipher'] for r in results.runs}))}. Instructions "
             "are the relay's alone; a second is shared with the initiators, who are on the same processor.")
    page.table(["relay", "established", "circuits by 10⁹ instructions", "thousand instructions a circuit", "of them in the kernel (sampled)",
                "circuits a second", "median delay, ms"], rows)


def handshake_targets(results):
    ours, theirs = (median(handshake_rate(results, s)) for s in ("ippriv", "strongswan"))
    if ours == ours and theirs == theirs:
        yield ("circuits by instruction: at least strongSwan's", f"{ours / theirs:.2f} x ({ours:.0f} and {theirs:.0f} by 10⁹ instructions)",
               ours >= theirs)


def scale_add(run):
    """Instructions of the kernel's for adding a circuit: two SAs, two policies."""
    return 2 * (run["insert"]["sa_add"] + run["insert"]["policy_add"])


def scale_each(results, circuits):
    """(a packet's instructions at the relay, those of adding a circuit, goodput), medians."""
    point = results.point(kind="relay", circuits=circuits)
    return median([r["forward"]["per_packet"] for r in point.runs]), median([scale_add(r) for r in point.runs]), point.goodput


def scale_memory(first, last):
    """(kernel's objects, all memory) in kB of all hosts for each circuit between these two runs."""
    grown = [(last["memory"][k] - first["memory"][k]) / max(1, last["circuits"] - first["circuits"]) for k in ("Slab", "MemAvailable")]
    return f"{grown[0]:.1f}, {-grown[1]:.1f}" if last["circuits"] > first["circuits"] else "–"


def scale(page, results, _):
    relay, client = (results.point(kind=k).runs for k in ("relay", "client"))
    rows = []
    for circuits in dict.fromkeys(r["circuits"] for r in relay):
        last = results.point(kind="relay", circuits=circuits).runs[-1]
        packet, add, goodput = scale_each(results, circuits)
        rows.append([f"{circuits:,}", f"{goodput / 1e6:.2f}", f"{packet:,.0f}", f"{add:,.0f}",
                     f"{2 * (last['insert']['sa_delete'] + last['insert']['policy_delete']):,.0f}",
                     scale_memory(relay[0], last)])
    page.say("The middle of a real circuit has as many others; instructions of its own for each packet that it receives, and of its kernel "
             "for adding and deleting a circuit (two SAs, two policies). Cache misses do not show: the guest counts instructions.")
    page.table(["circuits", "goodput of the real one, MB/s", "a packet", "adding one", "deleting one", "kB of each: slab, all"], rows)
    if client:
        page.say("A client whose circuits are all in use, each in a namespace with a command:")
        page.table(["circuits", "goodput of one, MB/s", "ms to build the last", "ms until its command runs", "daemon's memory, kB", "kB of each: slab, all"],
                   [[r["circuits"], f"{r['goodput'] / 1e6:.2f}", f"{r['built'] * 1000:.0f}", r["until"], f"{r['rss']:,}",
                     scale_memory(client[0], r)] for r in client])


def scale_targets(results):
    levels = sorted({r["circuits"] for r in results.point(kind="relay").runs})
    most = levels[-1]
    (one, _, _), (packet, add, _) = scale_each(results, levels[0]), scale_each(results, most)
    yield (f"relay: a packet at {most:,} circuits within 5 % of one", f"{packet / one:.3f} ({packet:,.0f} and {one:,.0f} instructions)",
           packet <= 1.05 * one)
    if 100 in levels and most > 100:
        at_100 = scale_each(results, 100)[1]
        yield (f"relay: adding a circuit at {most:,} costs what it does at 100 (within 5 %)", f"{add / at_100:.3f} ({add:,.0f} and "
               f"{at_100:,.0f} instructions)", add <= 1.05 * at_100)


STEERED, NOT_STEERED = 3, 1


def core_shares(runs):
    """Of the packets of all runs, what each processor did."""
    done = {}
    for run in runs:
        for cpu, count in run["packets"].items():
            done[cpu] = done.get(cpu, 0) + count
    total = sum(done.values())
    return {cpu: count / total for cpu, count in sorted(done.items())} if total else {}


def cores(page, results, _):
    rows = []
    for mask, text in ((NOT_STEERED, "none"), (STEERED, "to both")):
        point = results.point(mask=mask)
        if point.runs:
            rows.append([text, point.runs[0]["circuits"], Point.spread(point.goodputs, 1e-6, 2),
                         ", ".join(f"{cpu}: {share:.0%}" for cpu, share in core_shares(point.runs).items())])
    page.say("The middle of all circuits, which come in by one overlay tunnel and leave by another; ESP packets that it opens and makes. "
             "Goodput is of a guest in which both processors do everything else, too: it does not show what a relay gains.")
    page.table(["steering (`rps_cpus` of the relay's links)", "circuits, a flow each", "goodput of all, MB/s", "packets by processor"], rows)


def cores_targets(results):
    shares = core_shares(results.point(mask=STEERED).runs)
    if shares:
        yield ("a busy overlay tunnel uses both processors of a relay (RPS on): the idler one has a quarter of the packets at least",
               f"{min(shares.values()) if len(shares) > 1 else 0:.0%}", len(shares) > 1 and min(shares.values()) >= 0.25)


OWN, UNDER = 15, ("esp_output", "esp_input", "crypto_aead_encrypt", "crypto_aead_decrypt", "xfrm_lookup_with_ifid",
                  "__xfrm_policy_check", "nf_hook_slow", "nf_conntrack_in", "ip_forward", "ip_route_input_noref", "veth_xmit",
                  "__netif_receive_skb_core.constprop.0", "tcp_v4_rcv", "tcp_sendmsg", "tcp_write_xmit", "skb_copy_bits", "__alloc_skb",
                  "skb_release_data", "wg_packet_encrypt_worker", "wg_packet_decrypt_worker", "wg_xmit", "user space")


def profile(page, results, _):
    for way in results.values("way"):
        shares = {s: results.point(system=s, way=way).runs[-1]["profile"] for s in results.systems() if results.point(system=s, way=way).runs}
        page.say("", f"Bulk {way}: share of samples in a function and what it calls, then in itself alone.")
        page.table(["function, with what it calls"] + [NAMES[s] for s in shares],
                   [[f"`{f}`"] + [f"{p['under'].get(f, p['own'].get(f, 0)):.1%}" for p in shares.values()] for f in UNDER
                    if any(f in p["under"] or f in p["own"] for p in shares.values())])
        for system, p in shares.items():
            page.say(f"{NAMES[system]} alone, of {p['samples']} samples: "
                     + ", ".join(f"`{f}` {share:.1%}" for f, share in list(p["own"].items())[:OWN]) + ".", "")


TARGETS |= {"stress": stress_targets, "handshake": handshake_targets, "scale": scale_targets, "cores": cores_targets}
SECTIONS = {"bulk": bulk, "loss": loss, "capacity": capacity, "overhead": overhead, "setup": setup, "cpu": cpu, "tunnel": tunnel,
            "page": page_section, "stress": stress, "profile": profile, "handshake": handshake, "scale": scale, "cores": cores}
PLOTS = {"bulk": plots.bulk, "loss": plots.loss, "capacity": plots.capacity, "setup": plots.setup, "tunnel": plots.tunnel,
         "overhead": lambda results, path: plots.overhead(results, path, overhead_ratio),
         "cpu": lambda results, path: plots.cpu(results, path, HOSTS, cpu_cases(results), cpu_shares),
         "page": lambda results, path: plots.page(results, path, list(page_rows(results))), "stress": plots.stress}


def main():
    folder = Path(sys.argv[1])
    found = load(folder)
    baseline = json.loads((HERE / "baseline.json").read_text(encoding="utf-8"))
    page = Page()
    page.say("# Results", "", "Made by `netns/bench.sh`, every figure from `results/*.json`; do not edit. Medians of the repeats, with least "
             "and most of them where they differ. In the deterministic guest an instruction is a nanosecond and all hosts share one "
             "processor: compare systems, not with iron.", "")
    tor_wins(page, found)
    targets(page, found)
    for name in [n for n in SECTIONS if n in found]:
        results = found[name]
        e = results.environment
        page.say(f"## {name}", "", f"{results.title[0].upper()}{results.title[1:]}.", "", f"`sudo netns/bench.sh {'--quick ' if e.get('quick') == 'yes' else ''}{name}`, {results.repeats()} "
                 f"repeat{'s' if results.repeats() != 1 else ''}, {e['where']}, Linux {e['kernel']}, Tor {e['tor']}, ESP with "
                 f"{e.get('cipher', '?')}, inner MTU {e.get('mtu_ippriv', '?')}, commit {e['commit']}.", "")
        SECTIONS[name](page, results, baseline)
        if name in PLOTS:
            PLOTS[name](results, folder / f"{name}.svg")
            page.say("", f"![{results.title}]({folder.name}/{name}.svg)", "")
    text = "\n".join(page.lines).rstrip() + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    (folder.parent / "RESULTS.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
