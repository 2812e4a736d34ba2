#!/usr/bin/env python3
"""What a change of address cost, by what was captured at the one who changed it.

usage: roam.py rounds PCAP ADDRESS TIME     IKE messages that ADDRESS has sent since TIME (seconds since 1970) for one SA until
                                            the first ESP came to it: each was one round trip; and milliseconds
       roam.py forget                       this namespace's connection tracking forgets all
"""
import collections
import socket
import struct
import sys

PCAP_HEADER, RECORD_HEADER, ETHERNET = 24, 16, 14
UDP, ESP = 17, 50
FLOATED = 4500


def packets(name):
    """Time, source, destination, protocol and payload of each IPv4 packet."""
    with open(name, "rb") as file:
        data = file.read()
    at = PCAP_HEADER
    while at + RECORD_HEADER <= len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + RECORD_HEADER:at + RECORD_HEADER + size]
        at += RECORD_HEADER + size
        if frame[12:14] == b"\x08\x00":
            ip = frame[ETHERNET:]
            yield (seconds + micros / 1e6, socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[9],
                   ip[4 * (ip[0] & 15):])


def kind(protocol, payload):
    """"esp", or SPI, response flag and number of an IKE message, or None."""
    if protocol == ESP:
        return "esp"
    if protocol != UDP or FLOATED not in struct.unpack_from(">HH", payload) or len(payload) < 40:
        return None
    if payload[8:12] != bytes(4):
        return "esp"
    message = payload[12:]
    return message[:8], message[19] & 0x20, message[20:24]


def rounds(name, address, start):
    sent = collections.defaultdict(set)
    for when, source, target, protocol, payload in packets(name):
        what = kind(protocol, payload)
        if when < float(start) or what is None:
            continue
        if source == address and what != "esp":
            sent[what[0]].add(what[1:])
        if target == address and what == "esp":
            print(max(map(len, sent.values()), default=0), round(1000 * (when - float(start))))
            return
    print("99 0")


def forget():
    ctnetlink, delete, request_ack = 12, 1 << 8 | 2, 5
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ctnetlink)
    sock.send(struct.pack("=IHHIIBBH", 20, delete, request_ack, 1, 0, socket.AF_INET, 0, 0))
    error = struct.unpack("=i", sock.recv(4096)[16:20])[0]
    sys.exit(error and f"the kernel says {error}")


commands = {"rounds": rounds, "forget": forget}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
