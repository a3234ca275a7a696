# SPDX-License-Identifier: GPL-2.0-or-later
"""brig checkpoint and restore, by the CRIU that is found in the PATH."""

import json
import os
import signal
import subprocess

import pytest

from support import wait
from support.criu import RUNS, needs_criu
from support.wires import HOST, WORLD

pytestmark = [pytest.mark.root]
SECONDS = 60

# A line for each step: what only memory knows, and how far it has come.
COUNTER = """
read word < /proc/sys/kernel/random/uuid
n=0
while :; do n=$((n+1)); echo $word $n; sleep 0.05; done
"""


def state(brig, name="c"):
    return json.loads(brig("inspect", name).out)[0]


def lines(brig, name="c"):
    return [(word, int(n)) for word, n in (line.split() for line in brig("logs", name).out.splitlines())]


def goes_on(brig, n, name="c"):
    """Waits until its log has a line beyond the n-th; all lines."""
    log = brig.root / "instances" / name / "log"

    def beyond():
        found = lines(brig, name)
        return found if found and found[-1][1] > n else None

    return wait.file_state(log, beyond, SECONDS)


def run(brig, image, *options, script=COUNTER):
    brig("run", "-d", "--name", "c", *options, image, "sh", "-c", script)


def check_whole(found):
    """Nothing was lost, said twice or begun anew."""
    assert [n for _, n in found] == list(range(1, len(found) + 1))
    assert len({word for word, _ in found}) == 1


@needs_criu
@pytest.mark.parametrize("options", [[], ["--privileged"], ["--read-only", "--tmpfs", "/tmp"],
                                     ["-m", "64m", "--pids-limit", "20"]], ids=lambda options: " ".join(options))
def test_a_restored_container_goes_on_where_it_was(brig, busybox_image, options):
    run(brig, busybox_image, *options)
    goes_on(brig, 2)
    assert brig("checkpoint", "c", timeout=SECONDS).out == "c\n"
    assert state(brig)["state"] == "checkpointed"
    assert brig("ps", "-a", "-q", "--filter", "state=checkpointed").out == "c\n"
    last = lines(brig)[-1][1]
    assert brig("restore", "c", timeout=SECONDS).out == "c\n"
    check_whole(goes_on(brig, last + 2))
    assert state(brig)["state"] == "running"
    assert brig("exec", "c", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start",
                "/proc/sys/net/ipv4/ping_group_range").out.split() == ["0", "0", "65535"]
    # and is like any other
    brig("pause", "c")
    brig("resume", "c")
    assert "sh -c" in brig("top", "c").out
    assert brig("exec", "c", "sh", "-c", "echo $((6*7)); exit 3", check=False).code == 3
    brig("stop", "-t", "0", "c")
    assert state(brig)["state"] == "stopped"


@needs_criu
def test_its_network_and_its_connections_are_there_again(net_brig, wires):
    listener = wires.world.listen(7000)
    count = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.05; done"
    net_brig("run", "-d", "--name", "c", "-p", "8080:80", "busybox", "sh", "-c",
             f"{{ while :; do echo served | nc -l -p 80; done; }} & {{ {count}; }} | nc {WORLD} 7000")
    connection = listener.accept()[0]
    peer = connection.makefile()
    assert [next(peer) for _ in range(3)] == ["1\n", "2\n", "3\n"]
    before = net_brig("exec", "c", "ip", "-o", "addr", "show", "scope", "global").out
    net_brig("checkpoint", "c", timeout=SECONDS)
    net_brig("restore", "c", timeout=SECONDS)
    assert net_brig("exec", "c", "ip", "-o", "addr", "show", "scope", "global").out == before
    assert "127.0.0.1" in net_brig("exec", "c", "ip", "addr", "show", "dev", "lo").out
    assert [int(next(peer)) for _ in range(100)] == list(range(4, 104))
    assert wires.world.fetch(HOST, 8080) == "served\n"
    peer.close()
    connection.close()


@needs_criu
def test_its_end_is_told_as_of_any_other(brig, busybox_image):
    run(brig, busybox_image, script="while [ ! -e /end ]; do sleep 0.05; done; echo over; exit 7")
    brig("checkpoint", "c", timeout=SECONDS)
    brig("restore", "c", timeout=SECONDS)
    brig("exec", "c", "touch", "/end")
    assert brig("wait", "c", timeout=SECONDS).out == "7\n"
    assert brig("logs", "c").out == "over\n"
    shown = state(brig)
    assert (shown["state"], shown["exit_code"]) == ("stopped", 7)


@needs_criu
def test_the_checkpoint_stays_until_the_next_one(brig, busybox_image):
    run(brig, busybox_image)
    goes_on(brig, 1)
    brig("checkpoint", "c", timeout=SECONDS)
    last = lines(brig)[-1][1]
    for _ in range(2):
        brig("restore", "c", timeout=SECONDS)
        goes_on(brig, last)
        brig("kill", "c")
        brig("wait", "c")
        assert state(brig)["state"] == "stopped"
    brig("start", "c")
    brig("rm", "-f", "c")


@needs_criu
def test_it_can_be_left_running_and_saved_elsewhere(brig, busybox_image):
    run(brig, busybox_image)
    goes_on(brig, 1)
    pid, folder = state(brig)["run"]["pid"], brig.root.parent / "saved"
    brig("checkpoint", "--leave-running", "--dir", folder, "c", timeout=SECONDS)
    assert state(brig)["state"] == "running" and state(brig)["run"]["pid"] == pid
    check_whole(goes_on(brig, lines(brig)[-1][1]))
    assert folder.stat().st_mode & 0o7777 == 0o700
    brig("stop", "-t", "0", "c")
    word, last = lines(brig)[-1]
    brig("restore", "--dir", folder, "c", timeout=SECONDS)
    wait.file_state(brig.root / "instances/c/log", lambda: lines(brig)[-1][1] > last, SECONDS)
    # it went back to where it was saved
    assert lines(brig)[-1][0] == word and len(lines(brig)) > lines(brig)[-1][1]


@needs_criu
def test_a_paused_one_is_paused_afterwards(brig, busybox_image):
    run(brig, busybox_image)
    goes_on(brig, 1)
    brig("pause", "c")
    brig("checkpoint", "--leave-running", "c", timeout=SECONDS)
    assert state(brig)["state"] == "paused"
    brig("resume", "c")
    check_whole(goes_on(brig, lines(brig)[-1][1]))


@needs_criu
def test_the_restart_policy_does_not_start_what_was_checkpointed(brig, busybox_image):
    run(brig, busybox_image, "--restart", "always")
    goes_on(brig, 1)
    brig("checkpoint", "c", timeout=SECONDS)
    assert state(brig)["state"] == "checkpointed"
    last = lines(brig)[-1][1]
    brig("restore", "c", timeout=SECONDS)
    check_whole(goes_on(brig, last))
    # and its end is followed by a start anew
    brig("kill", "c")
    log = brig.root / "instances/c/log"
    wait.file_state(log, lambda: lines(brig)[-1][0] != lines(brig)[0][0], SECONDS)


@needs_criu
def test_input_and_a_terminal_are_there_again(brig, busybox_image):
    script = "stty -echo; while read line; do echo got $line; done; exit 5"
    brig("create", "-it", "--name", "c", busybox_image, "sh", "-c", script)
    brig("start", "c")
    brig("checkpoint", "c", timeout=SECONDS)
    brig("restore", "c", timeout=SECONDS)
    with brig.popen("attach", "c", tty=True) as attached:
        attached.send("two\n", SECONDS)
        attached.expect("got two", SECONDS)
        attached.send("\x04", SECONDS)
        assert attached.finish(SECONDS).code == 5


@needs_criu
def test_pipes_are_there_again(brig, busybox_image):
    brig("create", "-i", "--name", "c", busybox_image, "sh", "-c", "while read line; do echo got $line; done; exit 5")
    brig("start", "c")
    brig("checkpoint", "c", timeout=SECONDS)
    brig("restore", "c", timeout=SECONDS)
    done = brig("attach", "c", input="two\n", check=False, timeout=SECONDS)
    assert (done.code, done.out) == (5, "got two\n")


@needs_criu
def test_a_restore_that_fails_leaves_it_as_it_was(brig, busybox_image):
    run(brig, busybox_image)
    goes_on(brig, 1)
    brig("checkpoint", "c", timeout=SECONDS)
    images = brig.root / "instances/c/checkpoint"
    (images / "core-1.img").write_bytes(b"")
    failed = brig("restore", "c", check=False, timeout=SECONDS)
    assert failed.code == 125 and "criu failed: " in failed.err and failed.err.count("\n") == 1
    assert state(brig)["state"] == "checkpointed" and "criu failed" in state(brig)["error"]
    brig("start", "c")
    assert state(brig)["state"] == "running"


@needs_criu
@pytest.mark.parametrize("verb", ["checkpoint", "restore"])
def test_a_killed_command_leaves_what_others_clean(brig, busybox_image, verb):
    """Whether it is the client at work on a checkpoint, or the keeper on a restore."""
    run(brig, busybox_image)
    goes_on(brig, 1)
    if verb == "restore":
        brig("checkpoint", "c", timeout=SECONDS)
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e",
             "inject=sendmsg:signal=KILL:when=1"]
    done = subprocess.run([*trace, *brig.command(verb, "c")], env=brig.environment(), timeout=SECONDS,
                          stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode
    if verb == "checkpoint":
        assert state(brig)["state"] in ("paused", "running", "stopped")
    else:
        assert state(brig)["state"] in ("stopped", "checkpointed")
    brig("rm", "-f", "c", timeout=SECONDS)


@needs_criu
def test_what_cannot_be_said_is_refused(brig, busybox_image):
    brig("run", "-d", "--rm", "--name", "c", busybox_image, "sleep", "1000")
    assert "--leave-running" in brig("checkpoint", "c", check=False).err
    assert "has no checkpoint" in brig("restore", "c", check=False).err
    brig("run", "-d", "--init", "--name", "d", busybox_image, "sleep", "1000")
    assert "--init" in brig("checkpoint", "d", check=False).err
    assert state(brig, "d")["state"] == "running"
    brig("checkpoint", "--leave-running", "c", timeout=SECONDS)
    assert "is running already" in brig("restore", "c", check=False).err


def test_what_is_not_there_or_does_not_run_is_refused(brig, busybox_image):
    brig("create", "--name", "c", busybox_image, "true")
    for verb, words in (("checkpoint", "is not running"), ("restore", "has no checkpoint")):
        failed = brig(verb, "c", check=False)
        assert failed.code == 125 and words in failed.err
        assert "there is no instance" in brig(verb, "nobody", check=False).err


@pytest.mark.vm
def test_a_machine_is_refused(brig, busybox_image, debian_kernel):
    brig("create", "--vm", "--name", "c", busybox_image, "true")
    for verb in ("checkpoint", "restore"):
        failed = brig(verb, "c", check=False)
        assert failed.code == 125 and "is a VM, which cannot be" in failed.err


@pytest.fixture
def stalled(brig):
    """A restore by a CRIU that takes its time: a Running, the file that lets that CRIU fail, and its pid.

    CRIU sees a /tmp of its own, so it is not there.
    """
    folder = brig.root.parent / "criu"
    folder.mkdir()
    (folder / "criu").write_text(f"#!/bin/sh\necho $$ >{folder}/pid\nread word <{folder}/go\nexit 1\n")
    (folder / "criu").chmod(0o755)
    (folder / "images").mkdir()
    (folder / "images/descriptors.json").write_text('["/dev/null", "pipe:[1]", "pipe:[2]"]')
    os.mkfifo(folder / "go")

    def start(name):
        running = brig.popen("restore", "--dir", folder / "images", name,
                             env={"PATH": f"{folder}:{os.environ['PATH']}"})
        wait.file_contains(folder / "pid", "\n")
        return running, folder / "go", int((folder / "pid").read_text())

    return start


def test_others_are_served_while_it_is_restored(brig, busybox_image, stalled):
    brig("create", "--name", "c", busybox_image, "true")
    restore, go, criu = stalled("c")
    assert "is not running" in brig.fails("pause", "c", timeout=10).err  # its keeper says so
    assert "is not running" in brig.fails("kill", "c", timeout=10).err
    go.write_text("\n")
    failed = restore.finish(SECONDS)
    assert failed.code == 125 and "criu failed: " in failed.err and failed.err.count("\n") == 1
    wait.process_end(criu)
    assert "criu failed" in state(brig)["error"]
    brig("start", "c")
    assert brig("wait", "c").out == "0\n"


def test_a_restore_that_takes_too_long_can_be_ended(brig, busybox_image, stalled):
    """Its command is killed, and with that the way is free for others."""
    brig("create", "--name", "c", busybox_image, "true")
    restore, _, criu = stalled("c")
    restore.process.kill()
    restore.process.wait()
    brig("stop", "c", timeout=SECONDS)
    wait.process_end(criu)
    assert state(brig)["state"] == "created"
    brig("rm", "c")


@pytest.mark.skipif(bool(RUNS), reason="CRIU runs here")
def test_without_criu_it_says_so_and_goes_on(brig, busybox_image):
    run(brig, busybox_image)
    goes_on(brig, 1)
    failed = brig("checkpoint", "c", check=False, timeout=SECONDS)
    assert failed.code == 125 and "criu" in failed.err
    assert state(brig)["state"] == "running"
    check_whole(goes_on(brig, lines(brig)[-1][1]))
