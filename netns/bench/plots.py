"""plots: an SVG for each figure of the report, with its axes."""
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator  # noqa: E402

from runs import MBIT, NAMES, median  # noqa: E402

matplotlib.rcParams["svg.hashsalt"] = "ippriv"  # the same figures give the same file
COLOURS = {"direct": "#555555", "ippriv": "#0060c0", "ippriv_aes": "#60a0e0", "tor": "#7d4698", "torfixed": "#c39bd3", "wireguard": "#a02020",
           "tcptunnel": "#c07000"}


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def lines(axes, results, key, value, tags):
    """value(point) over the tag `key`, a line for each system with bars from least to most."""
    for system in results.systems():
        xs, ys, low, high = [], [], [], []
        for x in results.values(key):
            values = value(results.point(system=system, **tags, **{key: x}))
            if values:
                m = median(values)
                xs.append(x), ys.append(m), low.append(m - min(values)), high.append(max(values) - m)
        if xs:
            axes.errorbar(xs, ys, yerr=[low, high], marker="o", markersize=3, capsize=2, label=NAMES[system], color=COLOURS[system])


def links(results, key, label, path, rows):
    """Goodput and delay over `key`; a row of two plots for each of `rows`: (title, tags)."""
    figure, axes = plt.subplots(len(rows), 2, figsize=(10, 3 * len(rows)), squeeze=False)
    for (title, tags), (left, right) in zip(rows, axes):
        lines(left, results, key, lambda p: [g / MBIT for g in p.goodputs], tags)
        lines(right, results, key, lambda p: p.delays, tags)
        for plot, what in ((left, "goodput, Mbit/s"), (right, "application delay, ms")):
            plot.set_xlabel(label)
            plot.set_ylabel(what)
            plot.set_title(title)
            plot.grid(alpha=0.3)
        left.set_ylim(bottom=0)
        right.set_yscale("log")
        right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter("")
        left.legend(fontsize=7)
    save(figure, path)


def loss(results, path):
    links(results, "loss", "loss on the link A-B, %", path,
          [(f"{f} flow{'s' if f > 1 else ''}, RTT {r} ms", {"flows": f, "rtt": r}) for r in results.values("rtt")
           for f in results.values("flows")])


def capacity(results, path):
    links(results, "rate", "rate of the link A-B, Mbit/s", path,
          [(f"{f} flow{'s' if f > 1 else ''}, 3 % loss", {"flows": f}) for f in results.values("flows")])


def bars(groups, labels, ylabel, path, log=False):
    """groups: {label of a bar's colour: (colour, a value for each of labels)}."""
    figure, axes = plt.subplots(figsize=(10, 3.5))
    width = 0.8 / max(1, len(groups))
    for i, (name, (colour, values)) in enumerate(groups.items()):
        places = [j + (i - (len(groups) - 1) / 2) * width for j in range(len(labels))]
        drawn = axes.bar(places, values, width * 0.95, label=name, color=colour)
        axes.bar_label(drawn, fmt="%.3g", fontsize=7)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel(ylabel)
    if log:
        axes.set_yscale("log")
    axes.legend(fontsize=7)
    save(figure, path)


def bulk(results, path):
    cases = [(g, w) for g in results.values("gro") for w in results.values("way")]
    bars({NAMES[s]: (COLOURS[s], [results.point(system=s, gro=g, way=w).goodput / 1e6 for g, w in cases])
          for s in results.systems()}, [f"{w}, GRO {g}" for g, w in cases], "MB/s", path, log=True)


def overhead(results, path, ratio):
    labels = [("exchange", n) for n in results.values("size")] + [("down", None), ("up", None)]
    bars({NAMES[s]: (COLOURS[s], [ratio(results, s, k, n)["all"] for k, n in labels]) for s in results.systems()},
         [f"{n} B" if n else f"bulk {k}" for k, n in labels], "bytes on four links / payload", path, log=True)


def setup(results, path):
    labels = results.values("hop")
    groups = {}
    for s in results.systems():
        for kind in ("circuit", "first byte"):
            times = [median(results.point(system=s, kind=kind, hop=h).times) * 1000 for h in labels]
            if any(t == t for t in times):
                groups[f"{NAMES[s]}, {kind}"] = (COLOURS[s], times)
    bars(groups, [f"{h} ms a hop" for h in labels], "ms", path)


def tunnel(results, path):
    links(results, "loss", "loss on the link A-B, %", path,
          [(f"{f} flow{'s' if f > 1 else ''}", {"flows": f}) for f in results.values("flows")])


def cpu(results, path, hosts, cases, shares):
    """Bars of instructions by byte, a part for each host."""
    bars_of = [(case, s) for case in cases for s in results.systems() if results.point(system=s, rate=case[0], way=case[1]).runs]
    figure, axes = plt.subplots(figsize=(10, 0.3 * len(bars_of) + 1))
    left = [0.0] * len(bars_of)
    values = [shares(results, s, *case) for case, s in bars_of]
    for host in hosts:
        part = [v[host] for v in values]
        axes.barh(range(len(bars_of)), part, left=left, label=host)
        left = [a + b for a, b in zip(left, part)]
    axes.set_yticks(range(len(bars_of)), [f"{NAMES[s]}, {way}, {rate}{'' if rate == 'no limit' else ' Mbit/s'}"
                                          for (rate, way), s in bars_of], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("instructions for a byte of payload")
    axes.legend(fontsize=7, ncol=len(hosts), loc="lower center", bbox_to_anchor=(0.5, 1))
    save(figure, path)


def page(results, path, rows):
    waits = results.values("wait")
    bars({NAMES[s]: (COLOURS[s], [median([t for w, system, times, _ in rows if (w, system) == (wait, s) for t in times])
                                  for wait in waits]) for s in results.systems()},
         [f"{w} ms a link" for w in waits], "seconds", path)


def stress(results, path):
    cases = list(dict.fromkeys((r["kind"], r["nice"]) for r in results.runs))
    figure, axes = plt.subplots(len(cases), 1, figsize=(10, 2 * len(cases)), squeeze=False)
    for (kind, nice), (plot,) in zip(cases, axes):
        for system in results.systems():
            for run in results.point(system=system, kind=kind, nice=nice).runs[:1]:
                plot.plot([i / 10 for i in range(len(run["bins"]))], [b * 10 / MBIT for b in run["bins"]],
                          label=NAMES[system], color=COLOURS[system], linewidth=0.8)
                plot.axvspan(run["from"], run["to"], color="#eeeeee")
        plot.set_title(f"{kind}, nice {nice}", fontsize=8)
        plot.set_ylabel("Mbit/s")
        plot.legend(fontsize=7)
    axes[-1][0].set_xlabel("seconds")
    save(figure, path)
