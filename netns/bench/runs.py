"""runs: the results of benchmarks, grouped; medians and spread."""
import json
from pathlib import Path

NAMES = {"direct": "direct", "ippriv": "IPpriv", "ippriv_aes": "IPpriv, AES-GCM", "tor": "Tor", "torfixed": "Tor, fixed window", "wireguard": "WireGuard x3",
         "tcptunnel": "TCP tunnel", "strongswan": "strongSwan"}
MBIT = 125000
HEADERS = 52  # IPv4, TCP, timestamps


def median(values):
    values = sorted(values)
    if not values:
        return float("nan")
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))] if values else float("nan")


class Point:
    """All repeats of one measurement."""

    def __init__(self, runs):
        self.runs = runs
        self.goodputs = [r["goodput"] for r in runs if "goodput" in r]
        self.goodput = median(self.goodputs)
        self.delays = [median(r["delays"]) for r in runs if r.get("delays")]
        self.delay = median(self.delays)
        self.p95 = quantile([d for r in runs for d in r.get("delays", [])], 0.95)
        self.times = [t for r in runs for t in r.get("times", [])]

    @staticmethod
    def spread(values, factor, digits):
        """The median and, where there are several, least and most of the repeats."""
        if not values:
            return "–"
        text = f"{median(values) * factor:.{digits}f}"
        low, high = f"{min(values) * factor:.{digits}f}", f"{max(values) * factor:.{digits}f}"
        return text if low == high else f"{text} ({low}–{high})"


class Results:
    def __init__(self, path):
        self.data = json.loads(Path(path).read_text(encoding="utf-8"))
        self.runs = self.data["runs"]
        self.environment = self.data["environment"]
        self.title = self.data["title"]

    def values(self, key):
        """What that tag was, in the order of size."""
        found = {r[key] for r in self.runs if key in r}
        return sorted(found)

    def systems(self):
        return [s for s in NAMES if any(r["system"] == s for r in self.runs)]

    def point(self, **tags):
        return Point([r for r in self.runs if all(r.get(k) == v for k, v in tags.items())])

    def repeats(self):
        return max((r.get("repeat", 1) for r in self.runs), default=0)

    def segment_ratio(self):
        """Payload of an inner segment by that of a plain one; before exits took timestamps off, by the inner MTU."""
        inner = self.environment.get("mss_ippriv") or int(self.environment.get("mtu_ippriv", 0)) - HEADERS
        return int(inner) / (1500 - HEADERS)


def load(folder):
    found = {}
    for path in sorted(Path(folder).glob("*.json")):
        found[path.stem] = Results(path)
    return found
