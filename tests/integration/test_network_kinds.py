# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container has of a network that is not its own, and of the names of any."""

import shutil

import pytest

pytestmark = pytest.mark.root

SEES = "ls /sys/class/net; cat /proc/net/dev | tail -n +3 | cut -d: -f1; touch /sys/x"


def start(brig, name, *options, command=("sleep", "1000")):
    brig("run", "-d", "--name", name, *options, "busybox", *command)
    return name


def test_the_hosts_network_is_seen_and_stays_as_it_is(net_brig, wires):
    port_start = wires.host.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")
    seen = net_brig("run", "--network", "host", "--rm", "busybox", "sh", "-c", SEES, check=False)
    assert {word for word in seen.out.split()} == wires.host.links() and "Read-only" in seen.err
    assert seen.out.split().count("up0") == 2
    assert wires.host.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == port_start
    start(net_brig, "a", "--network", "host", "--hostname", "ship")
    hosts = net_brig("exec", "a", "cat", "/etc/hosts", "/etc/hostname").out
    assert "127.0.1.1\tship\n" in hosts and "localhost" in hosts
    # a process that is started from another network comes to this one
    command = net_brig.command("exec", "a", "cat", "/proc/net/dev")[len(wires.host.prefix):]
    assert "up0" in wires.world.run(*command)


def test_a_network_is_shared_and_outlives_whose_it_was(net_brig, wires):
    start(net_brig, "web")
    start(net_brig, "side", "--network", "container:web")
    show = ("sh", "-c", "ip -o addr; cat /etc/resolv.conf")
    both = [net_brig("exec", name, *show).out for name in ("web", "side")]
    assert both[0] == both[1] and "eth0" in both[0] and "nameserver" in both[0]
    assert sorted(net_brig("exec", "side", "ls", "/sys/class/net").out.split()) == ["eth0", "lo"]
    hosts = net_brig("exec", "side", "cat", "/etc/hosts").out
    assert "web.brig" in hosts and "127.0.1.1\tside" in hosts
    # it is no right to change it
    assert net_brig("exec", "side", "ip", "link", "set", "eth0", "down", check=False).code != 0
    net_brig("rm", "-f", "web")
    assert "127.0.0.1" in net_brig("exec", "side", "ip", "-o", "addr").out
    assert "container:web" in net_brig.fails("checkpoint", "side").err
    net_brig("stop", "-t", "0", "side")
    assert "web" in net_brig.fails("start", "side").err


def test_names_are_looked_up_where_the_image_allows(net_brig, busybox_tree, tmp_path):
    read = ("cat", "/etc/resolv.conf")
    assert "nameserver" in net_brig("run", "--rm", "--read-only", "busybox", *read).out
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    (tree / "sbin/init").write_text("#!/bin/sh\nexec cat /etc/resolv.conf\n")
    (tree / "sbin/init").chmod(0o755)
    net_brig("image", "import", "--name", "linked", tree)
    # nobody makes what a link leads to but a whole system
    assert "nameserver" in net_brig("run", "--rm", "linked", *read).out
    system = net_brig("run", "--rm", "linked", check=False)
    assert system.code == 1 and "nameserver" not in system.out


def test_what_is_said_of_networks_is_kept(net_brig):
    net_brig("create", "--name", "a", "--net-rate", "10mbit", "-p", "8080:80", "--dns", "192.0.2.53",
             "--add-host", "db:192.0.2.7", "busybox", "true")
    record = net_brig.json("inspect", "a")[0]
    assert record["networks"][0].startswith("brig0,mac=02:62:")
    assert record["networks"][0].endswith("rate=10000000")
    assert (record["ports"], record["dns"]) == (["8080:80/tcp"], ["192.0.2.53"])
    assert record["extra_hosts"] == ["db:192.0.2.7"]
    net_brig("copy", "a", "b")
    assert net_brig.json("inspect", "b")[0]["networks"] != record["networks"]
