# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that is promised, and memory that moves; the policy: tests/unit/instance/test_balance.c."""

import json
from pathlib import Path

import pytest

from support.wait import Deadline

pytestmark = pytest.mark.root

MIB = 1 << 20
V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def total():
    line = Path("/proc/meminfo").read_text().splitlines()[0].split()
    assert line[0] == "MemTotal:"
    return int(line[1]) * 1024


def test_a_start_that_would_break_a_promise_is_refused_with_the_figures(brig, busybox_image):
    part = str(total() * 3 // 5)
    for name in ("a", "b"):
        brig("create", "--name", name, "--network", "none", "--memory-reservation", part, busybox_image,
             "sleep", "1000")
    brig("start", "a")
    assert brig.json("info")["memory"]["reserved"] == int(part)
    refused = brig.fails("start", "b").err
    assert "'b' has a memory-reservation of" in refused and "--overcommit" in refused
    brig("start", "--overcommit", "b")
    assert brig.json("info")["memory"]["reserved"] == 2 * int(part)
    brig("stop", "-t", "0", "b")
    brig.fails("start", "b")
    brig("set", "b", "overcommit=yes")
    brig("start", "b")
    brig("stop", "-t", "0", "a", "b")
    brig("set", "b", "overcommit=no", "memory-reservation=none")
    brig("start", "a", "b")


def test_a_round_by_hand_says_whom_it_leaves_alone_and_why(brig, busybox_image):
    brig("run", "-d", "--name", "a", "--network", "none", busybox_image, "sleep", "1000")
    said = brig("balance", "--dry-run", "--target", "1").out
    assert "a: is left alone: " in said and "memory is taken above 1 %" in said
    if not V2:
        assert "cgroup version 2" in said
    line = json.loads(brig("balance", "--dry-run", "--target", "1", "--json").out.splitlines()[0])
    assert (line["name"], line["reason"], line["bytes"], line["dry_run"]) == ("a", "fixed", 0, True)


@pytest.mark.vm
@pytest.mark.lab
def test_a_machine_gives_up_its_cache_and_keeps_what_is_reserved(brig, busybox_image, debian_kernel):
    def held():
        return brig.json("stats", "--no-stream", "a")[0]["memory"]["held"]

    brig("run", "-d", "--vm", "--name", "a", "--network", "none", "-m", "320m",
         "--memory-reservation", "128m", busybox_image, "sleep", "1000", timeout=120)
    brig("exec", "a", "sh", "-c", "dd if=/dev/zero of=/f bs=1M count=120 && cat /f > /dev/null", timeout=60)
    deadline = Deadline(60, "what is taken of a guest that may be slow to tell")
    while "a: takes " not in brig("balance", "--once", "--target", "1").out:
        deadline.left()
    assert 0 < held() <= 192 * MIB
    brig("exec", "a", "sh", "-c", "while grep -q 'balloon_inflate 0' /proc/vmstat; do sleep 0.1; done",
         timeout=60)
    # who sets a bound below what is left to it has no second loss
    brig("set", "a", "memory=128m")
    assert held() == 0
