# SPDX-License-Identifier: GPL-2.0-or-later
"""What an instance comes to see of the host, or have of it, and no longer: attach and detach, running or not."""

import fcntl
import os
import shutil
import signal
from pathlib import Path

import pytest

from support import faults, wait
from support.command import Running

pytestmark = pytest.mark.root


def start(brig, image, *options, script="sleep 1000"):
    brig("run", "-d", "--name", "a", *options, image, "sh", "-c", script)


def sh(brig, script, check=True):
    return brig("exec", "a", "sh", "-c", script, check=check)


def volumes(brig):
    return brig.json("inspect", "a")[0]["volumes"]


def test_a_container_that_runs_sees_it_at_once_and_after_a_restart(brig, import_tree, folder):
    def data(tree):
        (tree / "data").mkdir()
        (tree / "data/seed").write_text("of the image\n")
        (tree / "link").symlink_to("/tmp")

    start(brig, import_tree(data))
    assert brig("volume", "attach", f"{folder}:/srv/s", "a").out == "a\n"
    assert sh(brig, "cat /srv/s/file; stat -c %u:%g /srv/s/file").out == "of the host\n7:8\n"
    sh(brig, "touch /srv/s/made")
    assert (folder / "made").stat().st_uid == 0
    # a new volume gets what the image has there; a file; by a link of the image's, which stays inside
    brig("volume", "attach", "db:/data", "a")
    brig("volume", "attach", "./shared/file:/etc/file:ro", "a", cwd=folder.parent)
    brig("volume", "attach", f"{folder}:/link/s", "a")
    assert sh(brig, "cat /data/seed /etc/file; ls /tmp/s").out == "of the image\nof the host\nfile\nmade\n"
    assert "Read-only" in sh(brig, "echo x > /etc/file", check=False).err
    attached = [f"{folder}:/srv/s", "db:/data", f"{folder}/file:/etc/file:ro", f"{folder}:/link/s"]
    assert volumes(brig) == attached
    assert [v["used_by"] for v in brig.json("volume", "ls")] == [["a"]]
    assert "is used by a" in brig.fails("volume", "rm", "db").err
    brig("restart", "-t", "0", "a")
    assert sh(brig, "cat /data/seed /srv/s/file").out == "of the image\nof the host\n"
    # and goes again, what was there from the start, too
    for what in ("/srv/s", "db", "/etc/file", "/link/s"):
        assert brig("volume", "detach", what, "a").out == "a\n"
    shown = sh(brig, "ls -A /srv/s /tmp/s; cat /data/seed /etc/file").out
    assert shown == "/srv/s:\n\n/tmp/s:\nof the image\n"
    assert volumes(brig) == []
    assert sorted(p.name for p in folder.iterdir()) == ["file", "made"]
    assert brig("volume", "rm", "db").out == "db\n"
    assert brig("check").out == ""


def test_one_that_is_in_use_stays_unless_forced(brig, busybox_image, folder):
    start(brig, busybox_image, "-v", f"{folder}:/s",
          script="exec 3< /s/file; touch /ready; sleep 1000 & wait; cat <&3 > /out")
    upper = brig.root / "instances/a/upper"
    wait.file_exists(upper / "ready")
    assert "in use inside" in brig.fails("volume", "detach", "/s", "a").err
    assert volumes(brig) == [f"{folder}:/s"] and sh(brig, "cat /s/file").out == "of the host\n"
    brig("volume", "detach", "--force", "/s", "a")
    assert sh(brig, "ls -A /s").out == "" and volumes(brig) == []
    # who has it open goes on
    sh(brig, "kill $(pidof sleep)")
    wait.file_contains(upper / "out", "of the host")


def test_the_record_changes_for_the_next_start(brig, busybox_image, folder):
    brig("create", "--name", "a", busybox_image, "cat", "/s/file")
    brig("volume", "attach", f"{folder}:/s", "a")
    assert brig("start", "-a", "a").out == "of the host\n"
    brig("volume", "detach", str(folder), "a")
    assert brig("start", "-a", "a", check=False).code != 0


def test_a_machines_disks_change_for_the_next_start(brig, busybox_image, debian_kernel, folder):
    def drives():
        return brig.json("inspect", "a")[0]["drives"]

    brig("create", "--vm", "--name", "a", "--disk", folder / "file", "--disk", f"{folder}/file:serial=MINE",
         busybox_image)
    brig("volume", "create", "--size", "1m", "store")
    assert brig("disk", "attach", "./file:ro", "a", cwd=folder).out == "/dev/disk/by-id/virtio-disk1\n"
    brig("disk", "attach", "store", "a")
    for args, word in [(("detach", folder / "file", "a"), "more than once"),
                       (("detach", "disk7", "a"), "no disk 'disk7'"),
                       (("attach", "other", "a"), "volume create --size"),
                       (("attach", "store:serial=MINE", "a"), "MINE")]:
        assert word in brig.fails("disk", *args).err
    # the others keep their names
    assert brig("disk", "detach", "disk0", "a").out == "a\n"
    assert drives() == [f"{folder}/file:serial=MINE", f"{folder}/file:ro,serial=disk1", "store:serial=disk2"]
    assert "is used by a" in brig.fails("volume", "rm", "store").err
    brig("disk", "detach", "store", "a")
    brig("disk", "attach", "store", "a")
    assert drives()[-1] == "store:serial=disk0"


def test_what_cannot_be_is_refused_and_nothing_changes(brig, busybox_image, folder, tmp_path):
    (tmp_path / "other").mkdir()
    start(brig, busybox_image, "-v", f"{folder}:/s", "-v", f"{folder}:/twice")
    before = volumes(brig)
    for args, word in [
            (("attach", "db", "a"), "say SOURCE:PATH"),
            (("attach", f"{folder}/nothing:/x", "a"), "make it first"),
            (("attach", f"{tmp_path}/other:/s", "a"), "'brig volume detach /s a' first"),
            (("attach", f"{tmp_path}/other:/proc/sys", "a"), "over /proc"),
            (("attach", f"{folder}/file:/s", "nobody"), "no instance 'nobody'"),
            (("detach", "/nowhere", "a"), "has nothing of the host's at /nowhere"),
            (("detach", str(folder), "a"), "more than one path")]:
        assert word in brig.fails("volume", *args).err
    assert "has no disks" in brig.fails("disk", "attach", folder / "file", "a").err
    assert volumes(brig) == before
    brig("volume", "attach", f"{tmp_path}/other:/s/below", "a")
    assert "'brig volume detach /s/below a' first" in brig.fails("volume", "detach", "-f", "/s", "a").err
    # gone from the host, so nobody can tell what is inside
    (tmp_path / "other").rmdir()
    assert "without" in brig.fails("volume", "detach", "/s/below", "a").err


def test_links_made_inside_do_not_turn_it_to_something_else(brig, busybox_image, folder):
    """Neither is anything but the share unmounted, nor does it come to lie outside of the root."""
    start(brig, busybox_image)
    sh(brig, "ln -s /proc /to-proc; ln -s ../../../../../../etc /out; ln -s / /s")
    assert "over /proc" in brig.fails("volume", "attach", f"{folder}:/to-proc/sys", "a").err
    brig("volume", "attach", f"{folder}:/out/s", "a")
    assert sh(brig, "cat /etc/s/file").out == "of the host\n"
    brig("volume", "attach", f"{folder}:/v", "a")
    masked = sh(brig, "grep ' /dev/shm ' /proc/self/mountinfo").out
    # what the name leads to now is the instance's own, and stays
    brig("volume", "attach", f"{folder}:/s/w", "a")
    sh(brig, "rm /s; mkdir /s; ln -s /dev/shm /s/w")
    assert "is not" in brig.fails("volume", "detach", "/s/w", "a").err
    assert "is not" in brig.fails("volume", "detach", "-f", "/s/w", "a").err
    sh(brig, "rm /s/w")
    assert "is not" in brig.fails("volume", "detach", "-f", "/s/w", "a").err
    assert sh(brig, "grep ' /dev/shm ' /proc/self/mountinfo").out == masked
    brig("volume", "detach", "/v", "a")
    assert sh(brig, "cat /w/file").out == "of the host\n"


def test_read_only_is_not_promised_where_it_does_not_hold(brig, busybox_image, folder):
    start(brig, busybox_image, "--cap-add", "SYS_ADMIN")
    assert "read-only does not hold" in brig.fails("volume", "attach", f"{folder}:/s:ro", "a").err
    # what the container has unmounted itself is told, and goes with the next start
    brig("volume", "attach", f"{folder}:/s", "a")
    sh(brig, "umount /s")
    assert "unmounted it itself" in brig.fails("volume", "detach", "/s", "a").err
    brig("stop", "-t", "0", "a")
    brig("volume", "detach", "/s", "a")
    assert volumes(brig) == []


def test_a_killed_keeper_leaves_the_record_as_it_was(brig, busybox_image):
    """Somebody else fills the volume, so what attaches it waits; then all of it goes with the keeper."""
    start(brig, busybox_image)
    brig("volume", "create", "db")
    keeper = brig.json("inspect", "a")[0]["run"]["keeper_pid"]
    data = os.open(brig.root / "volumes/db/data", os.O_RDONLY)
    fcntl.flock(data, fcntl.LOCK_EX)
    with brig.popen("volume", "attach", "db:/made", "a") as attaching:
        wait.file_exists(brig.root / "instances/a/upper/made")
        helpers = [int(pid) for pid in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()]
        assert len(helpers) == 2
        os.kill(keeper, signal.SIGKILL)
        assert attaching.finish().code == 125
    for pid in helpers:
        wait.process_end(pid)
    os.close(data)
    assert volumes(brig) == []
    brig("start", "a")
    brig("volume", "attach", "db:/made", "a")
    assert volumes(brig) == ["db:/made"]


def test_a_user_does_it_with_what_is_his(user_brig, user_image):
    folder = user_brig.folder / "home/shared"
    user_brig.sh(f"mkdir {folder}; echo his > {folder}/file")
    user_brig("run", "-d", "--name", "a", user_image, "sleep", "1000")
    user_brig("volume", "attach", f"{folder}:/s", "a")
    user_brig("volume", "attach", "db:/v", "a")
    assert user_brig("exec", "a", "sh", "-c", "cat /s/file; touch /v/made").out == "his\n"
    assert (user_brig.root / "volumes/db/data/made").exists()
    user_brig("volume", "detach", "/s", "a")
    user_brig("volume", "detach", "db", "a")
    assert user_brig("exec", "a", "ls", "-A", "/s", "/v").out == "/s:\n\n/v:\n"


def traced(brig, call, *words):
    """A command that tells its system calls of that name on its stdout as it comes to them."""
    return Running(["strace", "-qq", "-o", "/dev/stdout", "-e", f"trace={call}", *brig.command(*words)], brig.environment())


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_killed_client_leaves_the_volume_locked_until_it_is_attached(brig, busybox_image):
    start(brig, busybox_image)
    keeper = brig.json("inspect", "a")[0]["run"]["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        with traced(brig, "sendmsg", "volume", "attach", "db:/db", "a") as client:
            client.expect(r"sendmsg\(.*= \d+$")
            os.kill(faults.descendants(client.pid)[0], signal.SIGKILL)
            client.finish()
        with traced(brig, "flock", "volume", "rm", "db") as other:
            other.expect(r"flock\(")
            os.kill(keeper, signal.SIGCONT)
            assert "is used by a" in other.finish().err
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert volumes(brig) == ["db:/db"]
    sh(brig, "echo x > /db/file")
    assert (brig.root / "volumes/db/data/file").read_text() == "x\n"
