# SPDX-License-Identifier: GPL-2.0-or-later
"""ACLs on a distribution's kernel, which can answer in a bridge what a rule rejects."""

import subprocess
from pathlib import Path

import pytest
from support.wires import WORLD, WORLD6

pytestmark = pytest.mark.root


@pytest.fixture
def kernel_log():
    """A function that returns the lines since now; those of network namespaces too."""
    setting = Path("/proc/sys/net/netfilter/nf_log_all_netns")
    before = setting.read_text()
    setting.write_text("1")
    subprocess.run(["dmesg", "--clear"], check=True)
    yield lambda: subprocess.run(["dmesg"], check=True, capture_output=True, text=True).stdout
    setting.write_text(before)


def test_what_is_rejected_is_answered_and_noted(net_brig, kernel_log):
    net_brig("acl", "create", "mute", "egress allow icmp", "egress reject log", "ingress drop")
    net_brig("run", "-d", "--name", "a", "--network", "brig0,acl=mute", "busybox", "sleep", "1000")
    for there in WORLD, WORLD6:
        assert "refused" in net_brig("exec", "a", "nc", "-w", "5", there, "7", check=False).err
        net_brig("exec", "a", "ping", "-c", "1", "-W", "5", "-s", "4000", there)
    assert "brig acl mute: " in kernel_log()
