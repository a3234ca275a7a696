# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of instances, what they are restored to, and copies: every file as it was, whatever is killed."""

import json
import os
import subprocess

import pytest

from support import wait
from support.small_disk import disk_of
from support.trees import tree

pytestmark = pytest.mark.root

# cap_net_raw, permitted and effective (VFS_CAP_REVISION_2)
CAPABILITY = bytes([1, 0, 0, 2, 0, 0x20]) + bytes(14)


def state(brig, name="a"):
    return next(row["state"] for row in brig.json("ps", "-a") if row["name"] == name)


def snapshots(brig, name="a"):
    return brig("snapshot", "ls", "-q", name).out.split()


def folder(brig, name="a"):
    return brig.root / "instances" / name


def no_leftovers(brig, name="a"):
    at = folder(brig, name)
    names = os.listdir(at) + (os.listdir(at / "snapshots") if (at / "snapshots").exists() else [])
    return [n for n in names if n.startswith(".")] == []


def stopped(brig, image, script, *options, name="a"):
    """A container in which the script was run, and that has ended."""
    brig("run", "-d", "--name", name, *options, image, "sleep", "1000")
    brig("exec", name, "sh", "-c", script)
    brig("stop", "-t", "0", name)


FILES = """mkdir -p /d/e; echo one > /d/f; ln /d/f /d/e/g; chown 7:8 /d/f; chmod 6755 /d/f; ln -s /etc/passwd /d/l
mkfifo /d/p; chmod 1777 /d; rm /etc/passwd; rm -r /var; mkdir /var; dd if=/dev/zero of=/d/hole bs=1 count=1 seek=32M"""


def filled(brig, image, *options):
    """A stopped container with files of every kind in its writable layer."""
    stopped(brig, image, FILES, *options)
    upper = folder(brig) / "upper"
    os.setxattr(upper / "d/f", "security.capability", CAPABILITY)
    os.setxattr(upper / "d/l", "trusted.l", b"1", follow_symlinks=False)
    os.utime(upper / "d/f", ns=(1, 1234567890123456789))
    return upper


def test_an_instance_becomes_again_what_it_was(brig, busybox_image):
    upper = filled(brig, busybox_image)
    before = tree(upper)
    assert len(before) > 10
    assert before["etc/passwd"][3] == 0 and before["d/e/g"][-1] == "d/f"
    assert brig("snapshot", "create", "a").out == "snap0\n"
    assert tree(folder(brig) / "snapshots/snap0/upper") == before
    assert os.stat(folder(brig) / "snapshots/snap0/upper/d/hole").st_blocks < 1000
    brig("start", "a")
    brig("exec", "a", "sh", "-c", "rm -r /d; echo two > /new; mkdir /etc/more")
    brig("stop", "-t", "0", "a")
    exit_code = brig.json("inspect", "a")[0]["exit_code"]
    assert brig("snapshot", "create", "a", "second").out == "second\n"
    assert brig("snapshot", "create", "a").out == "snap1\n"
    assert brig("snapshot", "restore", "a", "snap0").out == "a\n"
    assert tree(upper) == before
    assert brig.json("inspect", "a")[0]["exit_code"] == exit_code
    assert brig.json("inspect", "a")[0]["snapshots"] == ["snap0", "second", "snap1"]
    brig("start", "a")
    assert brig("exec", "a", "sh", "-c", "cat /d/e/g; ls /etc/passwd /new", check=False).out == "one\n"
    brig("stop", "-t", "0", "a")
    # and forth again
    brig("snapshot", "restore", "a", "second")
    brig("start", "a")
    assert brig("exec", "a", "sh", "-c", "cat /new; ls /d", check=False).out == "two\n"
    brig("rm", "-f", "a")


def test_a_running_container_stands_still_for_the_moment(brig, busybox_image):
    # both files are written in one step of a loop, so that one may be ahead of the other by one, never by more
    brig("run", "-d", "--name", "a", busybox_image, "sh", "-c",
         "i=0; while :; do i=$((i+1)); echo $i > /x; echo $i > /y; done")
    wait.file_exists(folder(brig) / "upper/y")
    for _ in range(3):
        brig("snapshot", "create", "a")
        assert state(brig) == "running"
    listed = brig.json("snapshot", "ls", "a")
    assert [(s["name"], s["running"], s["kind"], s["damaged"]) for s in listed] == [
        (f"snap{i}", True, "container", False) for i in range(3)]
    for name in ("snap0", "snap1", "snap2"):
        x, y = ((folder(brig) / "snapshots" / name / "upper" / f).read_text() for f in "xy")
        assert not x or not y or 0 <= int(x) - int(y) <= 1
    brig("pause", "a")
    brig("snapshot", "create", "a", "of-paused")
    assert state(brig) == "paused"
    result = brig.fails("snapshot", "restore", "a", "snap0")
    assert "'a' is running; stop it first" in result.err
    brig("copy", "a", "b")
    assert state(brig) == "paused" and state(brig, "b") == "created"
    brig("resume", "a")
    brig("snapshot", "rm", "a", "snap0", "snap2")
    assert snapshots(brig) == ["snap1", "of-paused"]
    assert brig("snapshot", "create", "a").out == "snap2\n"


def test_a_copy_is_an_instance_of_its_own(brig, busybox_image):
    upper = filled(brig, busybox_image, "-v", "db:/v", "-m", "64m", "-e", "K=V", "--restart", "on-failure:2")
    brig("snapshot", "create", "a")
    before = tree(upper)
    assert brig("copy", "a", "b").out == "b\n"
    assert tree(folder(brig, "b") / "upper") == before == tree(upper)
    a, b = brig.json("inspect", "a", "b")
    own = {"name", "hostname", "created", "has_run", "exit_code", "started", "finished", "stopped_by_user", "state",
           "snapshots", "error", "restarts"}
    assert {k: v for k, v in a.items() if k not in own} == {k: v for k, v in b.items() if k not in own}
    assert (b["name"], b["hostname"], b["state"], b["snapshots"]) == ("b", "b", "created", [])
    assert b["created"] > a["created"]
    brig("start", "a", "b")
    assert brig("exec", "b", "sh", "-c", "hostname; cat /d/f; echo $K; echo two > /d/f; echo shared > /v/x").out == (
        "b\none\nV\n")
    assert brig("exec", "a", "cat", "/d/f", "/v/x").out == "one\nshared\n"
    brig("stop", "-t", "0", "b")
    brig("snapshot", "create", "b", "s")
    brig("rename", "b", "c")
    brig("copy", "--snapshot", "s", "c", "d")
    assert brig.json("inspect", "d")[0]["hostname"] == "d"
    brig("rm", "-f", "a", "c")
    brig("start", "d")
    assert brig("exec", "d", "cat", "/d/f").out == "two\n"
    # one that goes with its end has a copy that stays
    brig("run", "-d", "--rm", "--name", "brief", busybox_image, "sleep", "1000")
    brig("copy", "brief", "lasting")
    assert brig.json("inspect", "lasting")[0]["remove"] is False


def test_what_cannot_be_is_refused_and_leaves_nothing(brig, busybox_image):
    stopped(brig, busybox_image, "echo one > /f")
    brig("snapshot", "create", "a", "one")
    for args, told in (
            (("snapshot", "create", "none"), "there is no instance 'none'"),
            (("snapshot", "create", "a", "one"), "'a' has a snapshot 'one' already"),
            (("snapshot", "create", "a", ".."), "not a valid snapshot name"),
            (("snapshot", "create", "a", "x/y"), "not a valid snapshot name"),
            (("snapshot", "create", "a", ""), "not a valid snapshot name"),
            (("snapshot", "ls", "none"), "there is no instance 'none'"),
            (("snapshot", "restore", "a", "on"), "'a' has no snapshot 'on'; did you mean 'one'?"),
            (("snapshot", "restore", "a", "../a"), "not a valid snapshot name"),
            (("snapshot", "rm", "a", "two"), "'a' has no snapshot 'two'"),
            (("snapshot", "rm", "a", "."), "not a valid snapshot name"),
            (("copy", "a", "a"), "the name 'a' is in use"),
            (("copy", "a", "-b"), "unknown option"),
            (("copy", "a", "b/c"), "not a valid instance name"),
            (("copy", "a", "b", "--snapshot", "x"), "'a' has no snapshot 'x'"),
            (("copy", "none", "b"), "there is no instance 'none'")):
        assert told in brig.fails(*args).err, args
    # of several, those that are there go
    result = brig.fails("snapshot", "rm", "a", "two", "one")
    assert (result.out, snapshots(brig)) == ("one\n", [])
    # a damaged one is told, and can be removed
    brig("snapshot", "create", "a", "bad")
    (folder(brig) / "snapshots/bad/snapshot.json").write_text("{")
    assert brig.json("snapshot", "ls", "a")[0]["damaged"] is True
    assert "snapshot 'bad' of 'a'" in brig.fails("snapshot", "restore", "a", "bad").err
    brig("snapshot", "rm", "a", "bad")
    # a newer brig's is not taken for ours
    brig("snapshot", "create", "a", "new")
    (folder(brig) / "snapshots/new/snapshot.json").write_text('{"version": 99, "created": 1}')
    assert "99" in brig.fails("copy", "a", "b", "--snapshot", "new").err
    brig("snapshot", "rm", "a", "new")
    assert no_leftovers(brig) and os.listdir(brig.root / "instances") == ["a"]
    # one that never ran has no files, and becomes that again
    brig("create", "--name", "fresh", busybox_image, "sh", "-c", "echo one > /f")
    brig("snapshot", "create", "fresh")
    brig("start", "-a", "fresh")
    brig("snapshot", "restore", "fresh", "snap0")
    assert not (folder(brig, "fresh") / "upper").exists() and state(brig, "fresh") == "stopped"
    brig("start", "-a", "fresh")
    assert (folder(brig, "fresh") / "upper/f").read_text() == "one\n"


def test_what_has_changed_is_told(brig, busybox_image):
    """Between two snapshots, since one, and since the image; what stays is not named."""
    stopped(brig, busybox_image, "mkdir -p /d/e; echo one > /d/f; echo 1 > /d/keep; rm /etc/passwd")
    brig("snapshot", "create", "a", "old")
    assert brig("snapshot", "diff", "a", "old").out == ""
    brig("start", "a")
    brig("exec", "a", "sh", "-c", "echo two > /d/f; rm -r /d/e; echo x > /etc/passwd; mkdir /n; > '/n/a\nb'")
    now = "C /d\nD /d/e\nC /d/f\nC /etc\nA /etc/passwd\nA /n\nA /n/a\\012b\n"
    assert brig("snapshot", "diff", "a", "old").out == now and state(brig) == "running"
    brig("snapshot", "create", "a", "new")
    assert brig("snapshot", "diff", "a", "old", "new").out == now
    rows = brig.json("snapshot", "diff", "a", "new", "old")
    assert {"change": "removed", "path": "/n"} in rows and {"change": "added", "path": "/d/e"} in rows
    assert not any(row["path"].startswith("/n/") or row["path"] == "/d/keep" for row in rows)
    changed = brig("diff", "a").out.splitlines()
    assert "C /etc/passwd" in changed and "A /d" in changed and "A /d/keep" in changed
    assert "did you mean 'new'" in brig.fails("snapshot", "diff", "a", "nev").err
    brig("snapshot", "rm", "a", "old", "new")


def aged(brig, snap, hours, name="a"):
    """As if the snapshot had been made that long ago."""
    path = folder(brig, name) / "snapshots" / snap / "snapshot.json"
    record = json.loads(path.read_text())
    record["created"] -= hours * 3600 * 10**9
    path.write_text(json.dumps(record))


def test_a_schedule_makes_them_and_lets_its_own_expire(brig, busybox_image):
    for name in ("a", "b"):
        brig("run", "--name", name, "--snapshot-every", "1h", "--snapshot-expiry", "2h", busybox_image, "true")
    brig("run", "--name", "c", busybox_image, "true")
    brig("create", "--name", "never-run", "--snapshot-every", "1h", busybox_image, "true")
    brig("snapshot", "create", "a", "mine")
    first = [line.split() for line in brig("snapshot", "run").out.splitlines()]
    assert [name for name, _ in first] == ["a", "b"] and all(snap.startswith("auto-2") for _, snap in first)
    assert brig("snapshot", "run").out == ""
    aged(brig, "mine", 3)
    aged(brig, first[0][1], 3)
    at = folder(brig) / "snapshots"
    (at / first[0][1]).rename(at / "auto-old")  # this second's name is the next one's
    for snap in (folder(brig, "b") / "snapshots").iterdir():
        snap.rename(folder(brig, "b") / snap.name)
    (folder(brig, "b") / "snapshots").rmdir()
    (folder(brig, "b") / "snapshots").write_text("no folder")
    result = brig("snapshot", "run", check=False)
    assert result.code != 0 and "'b'" in result.err
    assert [line.split()[0] for line in result.out.splitlines()] == ["a"]  # all the same
    assert set(snapshots(brig)) == {"mine", result.out.split()[1]}  # the newest one of the schedule's, and what is not
    assert "15m" in brig.fails("create", "--snapshot-every", "1m", busybox_image).err


def test_what_is_stopped_gets_one_and_a_damaged_one_is_told(brig, busybox_image):
    for name in ("a", "b"):
        brig("run", "--name", name, "--snapshot-every", "1h", "--snapshot-expiry", "2h", busybox_image, "true")
    brig("snapshot", "create", "a", "without")
    snap = brig("snapshot", "run").out.split()[1]
    path = folder(brig) / "instance.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "finished": record["finished"] - 9 * 3600 * 10**9}))
    aged(brig, snap, 5)
    # nothing has changed since, and its only one stays though it has expired
    assert brig("snapshot", "run").out == "" and snap in snapshots(brig)
    brig("set", "a", "snapshots.schedule=2h")
    brig("snapshot", "restore", "a", "without")
    assert brig.json("inspect", "a")[0]["snapshots_every_ms"] == 2 * 3600000
    (folder(brig, "b") / "instance.json").write_text("{")
    result = brig.fails("snapshot", "run")
    assert "'b': " in result.err and "'a'" not in result.err


def test_two_runs_of_the_schedule_at_once_make_one(brig, busybox_image):
    for name in ("a", "b"):
        brig("run", "--name", name, "--snapshot-every", "1h", busybox_image, "true")
    results = [running.finish() for running in [brig.popen("snapshot", "run") for _ in range(6)]]
    assert [result.code for result in results] == [0] * 6, [result.err for result in results]
    assert sorted(line.split()[0] for result in results for line in result.out.splitlines()) == ["a", "b"]
    assert len(snapshots(brig)) == len(snapshots(brig, "b")) == 1


def test_a_schedule_can_be_changed_while_it_runs(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    assert brig("snapshot", "run").out == ""
    brig("set", "a", "snapshots.schedule=1h", "snapshots.expiry=1d")
    assert brig("snapshot", "run").out.startswith("a auto-2")
    brig("set", "a", "snapshots.schedule=none")
    brig("rm", "-f", "a")
    assert brig("snapshot", "run").out == ""


def killed_at(brig, call, n, *args):
    """Runs the command, which is killed as it comes to the n-th such system call; whether it came to it."""
    run = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                          f"inject={call}:signal=KILL:when={n}", *brig.command(*args)],
                         env=brig.environment(), capture_output=True, timeout=60)
    if run.returncode == 0:
        return False
    assert run.returncode in (-9, 137), run.stderr
    return True


def test_it_is_whole_wherever_a_restore_is_killed(brig, busybox_image):
    stopped(brig, busybox_image, "echo one > /f")
    brig("snapshot", "create", "a", "one")
    brig("start", "a")
    brig("exec", "a", "sh", "-c", "echo two > /f")
    brig("stop", "-t", "0", "a")
    brig("snapshot", "create", "a", "two")
    seen, kills = set(), 0
    is_now, goes_to = "two", "one"
    for call, numbers in (("renameat", range(1, 20)), ("fsync", range(1, 20)), ("syncfs", [1]), ("mkdirat", [1, 2, 3])):
        for n in numbers:
            if not killed_at(brig, call, n, "snapshot", "restore", "a", goes_to):
                is_now, goes_to = goes_to, is_now
                break
            kills += 1
            brig("stop", "a")  # any verb that changes it ends what was begun
            got = (folder(brig) / "upper/f").read_text().strip()
            assert got in ("one", "two")
            seen.add(got == goes_to)
            if got == goes_to:
                is_now, goes_to = goes_to, is_now
            assert no_leftovers(brig)
            assert snapshots(brig) == ["one", "two"]
    assert seen == {True, False} and kills >= 12
    brig("start", "a")
    assert brig("exec", "a", "cat", "/f").out == f"{is_now}\n"


def test_a_snapshot_has_the_kind_it_was_made_of(brig, busybox_image):
    """A restore brings the kind back, too, and a kill on the way leaves the files of one kind."""
    brig("run", "--name", "a", busybox_image, "sh", "-c", "echo old > /file")
    brig("snapshot", "create", "a", "container")
    brig("convert", "a", "--vm")
    brig("snapshot", "create", "a", "vm")
    assert brig("snapshot", "diff", "a", "container", "vm").out == ""
    assert "A /file" in brig("diff", "a").out.splitlines()
    folder = brig.root / "instances/a"

    def forms():
        return {name for name in ("upper", "data.raw") if (folder / name).exists()}

    of = {"container": {"upper"}, "vm": {"data.raw"}}
    assert forms() == of["vm"]
    kills, seen = 0, set()
    for goes_to in ("container", "vm"):
        n = 1
        while killed_at(brig, "renameat", n, "snapshot", "restore", "a", goes_to):
            brig("stop", "a")  # any verb that takes the lock
            kind = brig.json("inspect", "a")[0]["kind"]
            assert forms() == of[kind]
            seen.add((goes_to, kind))
            brig("snapshot", "restore", "a", "vm" if goes_to == "container" else "container")
            kills, n = kills + 1, n + 1
        assert forms() == of[goes_to] and brig.json("inspect", "a")[0]["kind"] == goes_to
    assert len(seen) == 4 and kills >= 6
    brig("convert", "a", "--container")
    assert (folder / "upper/file").read_text() == "old\n"
    brig("start", "a")
    assert brig("wait", "a").out == "0\n"


def test_nothing_is_left_wherever_the_others_are_killed(brig, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", "echo one > /f; ln /f /g")
    for call, numbers in (("mkdirat", [1, 2, 3]), ("fchown", [1]), ("linkat", [1]), ("syncfs", [1]),
                          ("renameat2", [1])):
        for n in numbers:
            # the first makes the folder for snapshots, and then not
            if killed_at(brig, call, n, "snapshot", "create", "a", "s"):
                wait.file_state(brig.run / "a/run.json", lambda: state(brig) == "running")
                assert snapshots(brig) == []
            brig("snapshot", "create", "a", "t")
            assert killed_at(brig, "unlinkat", n + 2, "snapshot", "rm", "a", "t")  # past two leftovers it looks for
            assert "t" not in snapshots(brig)
            killed_at(brig, call, n, "copy", "a", "b")
            if (folder(brig, "b")).exists():
                brig("rm", "b")
            brig("snapshot", "create", "a", "u")
            brig("snapshot", "rm", "a", "u", *(["s"] if "s" in snapshots(brig) else []))
            brig("ps", "-a")
            assert no_leftovers(brig) and os.listdir(brig.root / "instances") == ["a"]
    assert state(brig) == "running"


@pytest.fixture
def small_disk(brig, busybox_store, tmp_path):
    """brig's root on a disk of 24 MiB."""
    with disk_of(brig, tmp_path / "small", 24):
        brig.root.mkdir()
        for name in ("images", "layers"):
            (brig.root / name).symlink_to(busybox_store / name)
        yield


def test_a_full_disk_is_told_and_changes_nothing(brig, small_disk):
    brig("run", "-d", "--name", "a", "busybox", "sh", "-c", "exec sleep 1000")
    brig("exec", "a", "sh", "-c", "dd if=/dev/urandom of=/big bs=1M count=9")
    brig("snapshot", "create", "a", "s")
    for args in (("snapshot", "create", "a"), ("copy", "a", "b"), ("copy", "--snapshot", "s", "a", "b")):
        assert "No space left on device" in brig.fails(*args).err
        # it is let go of when the command's end is noticed
        wait.file_state(brig.run / "a/run.json", lambda: state(brig) == "running")
        assert no_leftovers(brig)
        assert os.listdir(brig.root / "instances") == ["a"] and snapshots(brig) == ["s"]
    brig("stop", "-t", "0", "a")
    (folder(brig) / "upper/more").write_bytes(b"x")
    assert "No space left on device" in brig.fails("snapshot", "restore", "a", "s").err
    assert no_leftovers(brig) and (folder(brig) / "upper/more").exists()


def test_a_users_instances_have_them_too(user_brig, user_image):
    brig = user_brig
    stopped(brig, user_image, "mkdir -p /d/e; echo one > /d/f; ln /d/f /d/g; rm /etc/passwd; chmod 0 /d/e;"
            "chown 5:6 /d/e /d/f || true")
    before = tree(folder(brig) / "upper")
    brig("snapshot", "create", "a")
    assert tree(folder(brig) / "snapshots/snap0/upper") == before
    brig("start", "a")
    brig("exec", "a", "sh", "-c", "rm -r /d; echo two > /new")
    brig("stop", "-t", "0", "a")
    assert brig("snapshot", "diff", "a", "snap0").out == "D /d\nA /new\n"
    brig("snapshot", "restore", "a", "snap0")
    assert tree(folder(brig) / "upper") == before
    brig("copy", "a", "b")
    brig("start", "b")
    assert brig("exec", "b", "sh", "-c", "cat /d/g; ls /etc/passwd", check=False).out == "one\n"
    brig("snapshot", "rm", "a", "snap0")
    brig("rm", "-f", "a", "b")
    assert os.listdir(brig.root / "instances") == []


@pytest.mark.vm
def test_a_machines_disk_is_kept_whether_it_runs_or_not(brig, busybox_image, debian_kernel):
    brig("run", "-d", "--name", "a", "--vm", busybox_image, "sleep", "1000", timeout=120)
    brig("exec", "a", "sh", "-c", "echo one > /f", timeout=60)
    assert brig("snapshot", "create", "a", timeout=90).out == "snap0\n"
    brig("exec", "a", "sh", "-c", "echo two > /f", timeout=60)
    brig("copy", "a", "c", timeout=90)
    for disk, said in ((folder(brig) / "snapshots/snap0/data.raw", "one\n"), (folder(brig, "c") / "data.raw", "two\n")):
        subprocess.run(["e2fsck", "-fn", disk], check=True, capture_output=True)  # its journal was at rest
        assert subprocess.run(["debugfs", "-R", "cat /upper/f", disk], capture_output=True, text=True).stdout == said
    assert brig("snapshot", "diff", "a", "snap0", timeout=90).out == "C /f\n"
    brig("commit", "a", "live:1", timeout=90)
    assert brig("run", "--rm", "live:1", "cat", "/f").out == "two\n"
    brig("snapshot", "rm", "a", "snap0")
    brig("pause", "a")
    brig("snapshot", "create", "a", "paused")
    brig("resume", "a")
    brig("stop", "-t", "0", "a", timeout=60)
    disk = (folder(brig) / "data.raw").open("rb").read(64 << 20)
    brig("snapshot", "create", "a")
    with open(folder(brig) / "data.raw", "r+b") as data:
        data.write(b"\xff" * 4096)
    brig("snapshot", "restore", "a", "snap0")
    assert (folder(brig) / "data.raw").open("rb").read(64 << 20) == disk
    assert os.stat(folder(brig) / "data.raw").st_size == 16 << 30
    brig("copy", "a", "b")
    brig("start", "b", timeout=120)
    assert brig("exec", "b", "cat", "/f", timeout=60).out == "two\n"
