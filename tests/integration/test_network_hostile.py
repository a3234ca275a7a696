# SPDX-License-Identifier: GPL-2.0-or-later
"""What an instance sends that it should not: it reaches neither its neighbour nor the host."""

import errno
import json
import os
import select
import signal
import socket

import pytest
from support import frames as f
from support import wait
from support.wires import HOST, WORLD, WORLD6, Joined

pytestmark = pytest.mark.root

GATEWAY, GATEWAY6, LINK_GATEWAY6 = "10.77.0.1", "fd77::1", "fe80::1"
MAC_A, MAC_B = "02:62:00:00:77:09", "02:62:00:00:77:0a"
A, B, A6, B6 = "10.77.0.9", "10.77.0.10", "fd77::9", "fd77::a"
LINK_A6, LINK_B6 = "fe80::62:ff:fe00:7709", "fe80::62:ff:fe00:770a"
FREE, FREE6 = "10.77.0.99", "fd77::99"
ALL6, NOBODY6 = "ff02::1", "::"
SNAP = b"\x42\x42\x03" + bytes(32)  # 802.2 of spanning tree, and a message of nothing
END = {"end": f.ethernet(MAC_A, f.BROADCAST, f.ARP, f.arp(1, MAC_A, A, GATEWAY))}


class Stage:
    """Instance a, who sends, b, its neighbour, and who hears what comes through."""

    def __init__(self, brig, host, options="", bridge=None):
        self.host, self.brig, self.bridge = host, brig, bridge
        if not bridge:
            brig("network", "create", "--ipv4", f"{GATEWAY}/24", "--ipv6", f"{GATEWAY6}/64", "lan")
            self.bridge = brig.json("network", "inspect", "lan")[0]["device"]
        of_a, of_b = ("",) * 2 if bridge else (f",ip={A},ip6={A6}", f",ip={B},ip6={B6}")
        network = f"bridge={bridge}" if bridge else "lan"
        self.a = self.start("a", f"{network},mac={MAC_A}{of_a}{options}")
        self.b = self.start("b", f"{network},mac={MAC_B}{of_b}")
        self.sender = f.sender(self.a, "eth0")

    def start(self, name, network):
        self.brig("run", "-d", "--name", name, "--network", network, "busybox", "sleep", "1000")
        return Joined(next(row["pid"] for row in self.brig.json("ps") if row["name"] == name))

    def passed(self, frames, end=None):
        """The names of those that the neighbour or the host's bridge gets."""
        with f.listener(self.b, "eth0") as neighbour, f.listener(self.host, self.bridge) as bridge:
            f.send(self.sender, frames)
            f.send(self.sender, end or END)
            return f.names(neighbour, "end") | f.names(bridge, "end")

    def port_of(self, mac):
        """The ports that the bridge takes a station to be behind."""
        known = json.loads(self.host.run("bridge", "-j", "fdb", "show", "br", self.bridge))
        return {entry["ifname"] for entry in known
                if entry["mac"] == mac and "self" not in entry.get("flags", [])}


@pytest.fixture
def stage(net_brig, wires):
    made = Stage(net_brig, wires.host)
    yield made
    made.sender.close()  # it holds the namespace


def of_arp(operation, mac, ip, to_ip=GATEWAY, to=f.BROADCAST, source=MAC_A, tags=()):
    return f.ethernet(source, to, f.ARP, f.arp(operation, mac, ip, to_ip), tags)


def of_ip(source, to, payload, protocol=f.UDP, tags=(), **more):
    return f.ethernet(MAC_A, MAC_B, f.IPV4, f.ipv4(source, to, protocol, payload, **more), tags)


def of_ip6(source, to, following, payload, mac=f.MULTICAST6, **more):
    return f.ethernet(MAC_A, mac, f.IPV6, f.ipv6(source, to, following, payload, **more))


def claims():
    """Who says that another's address is his."""
    for who, ip in (("gateway", GATEWAY), ("neighbour", B), ("host", HOST), ("free", FREE)):
        for operation in (1, 2):
            yield f"arp {operation} of {who}", of_arp(operation, MAC_A, ip)
            yield f"gratuitous arp {operation} of {who}", of_arp(operation, MAC_A, ip, ip)
        yield f"ip of {who}", of_ip(ip, B, f.udp(1, 2))
        yield f"ip with options of {who}", of_ip(ip, B, f.udp(1, 2), options=b"\x01" * 8)
        yield f"later fragment of {who}", of_ip(ip, B, b"12345678", fragment=100)
    yield "arp of another's hardware", of_arp(2, MAC_B, A)
    yield "probe for the neighbour's", of_arp(1, MAC_A, "0.0.0.0", B)
    yield "foreign hardware", of_arp(1, MAC_B, A, source=MAC_B)
    yield "unknown hardware", of_arp(1, "02:00:00:00:00:99", A, source="02:00:00:00:00:99")
    yield "ip of nobody", of_ip("0.0.0.0", B, f.udp(1, 2))
    yield "ip broken", f.ethernet(MAC_A, MAC_B, f.IPV4, b"\x42" + bytes(19))
    yield "ip short", f.ethernet(MAC_A, MAC_B, f.IPV4, b"\x45")


def claims6():
    for who, ip in (("gateway", GATEWAY6), ("link gateway", LINK_GATEWAY6), ("neighbour", B6),
                    ("free", FREE6), ("world", WORLD6)):
        yield f"ip6 of {who}", of_ip6(ip, B6, f.UDP, f.udp(1, 2))
        yield f"ip6 with options of {who}", of_ip6(ip, B6, f.HOP_BY_HOP, f.extension(f.UDP, f.udp(1, 2)))
        lie = f.advert(LINK_A6, ALL6, ip, MAC_A)
        for how, packet in hidden(lie):
            yield f"advert of {who}, {how}", of_ip6(LINK_A6, ALL6, *packet)
    probe = f.solicit(NOBODY6, ALL6, B6)
    yield "probe for the neighbour's, IPv6", of_ip6(NOBODY6, ALL6, f.ICMP6, probe)
    yield "ip6 of nobody", of_ip6(NOBODY6, B6, f.UDP, f.udp(1, 2))
    yield "ip6 short", f.ethernet(MAC_A, MAC_B, f.IPV6, b"\x60")


def hidden(message, following=f.ICMP6):
    """A message by itself, and behind what may hide it."""
    yield "bare", (following, message)
    yield "behind options", (f.HOP_BY_HOP, f.extension(following, message))
    yield "behind two headers", (f.HOP_BY_HOP, f.extension(f.DESTINATION, f.extension(following, message)))
    yield "in a fragment", (f.FRAGMENT, f.fragment(following, message, more=0))
    yield "in a first fragment", (f.FRAGMENT, f.fragment(following, message + bytes(-len(message) % 8)))
    options = f.extension(following, message)
    yield "behind options in a fragment", (f.FRAGMENT, f.fragment(f.DESTINATION, options, more=0))
    # the first fragment ends before the message begins
    yield "in a later fragment", (f.FRAGMENT, f.fragment(f.DESTINATION, bytes([following, 1]) + PAD))


PAD = b"\x01\x0c" + bytes(4)


def offers():
    """Who plays the router or gives addresses, with his own."""
    for to, mac in ((B, MAC_B), ("255.255.255.255", f.BROADCAST)):
        packet = f.ipv4(A, to, f.UDP, f.udp(67, 68, bytes(240)))
        yield f"DHCP to {to}", f.ethernet(MAC_A, mac, f.IPV4, packet)
        packet = f.ipv4(A, to, f.UDP, f.udp(67, 68, bytes(240)), options=b"\x01" * 4)
        yield f"DHCP with options to {to}", f.ethernet(MAC_A, mac, f.IPV4, packet)
    for source in (A6, LINK_A6):
        for how, packet in hidden(f.router_advert(source, ALL6)):
            yield f"router of {source}, {how}", of_ip6(source, ALL6, *packet)
        redirect = f.icmp6(source, ALL6, f.REDIRECT, bytes(36))
        yield f"redirect of {source}", of_ip6(source, ALL6, f.ICMP6, redirect)
        for how, packet in hidden(f.udp(547, 546), f.UDP):
            yield f"DHCPv6 of {source}, {how}", of_ip6(source, ALL6, *packet)


def others():
    """What is no business of an instance's."""
    for how, tags in (("802.1Q", [(f.VLAN, 7)]), ("802.1ad", [(f.VLANS, 7)]), ("priority", [(f.VLAN, 0)]),
                      ("two tags", [(f.VLANS, 7), (f.VLAN, 8)]), ("one twice", [(f.VLAN, 1), (f.VLAN, 1)])):
        yield f"{how} of another", of_ip(B, B, f.udp(1, 2), tags=tags)
        yield f"{how} of its own", of_arp(1, MAC_A, A, tags=tags)
    for last in range(16):
        to = f"01:80:c2:00:00:{last:02x}"
        yield f"spanning tree to {last:x}", f.ethernet(MAC_A, to, len(SNAP), SNAP)
        yield f"link-local {last:x}", f.ethernet(MAC_A, to, 0x88CC, bytes(60))
        yield f"link-local ip {last:x}", f.ethernet(MAC_A, to, f.IPV4, f.ipv4(B, B, f.UDP, f.udp(1, 2)))
    for kind in (0x88CC, 0x8863, 0x8864, 0x0842, 0x8035, 0x22F0, 0x9000, 0xFFFF, 0x05DC):
        yield f"type {kind:x}", f.ethernet(MAC_A, f.BROADCAST, kind, bytes(60))


def own():
    """What everybody may say."""
    report = f.icmp6(NOBODY6, ALL6, 143, bytes(4) + b"\x04\0\0\0" + f.ip_address("ff02::1:ff00:9").packed)
    yield "arp", of_arp(2, MAC_A, A, B)
    yield "gratuitous arp", of_arp(1, MAC_A, A, A)
    yield "arp probe", of_arp(1, MAC_A, "0.0.0.0", A)
    yield "ip", of_ip(A, B, f.udp(1, 2))
    yield "ip with options", of_ip(A, B, f.udp(1, 2), options=b"\x01" * 8)
    yield "later fragment", of_ip(A, B, b"12345678", fragment=100)
    yield "DHCP discover", f.ethernet(MAC_A, f.BROADCAST, f.IPV4, f.ipv4(
        "0.0.0.0", "255.255.255.255", f.UDP, f.udp(68, 67, bytes(240))))
    yield "ip6", of_ip6(A6, B6, f.UDP, f.udp(1, 2))
    yield "ip6 of the link", of_ip6(LINK_A6, B6, f.UDP, f.udp(1, 2))
    yield "own question", of_ip6(NOBODY6, ALL6, f.ICMP6, f.solicit(NOBODY6, ALL6, A6))
    yield "own question of the link", of_ip6(NOBODY6, ALL6, f.ICMP6, f.solicit(NOBODY6, ALL6, LINK_A6))
    yield "question", of_ip6(A6, ALL6, f.ICMP6, f.solicit(A6, ALL6, B6))
    yield "listener", of_ip6(NOBODY6, ALL6, f.HOP_BY_HOP, f.extension(f.ICMP6, report))
    question = f.icmp6(LINK_A6, ALL6, f.ROUTER_SOLICIT, bytes(4))
    yield "router question", of_ip6(LINK_A6, ALL6, f.ICMP6, question)
    for how, packet in hidden(f.advert(A6, ALL6, A6, MAC_A)):
        if how in ("bare", "behind options", "in a fragment"):
            yield f"advert, {how}", of_ip6(A6, ALL6, *packet)
    echo = f.icmp6(A6, B6, 128, bytes(12))
    yield "ping in fragments", of_ip6(A6, B6, f.FRAGMENT, f.fragment(f.ICMP6, echo))
    later = f.fragment(f.ICMP6, bytes(16), offset=16, more=0)
    yield "later fragment of a ping", of_ip6(A6, B6, f.FRAGMENT, later)


def test_nobody_speaks_for_another(stage):
    lies = dict([*claims(), *claims6(), *offers(), *others()])
    assert sorted(stage.passed(lies)) == []
    honest = dict(own())
    assert sorted(set(honest) - stage.passed(honest)) == []


def test_frames_that_bridges_keep_to_themselves(stage):
    """Those for 01:80:c2:00:00:0X pass by the bridge and its rules: the port's own end takes them."""
    before = stage.port_of(MAC_B)
    heard = stage.host.listen(7000, kind=socket.SOCK_DGRAM)
    stage.host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")  # it heeds routers
    frames = {}
    for last in range(16):
        to = f"01:80:c2:00:00:{last:02x}"
        frames[f"learn {last:x}"] = f.ethernet(MAC_B, to, 0x88CC, bytes(60))
        for source in (B, WORLD):
            packet = f.ipv4(source, HOST, f.UDP, f.udp(1, 7000))
            frames[f"ip {source} {last:x}"] = f.ethernet(MAC_A, to, f.IPV4, packet)
        advert = f.router_advert(LINK_B6, ALL6)
        packet = f.ipv6(LINK_B6, ALL6, f.ICMP6, advert)
        frames[f"router {last:x}"] = f.ethernet(MAC_A, to, f.IPV6, packet)
    f.send(stage.sender, frames)
    assert not stage.passed({})
    assert stage.port_of(MAC_B) == before
    assert "dev vb" not in stage.host.run("ip", "-6", "route", "show", "default")
    assert not select.select([heard], [], [], 0)[0], heard.recvfrom(100)
    heard.close()


def test_a_flood_leaves_the_bridge_as_it_was(stage):
    before = stage.host.run("bridge", "fdb", "show", "br", stage.bridge)
    for start in range(0, 20000, 1000):
        macs = [f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(start, start + 1000)]
        f.send(stage.sender, {mac: of_arp(1, mac, A, B, source=mac) for mac in macs})
    assert not stage.passed({})
    assert stage.host.run("bridge", "fdb", "show", "br", stage.bridge) == before
    stage.brig("exec", "b", "ping", "-c", "1", "-W", "5", A)


def test_who_is_trusted_may_say_all(net_brig, wires):
    stage = Stage(net_brig, wires.host, ",trust=1")
    lies = dict([*claims(), *claims6(), *offers()])
    del lies["foreign hardware"]  # the neighbour would get nothing any more
    assert sorted(set(lies) - stage.passed(lies)) == []
    stage.sender.close()


def test_where_addresses_are_not_brigs_hardware_and_offers_are(net_brig, wires):
    """On somebody else's bridge."""
    wires.host.run("ip", "link", "add", "theirs", "type", "bridge")
    wires.host.run("ip", "link", "set", "theirs", "up")
    stage = Stage(net_brig, wires.host, bridge="theirs")
    lies = dict([*offers(), *((name, frame) for name, frame in claims() if "hardware" in name)])
    assert sorted(stage.passed(lies)) == []
    honest = dict([*own(), ("free", of_ip(FREE, B, f.udp(1, 2)))])
    assert sorted(set(honest) - stage.passed(honest)) == []
    stage.sender.close()


def test_a_killed_keeper_and_a_removal_open_no_way(stage, net_brig):
    """Something else holds the instance's end of the wire, as a process that has got its network."""
    lies, keeper = dict(claims()), net_brig.json("inspect", "a")[0]["run"]["keeper_pid"]
    end = {"end": f.ethernet(MAC_B, f.BROADCAST, f.ARP, f.arp(1, MAC_B, B, GATEWAY))}
    c, last = stage.start("c", "lan"), f.sender(stage.b, "eth0")
    os.kill(keeper, signal.SIGKILL)
    wait.process_end(keeper)
    for command in (None, ["ps", "-q"], ["rm", "-f", "a"]):
        if command:
            net_brig(*command)
        with f.listener(c, "eth0") as neighbour:
            try:
                f.send(stage.sender, lies)
            except OSError as error:  # no wire is no way either
                assert command and error.errno in (errno.ENXIO, errno.ENODEV, errno.ENETDOWN)
            f.send(last, end)
            assert f.names(neighbour, "end") == set()
    last.close()
