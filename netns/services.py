#!/usr/bin/env python3
"""What stands on the Internet of the end-to-end tests: a web server, a UDP echo, a DNS server.

usage: services.py [--http ADDR:PORT] [--udp ADDR:PORT] [--dns ADDR:PORT]
                   [--name NAME=ADDR ...] [--log FILE] [--seconds N]       ([ADDR]:PORT for IPv6)

  http  GET /ip answers "ADDR PORT" of the client, GET /mb/N a page of N MB (1..64) of a pattern, GET /page
        HTML that shows /frame, and what /ip says, by frames
  udp   answers every datagram with "ADDR PORT" of its sender
  dns   answers A for the names given, NXDOMAIN for others

Prints "services: ready" when all are bound. Writes one line for each request, "http|udp|dns ADDR
PORT WHAT", to FILE. Ends at SIGTERM or SIGINT, and after N seconds (600) in any case.
http.server and argparse would take longer to load, in an emulated guest, than all of this.
"""
import signal
import socket
import socketserver
import struct
import sys
import threading

MEGABYTE = 1 << 20
PAGE_MAX = 64
CHUNK = bytes(range(256)) * 256
LINE_MAX = 4096
HTML = {
    "/page": b"""<!DOCTYPE html><title>frames</title>
<frameset rows="*,*"><frame src="/frame"><frame src="/ip"></frameset>
""",
    "/frame": b"""<!DOCTYPE html><title>a page</title>
<h1>Gr&uuml;&szlig;e</h1><p>One&nbsp;&lt;line&gt;,<!-- none of this --> and <a href="/ip">a   link</a>.<ul><li>first<li>second</ul>
""",
}
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


def page_size(path):
    head, _, count = path.rpartition("/")
    if head != "/mb" or len(count) > 2 or not count.isdecimal():
        return 0
    return int(count) * MEGABYTE if int(count) <= PAGE_MAX else 0


class Web(socketserver.StreamRequestHandler):
    """One request a connection."""
    timeout = 30

    def handle(self):
        line = self.rfile.readline(LINE_MAX).decode("latin-1").split()
        while self.rfile.readline(LINE_MAX) not in (b"\r\n", b"\n", b""):
            pass
        if len(line) != 3 or line[0] != "GET":
            self.answer("400 Bad Request", 0)
            return
        self.server.log.write("http", self.client_address, ascii(line[1][:64]))
        size = page_size(line[1])
        if line[1] == "/ip":
            body = f"{self.client_address[0]} {self.client_address[1]}\n".encode()
            self.answer("200 OK", len(body), "text/plain")
            self.wfile.write(body)
        elif line[1] in HTML:
            self.answer("200 OK", len(HTML[line[1]]), "text/html")
            self.wfile.write(HTML[line[1]])
        elif size:
            self.answer("200 OK", size)
            for _ in range(size // len(CHUNK)):
                self.wfile.write(CHUNK)
        else:
            self.answer("404 Not Found", 0)

    def answer(self, status, size, kind="application/octet-stream"):
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
                         f"Content-Length: {size}\r\nConnection: close\r\n\r\n".encode())


class WebServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128  # of five, the kernel forgets half-open ones early: the client's next packet is answered by a reset

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
        answers = struct.pack(">HHHIH", 0xC00C, TYPE_A, CLASS_IN, TTL, 4) + address
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
    return address.strip("[]"), int(port)


def arguments(args):
    """What is asked for, by name; names as {"www.example.net": four bytes}."""
    asked = {"--name": {}}
    for option, value in zip(args[::2], args[1::2]):
        if option == "--name":
            host, _, address = value.partition("=")
            asked["--name"][host.lower().rstrip(".")] = socket.inet_aton(address)
        elif option in ("--http", "--udp", "--dns"):
            asked[option] = endpoint(value)
        elif option in ("--log", "--seconds"):
            asked[option] = value
        else:
            sys.exit(__doc__)
    return asked


def family(server, at):
    """SERVER, for IPv6 when it is to stand AT such an address."""
    return type(server.__name__, (server,), {"address_family": socket.AF_INET6}) if ":" in at[0] else server


def main():
    asked = arguments(sys.argv[1:])
    kinds = [("--http", WebServer, Web), ("--udp", UdpServer, Echo), ("--dns", UdpServer, Dns)]
    servers = [family(server, asked[key])(asked[key], handler) for key, server, handler in kinds if key in asked]
    if not servers:
        sys.exit("services: nothing to serve; give --http, --udp or --dns")
    log = Log(asked.get("--log"))
    stops = {signal.SIGTERM, signal.SIGINT, signal.SIGALRM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the threads, which inherit it
    for server in servers:
        server.log, server.names = log, asked["--name"]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.alarm(max(1, int(asked.get("--seconds", 600))))
    print("services: ready", flush=True)
    signal.sigwait(stops)
    for server in servers:
        server.shutdown()
        server.server_close()


main()
