#!/usr/bin/env python3
"""collect.py NAME WORK SCRIPT [BEFORE]: the result lines of a benchmark and what they were taken with, as one JSON object; BEFORE:
one of these, whose repeats come first."""
import json
import subprocess
import sys
from pathlib import Path


def add(before, environment, runs):
    """BEFORE with RUNS as further repeats; they have to have been taken with the same things."""
    for key, new in environment.items():
        old = before["environment"].get(key, new)
        if key == "commit" and new not in old.split(", "):
            environment[key] = f"{old}, {new}"
        elif key != "commit" and old != new:
            sys.exit(f"collect: {key} was {old} then and is {new} now: these are no repeats of the same")
    # Of systems that were left out this time it has nothing.
    environment |= {key: old for key, old in before["environment"].items() if key not in environment}
    repeats = max(run.get("repeat", 1) for run in before["runs"])
    for run in runs:
        run["repeat"] = run.get("repeat", 1) + repeats
    return before["runs"] + runs


def main():
    name, work, script = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    title = script.read_text(encoding="utf-8").splitlines()[1].split(": ", 1)[1]
    environment = dict(line.split("=", 1) for line in (work / "environment").read_text().splitlines() if "=" in line)
    said = subprocess.run(["git", "-C", script.parent, "describe", "--always", "--dirty", "--abbrev=10"], capture_output=True, text=True)
    environment["commit"] = said.stdout.strip()
    runs = [json.loads(line) for line in (work / f"{name}.jsonl").read_text().splitlines()]
    if len(sys.argv) > 4:
        runs = add(json.loads(Path(sys.argv[4]).read_text(encoding="utf-8")), environment, runs)
    head = json.dumps({"benchmark": name, "title": title, "environment": environment}, indent=1)[:-2]
    # One run a line: a diff shows what changed.
    print(head + ',\n "runs": [\n' + ",\n".join("  " + json.dumps(run) for run in runs) + "\n ]\n}")


if __name__ == "__main__":
    main()
