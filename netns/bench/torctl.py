#!/usr/bin/env python3
"""torctl.py SOCKET COUNT: builds circuits relayA, relayB, relayC one after the other; the seconds of each, a line each."""
import socket
import sys
import time


def main():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(sys.argv[1])
    file = sock.makefile("rw", newline="\r\n")

    def ask(line):
        file.write(line + "\r\n")
        file.flush()

    def answer():
        line = file.readline().strip()
        if not line.startswith(("250", "650")):
            sys.exit("tor says: " + line)
        return line.split()

    ask("AUTHENTICATE")
    answer()
    ask("SETEVENTS CIRC")
    answer()
    for _ in range(int(sys.argv[2])):
        start = time.monotonic()
        ask("EXTENDCIRCUIT 0 relayA,relayB,relayC")
        wanted = None
        while True:
            words = answer()
            if words[:2] == ["250", "EXTENDED"]:
                wanted = words[2]
            elif words[:2] == ["650", "CIRC"] and words[2] == wanted and words[3] in ("BUILT", "FAILED", "CLOSED"):
                if words[3] != "BUILT":
                    sys.exit("the circuit was not built")
                print(f"{time.monotonic() - start:.6f}", flush=True)
                break
        ask("CLOSECIRCUIT " + wanted)
        while answer()[0] != "250":
            pass
        time.sleep(0.5)


if __name__ == "__main__":
    main()
