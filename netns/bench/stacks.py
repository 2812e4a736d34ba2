#!/usr/bin/env python3
"""stacks.py FILE: from bpftrace's JSON of @stacks and @all, shares of samples by function: its own, and with what it calls."""
import collections
import json
import sys

MOST = 60


def main():
    own, under, total = collections.Counter(), collections.Counter(), 0
    for line in open(sys.argv[1], encoding="utf-8"):
        if not line.startswith("{"):
            continue
        said = json.loads(line)
        for stack, count in (said["data"].get("@stacks", {}) if said["type"] == "map" else {}).items():
            names = [name.strip().split("+")[0] for name in stack.split("\n") if name.strip()]
            # The sampling interrupt itself is not on these stacks; an empty one is user space.
            total += count
            own[names[0] if names else "user space"] += count
            under.update(set(names))
    print(json.dumps({"samples": total, "own": {n: round(c / total, 4) for n, c in own.most_common(MOST)},
                      "under": {n: round(c / total, 4) for n, c in under.most_common(MOST * 3)}}))


if __name__ == "__main__":
    main()
