#!/usr/bin/env python3
"""check_includes.py ROOT [TABLE]: every #include is allowed by include_table.txt, every header has a guard."""
import fnmatch
import os
import re
import sys

from source_files import read, source_files

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
GUARD = re.compile(r"\A(?:\s|//[^\n]*\n|/\*.*?\*/)*(?:#pragma once\b|#ifndef[ \t]+(\w+)\s+#define[ \t]+\1\b)", re.S)


def read_table(path):
    """(rules for our files, rules for system headers), each a list of (pattern, allowed patterns)."""
    ours, system = [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            pattern, colon, allowed = line.partition(":")
            if not colon:
                sys.exit(f"{path}:{number}: no colon")
            if pattern.startswith("<"):
                system.append((pattern.strip("<>"), allowed.split()))
            else:
                ours.append((pattern, allowed.split()))
    return ours, system


def fits(path, pattern):
    return fnmatch.fnmatchcase(path, pattern) or path.startswith(pattern + "/")


def fits_any(path, patterns):
    return any(fits(path, p) for p in patterns)


def check_ours(root, path, target, allowed):
    beside = os.path.normpath(os.path.join(os.path.dirname(path), target))
    for place in (target, beside, os.path.join("tests", "unit", target) if path.startswith("tests/") else target):
        if os.path.exists(os.path.join(root, place)):
            if not fits_any(place, allowed):
                return f"must not include {place} (include_table.txt)"
            return None
    return f"includes {target}, which is not there"


def check_system(path, header, rules):
    for pattern, allowed in rules:
        if fnmatch.fnmatchcase(header, pattern) and not fits_any(path, allowed):
            return f"must not include <{header}>: only {' '.join(allowed)} may"
    return None


def check_file(root, path, ours, system):
    text = read(root, path)
    allowed = next((a for pattern, a in ours if fits(path, pattern)), None)
    if allowed is None:
        yield 1, "no line of include_table.txt fits this file"
        allowed = []
    for match in INCLUDE.finditer(text):
        kind, target = match.groups()
        wrong = check_ours(root, path, target, allowed) if kind == '"' else check_system(path, target, system)
        if wrong:
            yield text.count("\n", 0, match.start()) + 1, wrong
    if path.endswith(".h") and not GUARD.match(text):
        yield 1, "no include guard"


def main():
    root = sys.argv[1]
    table = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "include_table.txt")
    ours, system = read_table(table)
    errors = 0
    for path in source_files(root):
        for line, wrong in check_file(root, path, ours, system):
            print(f"{path}:{line}: {wrong}")
            errors += 1
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
