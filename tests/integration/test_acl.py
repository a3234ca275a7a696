# SPDX-License-Identifier: GPL-2.0-or-later
"""ACLs: what instances may send and get, between each other and with the world."""

import socket

import pytest
from support.wires import WORLD, WORLD6

pytestmark = pytest.mark.root

TCP_USER_TIMEOUT = 18  # ms, of linux/tcp.h
SERVE = "while :; do echo {0} | nc -l -p {0}; done"


@pytest.fixture
def pair(net_brig):
    """Two instances of one network; `web` answers at the ports 80 and 81, and has an ACL without rules."""
    net_brig("network", "create", "lan")
    net_brig("acl", "create", "web")
    net_brig("run", "-d", "--name", "web", "--network", "lan,acl=web", "busybox", "sh", "-c",
             f"({SERVE.format(80)})& {SERVE.format(81)}")
    net_brig("run", "-d", "--name", "peer", "--network", "lan", "busybox", "sh", "-c", SERVE.format(90))
    for port in 80, 81:
        fetches(net_brig, "peer", "web", port)
    fetches(net_brig, "web", "peer", 90)
    return net_brig


def fetch(brig, name, host, port):
    return brig("exec", name, "sh", "-c", f"nc -w 1 {host} {port} </dev/null", check=False).out.strip()


def fetches(brig, name, host, port):
    """A server of ours is between two connections for a moment."""
    for _ in range(5):
        if fetch(brig, name, host, port) == str(port):
            return
    raise AssertionError(f"{name} does not reach {host}:{port}")


def pings(brig, name, host):
    return brig("exec", name, "ping", "-c", "1", "-W", "1", host, check=False).code == 0


def addresses(brig, name):
    lease = next(lease for lease in brig.json("network", "leases", "lan") if lease["instance"] == name)
    return [lease["ip"], lease["ip6"]]


def test_a_rule_closes_its_direction_at_once_and_answers_pass(pair, wires):
    pair("acl", "add", "web", "ingress", "allow", "tcp", "port", "80")
    for host in addresses(pair, "web"):
        fetches(pair, "peer", host, 80)
        assert fetch(pair, "peer", host, 81) == "" and not pings(pair, "peer", host)
    # it still asks whom it likes: its peer, the names, the world
    fetches(pair, "web", "peer", 90)
    for host in ("peer", *addresses(pair, "peer"), WORLD, WORLD6):
        assert pings(pair, "web", host)
    # another list of rules, after the first: by the peer's address, and the host is closed out
    pair("acl", "add", "web", f"ingress allow icmp from {addresses(pair, 'peer')[0]}")
    assert pings(pair, "peer", addresses(pair, "web")[0])
    assert not pings(pair, "peer", addresses(pair, "web")[1])
    with pytest.raises(OSError):
        wires.host.fetch(addresses(pair, "web")[0], 81, timeout=1)
    pair("acl", "drop", "web", "2")
    pair("acl", "drop", "web", "ingress", "allow", "tcp", "port", "80")
    assert pair.json("acl", "inspect", "web")[0]["rules"] == []
    fetches(pair, "peer", "web", 81)


def test_what_may_be_sent_and_large_packets_with_it(pair, wires):
    pair("acl", "add", "web", "egress allow udp port 7", "egress reject to @lan log", "egress allow icmp")
    assert not pings(pair, "web", "peer") and pings(pair, "web", WORLD) and pings(pair, "web", WORLD6)
    assert fetch(pair, "web", WORLD, 90) == ""
    # who comes in is answered, and names are found
    fetches(pair, "peer", "web", 80)
    assert pings(pair, "peer", "web")
    assert addresses(pair, "peer")[0] in pair("exec", "web", "nslookup", "peer.brig", check=False).out
    # in pieces, of which only the first has ports
    for host in WORLD, WORLD6:
        assert "0% packet loss" in pair("exec", "web", "ping", "-c", "1", "-W", "5", "-s", "4000", host).out
    assert pair("exec", "web", "ping", "-c", "1", "-W", "1", "-s", "4000", "peer", check=False).code


def test_a_networks_acl_is_for_all_on_it_and_stays_over_other_changes(pair):
    pair("acl", "create", "shut", "ingress drop")
    pair("network", "set", "lan", "acls=shut")
    assert fetch(pair, "web", "peer", 90) == "" and fetch(pair, "peer", "web", 80) == ""
    # an interface's own come first
    pair("acl", "add", "web", "ingress allow tcp port 80")
    fetches(pair, "peer", "web", 80)
    pair("network", "create", "--internal", "another")
    fetches(pair, "peer", "web", 80)
    assert fetch(pair, "peer", "web", 81) == ""
    pair("stop", "-t", "0", "peer")
    pair("start", "peer")
    assert fetch(pair, "web", "peer", 90) == ""
    fetches(pair, "peer", "web", 80)
    pair("network", "set", "lan", "acls=none")
    fetches(pair, "web", "peer", 90)


def test_a_conversation_outlives_changes_for_as_long_as_it_is_allowed(pair, wires):
    for rule in "egress allow tcp port 7000", "egress allow tcp port 7001", "egress drop", "ingress drop":
        pair("acl", "add", "web", rule)
    with wires.receiver(pair, "web", 7000) as (kept, hears), wires.receiver(pair, "web", 7001) as (cut, _):
        # the one who has something to say did not begin it
        for word, change in (("one", ["network", "create", "--internal", "another"]), ("two", ["network", "repair"]),
                             ("three", ["acl", "drop", "web", "2"])):
            pair(*change)
            kept.sendall(f"{word}\n".encode())
            hears.expect(word)
        cut.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
        cut.sendall(b"four\n")
        with pytest.raises(TimeoutError):
            cut.recv(1)
        pair("rm", "-f", "web")


def test_who_is_to_be_cut_off_is_denied_both_ways(pair):
    (there, _), (own, _) = addresses(pair, "peer"), addresses(pair, "web")
    pair("acl", "add", "web", "ingress allow tcp", "ingress drop")
    with pair.popen("exec", "web", "sh", "-c", "sleep 1000 | nc -l -p 7000") as hears, \
            pair.popen("exec", "-i", "peer", "sh", "-c", f"while ! nc {own} 7000; do :; done") as says:
        says.send("one\n")
        hears.expect("one")
        # what it sends is open, so it might have begun this itself
        pair("acl", "drop", "web", "1")
        assert fetch(pair, "peer", own, 80) == ""
        says.send("two\n")
        hears.expect("two")
        pair("acl", "add", "web", f"egress drop to {there}", "egress allow")
        says.send("three\n")
        with pytest.raises(TimeoutError):
            hears.expect("three", timeout=2)
        assert pings(pair, "web", WORLD)


def test_acls_are_kept_while_they_are_used(net_brig):
    run = net_brig.fails("run", "--rm", "--network", "brig0,acl=nobody", "busybox", "true")
    assert "no ACL 'nobody'" in run.err
    assert "no ACL 'nobody'" in net_brig.fails("network", "create", "--acl", "nobody", "lan").err
    net_brig("network", "create", "lan")
    net_brig("acl", "create", "web", "ingress allow from @lan", "egress", "drop", "tcp", "port", "25")
    assert "there is an ACL 'web' already" in net_brig.fails("acl", "create", "web").err
    assert "'in' is not" in net_brig.fails("acl", "add", "web", "ingress allow in").err
    assert "no network 'lam'" in net_brig.fails("acl", "add", "web", "ingress allow from @lam").err
    assert "about the network 'lan'" in net_brig.fails("network", "rm", "lan").err
    assert "has no rule" in net_brig.fails("acl", "drop", "web", "egress drop").err
    assert "has 2 rules" in net_brig.fails("acl", "drop", "web", "3").err
    net_brig("create", "--name", "a", "--network", "lan,acl=web", "busybox", "true")
    assert "used by a" in net_brig.fails("acl", "rm", "web").err
    assert net_brig.json("acl", "ls")[0]["used_by"] == ["a"]
    net_brig("rm", "a")
    net_brig("network", "set", "lan", "acls=web")
    assert "used by the network lan" in net_brig.fails("acl", "rm", "web").err
    assert net_brig("acl", "ls", "--no-header").out.split() == ["web", "2", "-", "lan"]
    net_brig("network", "set", "lan", "acls=none")
    assert net_brig("acl", "rm", "web").out == "web\n"
    assert net_brig.json("acl", "ls") == []
