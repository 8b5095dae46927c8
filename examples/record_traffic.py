#!/usr/bin/env python3
"""The two ends of the traffic that record.sh records.

    record_traffic.py serve                 answers name lookups, swallows datagrams
    record_traffic.py client                makes the traffic
    record_traffic.py vlan IFACE TAP ID     carries a TAP's frames over IFACE with an 802.1Q tag,
                                            which is what a vlan device does, for kernels without one
"""
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time

SERVER4, SERVER6 = "10.7.0.2", "fd07::2"
BLOCKED4, BLOCKED6 = "10.7.0.66", "fd07:0:0:66::1"
LOOKUP, REDIRECTED, SINK, BLOCKED_PORT, DISCARD = 5353, 5300, 5201, 9999, 9
ETH_P_ALL = 3


def vlan(iface, tap, vlan_id):
    """Tags what comes out of the TAP, untags what comes in for it."""
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH", tap.encode(), 0x1002))  # TUNSETIFF, TAP | NO_PI
    subprocess.run(["ip", "link", "set", tap, "mtu", "1496", "up"], check=True)
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((iface, 0))
    raw.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the tag comes beside the frame
    tci = 5 << 13 | int(vlan_id)
    while True:
        for ready in select.select([tun, raw], [], [])[0]:
            if ready is tun:
                frame = os.read(tun, 2048)
                raw.send(frame[:12] + struct.pack("!HH", 0x8100, tci) + frame[12:])
                continue
            frame, ancillary, _, origin = raw.recvmsg(2048, 256)
            if origin[2] == 4:  # PACKET_OUTGOING
                continue
            for level, kind, data in ancillary:
                status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", data)
                if (level, kind) == (263, 8) and status & 0x10 and tag & 0xFFF == int(vlan_id):
                    os.write(tun, frame)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(family, source, target, count):
    """ICMP echo requests; the kernel at the other end replies."""
    proto, kind = (socket.IPPROTO_ICMP, 8) if family == socket.AF_INET else (socket.IPPROTO_ICMPV6, 128)
    with socket.socket(family, socket.SOCK_RAW, proto) as sock:
        sock.bind((source, 0))
        for seq in range(count):
            body = bytes(range(32, 32 + 56))
            head = struct.pack("!BBHHH", kind, 0, 0, 0x5EB, seq)
            if family == socket.AF_INET:  # the kernel fills in ICMPv6 checksums itself
                head = struct.pack("!BBHHH", kind, 0, checksum(head + body), 0x5EB, seq)
            sock.sendto(head + body, (target, 0))
            time.sleep(0.02)


def question(number, name):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def lookups(family, server, port, names):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.3)
        for number, name in enumerate(names):
            sock.sendto(question(number, name), (server, port))
            try:
                sock.recv(512)
            except (TimeoutError, ConnectionRefusedError):
                pass


def datagrams(family, source, target, port, count, size, dscp=0):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
        sock.bind((source, 0))
        for seq in range(count):
            try:
                sock.sendto(struct.pack("!I", seq) + b"u" * (size - 4), (target, port))
            except ConnectionRefusedError:
                pass
            time.sleep(0.002)


def knock(target, port, source=""):
    try:
        socket.create_connection((target, port), 0.3, (source, 0)).close()
    except OSError:
        pass


def fetch(url):
    subprocess.run(["curl", "--silent", "--show-error", "--output", "/dev/null", url], check=True)


def crafted():
    """Frames that no stack sends: two tags, and IPv4 that is cut off."""
    macs = bytes.fromhex("020000070002020000070001")
    udp = struct.pack("!HHHH", 4000, SINK, 16, 0) + b"two tags"
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                     socket.inet_aton("10.7.0.1"), socket.inet_aton(SERVER4))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("veth-c", 0))
        for _ in range(3):
            raw.send(macs + struct.pack("!HHHHH", 0x88A8, 100, 0x8100, 46, 0x0800) + ip + udp)
            raw.send(macs + struct.pack("!H", 0x0800) + ip[:12])


def client():
    v4, v6 = socket.AF_INET, socket.AF_INET6
    ping(v4, "10.7.0.1", SERVER4, 6)
    ping(v6, "fd07::1", SERVER6, 4)
    lookups(v4, SERVER4, LOOKUP, [f"host{n}.example.org" for n in range(12)])
    lookups(v6, SERVER6, LOOKUP, [f"six{n}.example.org" for n in range(4)])
    lookups(v4, SERVER4, REDIRECTED, ["redirected.example.org"] * 3)
    fetch(f"http://{SERVER4}:8080/page.txt")
    fetch(f"http://[{SERVER6}]:8082/half.txt")
    for _ in range(12):
        fetch(f"http://{SERVER4}:8080/short.txt")
    fetch("http://10.7.46.2:8080/half.txt")
    ping(v4, "10.7.46.1", "10.7.46.2", 3)
    datagrams(v4, "10.7.0.1", SERVER4, SINK, 60, 1200)
    datagrams(v4, "10.7.0.1", SERVER4, SINK, 20, 200, dscp=46)
    datagrams(v4, "10.7.0.1", SERVER4, SINK, 3, 4000)
    datagrams(v6, "fd07::1", SERVER6, SINK, 2, 4000)
    datagrams(v4, "10.7.0.1", SERVER4, BLOCKED_PORT, 5, 64)
    datagrams(v4, "10.7.0.1", SERVER4, DISCARD, 2, 32)
    knock(SERVER4, 23)
    knock(SERVER4, 8080, BLOCKED4)
    ping(v4, BLOCKED4, SERVER4, 3)
    ping(v6, BLOCKED6, "fd07:0:0:66::2", 3)
    crafted()


def serve():
    """Repeats each question as its answer, and swallows what goes to the sink."""
    socks = []
    for port in (LOOKUP, SINK, BLOCKED_PORT):
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        socks.append(sock)
    while True:
        for sock in select.select(socks, [], [])[0]:
            data, peer = sock.recvfrom(9000)
            if sock is socks[0]:
                answer = struct.pack("!HHHIH4s", 0xC00C, 1, 1, 60, 4, socket.inet_aton("192.0.2.1"))
                sock.sendto(data[:2] + b"\x81\x80\0\1\0\1" + data[8:] + answer, peer)


if __name__ == "__main__":
    {"serve": serve, "client": client, "vlan": vlan}[sys.argv[1]](*sys.argv[2:])
