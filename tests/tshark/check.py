#!/usr/bin/env python3
"""check.py DIR: reads each DIR/NAME.pcap with tshark and compares with NAME.expect (record.c says what that is).

A packet is good when tshark decrypted what is encrypted, verified the integrity checksum, saw the exchange and the payloads
that our own parser saw, and has no mark of a malformed packet and no expert note, warning or error but those of KNOWN."""
import collections
import glob
import os
import re
import subprocess
import sys

PROPOSAL, TRANSFORM = 2, 3  # tshark counts these as payloads
MARK = re.compile(r"Expert Info \((?:Note|Warn|Error)|Malformed|Dissector bug|\[incorrect", re.I)

# Marks that are tshark's fault, and for which kind of packet.
KNOWN = {
    # A payload ID without data is an assertion that fails in tshark 4.0; ID_NULL has none (RFC 7619 section 2.2).
    "null-id": 'failed assertion "len > 0"',
}

# What all sessions together have to show.
EXCHANGES = {34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL"}
PAYLOADS = {36: "IDr", 42: "Delete", 47: "CP", 53: "SKF"}
NOTIFIES = {
    16384: "INITIAL_CONTACT", 16388: "NAT_DETECTION_SOURCE_IP", 16389: "NAT_DETECTION_DESTINATION_IP",
    16390: "COOKIE", 16393: "REKEY_SA", 16396: "MOBIKE_SUPPORTED", 16400: "UPDATE_SA_ADDRESSES", 16401: "COOKIE2",
    16430: "FRAGMENTATION_SUPPORTED", 16431: "SIGNATURE_HASH_ALGORITHMS",
}

FIELDS = ["frame.number", "isakmp.exchangetype", "isakmp.flag_r", "isakmp.messageid", "isakmp.typepayload", "isakmp.enc.decrypted",
          "isakmp.notify.msgtype", "_ws.expert.message", "udp.checksum.status", "udpencap", "udp.srcport", "udp.dstport"]
OPTIONS = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]


def tshark(folder, name, *args):
    """What tshark prints of a session, with its keys in a configuration of its own."""
    conf = os.path.join(folder, f"{name}.conf")
    os.makedirs(conf, exist_ok=True)
    with open(os.path.join(folder, f"{name}.keys"), encoding="ascii") as keys, \
            open(os.path.join(conf, "ikev2_decryption_table"), "w", encoding="ascii") as table:
        table.write(keys.read())
    return subprocess.run(["tshark", "-n", "-r", os.path.join(folder, f"{name}.pcap"), *OPTIONS, *args], check=True, text=True,
                          capture_output=True, timeout=60, env={**os.environ, "WIRESHARK_CONFIG_DIR": conf}).stdout


def numbers(text):
    return [int(word, 0) for word in text.split(",") if word]


def seen_packets(folder, name):
    """{packet number: {field: text}}."""
    args = [arg for field in FIELDS for arg in ("-e", field)]
    lines = tshark(folder, name, "-T", "fields", "-E", "occurrence=a", "-E", "separator=|", *args).splitlines()
    rows = [dict(zip(FIELDS, line.split("|"))) for line in lines]
    return {int(row["frame.number"]): row for row in rows}


def marks(folder, name):
    """{packet number: its marks in the whole dissection}; the dissection stays in NAME.txt."""
    text = tshark(folder, name, "-V")
    with open(os.path.join(folder, f"{name}.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    found, number = collections.defaultdict(list), 0
    for line in text.splitlines():
        if match := re.match(r"Frame (\d+):", line):
            number = int(match.group(1))
        elif MARK.search(line):
            found[number].append(line.strip())
    return found


def check_packet(expected, row, said):
    """What is wrong with one packet."""
    exchange, direction, message_id, kind, *types = expected
    types = [int(t) for t in types]
    payloads = [n for n in numbers(row["isakmp.typepayload"]) if n not in (PROPOSAL, TRANSFORM)]
    if said and kind in KNOWN and KNOWN[kind] in row["_ws.expert.message"]:
        types = types[:2]  # there it stopped
    elif said:
        yield said[0]
    if numbers(row["isakmp.exchangetype"])[:1] != [int(exchange)] or numbers(row["isakmp.messageid"])[:1] != [int(message_id)]:
        yield f"exchange {row['isakmp.exchangetype']} with message ID {row['isakmp.messageid']}"
    if numbers(row["isakmp.flag_r"])[:1] != [direction == "response"]:
        yield f"it is no {direction}"
    if (kind != "clear") != bool(row["isakmp.enc.decrypted"]):
        yield "not decrypted" if kind != "clear" else "decrypted, but it was not encrypted"
    if payloads != types:
        yield f"payloads {payloads}, ours are {types}"
    if row["udp.checksum.status"] != "1":
        yield "the UDP checksum is wrong"
    if "4500" in (row["udp.srcport"], row["udp.dstport"]) and not row["udpencap"]:
        yield "on port 4500 without the marker"


def check_session(folder, name, totals):
    """(packet, what is wrong) of one session; adds what it shows to TOTALS."""
    with open(os.path.join(folder, f"{name}.expect"), encoding="ascii") as file:
        expected = {int(line.split()[0]): line.split()[1:] for line in file}
    rows, said = seen_packets(folder, name), marks(folder, name)
    if sorted(rows) != sorted(expected):
        yield 0, f"tshark saw {len(rows)} packets of {len(expected)}"
        return
    for number, row in rows.items():
        totals["exchange"].update(numbers(row["isakmp.exchangetype"]))
        totals["payload"].update(numbers(row["isakmp.typepayload"]))
        totals["notify"].update(numbers(row["isakmp.notify.msgtype"]))
        for wrong in check_packet(expected[number], row, said[number]):
            yield number, wrong


def missing(totals):
    for kind, wanted in (("exchange", EXCHANGES), ("payload", PAYLOADS), ("notify", NOTIFIES)):
        for number, name in wanted.items():
            if totals[kind][number] == 0:
                yield f"no session shows {kind} {name} ({number})"


def main():
    folder = sys.argv[1]
    totals = collections.defaultdict(collections.Counter)
    names = sorted(os.path.basename(path)[:-5] for path in glob.glob(os.path.join(folder, "*.pcap")))
    passed = failed = 0
    for name in names:
        wrongs = list(check_session(folder, name, totals))
        for number, wrong in wrongs:
            print(f"not ok - {name}, packet {number}: {wrong}; see {folder}/{name}.txt")
        if not wrongs:
            print(f"ok - tshark reads session {name}")
        passed, failed = passed + (not wrongs), failed + bool(wrongs)
    absent = list(missing(totals)) if names else ["no session was recorded"]
    for what in absent:
        print(f"not ok - {what}")
    print(f"{passed + (not absent)} passed, {failed + bool(absent)} failed")
    sys.exit(1 if failed or absent else 0)


if __name__ == "__main__":
    main()
