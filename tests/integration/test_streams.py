# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes in and out of a workload arrives whole, apart and in order, in both kinds."""

import hashlib
import os
import subprocess

import pytest

pytestmark = pytest.mark.root

BULK = 64 << 20


@pytest.fixture(scope="module")
def bulk():
    # every byte value, no period that a lost or doubled block could hide in
    block = hashlib.sha256(b"brig").digest() * 32
    return b"".join(block + i.to_bytes(8, "little") for i in range(BULK // (len(block) + 8)))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_bulk_passes_through_run(brig, busybox_image, kind, bulk):
    got = brig("run", "--rm", "-i", *kind.args, busybox_image, "cat", input=bulk, text=False,
               timeout=600).out
    assert len(got) == len(bulk)
    assert digest(got) == digest(bulk)


@pytest.mark.lab
def test_bulk_passes_through_exec(brig, busybox_image, kind, bulk):
    brig("run", "-d", "--name", "a", *kind.args, busybox_image, "sleep", "1000", timeout=120)
    got = brig("exec", "-i", "a", "cat", input=bulk, text=False, timeout=600).out
    assert digest(got) == digest(bulk)


@pytest.mark.lab
def test_stdout_and_stderr_stay_apart(brig, busybox_image, kind):
    script = "for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done"
    result = brig("run", "--rm", *kind.args, busybox_image, "sh", "-c", script, timeout=120)
    assert result.out == "".join(f"out {i}\n" for i in range(1, 9))
    assert [line for line in result.err.splitlines() if line.startswith("err")] == [
        f"err {i}" for i in range(1, 9)]


def test_end_of_stdin_is_passed_on(brig, busybox_image, kind):
    with brig.popen("run", "--rm", "-i", *kind.args, busybox_image, "sh", "-c",
                    "wc -c; echo after") as running:
        running.send("12345")
        running.end_input()
        running.expect("^5$", timeout=120)
        running.expect("^after$")
        assert running.finish().code == 0


def test_without_i_stdin_is_empty(brig, busybox_image, kind):
    result = brig("run", "--rm", *kind.args, busybox_image, "wc", "-c", input="12345", timeout=120)
    assert result.out.strip() == "0"


@pytest.mark.lab
def test_a_terminal_has_the_size_of_ours_and_follows_it(brig, busybox_image, kind):
    with brig.popen("run", "--rm", "-it", *kind.args, busybox_image, "sh", tty=True,
                    size=(31, 97)) as running:
        running.expect(r"[#$] ", timeout=120)
        running.send("stty size\n")
        running.expect("31 97")
        running.resize(40, 120)
        running.send("while [ \"$(stty size)\" != '40 120' ]; do :; done; echo fol''lowed\n")
        running.expect("followed")
        running.send("exit 7\n")
        assert running.finish().code == 7


def test_interrupt_reaches_the_workload(brig, busybox_image, kind):
    script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done"
    with brig.popen("run", "--rm", *kind.args, busybox_image, "sh", "-c", script) as running:
        running.expect("^ready$", timeout=120)
        running.signal(2)
        running.expect("^caught$")
        assert running.finish().code == 3


@pytest.mark.parametrize("command, code", [
    (["sh", "-c", "exit 42"], 42),
    (["sh", "-c", "kill -9 $$; sleep 1"], 137),
    (["/no/such/program"], 127),
    (["no-such-program"], 127),
    (["/etc/passwd"], 126),
    (["/etc"], 126),
])
def test_exec_ends_with_the_status_of_its_command(brig, busybox_image, kind, command, code):
    brig("run", "-d", "--name", "a", *kind.args, busybox_image, "sleep", "1000", timeout=120)
    assert brig("exec", "a", *command, check=False).code == code


def test_run_ends_with_the_status_of_its_command(brig, busybox_image, kind):
    for command, code in ((["sh", "-c", "exit 42"], 42), (["/no/such/program"], 127),
                          (["/etc/passwd"], 126)):
        result = brig("run", "--rm", *kind.args, busybox_image, *command, check=False, timeout=120)
        assert result.code == code, result.err


def test_a_closed_reader_ends_exec(brig, busybox_image, kind):
    brig("run", "-d", "--name", "a", *kind.args, busybox_image, "sleep", "1000", timeout=120)
    reader, writer = os.pipe()
    with subprocess.Popen(brig.command("exec", "a", "yes"), stdout=writer, stdin=subprocess.DEVNULL,
                          env=brig.environment()) as running:
        os.close(writer)
        assert os.read(reader, 2) == b"y\n"
        os.close(reader)
        assert running.wait(60) != 0
