#!/usr/bin/env python3
"""What an observer of a link could read from the captures of it.

usage: observe.py [--name NAME=ADDR ...] [--watch NAME ...] LINK=FILE ...

One line for each conversation on each link, and one for each that has a watched address anywhere
in what can be read of it: in the headers, or as four bytes or as text in what follows them. ESP is
read up to its SPI and number: the rest is noise to whoever has no key.

  pair  LINK KIND A B PACKETS BYTES
  reads LINK NAME KIND A B PACKETS

A and B are names where known, in alphabetical order. KIND: esp, ike (UDP 500, and 4500 behind its
marker), natt (the rest of 4500: ESP in UDP, keepalives), http (TCP 80), list (TCP 8080, the
directory), tcp, udp, dns, icmp, ipN for IP protocol N, fragment; arp and local (IPv6 multicast of
the link) are between link neighbours; ip6 and ethN should not be there at all.
"""
import argparse
import collections
import ipaddress
import struct
import sys

PCAP_MAGIC, LINK_ETHERNET = 0xA1B2C3D4, 1
RECORD = struct.Struct("<IIII")
IPV4, IPV6, ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
ESP = 50
UDP_KINDS = {500: "ike", 53: "dns"}
IKE_FLOATED, NON_ESP_MARKER = 4500, bytes(4)
TCP_KINDS = {80: "http", 8080: "list"}


def packets(path):
    """(frame, its length on the wire) of a little-endian pcap file."""
    with open(path, "rb") as f:
        data = f.read()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    if magic != PCAP_MAGIC or link != LINK_ETHERNET:
        sys.exit(f"observe: {path} is no Ethernet capture")
    at = 24
    while at + 16 <= len(data):
        _, _, kept, length = RECORD.unpack_from(data, at)
        yield data[at + 16:at + 16 + kept], length
        at += 16 + kept


def ipv4_kind(frame):
    proto = frame[23]
    if frame[20] & 0x3F or frame[21]:
        return "fragment"
    if proto == 1:
        return "icmp"
    if proto not in (6, 17):
        return f"ip{proto}"
    at = 14 + 4 * (frame[14] & 15)
    ports = struct.unpack_from(">HH", frame, at)
    if proto == 17 and IKE_FLOATED in ports:
        return "ike" if frame[at + 8:at + 12] == NON_ESP_MARKER else "natt"
    kinds = TCP_KINDS if proto == 6 else UDP_KINDS
    return next((kinds[p] for p in ports if p in kinds), "tcp" if proto == 6 else "udp")


def classify(frame):
    """Kind and the two addresses of a frame that is not whole ESP."""
    ethertype = frame[12:14]
    if ethertype == IPV4:
        return ipv4_kind(frame), frame[26:30], frame[30:34]
    if ethertype == ARP:
        return "arp", frame[28:32], frame[38:42]
    if ethertype == IPV6:
        kind = "local" if frame[38] == 0xFF and frame[39] & 15 <= 2 else "ip6"
        return kind, frame[22:38], frame[38:54]
    return "eth" + ethertype.hex(), frame[6:12], frame[0:6]


class Observer:
    def __init__(self, names, watch):
        self.names = {address.packed: name for name, address in names}
        by_name = dict(names)
        self.watch = [(name, by_name[name].packed, str(by_name[name]).encode()) for name in watch]

    def name(self, raw):
        if raw in self.names:
            return self.names[raw]
        return str(ipaddress.ip_address(raw)) if len(raw) in (4, 16) else raw.hex()

    def link(self, label, path):
        esp, seen, reads = {}, {}, collections.Counter()
        for frame, length in packets(path):
            # The quick way, for nearly all of it: IPv4, no options, no fragment, ESP.
            if frame[12:15] == b"\x08\x00\x45" and frame[23] == ESP and not (
                    frame[20] & 0x3F or frame[21]):
                count = esp.setdefault(frame[26:34], [0, 0])
            else:
                kind, a, b = classify(frame)
                count = seen.setdefault((kind, a, b), [0, 0])
                self.read(reads, kind, a, b, frame)
            count[0] += 1
            count[1] += length
        for both, count in esp.items():
            a, b = both[:4], both[4:]
            seen[("esp", a, b)] = count
            for name, raw, _ in self.watch:
                if raw in (a, b):
                    reads[(name, "esp", a, b)] += count[0]
        self.report(label, seen, reads)

    def read(self, reads, kind, a, b, frame):
        for name, raw, text in self.watch:
            if raw in (a, b) or raw in frame[14:] or text in frame[14:]:
                reads[(name, kind, a, b)] += 1

    def report(self, label, seen, reads):
        pairs, found = {}, collections.Counter()
        for (kind, a, b), (count, size) in seen.items():
            total = pairs.setdefault((kind, *sorted((self.name(a), self.name(b)))), [0, 0])
            total[0] += count
            total[1] += size
        for (name, kind, a, b), count in reads.items():
            found[(name, kind, *sorted((self.name(a), self.name(b))))] += count
        for key, (count, size) in sorted(pairs.items()):
            print("pair", label, *key, count, size)
        for key, count in sorted(found.items()):
            print("reads", label, *key, count)


def named(text):
    name, _, address = text.partition("=")
    return name, ipaddress.ip_address(address)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--name", type=named, action="append", default=[], metavar="NAME=ADDR")
    p.add_argument("--watch", action="append", default=[], metavar="NAME")
    p.add_argument("link", nargs="+", metavar="LINK=FILE")
    args = p.parse_args()
    observer = Observer(args.name, args.watch)
    for link in args.link:
        observer.link(*link.split("=", 1))


main()
