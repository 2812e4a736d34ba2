#!/usr/bin/env python3
"""Traffic that tells its own: what arrives is compared, byte by byte, with what its sender had to send.

usage: traffic.py serve ADDR:PORT [SECONDS]             TCP and UDP, until SECONDS (300) are over
       traffic.py tcp ADDR:PORT SEED BYTES [SECONDS]    BYTES each way at once over one connection, ours slowly: over SECONDS
       traffic.py udp ADDR:PORT SEED COUNT [PORT]       COUNT datagrams, each with its echo, from PORT
       traffic.py ports ADDR:PORT PORT[-PORT]...        the port that each of these is seen to come from, by UDP
       traffic.py send FROM COUNT PACKET...             no answer is awaited; FROM need not be free. PACKET:
              udp:PORT:ADDR:PORT, icmp:ADDR or the number of a protocol as 50:ADDR
       traffic.py agent FIFO                            until it is killed: what lines "FILE COMMAND ARGS..." in FIFO
              ask for, side by side; FILE appears with what the command prints when it is done

tcp prints "good" when both sides have got exactly the other's bytes; udp "sent N back N foreign N".
"""
import os
import random
import signal
import socket
import socketserver
import struct
import sys
import threading
import time

CHUNK = 1 << 16
UDP_MAX = 2048


def stream(seed, count):
    source = random.Random(seed)
    while count > 0:
        yield source.randbytes(min(CHUNK, count))
        count -= CHUNK


def send_stream(sock, seed, count, seconds=0.0):
    for chunk in stream(seed, count):
        sock.sendall(chunk)
        time.sleep(seconds * len(chunk) / count)


def receive_stream(file, seed, count):
    return all(file.read(len(chunk)) == chunk for chunk in stream(seed, count))


class Tcp(socketserver.StreamRequestHandler):
    timeout = 60

    def handle(self):
        seed, count = self.rfile.readline(100).decode().split()
        down = threading.Thread(target=send_stream, args=(self.request, seed + " down", int(count)))
        down.start()
        good = receive_stream(self.rfile, seed + " up", int(count))
        down.join()
        self.wfile.write(b"good\n" if good else b"bad\n")


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that is killed on purpose


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        if data == b"port?":
            data = str(self.client_address[1]).encode()
        sock.sendto(data, self.client_address)


class UdpServer(socketserver.UDPServer):
    max_packet_size = UDP_MAX


def endpoint(text):
    """ADDR:PORT, or [ADDR]:PORT of IPv6."""
    address, _, port = text.rpartition(":") if text.startswith("[") else text.partition(":")
    return address.strip("[]"), int(port or 0)


def family(text):
    return socket.AF_INET6 if text.startswith("[") else socket.AF_INET


def serve(where, seconds="300"):
    signal.alarm(int(seconds))
    TcpServer.address_family = UdpServer.address_family = family(where)
    servers = [TcpServer(endpoint(where), Tcp), UdpServer(endpoint(where), Udp)]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("traffic: ready", flush=True)
    servers[0].serve_forever()


def tcp(where, seed, count, seconds="0"):
    sock = socket.create_connection(endpoint(where), timeout=60)
    file = sock.makefile("rb")
    sock.sendall(f"{seed} {count}\n".encode())
    up = threading.Thread(target=send_stream, args=(sock, seed + " up", int(count), float(seconds)))
    up.start()
    good = receive_stream(file, seed + " down", int(count))
    up.join()
    return "good" if good and file.readline() == b"good\n" else "bad"


def udp_socket(where, port):
    sock = socket.socket(family(where), socket.SOCK_DGRAM)
    sock.bind(("", int(port)))
    sock.settimeout(10)
    sock.connect(endpoint(where))
    return sock


def udp(where, seed, count, port="0"):
    sock = udp_socket(where, port)
    tokens = [random.Random(f"{seed} {i}").randbytes(960) for i in range(int(count))]
    back = set()
    foreign = 0
    for token in tokens:
        sock.send(token)
        try:
            while token not in back:  # a late one before it is no stranger
                got = sock.recv(UDP_MAX)
                foreign += got not in tokens
                back.add(got)
        except (TimeoutError, ConnectionError):
            pass
    return f"sent {count} back {len(back) - foreign} foreign {foreign}"


def ports(where, *ranges):
    socks = []
    for text in ranges:
        first, _, last = text.partition("-")
        socks += [udp_socket(where, port) for port in range(int(first), int(last or first) + 1)]
    seen = []
    for sock in socks:
        sock.send(b"port?")
        try:
            seen.append(sock.recv(UDP_MAX).decode())
        except (TimeoutError, ConnectionError):
            seen.append("lost")
    return "\n".join(seen)


def raw_packet(what):
    kind, *args = what.split(":")
    if kind == "udp":
        return 17, args[1], struct.pack(">HHHH", int(args[0]), int(args[2]), 40, 0) + bytes(32)
    if kind == "icmp":
        return 1, args[0], struct.pack(">BBHHH", 8, 0, 0xffff - 0x0800 - 7, 0, 7)
    return int(kind), args[0], bytes(32)


def send(source, count, *packets):
    for what in packets:
        protocol, target, data = raw_packet(what)
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        sock.bind((source, 0))
        for _ in range(int(count)):
            sock.sendto(data, (target, 0))


def answer(reply, command, *args):
    try:
        said = commands[command](*args) or ""
    except Exception as error:
        said = f"{command}: {error!r}"
    with open(reply + ".new", "w") as file:
        file.write(said)
    os.rename(reply + ".new", reply)


def agent(fifo):
    with open(os.open(fifo, os.O_RDWR)) as asked:
        for line in asked:
            threading.Thread(target=answer, args=line.split(), daemon=True).start()


commands = {"serve": serve, "tcp": tcp, "udp": udp, "ports": ports, "send": send, "agent": agent}
if len(sys.argv) < 3 or sys.argv[1] not in commands:
    sys.exit(__doc__)
said = commands[sys.argv[1]](*sys.argv[2:])
if said:
    print(said)
