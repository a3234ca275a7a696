# SPDX-License-Identifier: GPL-2.0-or-later
"""Killed processes, full disks, many commands at once: ps tells the truth, rm cleans, nothing is left.

That nothing is left is checked by the brig fixture after every test.
"""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from support import wait
from support.small_disk import disk_of

pytestmark = pytest.mark.root


def start(brig, image, kind, *options, name="a", command=("sleep", "1000")):
    brig("run", "-d", "--name", name, *options, *kind.args, image, *command, timeout=120)


def row(brig, name="a"):
    return next(r for r in brig.json("ps", "-a") if r["name"] == name)


def keeper_pid(brig, name="a"):
    return brig.json("inspect", name)[0]["run"]["keeper_pid"]


def children(pid):
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait.process_end(pid, 30)


def check_usable(brig, image, kind, name="a"):
    """After whatever happened the instance can be started again and removed."""
    brig("start", name, timeout=120)
    assert row(brig, name)["state"] == "running"
    assert brig("exec", name, "echo", "alive", timeout=60).out == "alive\n"
    brig("rm", "-f", name)
    assert brig.json("ps", "-a") == []


@pytest.mark.lab
def test_a_killed_keeper_takes_the_workload_with_it(brig, busybox_image, kind):
    start(brig, busybox_image, kind)
    before = row(brig)
    kill(keeper_pid(brig))
    wait.process_end(before["pid"], 30)
    after = row(brig)
    assert after["state"] == "stopped"
    assert after["pid"] is None
    check_usable(brig, busybox_image, kind)


@pytest.mark.lab
def test_a_killed_engine_process_ends_the_instance(brig, busybox_image, kind):
    start(brig, busybox_image, kind)
    keeper = keeper_pid(brig)
    kill(row(brig)["pid"])
    wait.process_end(keeper, 30)
    after = row(brig)
    assert after["state"] == "stopped"
    assert after["exit_code"] == 137
    check_usable(brig, busybox_image, kind)


def test_a_killed_client_leaves_the_workload_running(brig, busybox_image, kind):
    with brig.popen("run", "--name", "a", *kind.args, busybox_image, "sh", "-c",
                    "echo ready; sleep 1000") as running:
        running.expect("^ready$", timeout=120)
        running.signal(signal.SIGKILL)
        running.process.wait()
    assert row(brig)["state"] == "running"
    brig("rm", "-f", "a")


# Under a debugger every system call would be a step; every few milliseconds of a start is near enough.
@pytest.mark.parametrize("after_ms", [0, 1, 2, 3, 4, 6, 8, 12])
def test_a_client_killed_while_it_starts_a_container(brig, busybox_image, after_ms):
    command = subprocess.Popen(brig.command("run", "-d", "--name", "a", busybox_image, "sleep", "1000"),
                               env=brig.environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        command.wait(after_ms / 1000)
    except subprocess.TimeoutExpired:
        command.kill()
        command.wait()
    names = [r["name"] for r in brig.json("ps", "-a")]
    assert names in ([], ["a"])
    if names:
        brig("rm", "-f", "a")
        assert brig.json("ps", "-a") == []
        brig("run", "--rm", "--name", "a", busybox_image, "true")


@pytest.mark.vm
@pytest.mark.parametrize("after_ms", [0, 100, 700])
def test_a_keeper_killed_while_a_machine_boots(brig, busybox_image, debian_kernel, after_ms):
    with brig.popen("run", "-d", "--name", "a", "--vm", busybox_image, "sleep", "1000") as command:
        wait.file_exists(brig.run / "a/run.json", 60)
        try:
            command.process.wait(after_ms / 1000)
        except subprocess.TimeoutExpired:
            pass
        kill(keeper_pid(brig))
        command.finish(120)
    assert row(brig)["state"] in ("created", "stopped")
    brig("rm", "-f", "a")


def test_stop_while_the_client_is_killed(brig, busybox_image, kind):
    start(brig, busybox_image, kind, command=("sh", "-c", "trap '' TERM; while :; do sleep 1; done"))
    with brig.popen("stop", "-t", "2", "a") as stopping:
        try:
            stopping.process.wait(0.5)
        except subprocess.TimeoutExpired:
            pass
        stopping.signal(signal.SIGKILL)
        stopping.process.wait()
    assert brig("wait", "a", timeout=60).out.strip() == "137"
    assert row(brig)["state"] == "stopped"


def test_two_commands_on_one_instance(brig, busybox_image, kind):
    start(brig, busybox_image, kind)
    commands = [brig.popen("stop", "-t", "1", "a") for _ in range(2)]
    assert [c.finish(120).code for c in commands] == [0, 0]
    commands = [brig.popen("start", "a") for _ in range(2)]
    codes = sorted(c.finish(120).code for c in commands)
    assert codes in ([0, 0], [0, 125])
    assert row(brig)["state"] == "running"
    commands = [brig.popen("rm", "-f", "a") for _ in range(2)]
    assert 0 in [c.finish(120).code for c in commands]
    assert brig.json("ps", "-a") == []


def test_two_runs_want_one_name(brig, busybox_image):
    commands = [brig.popen("run", "-d", "--name", "a", busybox_image, "sleep", "1000") for _ in range(2)]
    results = [c.finish(120) for c in commands]
    assert sorted(r.code for r in results) == [0, 125]
    assert "in use" in next(r for r in results if r.code).err


def test_twenty_starts_at_once(brig, busybox_image):
    commands = [brig.popen("run", "-d", "--name", f"n{i}", busybox_image, "sleep", "1000")
                for i in range(20)]
    for command in commands:
        result = command.finish(120)
        assert result.code == 0, result.err
    assert {r["state"] for r in brig.json("ps", "-a")} == {"running"}
    assert len(brig.json("ps")) == 20
    brig("rm", "-f", *(f"n{i}" for i in range(20)), timeout=120)


def test_a_corrupt_record_is_told_and_can_be_removed(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    brig("create", "--name", "b", busybox_image, "true")
    (brig.root / "instances/a/instance.json").write_text("{ this is no JSON")
    assert {r["name"] for r in brig.json("ps", "-a")} == {"a", "b"}
    assert "JSON" in brig.fails("start", "a").err
    brig("rm", "-f", "a")
    assert [r["name"] for r in brig.json("ps", "-a")] == ["b"]


def test_a_record_of_a_newer_brig_is_left_alone(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    record = brig.root / "instances/a/instance.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"version": 99}))
    result = brig.fails("start", "a")
    assert "newer" in result.err and "upgrade" in result.err


@pytest.mark.lab
@pytest.mark.vm
def test_a_panicking_kernel_is_reported_with_its_last_words(brig, busybox_image, debian_kernel):
    initramfs = brig.root / "kernels" / debian_kernel / "initramfs.img"
    initramfs.unlink()  # it is a link to the one that all tests share
    initramfs.write_bytes(b"\0" * 512)
    result = brig.fails("run", "--rm", "--vm", busybox_image, "true", timeout=180)
    assert "panic" in result.err.lower()
    assert brig.json("ps", "-a") == []


@pytest.mark.vm
def test_a_machine_that_never_reaches_its_agent_has_a_deadline(brig, busybox_image, debian_kernel):
    result = brig.fails("run", "--rm", "--vm", "--boot-timeout", "1s", busybox_image, "true",
                        timeout=120)
    assert "agent" in result.err
    assert brig.json("ps", "-a") == []


@pytest.fixture
def cramped(brig, tmp_path):
    """brig's root on a disk of 64 MiB."""
    with disk_of(brig, tmp_path / "small", 64) as small:
        brig.root.mkdir()
        yield small


def test_a_full_disk_under_a_running_instance(brig, busybox_store, kernel_store, kind, cramped):
    """What the workload writes fails with its own error; brig's record and end stay right."""
    for store, folders in ((busybox_store, ("images", "layers")), (kernel_store, ("kernels",))):
        for folder in folders:
            (brig.root / folder).symlink_to(store / folder)
    result = brig("run", "--name", "full", *kind.args, "busybox", "sh", "-c",
                  "dd if=/dev/zero of=/big bs=1M count=128 conv=fsync; echo status $?",
                  check=False, timeout=120)
    # A machine is told by its disk: of the file's data, or first of the journal, after which all is read-only.
    told = ["Input/output error", "Read-only file system"] if kind.vm else ["No space left on device"]
    assert any(error in result.err for error in told), result.err
    assert "status 1" in result.out
    assert result.code == 0
    assert brig.json("ps", "-a")[0]["exit_code"] == 0
    brig("rm", "full")
    assert brig.json("ps", "-a") == []


def fill(folder):
    """Not a byte is left of its disk."""
    with contextlib.suppress(OSError), open(folder / "filler", "ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_an_end_is_noted_on_a_full_disk(brig, busybox_store, cramped):
    for name in ("images", "layers"):
        (brig.root / name).symlink_to(busybox_store / name)
    brig("run", "-d", "--name", "a", "busybox", "sleep", "1000")
    fill(cramped)
    brig("stop", "-t", "0", "a")
    assert brig("wait", "a").out == "137\n"
    assert row(brig)["exit_code"] == 137 and brig.json("inspect", "a")[0]["finished"]
    assert not list((brig.root / "instances/a").glob("*.tmp"))


def test_what_runs_is_told_with_a_full_run_folder(brig, busybox_image):
    brig.run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", brig.run], check=True)
    try:
        brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
        fill(brig.run)
        for _ in range(3):
            brig("pause", "a")
            assert row(brig)["state"] == "paused"
            brig("resume", "a")
            assert row(brig)["state"] == "running"
        brig("snapshot", "create", "a", "s")
        assert row(brig)["state"] == "running"
        assert "No space left on device" in brig.fails("run", "--rm", "--name", "b", busybox_image, "true").err
        brig("stop", "-t", "0", "a")
        assert row(brig)["state"] == "stopped"
        (brig.run / "filler").unlink()
        brig("start", "a")
        assert row(brig)["state"] == "running"
    finally:
        brig("rm", "-f", *brig("ps", "-a", "-q").out.split())
        subprocess.run(["umount", brig.run], check=True)


def test_a_workload_that_wants_more_memory_than_its_limit(brig, busybox_image):
    result = brig.fails("run", "--name", "a", "-m", "16m", busybox_image, "sh", "-c",
                        "exec tail /dev/zero", code=137)
    assert result.out == ""
    record = brig.json("inspect", "a")[0]
    assert record["oom_killed"] is True
    assert record["exit_code"] == 137
