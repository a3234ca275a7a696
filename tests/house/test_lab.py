# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/lab: a command in the lab's machine is like one here, and however a run ends, nothing of it stays."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from support import wait

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tools"))

from labkit import session  # noqa: E402

FIRST = 1800  # seconds: the first run may have to make the machine

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("lab")]


def start(command, **settings):
    return subprocess.Popen([TREE / "tools/lab", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env={**os.environ, **settings})


def lab(command, data=b"", **settings):
    """(exit status, stdout, stderr)"""
    with start(command, **settings) as running:
        out, err = running.communicate(data, timeout=FIRST)
    return running.returncode, out, err


@pytest.fixture(scope="module", autouse=True)
def made():
    """The first run tells of what it makes."""
    lab("true")


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_streams_and_status_are_the_command_s_own():
    assert lab("echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
    assert lab("kill -9 $$")[0] == 128 + signal.SIGKILL


def test_input_comes_out_whole():
    data = os.urandom(4 << 20)
    assert lab("cat", data) == (0, data, b"")


def test_input_that_nobody_reads_is_no_harm():
    assert lab("echo done", bytes(4 << 20))[:2] == (0, b"done\n")


def test_a_machine_that_says_nothing_is_woken():
    ours, its = socket.socketpair()
    _, console = pair = socket.socketpair()
    with ours, its, pair[0], console:
        port = session.Port(types.SimpleNamespace(port=ours, serial=console))
        its.settimeout(30)
        with pytest.raises(TimeoutError):
            port.receive(time.monotonic() + 2 * session.WAKE_SECONDS, wakes=True)
        assert its.recv(64) == b"K\0\0\0\0"


def test_it_runs_the_tree_as_it_is_on_a_kvm():
    status, out, _ = lab("test -c /dev/kvm && cat /brig/tests/house/test_lab.py")
    assert (status, out) == (0, Path(__file__).read_bytes())


def test_a_folder_is_shared(tmp_path):
    (tmp_path / "in").write_text("there\n")
    assert lab("cat /share/in; echo back >/share/out", LAB_SHARE=str(tmp_path))[:2] == (0, b"there\n")
    assert (tmp_path / "out").read_text() == "back\n"


WANTS = """
import os, sys
from pathlib import Path
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from labkit import cache
entry, started = cache.Entry("thing", "key"), [Path(sys.argv[2]) / name for name in ("first", "second")]
started[int(sys.argv[3])].touch()
while not all(path.exists() for path in started):
    os.sched_yield()

def make(folder):
    while "->" not in Path("/proc/locks").read_text():  # until the other one waits
        os.sched_yield()

entry.get(make)
print("has it", flush=True)
sys.stdin.read()
"""


def test_two_that_wait_for_the_same_thing_then_use_it_both(tmp_path):
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [subprocess.Popen(["/usr/bin/python3", "-c", WANTS, TREE / "tools", tmp_path, str(i)], env=env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for i in range(2)]
    try:
        for each in both:
            assert select.select([each.stdout], [], [], 60)[0], "it waits for the other"
            assert each.stdout.readline() == "has it\n"
    finally:
        for each in both:
            each.kill()
            each.communicate()


def test_two_at_once_are_two_machines():
    command = "cat /proc/sys/kernel/random/uuid; echo here >/root/mine; read line; ls /root"
    with start(command) as one, start(command) as other:
        first, second = one.stdout.readline(), other.stdout.readline()
        ends = [running.communicate(b"\n", timeout=FIRST)[0] for running in (one, other)]
    assert first != second
    assert ends == [b"mine\n"] * 2


def test_the_clock_is_right():
    assert abs(float(lab("date +%s.%N")[1]) - time.time()) < 30


def test_time_is_limited():
    assert lab("echo begun; sleep 1000", LAB_TIMEOUT="1")[:2] == (124, b"begun\n")


def test_a_killed_run_leaves_nothing():
    with start("echo begun; sleep 1000") as running:
        assert running.stdout.readline() == b"begun\n"
        machines = children(running.pid)
        assert machines
        running.kill()
        running.communicate(timeout=60)
    for machine in machines:
        wait.process_end(machine, 60)


def test_instructions_are_counted_alike():
    # once before: a page that has to come from the disk is a wait, which is not counted in instructions
    loop = ("python3 -c 'import time; f = lambda: (time.monotonic_ns(), sum(range(10**5)), time.monotonic_ns()); f(); "
            "a, _, b = f(); print(b - a)'")
    first, second = (int(lab(loop, LAB_ICOUNT="1", LAB_DIRECT="1")[1]) for _ in range(2))
    assert abs(first - second) < 0.05 * first
