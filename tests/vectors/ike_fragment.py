#!/usr/bin/env python3
"""Makes ike_fragment.h: a message in fragments, after RFC 7383 section 2.5 and RFC 7634.

Independent of our code: python3-cryptography does the encryption. Prints the header file.
"""
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY, SALT = bytes(range(32)), bytes(range(0xa0, 0xa4))
SPIS = bytes.fromhex("1122334455667788" "99aabbccddeeff00")
SIZE = 128          # bytes of a fragment, at most
FIRST = 40          # a nonce is the first payload inside
INNER = struct.pack("!BBH", 43, 0, 4 + 64) + bytes(range(64)) \
    + struct.pack("!BBH", 0, 0, 4 + 50) + bytes(range(100, 150))


def fragment(number, total, part):
    body = part + b"\0"                                  # pad length: no padding
    iv = struct.pack("!Q", number)                       # our IVs count from 0; SK took that
    skf_len = 4 + 4 + len(iv) + len(body) + 16
    header = SPIS + struct.pack("!BBBBII", 53, 0x20, 36, 0x08, 7, 28 + skf_len)
    skf = struct.pack("!BBHHH", FIRST if number == 1 else 0, 0, skf_len, number, total)
    sealed = ChaCha20Poly1305(KEY).encrypt(SALT + iv, body, header + skf)
    return header + skf + iv + sealed


def c_bytes(data):
    lines = [", ".join(f"0x{b:02x}" for b in data[i:i + 15]) for i in range(0, len(data), 15)]
    return "".join(f"\t{line},\n" for line in lines)


def main():
    room = SIZE - 28 - 8 - 8 - 1 - 16
    parts = [INNER[i:i + room] for i in range(0, len(INNER), room)]
    print("#pragma once\n/* Made by ike_fragment.py, which says how. */\n#include <stdint.h>\n")
    print(f"enum {{ IKE_FRAGMENT_VECTOR_SIZE = {SIZE}, IKE_FRAGMENT_VECTOR_FIRST = {FIRST} }};\n")
    for name, data in (("key_salt", KEY + SALT), ("inner", INNER),
                       ("wire", b"".join(fragment(i + 1, len(parts), p)
                                         for i, p in enumerate(parts)))):
        print(f"static const uint8_t ike_fragment_{name}[{len(data)}] = {{\n{c_bytes(data)}}};\n")


main()
