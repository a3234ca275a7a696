# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of instances: given at a start, changed while they run, kept for the next start, and gone without."""

from pathlib import Path

import pytest

CGROUPS = Path("/sys/fs/cgroup")
V2 = (CGROUPS / "cgroup.controllers").exists()


def group(brig, name):
    """Reads a file of the instance's group, by its names in version 1 and 2."""
    path = brig.json("inspect", name)[0]["run"]["cgroup"]

    def read(v1, v2):
        if V2:
            return (CGROUPS / path / v2).read_text().split()
        return (CGROUPS / v1.split(".")[0] / path / v1).read_text().split()
    return read


def pending(brig, name):
    return brig.json("inspect", name)[0]["pending"]


def test_many_limits_of_one_container_hold_from_its_start_and_change_while_it_runs(brig, busybox_image):
    brig("run", "-d", "--name", "a", "--network", "none", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0",
         "-m", "64m", "--pids-limit", "50", "--oom-score-adj", "300", "--ulimit", "nofile=100:200", busybox_image,
         "sleep", "1000")
    read = group(brig, "a")
    assert read("cpu.cfs_quota_us", "cpu.max")[0] == "50000"
    assert read("cpu.shares", "cpu.weight") == ["50" if V2 else "512"]
    assert read("cpuset.cpus", "cpuset.cpus") == ["0"]
    assert read("memory.limit_in_bytes", "memory.max") == [str(64 << 20)]
    assert read("pids.max", "pids.max") == ["50"]
    assert brig("exec", "a", "cat", "/proc/1/oom_score_adj").out.strip() == "300"

    brig("set", "a", "cpus=1", "cpu-weight=200", "cpuset-cpus=none", "memory=128m", "pids-limit=none",
         "oom-score-adj=500")
    assert read("cpu.cfs_quota_us", "cpu.max")[0] == "100000"
    assert read("cpu.shares", "cpu.weight") == ["200" if V2 else "2048"]
    assert read("memory.limit_in_bytes", "memory.max") == [str(128 << 20)]
    assert read("pids.max", "pids.max") == ["max"]
    assert brig("exec", "a", "cat", "/proc/1/oom_score_adj").out.strip() == "500"

    # less than it uses is refused, and nothing dies of it
    brig("exec", "a", "dd", "if=/dev/zero", "of=/dev/shm/x", "bs=1M", "count=40")
    assert "in use" in brig.fails("set", "a", "memory=20m").err
    assert read("memory.limit_in_bytes", "memory.max") == [str(128 << 20)]
    brig("exec", "a", "rm", "/dev/shm/x")
    brig("set", "a", "memory=20m")
    assert read("memory.limit_in_bytes", "memory.max") == [str(20 << 20)]

    # what takes a start waits for one, and is seen to
    assert "next start" in brig("set", "a", "ulimit=nofile=300:400").err
    assert pending(brig, "a") == ["ulimit=nofile=300:400"]
    assert "running*" in brig("ps").out
    assert brig("exec", "a", "sh", "-c", "ulimit -n").out.strip() == "100"
    brig("stop", "-t", "0", "a")
    brig("start", "a")
    assert brig("exec", "a", "sh", "-c", "ulimit -n").out.strip() == "300"
    assert pending(brig, "a") == []
    assert group(brig, "a")("memory.limit_in_bytes", "memory.max") == [str(20 << 20)]


def test_a_container_without_limits_gets_them_while_it_runs(brig, busybox_image):
    brig("run", "-d", "--name", "a", "--network", "none", busybox_image, "sh", "-c", "sleep 1000 & sleep 1000")
    brig("set", "a", "pids-limit=4", "cpus=0.25")
    read = group(brig, "a")
    assert read("pids.max", "pids.max") == ["4"]
    assert read("cpu.cfs_quota_us", "cpu.max")[0] == "25000"
    assert brig("exec", "a", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 9 & done", check=False).code
    # all or none
    brig.fails("set", "a", "pids-limit=9", "cpu-weight=7", "cpuset-cpus=999")
    assert read("pids.max", "pids.max") == ["4"]
    assert brig.json("inspect", "a")[0]["cpu_weight"] == 0


@pytest.mark.skipif(V2, reason="version 2 has it")
def test_what_the_host_cannot_limit_is_refused_or_gone_without(brig, busybox_image):
    run = ("--network", "none", "--memory-high", "50m", busybox_image, "sleep", "1000")
    assert "version 2" in brig.fails("run", "-d", "--name", "a", *run).err
    assert "version 2" in brig("run", "-d", "--name", "a", "--best-effort", *run).err
    assert brig.json("inspect", "a")[0]["run"]["unmet"][0].startswith("memory-high: ")


def test_help_tells_of_every_limit_and_what_it_means(brig):
    out = brig("help", "limits").out
    assert "cpu-weight N" in out
    assert "no: a VM has its own devices" in out
