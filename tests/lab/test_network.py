# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks on a distribution's kernel, which has VLANs, and two hosts on a wire."""

import functools

import pytest

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
