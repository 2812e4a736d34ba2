#!/usr/bin/env python3
"""check_sizes.py ROOT: length of functions and files. Over WARN is said, over HARD is an error.

A function counts from the first line of its declaration to its closing brace, blank lines and comments included."""
import re
import sys

from source_files import read, source_files

FUNCTION_WARN, FUNCTION_HARD = 60, 100
SOURCE_HARD = 800
HEADER_WARN, HEADER_HARD = 150, 300

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def is_function(head):
    """Is the text before a brace at the outermost level that of a function, not of a struct or an initializer?"""
    depth, flat = 0, ""
    for char in head:
        if char == ")":
            depth -= 1
        if depth == 0:
            flat += char
        if char == "(":
            depth += 1
    return "(" in flat and "=" not in flat


def functions(text):
    """(name, first line, number of lines) of each function."""
    text = DIRECTIVE.sub(blank, TOKEN.sub(blank, text))
    depth, start, head = 0, 0, None
    for i, char in enumerate(text):
        if char == "{":
            if depth == 0:
                head = text[start:i]
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                if is_function(head):
                    first = text.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
                    name = re.search(r"(\w+)\s*\(", head)
                    yield name.group(1) if name else "?", first, text.count("\n", 0, i) + 2 - first
                start = i + 1
        elif char == ";" and depth == 0:
            start = i + 1


def check_file(path, text):
    """(is an error, line, what) for each finding."""
    lines = text.count("\n")
    if path.endswith(".c"):
        for name, first, length in functions(text):
            if length > FUNCTION_WARN:
                yield length > FUNCTION_HARD, first, f"{name} has {length} lines, the limit is {FUNCTION_HARD}, the aim {FUNCTION_WARN}"
        if lines > SOURCE_HARD:
            yield True, 1, f"{lines} lines, the limit for a source file is {SOURCE_HARD}"
    elif lines > HEADER_WARN and not path.startswith("tests/"):
        yield lines > HEADER_HARD, 1, f"{lines} lines, the limit for a header is {HEADER_HARD}, the aim {HEADER_WARN}"


def main():
    errors = 0
    for path in source_files(sys.argv[1]):
        for hard, line, what in check_file(path, read(sys.argv[1], path)):
            print(f"{path}:{line}: {'' if hard else 'warning: '}{what}")
            errors += hard
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
