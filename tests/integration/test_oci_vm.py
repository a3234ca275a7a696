# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles that brig-oci makes machines of. What a configuration may ask for is in tests/unit/oci/test_vm_plan.c."""

import json
import os
import signal
import subprocess

import pytest

from support import wait

pytestmark = [pytest.mark.root, pytest.mark.vm]

VM = {"annotations": {"brig.kind": "vm", "brig.memory": "256M"}, "hostname": "machine"}
SECONDS = 90


@pytest.fixture
def machine(oci, bundle, kernel_store):
    oci.more = ["--vm-root", kernel_store]
    bundle.base.update(VM)
    yield bundle
    oci("delete", "--force", oci.id)


def holder(oci):
    """The first process, with all that it has started."""
    pid = oci.state()["pid"]
    return [pid, *map(int, json.loads(oci("ps", "--format", "json", oci.id).stdout))]


def test_a_machine_shows_the_bundle_and_ends_as_its_program(oci, machine, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    # whoever made the root has put a way out where a mount is to go
    (machine.rootfs / "way").symlink_to(outside)
    (machine.rootfs / str(outside)[1:]).mkdir(parents=True)
    (machine.rootfs / "old").write_text("of the bundle\n")
    log = tmp_path / "log"
    log.write_text("")
    mounts = [{"destination": "/way/in", "source": str(folder), "options": ["rbind", "ro"]},
              {"destination": "/kept", "source": str(folder), "options": ["bind", "nosuid", "noexec"]},
              {"destination": "/dev", "type": "tmpfs", "options": ["nosuid", "mode=755"]},
              {"destination": "/dev/log", "source": str(log), "options": ["bind"]}]
    script = ("cat old; hostname; grep -c console= /proc/cmdline; cat kept/file; echo new > made; echo said > /dev/log;"
              "echo bad > /proc/1/root/way/in/bad || echo ro; mknod disk b 8 0 || echo no disk;"
              "grep ' /kept ' /proc/mounts; cat; exit 7")
    result = machine.run(script, {"mounts": [*machine.base["mounts"], *mounts]}, check=False, timeout=SECONDS,
                         stdin=None, input="to it")
    assert result.returncode == 7, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:6] == ["of the bundle", "machine", "1", "of the host", "ro", "no disk"]
    assert "nosuid" in lines[6] and "noexec" in lines[6] and lines[7] == "to it"
    assert (machine.rootfs / "made").read_text() == "new\n" and log.read_text() == "said\n"
    assert not (machine.rootfs / "disk").exists() and not list(outside.iterdir())
    assert not oci.leftovers()


def test_a_machine_lives_as_a_container_does(oci, machine):
    machine.create("trap 'exit 3' TERM; while :; do sleep 0.1; done")
    assert oci.state()["status"] == "created"
    assert "not started" in oci.fails("exec", oci.id, "true")
    oci("start", oci.id)
    assert oci.state()["status"] == "running"
    result = oci("exec", oci.id, "sh", "-c", "cat; echo err >&2; exit 5", check=False, stdin=None, input="in\n")
    assert (result.returncode, result.stdout, result.stderr) == (5, "in\n", "err\n")
    assert "nosuch" in oci.fails("exec", oci.id, "nosuch")
    client = oci.popen("exec", oci.id, "sh", "-c", "echo up; exec sleep 1000", stdout=subprocess.PIPE)
    wait.Deadline(30, "the process").poll(client.stdout)
    client.terminate()
    assert client.wait(30) == 128 + signal.SIGTERM
    oci("pause", oci.id)
    assert oci.state()["status"] == "paused"
    oci("resume", oci.id)
    assert "memory.limit" in oci.fails("update", "--memory", str(64 << 20), oci.id)
    pid = oci.state()["pid"]
    oci("kill", oci.id, "TERM")
    wait.process_end(pid, 30)
    oci("delete", oci.id)
    assert not oci.leftovers()


def test_nothing_outlives_the_first_process(oci, machine):
    machine.create("exec sleep 1000")
    pids = holder(oci)
    assert len(pids) > 2
    os.kill(pids[0], signal.SIGKILL)
    for pid in pids:
        wait.process_end(pid, 30)
    assert oci.state()["status"] == "stopped"
    oci("delete", oci.id)
    assert not oci.leftovers()


class Net:
    """A network namespace that a bundle joins, and one beside it with the other ends of its interfaces."""

    def __init__(self, name):
        self.name, self.beside = name, f"{name}-beside"
        self.changes = {"linux.namespaces": [{"type": "mount"}, {"type": "uts"},
                                             {"type": "network", "path": f"/run/netns/{name}"}],
                        "process.capabilities": dict.fromkeys(("bounding", "permitted", "effective"), ["CAP_NET_RAW"])}

    def ip(self, *words, beside=False):
        return subprocess.run(["ip", "-n", self.beside if beside else self.name, *words], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def beside_run(self, *command, **how):
        return subprocess.run(["ip", "netns", "exec", self.beside, *command], text=True, stdout=subprocess.PIPE,
                              timeout=SECONDS, check=True, **how).stdout

    def add(self, name, mtu, *addresses, far=()):
        self.ip("link", "add", name, "mtu", str(mtu), "type", "veth", "peer", "name", f"far-{name}", "mtu", str(mtu),
                "netns", self.beside)
        for address in addresses:
            self.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        for address in far:
            self.ip("addr", "add", address, "dev", f"far-{name}", *(["nodad"] if ":" in address else []), beside=True)
        self.ip("link", "set", name, "up")
        self.ip("link", "set", f"far-{name}", "up", beside=True)

    def state(self):
        """Interfaces, their queues and filters: what a machine might leave."""
        links = [(link["ifname"], link["flags"], link["mtu"], link["address"]) for link in
                 json.loads(self.ip("-json", "link"))]
        filters = [subprocess.run(["tc", "-n", self.name, *words], check=True, text=True, stdout=subprocess.PIPE).stdout
                   for words in (["qdisc"], ["filter", "show", "dev", "eth0", "ingress"])]
        return links, filters


@pytest.fixture
def net():
    net = Net(f"brig-{os.getpid()}")
    try:
        for name in (net.name, net.beside):
            subprocess.run(["ip", "netns", "add", name], check=True)
        net.add("eth0", 1420, "10.77.0.2/24", "10.77.5.2/32", "fd77::2/64", far=["10.77.0.1/24", "fd77::1/64"])
        net.ip("route", "add", "default", "via", "10.77.0.1")
        net.ip("-6", "route", "add", "default", "via", "fd77::1")
        yield net
    finally:
        for name in (net.name, net.beside):
            subprocess.run(["ip", "netns", "del", name], check=False)


# says what it got, and answers
SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], 5000), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET) as server:
    print("listening", flush=True)
    connection, who = server.accept()
    total = 0
    while data := connection.recv(1 << 16):
        total += len(data)
    print(who[0], total, flush=True)
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 80), timeout=60) as client:
    total = 0
    while data := client.recv(1 << 16):
        total += len(data)
print(total)
"""
BYTES = 8 << 20


def test_a_machine_takes_over_what_its_network_has(oci, machine, net):
    net.add("lan", 1500, "10.78.0.2/32", far=["169.254.1.1/32"])
    net.ip("route", "add", "169.254.1.1", "dev", "lan", "scope", "link")
    net.ip("route", "add", "10.78.0.0/16", "via", "169.254.1.1", "dev", "lan", "metric", "7")
    net.ip("neigh", "add", "169.254.1.1", "lladdr", "02:62:00:00:00:09", "dev", "lan", "nud", "permanent")
    net.ip("link", "set", "far-lan", "address", "02:62:00:00:00:09", beside=True)
    net.ip("route", "add", "10.78.0.2", "dev", "far-lan", beside=True)
    net.ip("addr", "add", "10.78.9.9/32", "dev", "far-lan", beside=True)
    net.ip("link", "set", "far-lan", "arp", "off", beside=True)
    net.ip("neigh", "add", "10.78.0.2", "lladdr", json.loads(net.ip("-json", "link", "show", "lan"))[0]["address"],
           "dev", "far-lan", "nud", "permanent", beside=True)
    net.ip("link", "add", "down0", "type", "veth", "peer", "name", "down1")
    before = net.state()
    script = ("ip addr; ip route; ip -6 route; ip neigh; ping -c 1 -w 20 10.77.0.1 >&2 && echo four;"
              "ping -6 -c 1 -w 20 fd77::1 >&2 && echo six; ping -c 1 -w 20 10.78.9.9 >&2 && echo lan")
    out = machine.run(script, net.changes, timeout=SECONDS, stdin=None).stdout
    for said in ("eth0: ", "mtu 1420", "inet 10.77.0.2/24 ", "inet 10.77.5.2/32 ", "inet6 fd77::2/64 ", "lan: ", "mtu 1500",
                 "inet 10.78.0.2/32 ", "default via 10.77.0.1 dev eth0", "10.78.0.0/16 via 169.254.1.1 dev lan metric 7",
                 "default via fd77::1 dev eth0", "169.254.1.1 dev lan lladdr 02:62:00:00:00:09", " four six lan"):
        assert said in " ".join(out.split()), (said, out)
    assert "down0" not in out
    for link in json.loads(net.ip("-json", "link")):
        if link["ifname"] in ("eth0", "lan"):
            assert link["address"] in out
    assert net.state() == before
    assert not oci.leftovers()


@pytest.mark.parametrize("near,far", [("10.77.0.2", "10.77.0.1"), ("fd77::2", "fd77::1")])
def test_a_machine_is_reached_in_its_network_and_reaches_it(oci, machine, net, near, far):
    server = subprocess.Popen(["ip", "netns", "exec", net.beside, "/usr/bin/python3", "-c", SERVER, far], text=True,
                              stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == "listening\n"
        # the answer to who comes, once it is there; then what it sends itself
        script = f"dd if=/dev/zero bs=1M count=8 | nc -l -p 80 & dd if=/dev/zero bs=1M count=8 | nc {far} 5000; wait"
        machine.start(script, {**net.changes, "annotations": {**VM["annotations"], "brig.cpus": "2"}})
        wait.Deadline(SECONDS, "the machine to send").poll(server.stdout)
        assert server.stdout.readline() == f"{near} {BYTES}\n"
        assert int(net.beside_run("/usr/bin/python3", "-c", CLIENT, near)) == BYTES
    finally:
        server.kill()
        server.communicate()


def test_a_machine_that_is_killed_leaves_its_network_as_it_was(oci, machine, net):
    before = net.state()
    machine.start(changes=net.changes)
    during = net.state()
    assert during != before and any(link[0] == "brig0" for link in during[0])
    pids = holder(oci)
    machine.write(net.changes, "true")
    assert "another VM" in oci.fails("create", "--bundle", machine.folder, f"{oci.id}-2")
    assert net.state() == during
    os.kill(pids[0], signal.SIGKILL)
    for pid in pids:
        wait.process_end(pid, 30)
    oci("delete", oci.id)
    assert net.state() == before
    # who is in the namespace is asked again, and another can have it
    for address in ("10.77.0.2", "fd77::2"):
        net.beside_run("busybox", "ping", "-c", "1", "-w", "20", address)
    assert machine.run("ping -c 1 -w 20 10.77.0.1", net.changes, timeout=SECONDS, stdin=None).returncode == 0
    assert net.state() == before
    assert not oci.leftovers()


@pytest.mark.parametrize("kind", ["bridge", "macvlan"])
def test_a_network_with_other_interfaces_is_refused(oci, machine, net, kind):
    net.ip("link", "add", "d0", *(["link", "eth0"] if kind == "macvlan" else []), "type", kind)
    net.ip("link", "set", "d0", "up")
    before = net.state()
    machine.write(net.changes, "true")
    error = oci.fails("create", "--bundle", machine.folder, oci.id)
    assert "interface d0" in error and kind in error and "--network none" in error
    assert net.state() == before
    assert not oci.leftovers()
