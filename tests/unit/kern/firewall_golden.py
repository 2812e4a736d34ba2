#!/usr/bin/env python3
"""Makes NAME_golden.h from NAME.nft: the messages nft(8) sends for it, as strace saw them.

usage: unshare -rn ./firewall_golden.py NAME > NAME_golden.h     (needs nft and strace; NAME: firewall or shield)
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def sent_by_nft(ruleset):
    with tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(["strace", "-e", "trace=sendmsg", "-e", "write=3", "-o", trace.name,
                        "nft", "-f", ruleset], check=True)
        rows = re.findall(r"^ \| [0-9a-f]+  ([0-9a-f ]{49})", trace.read(), re.M)
    return b"".join(bytes.fromhex(row) for row in rows)


def messages(batch):
    while batch:
        length, kind = struct.unpack_from("=IH", batch)
        yield kind, batch[16:length]
        batch = batch[(length + 3) & ~3:]


def main():
    ruleset = sys.argv[1] + ".nft"
    print("#pragma once")
    print("/* Made by firewall_golden.py from " + ruleset + ". Every message of the batch, begin and end too:")
    print(" * type, then in hexadecimal what follows nlmsghdr. */")
    print('#include "kern/golden.h"\n')
    print("static const struct golden golden[] = {")
    for kind, body in messages(sent_by_nft(os.path.join(HERE, ruleset))):
        lines = [body[i:i + 40].hex() for i in range(0, len(body), 40)]
        print(f"\t{{ 0x{kind:04x},\n\t  " + "\n\t  ".join(f'"{line}"' for line in lines) + " },")
    print("};")


main()
