# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks: instances reach each other, the host and the world, by address and by name."""

import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from support import images, wait
from support.wires import HOST, HOST6, WORLD, WORLD6, Joined

pytestmark = pytest.mark.root

# busybox's server says nothing of when it listens
SERVE = "nc -ll -p {1} -e echo {0} & while ! nc ::1 {1} </dev/null >/dev/null 2>&1; do :; done; echo {0} is ready;"


def running(brig, name):
    return next(row for row in brig.json("ps") if row["name"] == name)


def addresses(brig, name):
    return running(brig, name)["addresses"]


def address(brig, name, family=4):
    return next(a for a in addresses(brig, name) if (":" in a) == (family == 6))


def start(brig, name, *options, command=("sleep", "1000")):
    brig("run", "-d", "--name", name, *options, "busybox", *command)
    return name


def serve(brig, name, *options, **ports):
    """An instance that says a word on each of its ports."""
    script = " ".join(SERVE.format(word, port) for word, port in ports.items())
    start(brig, name, *options, command=("sh", "-c", f"{script} wait"))
    with brig.popen("logs", "-f", name) as logs:
        for word in ports:
            logs.expect(f"{word} is ready")
    return name


def ping(brig, name, to):
    brig("exec", name, "ping", "-c", "1", "-W", "5", to)


def test_instances_reach_each_other_by_name_the_host_and_the_world(net_brig, wires):
    a, b = start(net_brig, "a"), start(net_brig, "b", "--hostname", "bee")
    for name in ("b", "b.brig", "bee", address(net_brig, b), address(net_brig, b, 6)):
        ping(net_brig, a, name)
    ping(net_brig, b, "a")
    for there in (HOST, WORLD, WORLD6):
        ping(net_brig, a, there)
    network = net_brig.json("network", "inspect", "brig0")[0]
    assert network["used_by"] == ["a", "b"] and network["state"] == "up"
    # the world sees the host alone, and has no way in
    listener = wires.world.listen(7000)
    with net_brig.popen("exec", a, "sh", "-c", f"echo hello | nc {WORLD} 7000"):
        connection, (peer, _) = listener.accept()
        assert peer == HOST and connection.makefile().readline() == "hello\n"
    wires.world.run("ip", "route", "add", network["ipv4"].rsplit(".", 1)[0] + ".0/24", "via", HOST)
    assert "100% packet loss" in wires.world.run("busybox", "ping", "-c", "1", "-W", "1", address(net_brig, a), check=False)


def test_addresses_stay_over_restarts_and_are_free_after_removal(net_brig):
    a = start(net_brig, "a")
    first = address(net_brig, a)
    net_brig("stop", "-t", "0", a)
    start(net_brig, "b")
    net_brig("start", a)
    assert address(net_brig, a) == first
    leases = net_brig.json("network", "leases", "brig0")
    assert {(lease["instance"], lease["ip"]) for lease in leases} == {("a", first), ("b", address(net_brig, "b"))}
    net_brig("rm", "-f", a)
    assert [lease["instance"] for lease in net_brig.json("network", "leases", "brig0")] == ["b"]


def test_addresses_that_are_asked_for(net_brig):
    net_brig("network", "create", "--ipv4", "10.77.0.0/24", "--ipv6", "fd77::/64", "lan")
    start(net_brig, "a", "--network", "lan,ip=10.77.0.9,ip6=fd77::9,mac=02:62:00:00:77:09")
    assert addresses(net_brig, "a") == ["10.77.0.9", "fd77::9"]
    assert "02:62:00:00:77:09" in net_brig("exec", "a", "cat", "/sys/class/net/eth0/address").out
    for options, why in ((["--network", "lan", "--ip", "10.77.0.9"], "address of 'a'"),
                         (["--network", "lan", "--ip", "10.77.0.1"], "the host's own"),
                         (["--network", "lan", "--ip", "10.78.0.1"], "no address for an instance"),
                         (["--network", "nolan"], "no network 'nolan'")):
        assert why in net_brig.fails("run", "--rm", *options, "busybox", "true").err
    assert net_brig("ps", "-a", "-q").out.split() == ["a"]


def test_who_gets_anothers_address_is_reached_at_once(net_brig, wires):
    net_brig("network", "create", "--ipv4", "10.77.0.0/24", "--ipv6", "fd77::/64", "lan")
    both = "10.77.0.9", "fd77::9"
    start(net_brig, "peer", "--network", "lan")
    for name in "first", "second":
        start(net_brig, name, "--network", f"lan,ip={both[0]},ip6={both[1]}")
        for to in both:
            net_brig("exec", "peer", "ping", "-c", "1", "-W", "1", to)
            wires.host.run("busybox", "ping", "-c", "1", "-W", "1", to)
        net_brig("rm", "-f", name)


def test_published_ports(net_brig, wires):
    serve(net_brig, "web", "-p", "8080:80", "-p", f"{HOST}:8081:81", eighty=80, eightyone=81)
    start(net_brig, "other")
    for where, to in ((wires.world, HOST), (wires.world, HOST6), (wires.host, "127.0.0.1"), (wires.host, HOST)):
        assert where.fetch(to, 8080) == "eighty\n"
    assert wires.world.fetch(HOST, 8081) == "eightyone\n"
    with pytest.raises(OSError):
        wires.host.fetch("127.0.0.1", 8081)
    for name in ("web", "other"):  # hairpin, and by way of the host
        assert net_brig("exec", name, "nc", "-w", "5", HOST, "8080").out == "eighty\n"
    assert "8080->80/tcp" in net_brig("ps").out
    assert "in use" in net_brig.fails("run", "--rm", "-p", "8080:1", "busybox", "true").err
    listener = wires.host.listen(9090)
    assert "9090/tcp of the host is in use" in net_brig.fails("run", "--rm", "-p", "9090:1", "busybox", "true").err
    listener.close()
    assert "127.0.0.1" in net_brig.fails("run", "--rm", "-p", "[::1]:9090:1", "busybox", "true").err
    net_brig("rm", "-f", "web")
    with pytest.raises(OSError):
        wires.world.fetch(HOST, 8080, timeout=2)
    start(net_brig, "again", "-p", "8080:80")


def test_published_ports_where_bridges_are_filtered(net_brig, wires):
    if not wires.host.filter_bridges(1):
        pytest.skip("the kernel has no br_netfilter")
    serve(net_brig, "web", "-p", "8080:80", eighty=80, eightyone=81)
    start(net_brig, "other")

    def reaches(name, port):
        return [net_brig("exec", name, "nc", "-w", "5", to, port, check=False).out for to in (HOST, HOST6)]

    for name in ("web", "other"):
        assert reaches(name, "8080") == ["eighty\n"] * 2
    net_brig("set", "web", "ports=8081:81")
    assert reaches("web", "8081") == ["eightyone\n"] * 2 and reaches("web", "8080") == [""] * 2
    with inside(net_brig, "web").inside(raw_socket) as sock:  # nobody hears himself
        mac, own = sock.getsockname()[4], socket.inet_aton(address(net_brig, "web"))
        frame = b"\xff" * 6 + mac + b"\x08\x06" + bytes.fromhex("0001080006040001") + mac + own + bytes(6) + own
        sock.send(frame)
        ping(net_brig, "web", address(net_brig, "other"))
        assert frame not in received(sock)
    wires.host.filter_bridges(0)
    net_brig("network", "repair")
    assert reaches("web", "8081") == ["eightyone\n"] * 2


def inside(brig, name):
    return Joined(brig.json("inspect", name)[0]["run"]["pid"])


def raw_socket():
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sock.bind(("eth0", 0x0003))
    return sock


def received(sock):
    """All that it has got so far from others, and not sent itself."""
    frames = []
    while True:
        try:
            frame, (_, _, kind, *_) = sock.recvfrom(2048, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return frames
        if kind != socket.PACKET_OUTGOING:
            frames.append(frame)


def test_networks_are_apart(net_brig):
    net_brig("network", "create", "--internal", "closed")
    net_brig("network", "create", "--isolated", "alone")
    start(net_brig, "a", "--network", "brig0", "--network", "closed")
    start(net_brig, "b", "--network", "closed")
    for name in ("c", "d"):
        start(net_brig, name, "--network", "alone")

    def reaches(name, to):
        return net_brig("exec", name, "ping", "-c", "1", "-W", "1", to, check=False).code == 0

    assert reaches("a", address(net_brig, "b")) and reaches("a", WORLD)
    assert not reaches("b", WORLD) and not reaches("b", HOST)
    assert reaches("c", WORLD) and not reaches("c", address(net_brig, "d"))
    assert not reaches("c", address(net_brig, "b"))
    assert "eth1" in net_brig("exec", "a", "ls", "/sys/class/net").out


def test_none_host_and_a_shared_network(net_brig, wires):
    serve(net_brig, "web", shared=80)
    assert net_brig("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net").out.split() == ["lo"]
    assert "up0" in net_brig("run", "--rm", "--network", "host", "busybox", "ls", "/sys/class/net").out.split()
    assert net_brig("run", "--rm", "--network", "container:web", "busybox", "nc", "127.0.0.1", "80").out == "shared\n"
    for network in ("host", "container:web"):
        assert "a kernel of its own" in net_brig.fails("create", "--vm", "--network", network, "busybox", "true").err


def test_what_somebody_broke_is_mended_by_the_next_start_or_by_repair(net_brig, wires):
    start(net_brig, "a")
    device = net_brig.json("network", "inspect", "brig0")[0]["device"]
    wires.host.run("nft", "flush", "ruleset")
    start(net_brig, "b")
    ping(net_brig, "a", WORLD)
    wires.host.run("ip", "link", "del", device)
    net_brig("network", "repair")
    for to in ("b", WORLD):
        ping(net_brig, "a", to)
    [answerer] = [int(pid) for pid in wires.host.run("pgrep", "-f", f"steward.*{net_brig.run}").split()]
    kill(answerer)
    start(net_brig, "c")
    ping(net_brig, "a", "c")


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait.process_end(pid)


def test_an_mtu_follows_that_of_the_way_out(net_brig, wires):
    def mtu(device):
        return json.loads(wires.host.run("ip", "-j", "link", "show", device))[0]["mtu"]

    def inside(name):
        return int(net_brig("exec", name, "cat", "/sys/class/net/eth0/mtu").out)

    start(net_brig, "a", "--cap-add", "NET_RAW")
    bridge = net_brig.json("network", "inspect", "brig0")[0]["device"]
    assert mtu(bridge) == inside("a") == 1500 == offered(net_brig, "a")
    wires.host.run("ip", "link", "set", "up0", "mtu", "1400")
    wait.file_contains(Path(net_brig.run, ".net/brig0/dnsmasq.conf"), "option:mtu,1400")
    assert mtu(bridge) == 1400 == offered(net_brig, "a")
    start(net_brig, "b")
    assert inside("b") == 1400 and inside("a") == 1500
    for there in ("b", WORLD, WORLD6):
        net_brig("exec", "a", "ping", "-c", "1", "-W", "5", "-s", "1300", there)
    wires.host.run("ip", "link", "set", "up0", "mtu", "1500")
    net_brig("network", "repair")
    assert mtu(bridge) == 1400  # that of the smallest that runs
    net_brig("rm", "-f", "b")
    net_brig("network", "repair")
    assert mtu(bridge) == 1500
    wires.host.run("ip", "link", "set", "up0", "mtu", "1000")
    net_brig("network", "repair")
    assert mtu(bridge) == 1280  # IPv6 has no smaller one
    ping(net_brig, start(net_brig, "c"), address(net_brig, "a", 6))
    net_brig("network", "set", "brig0", "mtu=1450")
    assert mtu(bridge) == 1280  # of c
    net_brig("rm", "-f", "c")
    net_brig("network", "set", "brig0", "mtu=1450")
    assert mtu(bridge) == 1450 == offered(net_brig, "a")
    ping(net_brig, start(net_brig, "d"), address(net_brig, "a", 6))
    assert inside("d") == 1450
    # so does one that has neither names nor DHCP
    net_brig("network", "create", "--no-dns", "--no-dhcp", "plain")
    start(net_brig, "e", "--network", "plain")
    bridge = net_brig.json("network", "inspect", "plain")[0]["device"]
    assert mtu(bridge) == 1280
    wires.host.run("ip", "link", "set", "up0", "mtu", "1300")
    deadline = wait.Deadline(10, "the bridge to follow")
    net_brig("rm", "-f", "e")
    while mtu(bridge) != 1300:
        deadline.left()


def offered(brig, name):
    """The MTU that DHCP says."""
    script = "echo '#!/bin/sh\n[ \"$1\" != bound ] || echo mtu $mtu' >/tmp/said; chmod +x /tmp/said"
    done = brig("exec", name, "sh", "-c", f"{script}; udhcpc -i eth0 -n -q -f -t 10 -T 1 -O mtu -s /tmp/said")
    return int(re.search(r"^mtu (\d+)", done.out, re.M).group(1))


def test_a_killed_keeper_leaves_nothing_of_its_ports(net_brig, wires):
    start(net_brig, "a", "-p", "8080:80")
    kill(net_brig.json("inspect", "a")[0]["run"]["keeper_pid"])
    net_brig("start", "a")
    assert len(list(Path(net_brig.run, ".net/ports").glob("*"))) == 1
    kill(net_brig.json("inspect", "a")[0]["run"]["keeper_pid"])
    net_brig("rm", "-f", "a")
    assert not list(Path(net_brig.run, ".net/ports").glob("*"))
    assert "8080" not in wires.host.run("nft", "list", "ruleset")


def test_networks_that_cannot_be_are_refused(net_brig, wires):
    net_brig("network", "create", "--ipv4", "10.77.0.1/24", "lan")
    for args, why in ((["lan"], "already"),
                      (["--ipv4", "192.0.2.128/25", "b"], "an address of the host's"),
                      (["--ipv4", "10.77.0.128/25", "b"], "the network 'lan'"),
                      (["--ipv4", "10.0.0.1", "b"], "ADDRESS/PREFIX"),
                      (["--ipv4", "10.0.0.1/31", "b"], "the prefix is from"),
                      (["--ipv4", "224.0.0.1/24", "b"], "no host can have"),
                      (["--ipv4", "127.1.0.1/24", "b"], "no host can have"),
                      (["--ipv6", "fe80::1/64", "b"], "no host can have"),
                      (["--ipv4", "10.1.1.255/24", "b"], "the last address"),
                      (["--device", "up0", "b"], "already"),
                      (["--type", "macvlan", "b"], "--parent"),
                      (["a/b"], "name")):
        assert why in net_brig.fails("network", "create", *args).err
    start(net_brig, "a", "--network", "lan")
    assert "used by a" in net_brig.fails("network", "rm", "lan").err
    assert "did you mean 'lan'" in net_brig.fails("network", "inspect", "lam").err
    assert net_brig("network", "ls", "-q").out.split() == ["lan"]


def lessees(brig, network):
    return {lease["instance"] for lease in brig.json("network", "leases", network)}


def test_what_is_changed_while_an_instance_runs(net_brig, wires):
    net_brig("network", "create", "--ipv4", "10.77.0.1/24", "lan")
    serve(net_brig, "a", word=80)
    start(net_brig, "b", "--network", "lan")
    net_brig("network", "connect", "--ip", "10.77.0.50", "lan", "a")
    assert "10.77.0.50" in addresses(net_brig, "a")
    ping(net_brig, "b", "a")
    assert "named twice" in net_brig.fails("network", "connect", "lan", "a").err
    net_brig("set", "a", "ports=8080:80")
    assert wires.world.fetch(HOST, 8080) == "word\n"
    net_brig("set", "a", "ports=8080:80,8081:80")
    assert wires.world.fetch(HOST, 8081) == "word\n"
    listener = wires.host.listen(9090)
    assert "9090/tcp of the host is in use" in net_brig.fails("set", "a", "ports=9090:80").err
    listener.close()
    assert wires.world.fetch(HOST, 8080) == "word\n"
    net_brig("set", "a", "ports=none")
    with pytest.raises(OSError):
        wires.world.fetch(HOST, 8080, timeout=2)
    rows = net_brig.json("network", "stats", "a")
    assert {row["network"] for row in rows} == {"brig0", "lan"} and all(row["rx_packets"] for row in rows)
    net_brig("network", "disconnect", "lan", "a")
    assert "eth1" not in net_brig("exec", "a", "ls", "/sys/class/net").out
    assert lessees(net_brig, "lan") == {"b"}
    start(net_brig, "c", "--network", "lan", "--ip", "10.77.0.50")
    assert "address of 'c'" in net_brig.fails("network", "connect", "--ip", "10.77.0.50", "lan", "a").err
    net_brig("stop", "-t", "0", "a", "c")
    net_brig("network", "disconnect", "lan", "c")
    assert lessees(net_brig, "lan") == {"b"}
    net_brig("start", "a")
    assert len(addresses(net_brig, "a")) == 2
    start(net_brig, "apart", "--network", "none")
    net_brig("network", "connect", "lan", "apart")
    ping(net_brig, "b", "apart")


def resolves(brig, name, host, to):
    """Whether an instance finds the address of another by its name."""
    return to in brig("exec", name, "nslookup", host, check=False).out


def asks_the_port_of(brig, name, other):
    """Whether an instance gets through to where the other's names are answered, by the gateway that it has."""
    ports = [json.loads(path.read_text()) for path in Path(brig.run, ".net/ports").glob("*")]
    number = next(port["names_port"] for port in ports if port["instance"] == other)
    routes = brig("exec", name, "ip", "route").out.split()
    gateway = routes[routes.index("via") + 1]
    port = 53 if name == other else number
    return brig("exec", name, "nc", "-w", "1", gateway, str(port), "-e", "true", check=False).code == 0


def test_who_is_on_several_networks_finds_the_names_of_all(net_brig, wires):
    for name in "front", "back", "side":
        net_brig("network", "create", name)
    for name in "front", "back", "side":
        start(net_brig, f"on-{name}", "--network", name)
    start(net_brig, "web", "--network", "front", "--network", "back")
    for name in "front", "back":
        ping(net_brig, "web", f"on-{name}")
        assert resolves(net_brig, "web", f"on-{name}.brig", address(net_brig, f"on-{name}"))
        ping(net_brig, f"on-{name}", "web")
    assert not resolves(net_brig, "on-front", "on-back.brig", address(net_brig, "on-back"))
    assert not asks_the_port_of(net_brig, "on-front", "web") and asks_the_port_of(net_brig, "web", "web")
    assert "NXDOMAIN" in net_brig("exec", "web", "nslookup", "on-side.brig", check=False).out
    net_brig("network", "connect", "side", "web")
    assert resolves(net_brig, "web", "on-side.brig", address(net_brig, "on-side"))
    net_brig("network", "repair")
    start(net_brig, "late", "--network", "back")
    ping(net_brig, "web", "late")
    for name in "@web", "back":  # by the keeper of one that is on it
        ready = Path(net_brig.run, ".net", name, "state/ready")
        before = ready.stat().st_mtime_ns
        kill(int(wires.host.run("pgrep", "-f", f"^steward .*{net_brig.run} {name}$")))
        wait.file_state(ready.parent, lambda: ready.exists() and ready.stat().st_mtime_ns != before, 30)
        assert resolves(net_brig, "late" if name == "back" else "web", "late.brig", address(net_brig, "late"))
    net_brig("network", "disconnect", "back", "web")
    assert not resolves(net_brig, "web", "late.brig", address(net_brig, "late"))
    assert resolves(net_brig, "web", "on-side.brig", address(net_brig, "on-side"))
    net_brig("network", "disconnect", "side", "web")
    ping(net_brig, "web", "on-front")
    assert not Path(net_brig.run, ".net/@web").exists()
    net_brig("network", "connect", "back", "web")
    kill(net_brig.json("inspect", "web")[0]["run"]["keeper_pid"])
    net_brig("start", "web")
    ping(net_brig, "web", "late")


def test_who_is_on_several_networks_is_reached_by_a_published_port_from_all(net_brig, wires):
    """Also from those whom it would answer by another way than that which they came."""
    for name in "front", "back":
        net_brig("network", "create", name)
        start(net_brig, f"on-{name}", "--network", name)

    def reached(*names):
        for name in names:
            for to in HOST, HOST6:
                assert net_brig("exec", name, "nc", "-w", "5", to, "8080").out == "word\n"

    serve(net_brig, "web", "--network", "front", "--network", "back", "-p", "8080:80", word=80)
    reached("on-front", "on-back", "web")
    net_brig("network", "disconnect", "back", "web")
    reached("on-front", "on-back")
    net_brig("network", "connect", "back", "web")
    reached("on-front", "on-back", "web")
    net_brig("rm", "-f", "web")
    assert not re.search(r"set beside6? {[^}]*elements", wires.host.run("nft", "list", "ruleset"))


def test_names_that_are_given_and_resolvers(net_brig):
    def file(name, *options):
        return net_brig("run", "--rm", *options, "busybox", "cat", f"/etc/{name}").out

    assert "nameserver 9.9.9.9\nsearch a.example b.example\n" == file(
        "resolv.conf", "--dns", "9.9.9.9", "--dns-search", "a.example", "--dns-search", "b.example")
    assert "192.0.2.7\tdb\n" in file("hosts", "--add-host", "db:192.0.2.7")
    assert "search brig" in file("resolv.conf")


@pytest.mark.vm
def test_a_container_and_a_vm_side_by_side(net_brig, wires, kernel_store):
    images.clone(kernel_store, net_brig.root)
    serve(net_brig, "c", word=80)
    net_brig("run", "-d", "--vm", "--name", "v", "-p", "8080:80", "--net-rate", "1gbit", "busybox",
             "sh", "-c", SERVE.format("guest", 80) + " wait", timeout=120)
    for name, to in (("v", "c"), ("v", "c.brig"), ("c", "v"), ("v", HOST), ("v", WORLD), ("v", WORLD6)):
        ping(net_brig, name, to)
    assert net_brig("exec", "v", "nc", "c", "80").out == "word\n"
    with net_brig.popen("logs", "-f", "v") as logs:
        logs.expect("guest is ready")
    for where, to in ((wires.world, HOST), (wires.world, HOST6), (wires.host, "127.0.0.1")):
        assert where.fetch(to, 8080) == "guest\n"
    net_brig("network", "create", "lan")
    assert "stop it first" in net_brig.fails("network", "connect", "lan", "v").err
    net_brig("set", "v", "ports=8081:80")
    assert wires.world.fetch(HOST, 8081) == "guest\n"
    # whatever its kind, it keeps its address
    before = addresses(net_brig, "v")
    net_brig("stop", "-t", "0", "v")
    net_brig("convert", "v", "--container", timeout=120)
    net_brig("start", "v")
    assert addresses(net_brig, "v") == before
    ping(net_brig, "c", "v")


def test_networks_that_others_have_a_way_to(net_brig, wires):
    net_brig("network", "create", "--routed", "--ipv4", "10.50.0.1/24", "--ipv6", "none", "routed")
    start(net_brig, "r", "--network", "routed")
    wires.world.run("ip", "route", "add", "10.50.0.0/24", "via", HOST)
    wires.world.run("busybox", "ping", "-c", "1", "-W", "5", address(net_brig, "r"))
    # on the wire of an interface of the host's, with what a router there has
    net_brig("network", "create", "--type", "macvlan", "--parent", "up0", "--ipv4", f"{WORLD}/24", "lan")
    start(net_brig, "m", "--network", "lan,ip=192.0.2.77")
    ping(net_brig, "m", WORLD)
    wires.host.run("ip", "link", "add", "p0", "type", "veth", "peer", "p1", "netns", wires.world.pid)
    wires.world.run("ip", "addr", "add", "198.51.100.1/24", "dev", "p1")
    wires.world.run("ip", "link", "set", "p1", "up")
    net_brig("network", "create", "--parent", "p0", "--ipv4", "198.51.100.1/24", "bridged")
    start(net_brig, "b", "--network", "bridged")
    ping(net_brig, "b", "198.51.100.1")
    assert "198.51.100.1" not in wires.host.run("ip", "addr")
    assert "gives an address" in net_brig.fails("run", "--rm", "--network", "bridged", "-p", "80:80", "busybox",
                                                "true").err
