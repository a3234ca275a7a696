# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks on a distribution's kernel, which has VLANs, and two hosts on a wire; and what machines have of them."""

import contextlib
import functools
import os
import signal
import socket
import subprocess

import pytest
from support import images, wait
from support.wires import HOST, HOST6

SECONDS = 300

pytestmark = pytest.mark.root


def pings(brig, name, to):
    return brig("exec", name, "ping", "-c", "1", "-W", "20", to, check=False).code == 0


def test_instances_of_two_hosts_are_on_one_vlan(net_brig, far_brig, wires):
    ends = ((functools.partial(net_brig, timeout=SECONDS), wires.host, "up0", 2),
            (functools.partial(far_brig, timeout=SECONDS), wires.world, "w0", 3))
    for brig, _, parent, number in ends:
        for vlan, of_kind in (7, ()), (8, ("--type", "macvlan")):
            brig("network", "create", *of_kind, "--parent", parent, "--vlan", vlan, "--ipv4", f"10.{vlan}.0.1/24",
                 "--ipv6", "none", f"lan{vlan}")
            brig("run", "-d", "--name", f"on{vlan}", "--network", f"lan{vlan},ip=10.{vlan}.0.{number}", "busybox",
                 "sleep", "100000")
    (here, *_), (there, *_) = ends
    assert pings(here, "on7", "10.7.0.3") and pings(there, "on7", "10.7.0.2") and pings(here, "on8", "10.8.0.3")
    for brig, host, parent, _ in ends:
        assert "vlan protocol 802.1Q id 7" in host.run("ip", "-d", "link", "show", f"{parent}.7")
        brig("rm", "-f", "on7", "on8")
        brig("network", "rm", "lan7", "lan8")
        assert not [link for link in host.links() if link.startswith(f"{parent}.")]


TCP_USER_TIMEOUT = 18  # ms, of linux/tcp.h
WEB = ("ingress allow tcp port 80", "ingress drop", "egress allow tcp port 7000", "egress allow tcp port 7001",
       "egress allow icmp", "egress allow tcp port 8080", "egress drop")


def cards(brig, name):
    return brig("exec", name, "ls", "/sys/class/net").out.split()


def killed(brig, words, victim, after):
    """Kills a process while the command runs, that many seconds after its begin; 0: the command."""
    with brig.popen(*words) as command:
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.process.wait(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim or command.pid, signal.SIGKILL)
        if victim:
            wait.process_end(victim, SECONDS)
        return command.finish(SECONDS)


def is_on_lan(brig, name):
    return any(network.startswith("lan,") for network in brig.json("inspect", name)[0]["networks"])


def agrees(brig, wires, name):
    """Record and machine come to say the same of the network `lan`; and once it is off it, nothing is left of that."""
    deadline = wait.Deadline(SECONDS, "record and machine to agree")  # what a killed command has begun goes on
    while (record := is_on_lan(brig, name)) != ("eth1" in cards(brig, name)) or record != is_on_lan(brig, name):
        deadline.left()
    if record:
        brig("network", "disconnect", "lan", name, timeout=SECONDS)
    lan = brig.json("network", "inspect", "lan")[0]["device"]
    assert not wires.host.run("ip", "link", "show", "master", lan) and brig.json("network", "leases", "lan") == []
    assert len(list((brig.run / ".net/ports").iterdir())) == len([x for x in wires.host.links() if x.startswith("vb")])
    assert brig.json("check") == []


@pytest.mark.vm
@pytest.mark.lab
def test_machines_on_networks(net_brig, wires, kernel_store):
    """`v` is on both networks, has an ACL on the first, where nobody reaches a neighbour, and publishes a port; `w` is
    beside it there, and the container `c` on the second."""
    images.clone(kernel_store, net_brig.root)
    brig = functools.partial(net_brig, timeout=SECONDS)
    brig("network", "create", "--isolated", "front")
    brig("network", "create", "back")
    brig("network", "create", "--internal", "lan")
    brig("acl", "create", "web", *WEB)
    machine = ("run", "-d", "--vm", "--engine", "kvm", "--name")
    brig(*machine, "v", "--network", "front,acl=web", "--network", "back", "-p", "8080:80", "busybox",
         "nc", "-ll", "-p", "80", "-e", "echo", "guest")
    brig(*machine, "w", "--network", "front", "busybox", "sleep", "100000")
    brig("run", "-d", "--name", "c", "--network", "back", "busybox", "sleep", "100000")

    address = {row["name"]: row["addresses"][0] for row in net_brig.json("ps")}
    for name in "c", "w":
        assert address[name] in brig("exec", "v", "nslookup", "-type=a", f"{name}.brig").out
    assert pings(net_brig, "c", "v") and pings(net_brig, "v", "c")
    assert brig("exec", "v", "ping", "-c", "1", "-W", "2", address["w"], check=False).code == 1
    for name in "v", "w", "c":
        for to in HOST, HOST6:
            assert brig("exec", name, "nc", "-w", "30", to, "8080").out == "guest\n"
    assert wires.world.fetch(HOST, 8080, timeout=30) == wires.host.fetch("127.0.0.1", 8080, timeout=30) == "guest\n"

    with wires.receiver(net_brig, "v", 7000) as (kept, hears), wires.receiver(net_brig, "v", 7001) as (cut, _):
        for word, change in ("one", ["network", "repair"]), ("two", ["acl", "drop", "web", WEB[3]]):
            brig(*change)
            kept.sendall(f"{word}\n".encode())
            hears.expect(word, SECONDS)
        cut.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 3000)
        cut.sendall(b"three\n")
        with pytest.raises(TimeoutError):
            cut.recv(1)

    connect, disconnect = ("network", "connect", "lan", "w"), ("network", "disconnect", "lan", "w")
    brig(*connect)
    gateway = net_brig.json("network", "inspect", "lan")[0]["ipv4"].split("/")[0]
    assert cards(net_brig, "w") == ["eth0", "eth1", "lo"] and pings(net_brig, "w", gateway)
    killed(net_brig, disconnect, 0, 0.3)
    agrees(net_brig, wires, "w")
    killed(net_brig, connect, 0, 0.3)
    agrees(net_brig, wires, "w")
    keeper = net_brig.json("inspect", "w")[0]["run"]["keeper_pid"]
    killed(net_brig, connect, keeper, 0.3)  # which has not begun, or is done, or is broken off
    brig("start", "w")
    agrees(net_brig, wires, "w")
