#!/usr/bin/env python3
"""What stands on the Internet of the end-to-end tests: a web server, a UDP echo, a DNS server.

usage: services.py [--http ADDR:PORT] [--udp ADDR:PORT] [--dns ADDR:PORT]
                   [--name NAME=ADDR ...] [--log FILE] [--seconds N]

  http  GET /ip answers "ADDR PORT" of the client, GET /mb/N a page of N MB (1..64) of a pattern
  udp   answers every datagram with "ADDR PORT" of its sender
  dns   answers A for the names given, NXDOMAIN for others

Prints "services: ready" when all are bound. Writes one line for each request, "http|udp|dns ADDR
PORT WHAT", to FILE. Ends at SIGTERM or SIGINT, and after N seconds (600) in any case.
"""
import argparse
import http.server
import ipaddress
import signal
import socket
import socketserver
import struct
import sys
import threading

MEGABYTE = 1 << 20
PAGE_MAX = 64
CHUNK = bytes(range(256)) * 256
TYPE_A, CLASS_IN = 1, 1
NXDOMAIN, FORMERR = 3, 1
TTL = 60


class Log:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1) if path else None
        self.lock = threading.Lock()

    def write(self, service, peer, what):
        if self.file:
            with self.lock:
                self.file.write(f"{service} {peer[0]} {peer[1]} {what}\n")


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.server.log.write("http", self.client_address, ascii(self.path[:64]))
        size = self.page_size()
        if self.path == "/ip":
            body = f"{self.client_address[0]} {self.client_address[1]}\n".encode()
            self.answer(len(body))
            self.wfile.write(body)
        elif size:
            self.answer(size)
            for _ in range(size // len(CHUNK)):
                self.wfile.write(CHUNK)
        else:
            self.send_error(404)

    def page_size(self):
        head, _, count = self.path.rpartition("/")
        if head != "/mb" or len(count) > 2 or not count.isdecimal():
            return 0
        return int(count) * MEGABYTE if int(count) <= PAGE_MAX else 0

    def answer(self, size):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()

    def log_message(self, *_):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self):  # the parent's looks its own name up, in the DNS
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        self.server.log.write("udp", self.client_address, f"{len(data)} bytes")
        sock.sendto(f"{self.client_address[0]} {self.client_address[1]}\n".encode(),
                    self.client_address)


def read_question(query):
    """The name in lower case, its type, and where the question ends. ValueError when malformed."""
    labels, at = [], 12
    while query[at:at + 1] != b"\0":
        length = query[at] if at < len(query) else 255
        label = query[at + 1:at + 1 + length]
        if length > 63 or len(label) != length:
            raise ValueError("label")
        labels.append(label.decode("ascii").lower())
        at += 1 + length
    if len(query) < at + 5:
        raise ValueError("short")
    kind, = struct.unpack_from(">H", query, at + 1)
    return ".".join(labels), kind, at + 5


def dns_answer(query, names):
    """The answer, and what to log. None when there is nothing to answer to."""
    if len(query) < 12 or query[2] & 0x80:
        return None, "no query"
    ident, flags, questions = struct.unpack_from(">HHH", query)
    flags = 0x8400 | flags & 0x0100 | 0x0080
    try:
        if questions != 1:
            raise ValueError("count")
        name, kind, end = read_question(query)
    except ValueError:
        return struct.pack(">HHHHHH", ident, flags | FORMERR, 0, 0, 0, 0), "malformed"
    address = names.get(name)
    answers = b""
    if address and kind == TYPE_A:
        answers = struct.pack(">HHHIH", 0xC00C, TYPE_A, CLASS_IN, TTL, 4) + address.packed
    head = struct.pack(">HHHHHH", ident, flags | (0 if address else NXDOMAIN), 1, bool(answers), 0,
                       0)
    return head + query[12:end] + answers, f"{ascii(name)} {kind}"


class Dns(socketserver.BaseRequestHandler):
    def handle(self):
        query, sock = self.request
        answer, what = dns_answer(query, self.server.names)
        self.server.log.write("dns", self.client_address, what)
        if answer:
            sock.sendto(answer, self.client_address)


class UdpServer(socketserver.UDPServer):
    max_packet_size = 65535


def endpoint(text):
    address, _, port = text.rpartition(":")
    return str(ipaddress.IPv4Address(address)), int(port)


def name(text):
    host, _, address = text.partition("=")
    return host.lower().rstrip("."), ipaddress.IPv4Address(address)


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    for service in ("http", "udp", "dns"):
        p.add_argument("--" + service, type=endpoint, metavar="ADDR:PORT")
    p.add_argument("--name", type=name, action="append", default=[], metavar="NAME=ADDR")
    p.add_argument("--log", metavar="FILE")
    p.add_argument("--seconds", type=int, default=600)
    return p.parse_args()


def main():
    args = arguments()
    kinds = [(args.http, WebServer, Web), (args.udp, UdpServer, Echo), (args.dns, UdpServer, Dns)]
    servers = [server(where, handler) for where, server, handler in kinds if where]
    if not servers:
        sys.exit("services: nothing to serve; give --http, --udp or --dns")
    log = Log(args.log)
    stops = {signal.SIGTERM, signal.SIGINT, signal.SIGALRM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the threads, which inherit it
    for server in servers:
        server.log, server.names = log, dict(args.name)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.alarm(max(1, args.seconds))
    print("services: ready", flush=True)
    signal.sigwait(stops)
    for server in servers:
        server.shutdown()
        server.server_close()


main()
