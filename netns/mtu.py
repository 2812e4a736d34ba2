#!/usr/bin/env python3
"""Datagrams of chosen sizes, for t_mtu.

usage: mtu.py serve ADDR:PORT           until it is killed: sends back what comes; to "send N", N bytes that no router may
                                        fragment, or "at most N bytes" when its system knows that they are too many
       mtu.py echo ADDR:PORT SIZE...    a datagram of each size and its echo: "SIZE good", "SIZE bad" or "SIZE lost"
       mtu.py ask ADDR:PORT SIZE        what comes back of "send SIZE": its text, "N bytes" or "lost"
"""
import random
import socket
import sys

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
IPV6_MTU_DISCOVER, IPV6_MTU = 23, 24
BIGGEST = 65535


def endpoint(text):
    """ADDR:PORT, or [ADDR]:PORT of IPv6."""
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def datagrams(where):
    return socket.socket(socket.AF_INET6 if where.startswith("[") else socket.AF_INET, socket.SOCK_DGRAM)


def whole(sock, on):
    """Whether what SOCK sends may be fragmented nowhere, here included."""
    six = sock.family == socket.AF_INET6
    level, option = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER) if six else (socket.IPPROTO_IP, IP_MTU_DISCOVER)
    sock.setsockopt(level, option, IP_PMTUDISC_DO if on else 0)


def connected(where, timeout):
    sock = datagrams(where)
    sock.settimeout(timeout)
    sock.connect(endpoint(where))
    return sock


def send_whole(sock, peer, size):
    whole(sock, True)
    try:
        sock.sendto(bytes(size), peer)
    except OSError:
        known = socket.socket(sock.family, socket.SOCK_DGRAM)
        known.connect(peer)
        six = sock.family == socket.AF_INET6
        mtu = known.getsockopt(*((socket.IPPROTO_IPV6, IPV6_MTU) if six else (socket.IPPROTO_IP, IP_MTU)))
        sock.sendto(b"at most %d bytes" % mtu, peer)
    whole(sock, False)


def serve(where):
    sock = datagrams(where)
    whole(sock, False)
    sock.bind(endpoint(where))
    print("mtu: ready", flush=True)
    while True:
        data, peer = sock.recvfrom(BIGGEST)
        if data.startswith(b"send "):
            send_whole(sock, peer, int(data[5:]))
        else:
            sock.sendto(data, peer)


def echo(where, *sizes):
    sock = connected(where, 5)
    for size in sizes:
        data = random.Random(size).randbytes(int(size))
        sock.send(data)
        try:
            print(size, "good" if sock.recv(BIGGEST) == data else "bad")
        except TimeoutError:
            print(size, "lost")


def ask(where, size):
    sock = connected(where, 3)
    sock.send(f"send {size}".encode())
    try:
        got = sock.recv(BIGGEST)
        print(got.decode() if got.startswith(b"at most") else f"{len(got)} bytes")
    except TimeoutError:
        print("lost")


commands = {"serve": serve, "echo": echo, "ask": ask}
if len(sys.argv) < 3 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
