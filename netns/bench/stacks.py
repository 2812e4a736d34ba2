#!/usr/bin/env python3
"""stacks.py FILE: from bpftrace's words on @stacks, shares of samples by function, as JSON: its own, and with what it calls."""
import collections
import json
import re
import sys

MOST = 60
IDLE = ("halt", "idle")
ENTRY = re.compile(r"^@stacks\[(.*?)\]: (\d+)$", re.M | re.S)


def main():
    own, under, total = collections.Counter(), collections.Counter(), 0
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    for stack, count in ENTRY.findall(text):
        names = [name.strip().split("+")[0] for name in stack.split("\n") if name.strip()]
        if names and any(word in names[0] for word in IDLE):
            continue
        total += int(count)
        own[names[0] if names else "user space"] += int(count)
        under.update({name: int(count) for name in names})
    print(json.dumps({"samples": total, "own": {n: round(c / max(1, total), 4) for n, c in own.most_common(MOST)},
                      "under": {n: round(c / max(1, total), 4) for n, c in under.most_common(MOST * 3)}}))


if __name__ == "__main__":
    main()
