"""source_files: which C files of a tree the checks look at."""
import os

FOLDERS = ("common", "ippriv-node", "ippriv-client", "directory", "tests")


def source_files(root, endings=(".c", ".h")):
    """Paths relative to root, sorted."""
    found = []
    for folder in FOLDERS:
        for place, _, names in os.walk(os.path.join(root, folder)):
            found += [os.path.relpath(os.path.join(place, n), root) for n in names if n.endswith(endings)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()
