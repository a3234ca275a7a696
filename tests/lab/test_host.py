# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with systemd, AppArmor, cgroup v2 and a KVM that runs stock kernels: what brig does of that."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

CGROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def sleeper(brig, busybox_image):
    """The control group of a container named "a" with limits."""
    brig("run", "-d", "--name", "a", "-m", "64m", "--pids-limit", "20", "--cpus", "0.5", busybox_image,
         "sleep", "1000")
    return CGROUPS / brig.json("inspect", "a")[0]["run"]["cgroup"].lstrip("/")


def test_the_host_is_what_these_tests_are_for():
    assert Path("/proc/1/comm").read_text() == "systemd\n"
    assert subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True).stdout in (
        "running\n", "degraded\n")
    assert Path("/sys/module/apparmor/parameters/enabled").read_text() == "Y\n"
    assert set("cpu memory pids io cpuset".split()) <= set((CGROUPS / "cgroup.controllers").read_text().split())


def test_doctor_finds_a_kvm_that_runs_stock_kernels(brig):
    checks = {check["id"]: check for check in json.loads(brig("doctor", "--json", check=False).out)["checks"]}
    assert checks["kvm"]["status"] == "ok"
    assert checks["kvm-guest"]["status"] == "ok"
    assert checks["cgroups"]["status"] == "ok"


def test_limits_are_in_the_files_of_cgroup_v2(sleeper):
    assert (sleeper / "memory.max").read_text() == f"{64 * MIB}\n"
    assert (sleeper / "pids.max").read_text() == "20\n"
    quota, period = map(int, (sleeper / "cpu.max").read_text().split())
    assert quota / period == 0.5


def test_pause_freezes_the_group(brig, sleeper):
    brig("pause", "a")
    assert "frozen 1" in (sleeper / "cgroup.events").read_text()
    brig("resume", "a")
    assert "frozen 0" in (sleeper / "cgroup.events").read_text()


def test_the_group_goes_with_the_instance(brig, sleeper):
    brig("rm", "-f", "a")
    assert not sleeper.exists()


@pytest.mark.vm
@pytest.mark.lab
@pytest.mark.parametrize("cpus", ["1", "2"])
def test_a_vm_runs_on_kvm_here(brig, busybox_image, debian_kernel, cpus):
    brig("run", "-d", "--vm", "--engine", "qemu", "--name", "a", "--cpus", cpus, "-m", "192m", busybox_image,
         "sh", "-c", "echo up; exec sleep 1000", timeout=180)
    pid = brig.json("inspect", "a")[0]["run"]["pid"]
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert arguments[arguments.index(b"-accel") + 1] == b"kvm"
    opened = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    assert len([name for name in opened if "kvm-vcpu" in name]) == int(cpus)
    assert brig("exec", "a", "nproc", timeout=60).out == f"{cpus}\n"
    assert brig("exec", "a", "uname", "-r", timeout=60).out != output("uname", "-r")
    brig("stop", "a", timeout=60)
    assert brig("logs", "a").out == "up\n"
