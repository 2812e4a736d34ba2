#!/usr/bin/env python3
"""What a change of address costs, by the packets of the one who changes it.

usage: roam.py watch FIFO     in that host's namespace, until it is killed. Lines in FIFO, the answer appears as FILE:
         FILE rounds ADDRESS TIME SECONDS   IKE messages that ADDRESS has sent since TIME (seconds since 1970) for one SA until
                                            the first ESP came to it: each was one round trip; and milliseconds.
                                            "none" when there is no ESP for SECONDS
         FILE kinds ADDRESS TIME            how ESP has come to ADDRESS since TIME: "esp", "esp udp" or "udp"
       roam.py forget         this namespace's connection tracking forgets all
"""
import collections
import os
import select
import socket
import struct
import sys
import time

ETH_P_ALL, SO_TIMESTAMPNS = 3, 35
UDP, ESP = 17, 50
FLOATED = 4500
SNAP = 128
Packet = collections.namedtuple("Packet", "when source target kind")


def kind(protocol, payload):
    """How ESP goes, "esp" or "udp"; SPI, response flag and number of an IKE message; or None."""
    if protocol == ESP:
        return "esp"
    if protocol != UDP or FLOATED not in struct.unpack_from(">HH", payload) or len(payload) < 40:
        return None
    if payload[8:12] != bytes(4):
        return "udp"
    message = payload[12:]
    return message[:8], message[19] & 0x20, message[20:24]


def parse(when, ip):
    """A Packet, or None where there is neither ESP nor IKE."""
    if ip[0] >> 4 == 4:
        family, source, target, what = socket.AF_INET, ip[12:16], ip[16:20], kind(ip[9], ip[4 * (ip[0] & 15):])
    elif ip[0] >> 4 == 6:
        family, source, target, what = socket.AF_INET6, ip[8:24], ip[24:40], kind(ip[6], ip[40:])
    else:
        return None
    return what and Packet(when, socket.inet_ntop(family, source), socket.inet_ntop(family, target), what)


class Rounds:
    def __init__(self, reply, address, start, seconds):
        self.reply, self.address, self.start = reply, address, float(start)
        self.until = time.time() + float(seconds)
        self.sent = collections.defaultdict(set)

    def feed(self, packet):
        """The answer, once there is one."""
        if packet.when < self.start:
            return None
        esp = packet.kind in ("esp", "udp")
        if packet.source == self.address and not esp:
            self.sent[packet.kind[0]].add(packet.kind[1:])
        if packet.target != self.address or not esp:
            return None
        return f"{max(map(len, self.sent.values()), default=0)} {round(1000 * (packet.when - self.start))}"


class Watch:
    def __init__(self, fifo):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.fifo = os.open(fifo, os.O_RDWR)
        self.seen, self.waiting = [], []

    def packet(self):
        data, extra, _, _ = self.sock.recvmsg(SNAP, 64)
        seconds, nanos = struct.unpack_from("@ll", extra[0][2])
        packet = parse(seconds + nanos / 1e9, data)
        if packet:
            self.seen.append(packet)
            self.answer(lambda rounds: rounds.feed(packet))

    def answer(self, ask):
        """Those whose answer ASK knows have it."""
        for rounds in self.waiting[:]:
            said = ask(rounds)
            if said:
                write(rounds.reply, said)
                self.waiting.remove(rounds)

    def ask(self, reply, what, address, start, seconds="0"):
        if what == "kinds":
            kinds = {p.kind for p in self.seen if p.target == address and p.when >= float(start)}
            write(reply, " ".join(sorted(kinds & {"esp", "udp"})))
            return
        rounds = Rounds(reply, address, start, seconds)
        said = next(filter(None, map(rounds.feed, self.seen)), None)
        if said:
            write(reply, said)
        else:
            self.waiting.append(rounds)

    def run(self):
        while True:
            ready, _, _ = select.select([self.sock, self.fifo], [], [], 0.5)
            if self.sock in ready:
                self.packet()
            if self.fifo in ready:
                for line in os.read(self.fifo, 4096).decode().splitlines():
                    self.ask(*line.split())
            self.answer(lambda rounds: "none" if time.time() > rounds.until else None)


def write(reply, said):
    with open(reply + ".new", "w") as file:
        file.write(said)
    os.rename(reply + ".new", reply)


def watch(fifo):
    watcher = Watch(fifo)
    print("roam: ready", flush=True)
    watcher.run()


def forget():
    ctnetlink, delete, request_ack = 12, 1 << 8 | 2, 5
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, ctnetlink)
    sock.send(struct.pack("=IHHIIBBH", 20, delete, request_ack, 1, 0, socket.AF_INET, 0, 0))
    error = struct.unpack("=i", sock.recv(4096)[16:20])[0]
    sys.exit(error and f"the kernel says {error}")


commands = {"watch": watch, "forget": forget}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
