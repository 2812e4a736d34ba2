#!/usr/bin/env python3
"""vmlinux.py BZIMAGE OUT: take the ELF kernel out of a bzImage, so that the emulator need not unpack it at every boot.

Where the compressed kernel lies is in the x86 boot protocol's header: setup_sects (0x1f1, one byte), "HdrS" (0x202),
payload_offset (0x248) and payload_length (0x24c); the payload ends with its unpacked size in four bytes."""
import lzma
import struct
import sys
import zlib


def unpack(data):
    if data.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    raise ValueError("compressed with neither xz nor gzip")


def vmlinux(image):
    if len(image) < 0x250 or image[0x202:0x206] != b"HdrS":
        raise ValueError("not a bzImage")
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1f1] + 1) * 512 + offset
    if length < 4 or start + length > len(image):
        raise ValueError("truncated")
    elf = unpack(image[start:start + length - 4])
    if elf[:4] != b"\x7fELF" or len(elf) != struct.unpack_from("<I", image, start + length - 4)[0]:
        raise ValueError("the payload is not a whole ELF file")
    return elf


def main():
    try:
        with open(sys.argv[1], "rb") as source:
            elf = vmlinux(source.read())
    except (ValueError, lzma.LZMAError, zlib.error) as error:
        sys.exit(f"vmlinux.py: {sys.argv[1]}: {error}")
    with open(sys.argv[2], "wb") as out:
        out.write(elf)


if __name__ == "__main__":
    main()
