# SPDX-License-Identifier: GPL-2.0-or-later
"""A SIGKILL at any step of a command: `delete --force` then leaves nothing, and the ID can be used again.

Between two system calls that change something there is nothing to see, so strace kills at each of those: at its
first call, its second, and so on, until the command gets to its end.
"""

import os
import shutil
import signal
import subprocess

import pytest

from support import wait

pytestmark = [pytest.mark.root, pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")]

# what a command of ours calls, and how many calls are left out between two that are tried
OWN = {
    "create": {"mkdirat": 2, "write": 4, "renameat": 1, "flock": 1, "bind": 1, "listen": 1, "clone3": 1, "sendmsg": 1,
               "recvmsg": 1, "open_tree": 1, "mknodat": 3, "fsmount": 1, "socketpair": 1},
    "run": {"renameat": 1, "clone3": 1, "recvmsg": 1, "unlinkat": 3},
    "start": {"flock": 1, "connect": 1, "renameat": 1, "unlinkat": 1, "recvmsg": 1},
    "exec": {"pidfd_open": 1, "clone3": 1, "setns": 1, "recvmsg": 1, "socketpair": 1},
    "delete": {"flock": 1, "pidfd_send_signal": 1, "write": 1, "unlinkat": 7, "poll": 1},
}
OWN_STEPS = [(verb, call) for verb, calls in OWN.items() for call in calls]
# what the first process of a container calls on its way, and we do not
INNER = ["setsid", "unshare", "move_mount", "pivot_root", "umount2", "sethostname"]


def strace(call, number, *options):
    """Kills whoever of what it runs makes this call for the number-th time."""
    return ["strace", *options, "-qq", "-o", "/dev/null", "-e", f"trace={call}",
            "-e", f"inject={call}:signal=KILL:when={number}"]


def killed(oci, call, number, *args):
    """True if it was killed, False if it came to its end without that many calls."""
    code = subprocess.run(strace(call, number) + oci.command(*args), env=oci.environment(), timeout=20,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def check_clean(oci, step):
    """What a user does after an accident, and its outcome."""
    result = oci("delete", "--force", oci.id, check=False)
    assert result.returncode == 0, (step, result.stderr)
    assert "does not exist" in oci.fails("state", oci.id)
    assert not oci.leftovers(), step


def prepare(bundle, oci, verb):
    """Brings the container to where the command can be given; the command's arguments."""
    script = "true" if verb == "run" else "exec sleep 1000"
    if verb in ("create", "run"):
        bundle.write({"hostname": "box", "linux.resources.pids.limit": 100}, script)
        return [verb, "--bundle", bundle.folder, oci.id]
    bundle.create(script)
    if verb == "start":
        return [verb, oci.id]
    oci("start", oci.id)
    return ["exec", "--detach", oci.id, "sleep", "1000"] if verb == "exec" else ["delete", "--force", oci.id]


@pytest.mark.parametrize("verb, call", OWN_STEPS)
def test_a_command_that_is_killed(bundle, oci, verb, call):
    number, step = 1, OWN[verb][call]
    while killed(oci, call, number, *prepare(bundle, oci, verb)):
        if verb == "exec":  # is no concern of the container's
            assert oci.state()["status"] == "running"
        check_clean(oci, f"{verb}: {call} {number}")
        number += step
    assert number > 1, f"{verb} has no {call}: look at what it calls instead"
    check_clean(oci, f"{verb}: {call} at the end")
    bundle.run("true")


def followed(oci, call, number, *args):
    """A command, whose child is killed at that call; its exit status. strace stays until that child has ended."""
    command = strace(call, number, "-f") + ["sh", "-c", '"$@" >/dev/null; echo $?', "sh", *oci.command(*args)]
    with open(oci.folder / "stderr", "w") as errors, subprocess.Popen(
            command, env=oci.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process:
        status = int(process.stdout.readline())
        if status == 0 and args[0] == "create":
            oci("delete", "--force", oci.id)
        process.wait(20)
    return status


def check_told(oci):
    assert "killed before it had started" in (oci.folder / "stderr").read_text()


@pytest.mark.parametrize("verb, call", [*(("create", call) for call in INNER), ("run", "umount2"), ("run", "capset")])
def test_a_first_process_that_is_killed_while_it_is_set_up(bundle, oci, verb, call):
    """Its end is told by who made it, and nothing has to be cleaned up after that."""
    bundle.write({"hostname": "box"}, "exec sleep 1000" if verb == "create" else "true")
    number = 1
    while followed(oci, call, number, verb, "--bundle", bundle.folder, oci.id):
        check_told(oci)
        assert not oci.leftovers()
        number += 1
    assert number > 1, f"the first process has no {call}"


@pytest.mark.parametrize("call", ["setsid", "capset"])
def test_a_process_that_is_killed_while_it_joins(bundle, oci, call):
    bundle.start("exec sleep 1000")
    assert followed(oci, call, 1, "exec", oci.id, "true") == 1
    check_told(oci)
    oci("exec", oci.id, "true")


def test_a_first_process_that_is_killed_while_it_waits(bundle, oci):
    bundle.create("exec sleep 1000")
    pid = oci.state()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait.process_end(pid)
    assert oci.state()["status"] == "stopped"
    assert "which is stopped" in oci.fails("start", oci.id)
    oci("delete", oci.id)
    assert not oci.leftovers()


def test_others_can_work_on_what_run_waits_for(bundle, oci):
    bundle.write(script="echo > /tmp/runs; exec sleep 1000")
    with oci.popen("run", "--bundle", bundle.folder, oci.id) as run:
        wait.file_exists(bundle.rootfs / "tmp/runs")
        oci("pause", oci.id)
        oci("update", "--pids-limit", "50", oci.id)
        assert oci.state()["status"] == "paused"
        oci("resume", oci.id)
        oci("delete", "--force", oci.id)
        assert run.wait(20) == 128 + signal.SIGKILL
    assert not oci.leftovers()
