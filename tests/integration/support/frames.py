# SPDX-License-Identifier: GPL-2.0-or-later
"""Ethernet frames to send from inside a network, and what of them arrives elsewhere.

A frame is known by a trailer, which bridges keep and IP does not look at.
"""

import os
import socket
import struct
from ipaddress import ip_address

MARK = b"brig-frame-"
BROADCAST, MULTICAST6 = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01"
ARP, IPV4, IPV6, VLAN, VLANS = 0x0806, 0x0800, 0x86DD, 0x8100, 0x88A8
HOP_BY_HOP, FRAGMENT, UDP, ICMP6, DESTINATION = 0, 44, 17, 58, 60
ROUTER_SOLICIT, ROUTER_ADVERT, SOLICIT, ADVERT, REDIRECT = 133, 134, 135, 136, 137
PAD6 = b"\x01\x04\0\0\0\0"  # six bytes of options that say nothing


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source, to, kind, payload, tags=()):
    tagged = b"".join(struct.pack("!HH", tag, number) for tag, number in tags)
    return mac_bytes(to) + mac_bytes(source) + tagged + struct.pack("!H", kind) + payload


def arp(operation, mac, ip, to_ip, to_mac="00:00:00:00:00:00"):
    return (struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + mac_bytes(mac) + socket.inet_aton(ip)
            + mac_bytes(to_mac) + socket.inet_aton(to_ip))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, to, protocol, payload, options=b"", fragment=0):
    def header(said):
        whole = 20 + len(options) + len(payload)
        return struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, whole, 1, fragment, 64, protocol,
                           said) + socket.inet_aton(source) + socket.inet_aton(to) + options

    return header(checksum(header(0))) + payload


def udp(source, to, payload=b"hello\n"):
    """Without a checksum, as IPv4 allows it."""
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


def ipv6(source, to, following, payload, hops=255):
    return (struct.pack("!IHBB", 6 << 28, len(payload), following, hops) + ip_address(source).packed
            + ip_address(to).packed + payload)


def extension(following, payload):
    return bytes([following, 0]) + PAD6 + payload


def fragment(following, payload, offset=0, more=1):
    return struct.pack("!BBHI", following, 0, offset | more, 7) + payload


def icmp6(source, to, kind, body):
    """A whole message, whose sum is of its ends' addresses, too."""
    def message(said):
        return struct.pack("!BBH", kind, 0, said) + body

    said = checksum(ip_address(source).packed + ip_address(to).packed
                    + struct.pack("!II", len(message(0)), ICMP6) + message(0))
    return message(said)


def solicit(source, to, target):
    return icmp6(source, to, SOLICIT, bytes(4) + ip_address(target).packed)


def advert(source, to, target, mac):
    return icmp6(source, to, ADVERT, b"\x20\0\0\0" + ip_address(target).packed + b"\x02\x01" + mac_bytes(mac))


def router_advert(source, to):
    return icmp6(source, to, ROUTER_ADVERT, struct.pack("!BBHII", 64, 0, 1800, 0, 0))


def sender(namespace, device):
    """A socket of a namespace's that sends frames."""
    def make():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.bind((device, 0))
        return sock

    return namespace.inside(make)


def listener(namespace, device):
    """A socket of a namespace's that gets each frame which comes to a device."""
    def make():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((device, 3))
        sock.settimeout(30)
        return sock

    return namespace.inside(make)


def send(sock, frames):
    """Frames by name; all from one CPU, whose queue keeps their order."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        for name, frame in frames.items():
            sock.send(frame + MARK + name.encode() + b"\0")
    finally:
        os.sched_setaffinity(0, allowed)


def names(listening, last):
    """The names of the frames that came, until the last one."""
    found = set()
    while last not in found:
        frame = listening.recv(65536)
        if MARK in frame:
            found.add(frame.split(MARK)[1].split(b"\0")[0].decode())
    return found - {last}
