# SPDX-License-Identifier: GPL-2.0-or-later
"""Interfaces of the host's that a container gets: linux.netDevices of runtime-spec 1.3. The host is a network
namespace of the test's own, in which brig-oci runs."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.root


class Host:
    def __init__(self, name):
        self.name, self.path = name, f"/run/netns/{name}"

    def ip(self, *args):
        command = ["ip", "-n", self.name, *map(str, args)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def add(self, name):
        """An interface; of this kind there is one in every kernel, but in pairs."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", f"peer-{name}")

    def show(self, *args):
        return json.loads(self.ip("-json", *args))

    def names(self):
        return {link["ifname"] for link in self.show("link", "show")
                if link["ifname"] != "lo" and not link["ifname"].startswith("peer-")}

    def addresses(self, name):
        return {(entry["local"], entry["prefixlen"]) for entry in self.show("address", "show", "dev", name)[0]["addr_info"]
                if entry["scope"] == "global"}


@pytest.fixture
def host(oci):
    host = Host(oci.id)
    subprocess.run(["ip", "netns", "add", host.name], check=True)
    command = oci.command
    oci.command = lambda *args, **how: ["nsenter", f"--net={host.path}", *command(*args, **how)]
    try:
        host.add("port0")
        yield host
    finally:
        oci.command = command
        subprocess.run(["ip", "netns", "del", host.name], check=True)


@pytest.fixture
def other(oci):
    """A network namespace that a container joins."""
    other = Host(oci.id + "-other")
    subprocess.run(["ip", "netns", "add", other.name], check=True)
    yield other
    subprocess.run(["ip", "netns", "del", other.name], check=True)


def devices(**names):
    return {"linux.netDevices": {outside: {"name": inside} if inside else {} for outside, inside in names.items()}}


def joining(bundle, other, changes):
    index = [entry["type"] for entry in bundle.base["linux"]["namespaces"]].index("network")
    return {f"linux.namespaces[{index}].path": other.path, **changes}


SHOW = "busybox ip link show {0}; busybox ip addr show {0}"


def test_an_interface_is_the_containers_and_up(bundle, host):
    out = bundle.out(SHOW.format("port0"), devices(port0=None))
    assert "port0@" in out
    assert "UP" in out.split(">")[0].split("<")[1].split(",")


def test_it_has_left_the_host(bundle, host):
    bundle.start(changes=devices(port0=None))
    assert host.names() == set()
    bundle.oci("delete", "--force", bundle.oci.id)
    assert host.names() == set()  # it ended with its namespace, as what is no hardware does


def test_it_has_the_name_that_is_asked_for(bundle, host):
    out = bundle.out("busybox ip -o link | wc -l; busybox ip link show eth7", devices(port0="eth7"))
    assert out.startswith("2\n")  # lo
    assert "eth7@" in out


def test_it_keeps_its_address_and_size(bundle, host):
    host.ip("link", "set", "port0", "address", "02:00:00:11:22:33", "mtu", 1300)
    out = bundle.out("busybox ip link show eth0", devices(port0="eth0"))
    assert "mtu 1300" in out
    assert "02:00:00:11:22:33" in out


def test_global_addresses_go_with_it(bundle, host, other):
    host.ip("address", "add", "10.9.0.1/24", "brd", "+", "dev", "port0")
    host.ip("address", "add", "10.9.0.2/24", "dev", "port0")
    host.ip("address", "add", "169.254.3.4/16", "scope", "link", "dev", "port0")
    host.ip("address", "add", "10.8.0.1", "peer", "10.8.0.9/32", "noprefixroute", "dev", "port0")
    host.ip("address", "add", "fd00:9::1/64", "nodad", "dev", "port0")
    host.ip("address", "add", "10.7.0.1/24", "valid_lft", 1000, "preferred_lft", 1000, "dev", "port0")
    bundle.start(changes=joining(bundle, other, devices(port0="eth0")))
    assert other.addresses("eth0") == {("10.9.0.1", 24), ("10.9.0.2", 24), ("10.8.0.1", 32), ("fd00:9::1", 64)}
    entries = {entry["local"]: entry for entry in other.show("address", "show", "dev", "eth0")[0]["addr_info"]}
    assert "169.254.3.4" not in entries
    assert entries["10.9.0.1"]["broadcast"] == "10.9.0.255"
    assert entries["10.9.0.2"]["secondary"]
    assert entries["10.8.0.1"]["address"] == "10.8.0.9"
    assert entries["10.8.0.1"]["noprefixroute"]
    assert entries["fd00:9::1"]["nodad"]
    assert "UP" in other.show("link", "show", "eth0")[0]["flags"]


def test_a_pair_reaches_from_host_to_container(bundle, host):
    host.ip("link", "add", "outside", "type", "veth", "peer", "name", "inside")
    host.ip("address", "add", "10.9.0.1/24", "dev", "outside")
    host.ip("link", "set", "outside", "up")
    host.ip("address", "add", "10.9.0.2/24", "dev", "inside")
    assert " 0% packet loss" in bundle.out("busybox ping -c 1 -W 5 10.9.0.1", {
        **devices(inside="eth0"), "process.capabilities": {
            name: ["CAP_NET_RAW"] for name in ("bounding", "effective", "permitted")}})


def test_several_and_in_a_user_namespace(bundle, host):
    host.add("port1")
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    out = bundle.out("busybox ip -o link", {
        **devices(port0="b", port1="a"), "linux.namespaces[+]": {"type": "user"},
        "linux.uidMappings": maps, "linux.gidMappings": maps})
    assert {line.split(":")[1].split("@")[0].strip() for line in out.splitlines()} == {"lo", "a", "b"}


def test_a_name_with_a_number_to_find(bundle, host, other):
    other.add("eth0")
    bundle.start(changes=joining(bundle, other, devices(port0="eth%d")))
    assert other.names() == {"eth0", "eth1"}


def test_hooks_see_it(bundle, host):
    seen = bundle.folder / "seen"
    bundle.out("true", {**devices(port0="eth5"), "hooks.createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"nsenter -t $(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/') -n "
                                                 f"ip link show eth5 > {seen} 2>&1"],
         "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]})
    assert "eth5@" in seen.read_text()


def test_sysctls_of_it_can_be_set(bundle, host):
    changes = {**devices(port0="eth5"), "linux.sysctl": {"net.ipv4.conf.eth5.forwarding": "1"}}
    assert bundle.out("cat /proc/sys/net/ipv4/conf/eth5/forwarding", changes) == "1"


# what is refused leaves the host as it was

def test_what_is_not_there_is_told(bundle, host):
    message = bundle.refused(devices(port0=None, nothere=None))
    assert 'linux.netDevices["nothere"]: there is no interface \'nothere\'' in message
    assert host.names() == {"port0"}


def test_a_name_that_is_taken_is_told(bundle, host, other):
    other.add("eth0")
    host.ip("address", "add", "10.9.0.1/24", "dev", "port0")
    host.ip("link", "set", "port0", "up")
    message = bundle.refused(joining(bundle, other, devices(port0="eth0")))
    assert 'linux.netDevices["port0"]: the name \'eth0\' cannot be had' in message
    assert (host.names(), other.names()) == ({"port0"}, {"eth0"})
    assert host.addresses("port0") == {("10.9.0.1", 24)}


def test_a_creation_that_fails_later_gives_it_back(bundle, host):
    host.ip("address", "add", "10.9.0.1/24", "dev", "port0")
    bundle.refused({**devices(port0="eth0"), "hooks.createRuntime": [{"path": "/bin/false"}]})
    assert host.names() == {"port0"}
    assert host.addresses("port0") == {("10.9.0.1", 24)}
    bundle.refused({**devices(port0="eth0"), "linux.sysctl": {"net.ipv4.conf.nothere.forwarding": "1"}})
    assert host.names() == {"port0"}


def test_an_address_that_cannot_be_kept_is_told(bundle, host, other):
    subprocess.run(["nsenter", f"--net={other.path}", "sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1"],
                   check=True)
    host.ip("address", "add", "10.9.0.1/24", "dev", "port0")
    host.ip("address", "add", "fd00:9::1/64", "nodad", "dev", "port0")
    message = bundle.refused(joining(bundle, other, devices(port0="eth0")))
    assert 'linux.netDevices["port0"]: cannot move it: ' in message
    assert (host.names(), other.names()) == ({"port0"}, set())
    assert host.addresses("port0") == {("10.9.0.1", 24), ("fd00:9::1", 64)}
    assert "UP" not in host.show("link", "show", "port0")[0]["flags"]


def test_what_cannot_move_is_told(bundle, host):
    assert 'linux.netDevices["lo"]: ' in bundle.refused(devices(lo="other"))


def test_without_a_network_namespace_it_is_refused(bundle, host):
    names = ("pid", "mount", "ipc", "uts")
    message = bundle.refused({**devices(port0=None), "linux.namespaces": [{"type": name} for name in names]})
    assert "linux.netDevices: wants a network namespace" in message


@pytest.mark.parametrize("name", ("..", "a/b", "a b", "a:b", "a" * 16, "a%s", "%d%d"))
def test_names_that_cannot_be_are_refused(bundle, host, name):
    assert 'linux.netDevices["port0"].name: ' in bundle.refused(devices(port0=name))


def test_a_name_for_two_is_refused(bundle, host):
    assert "'a' is another's, too" in bundle.refused(devices(port0="a", port1="a"))
