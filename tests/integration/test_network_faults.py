# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks after kills, damage and what somebody did to them: a clear word, mended by the next command."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from support import wait
from support.wires import WORLD

pytestmark = pytest.mark.root


def start(brig, name, *options, **more):
    return brig("run", "-d", "--name", name, *options, "busybox", "sleep", "1000", **more)


def row(brig, name):
    return next(r for r in brig.json("ps", "-a") if r["name"] == name)


def address(brig, name):
    return row(brig, name)["addresses"][0]


def reaches(brig, name, to):
    return brig("exec", name, "ping", "-c", "1", "-W", "5", to, check=False).code == 0


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait.process_end(pid, 30)


def kill_keeper(brig, name):
    kill(brig.json("inspect", name)[0]["run"]["keeper_pid"])


def ports(brig):
    return sorted(Path(brig.run, ".net/ports").glob("*.json"))


def steward(brig, wires):
    return [int(pid) for pid in wires.host.run("pgrep", "-f", f"steward.*{brig.run}", check=False).split()]


def cut(path):
    """As a disk leaves it that was full."""
    text = Path(path).read_bytes()
    Path(path).write_bytes(text[:len(text) // 2])


def test_a_port_that_a_killed_keeper_published_is_free(net_brig, wires):
    start(net_brig, "a", "-p", "8080:80", "-p", "127.0.0.1:81:81/udp")
    kill_keeper(net_brig, "a")
    start(net_brig, "b", "-p", "8080:80", "-p", "127.0.0.1:81:81/udp")
    assert f"8080 : {address(net_brig, 'b')} . 80" in wires.host.run("nft", "list", "ruleset")
    assert net_brig.fails("start", "a").err.count("in use") == 1
    assert reaches(net_brig, "b", WORLD)


def test_damaged_records(net_brig, wires):
    net_brig("network", "create", "bad")
    device = net_brig.json("network", "inspect", "bad")[0]["device"]
    start(net_brig, "a", "--network", "bad")
    cut(net_brig.root / "networks/bad/network.json")
    for args in (["network", "inspect", "bad"], ["network", "repair", "bad"],
                 ["network", "set", "bad", "nat=no"], ["run", "--rm", "--network", "bad", "busybox", "true"]):
        assert "network 'bad'" in net_brig.fails(*args).err, args
    start(net_brig, "b")  # and the rules are made for another network
    assert reaches(net_brig, "b", WORLD)
    net_brig("network", "repair", "brig0")
    net_brig("network", "create", "good")
    assert "bad" in net_brig("network", "ls").out
    assert "used by a" in net_brig.fails("network", "rm", "bad").err
    net_brig("rm", "-f", "a")
    net_brig("network", "rm", "bad")
    assert device not in wires.host.links()


def test_damaged_leases_and_ports(net_brig, wires):
    start(net_brig, "a", "-p", "8080:80")
    start(net_brig, "b")
    kept = address(net_brig, "b")
    cut(net_brig.root / "networks/brig0/leases.json")
    for args in (["run", "--rm", "busybox", "true"], ["network", "leases", "brig0"]):
        assert "'brig network repair brig0'" in net_brig.fails(*args).err
    net_brig("network", "repair")
    start(net_brig, "c")
    assert len({address(net_brig, name) for name in "abc"}) == 3
    net_brig("restart", "-t", "0", "b")
    assert address(net_brig, "b") == kept and reaches(net_brig, "c", "b")
    for record in ports(net_brig):
        cut(record)
    net_brig("network", "repair")
    net_brig("restart", "-t", "0", "a")
    assert reaches(net_brig, "a", WORLD)
    net_brig("rm", "-f", "a", "b", "c")
    assert ports(net_brig) == []
    assert "vb" not in wires.host.run("nft", "list", "ruleset")


def test_a_copy_of_an_instance_does_not_take_its_address(net_brig):
    start(net_brig, "a")
    kept = address(net_brig, "a")
    shutil.copytree(net_brig.root / "instances/a", net_brig.root / "instances/b", symlinks=True)
    record = net_brig.root / "instances/b/instance.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"name": "b"}))
    assert "is that of 'a'" in net_brig.fails("start", "b").err
    net_brig("rm", "-f", "b")
    assert [lease["ip"] for lease in net_brig.json("network", "leases", "brig0")] == [kept]
    start(net_brig, "c")
    assert reaches(net_brig, "c", kept)


def test_small_networks_fill_up_and_empty(net_brig):
    for prefix, count in (30, 1), (29, 5):
        net_brig("network", "create", "--ipv4", f"10.77.{prefix}.1/{prefix}", "--ipv6", "none", f"n{prefix}")
        names = [f"i{prefix}x{i}" for i in range(count)]
        for name in names:
            start(net_brig, name, "--network", f"n{prefix}")
        told = net_brig.fails("run", "--network", f"n{prefix}", "--name", "over", "busybox", "true").err
        assert "are given away" in told
        net_brig("rm", "-f", names[0])
        net_brig("start", "over")
        net_brig("rm", "-f", "over", *names[1:])


def test_what_somebody_took_away_is_back_at_the_next_start(net_brig, wires):
    start(net_brig, "a")
    network = net_brig.json("network", "inspect", "brig0")[0]
    device, host = network["device"], wires.host
    table = host.run("nft", "list", "tables", "inet").split()[2]
    for number, what in enumerate((f"nft delete table inet {table}", f"nft delete table bridge {table}",
                                   f"ip link set {device} down", f"ip addr flush dev {device}",
                                   f"ip link del {device}")):
        host.run(*what.split())
        start(net_brig, f"b{number}")
        for to in (f"b{number}", WORLD):
            assert reaches(net_brig, "a", to), (what, to)
    assert host.run("nft", "list", "tables").count(table) == 2


def test_the_next_boot_brings_all_up_again(net_brig, wires):
    net_brig("network", "create", "lan")
    start(net_brig, "a", "--network", "lan", "-p", "8080:80")
    start(net_brig, "b")
    before = [address(net_brig, name) for name in "ab"]
    for name in "ab":
        kill_keeper(net_brig, name)
    for pid in steward(net_brig, wires):
        kill(pid)
    for network in net_brig.json("network", "ls"):
        wires.host.run("ip", "link", "del", network["device"])
    wires.host.run("nft", "flush", "ruleset")
    shutil.rmtree(net_brig.run)
    net_brig("start", "a", "b")
    assert [address(net_brig, name) for name in "ab"] == before
    assert reaches(net_brig, "a", WORLD) and reaches(net_brig, "b", WORLD)


def test_the_way_out_goes_and_comes(net_brig, wires):
    start(net_brig, "a")
    wires.host.run("ip", "link", "del", "up0")
    start(net_brig, "b")
    assert reaches(net_brig, "a", "b")
    net_brig("network", "create", "lan")
    wires.connect()
    assert reaches(net_brig, "a", WORLD) and reaches(net_brig, "b", WORLD)


def test_a_route_that_the_host_got_since(net_brig, wires):
    start(net_brig, "a")
    subnet = net_brig.json("network", "inspect", "brig0")[0]["ipv4"]
    wires.host.run("ip", "route", "add", "10.0.0.0/8", "via", WORLD)
    wires.host.run("ip", "route", "add", "172.16.0.0/12", "via", WORLD)
    start(net_brig, "b")
    assert reaches(net_brig, "a", "b") and reaches(net_brig, "b", subnet.split("/")[0])
    made = net_brig("network", "create", "lan", check=False)
    assert made.code == 0 or "--ipv4" in made.err, made.err


def test_many_starts_at_once_of_a_network_that_is_not_there(net_brig):
    commands = [net_brig.popen("run", "-d", "--name", f"n{i}", "busybox", "sleep", "1000") for i in range(8)]
    assert [(r.code, r.err) for r in (c.finish(120) for c in commands)] == [(0, "")] * 8
    assert len({address(net_brig, f"n{i}") for i in range(8)}) == 8
    assert reaches(net_brig, "n0", "n7")


def test_starts_and_removals_at_once_leave_nothing(net_brig, wires):
    start(net_brig, "stays")
    commands = [net_brig.popen("run", "--rm", "--name", f"n{i}", "-p", f"{9000 + i}:80", "busybox", "true")
                for i in range(20)]
    assert [(r.code, r.err) for r in (c.finish(120) for c in commands)] == [(0, "")] * 20
    assert len(ports(net_brig)) == 1
    assert len(net_brig.json("network", "leases", "brig0")) == 1
    rules = wires.host.run("nft", "list", "ruleset")
    assert "9001" not in rules and rules.count(address(net_brig, "stays")) == 1
    for folder in "hosts", "dhcp":
        assert [p.name for p in Path(net_brig.run, ".net/brig0", folder).iterdir()] == ["stays"]
    assert len([link for link in wires.host.links() if link.startswith("vb")]) == 1


@pytest.mark.parametrize("after_ms", [0, 3, 10, 30])
def test_commands_that_are_killed(net_brig, wires, after_ms):
    """Whatever they had done: the same command, or the next, does the rest."""
    def killed(*args):
        with net_brig.popen(*args) as command:
            try:
                command.process.wait(after_ms / 1000)
            except subprocess.TimeoutExpired:
                command.signal(signal.SIGKILL)
                command.process.wait()

    killed("network", "create", "lan")
    if "lan" not in net_brig("network", "ls", "-q").out.split():
        net_brig("network", "create", "lan")
    killed("run", "-d", "--name", "a", "--network", "lan", "busybox", "sleep", "1000")
    net_brig("rm", "-f", "a", check=False)
    start(net_brig, "a", "--network", "lan", "-p", "8080:80")
    start(net_brig, "b", "--network", "lan")
    assert reaches(net_brig, "a", "b")
    killed("network", "set", "lan", "mtu=1400")
    net_brig("network", "set", "lan", "mtu=1400")
    kill_keeper(net_brig, "b")
    net_brig("rm", "-f", "a", "b")
    killed("network", "rm", "lan")
    net_brig("network", "rm", "lan", check=False)
    assert "lan" not in net_brig("network", "ls", "-q").out.split() and ports(net_brig) == []
