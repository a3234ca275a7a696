# SPDX-License-Identifier: GPL-2.0-or-later
"""Volumes and folders of the host's in machines: as in containers (test_volumes.py), through virtiofsd."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support import images, wait

pytestmark = [pytest.mark.root, pytest.mark.vm]


@pytest.fixture
def folder(tmp_path):
    """A folder of the host's, with a file of user 7's."""
    path = tmp_path / "shared"
    path.mkdir()
    (path / "file").write_text("of the host\n")
    os.chown(path / "file", 7, 8)
    return path


@pytest.fixture
def start(brig, busybox_image, debian_kernel):
    def start(*options, image=busybox_image):
        brig("run", "-d", "--vm", "--name", "a", *options, image, "sleep", "1000", timeout=120)

    return start


def sh(brig, script, check=True):
    return brig("exec", "a", "sh", "-c", script, timeout=60, check=check)


def servers(source):
    """The processes of virtiofsd that serve the folder."""
    found = subprocess.run(["pgrep", "-f", f"virtiofsd.*source={source} "], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.lab
def test_what_is_shared_is_one_on_both_sides(brig, start, folder):
    start("-v", f"{folder}:/s", "-v", "db:/v")
    assert sh(brig, "cat /s/file; stat -c %u:%g /s/file").out == "of the host\n7:8\n"
    sh(brig, "echo of the guest > /s/new; echo kept > /v/file; chown 5:6 /v/file")
    assert (folder / "new").read_text() == "of the guest\n"
    data = brig.root / "volumes/db/data/file"
    assert (data.stat().st_uid, data.stat().st_gid) == (5, 6)
    (folder / "file").write_text("changed\n")
    assert sh(brig, "cat /s/file").out == "changed\n"
    # many files, and much in one
    sh(brig, "for i in $(seq 200); do echo $i > /v/$i; done; dd if=/dev/urandom of=/v/big bs=1M count=8 2>/dev/null")
    assert len(list(data.parent.iterdir())) == 202
    digest = sh(brig, "md5sum < /v/big").out
    assert subprocess.run(["md5sum"], stdin=open(data.parent / "big"), capture_output=True, text=True).stdout == digest
    # a start anew finds it
    brig("restart", "-t", "5", "a", timeout=120)
    assert sh(brig, "cat /v/file /v/200").out == "kept\n200\n"


def test_an_empty_volume_gets_what_the_image_has_there(brig, start, busybox_tree, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "data").mkdir()
    (tree / "data/seed").write_text("of the image\n")
    os.chown(tree / "data/seed", 33, 34)
    (tree / "data").chmod(0o750)
    brig("image", "import", "--name", "data", tree)
    start("-v", "db:/data", "-v", "other:/data/below:nocopy", image="data")
    assert sh(brig, "cat /data/seed; stat -c %u:%g /data/seed; stat -c %a /data").out == "of the image\n33:34\n750\n"
    assert sh(brig, "ls /data").out == "below\nseed\n"


@pytest.mark.lab
def test_read_only_holds_against_the_guests_kernel(brig, start, folder):
    """And what is mounted below is as read-only."""
    (folder / "below").mkdir()
    images.run("mount", "-t", "tmpfs", "tmpfs", folder / "below")
    try:
        start("-v", f"{folder}:/s:ro")
        sh(brig, "mount -o remount,rw /s; touch /s/x /s/below/x", check=False)
        assert not (folder / "x").exists() and not (folder / "below/x").exists()
        assert sh(brig, "cat /s/file").out == "of the host\n"
        brig("rm", "-f", "a", timeout=60)
    finally:
        images.run("umount", folder / "below")


def test_links_lead_to_nothing_of_the_hosts(brig, start, folder):
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "up").symlink_to("../../../../etc/hostname")
    start("-v", f"{folder}:/s")
    assert sh(brig, "cat /s/out /s/up /s/../etc/hostname", check=False).out in ("", "a\na\na\n")
    assert Path("/etc/hostname").read_text() not in sh(brig, "cat /s/out /s/up", check=False).out


@pytest.mark.lab
def test_a_killed_keeper_leaves_no_server(brig, start, folder):
    start("-v", f"{folder}:/s", "-v", "db:/v")
    pids = servers(folder) + servers(brig.root / "volumes/db/data")
    assert len(pids) >= 2
    os.kill(brig.json("inspect", "a")[0]["run"]["keeper_pid"], signal.SIGKILL)
    for pid in pids:
        wait.process_end(pid, 30)
    brig("rm", "-f", "a")


def test_a_server_that_dies_harms_nothing_else(brig, start, folder):
    start("-v", f"{folder}:/s")
    for pid in servers(folder):
        os.kill(pid, signal.SIGKILL)
    assert sh(brig, "echo alive").out == "alive\n"
    brig("stop", "-t", "1", "a", timeout=60)


@pytest.mark.parametrize("make,word", [
    (lambda folder: [f"{folder}/file:/s"], "no folder"), (lambda folder: ["a,b:/s"], "a,b"),
])
def test_what_a_machine_cannot_be_shown_is_refused(brig, busybox_image, debian_kernel, folder, make, word):
    [text] = make(folder)
    refused = brig("run", "--rm", "--vm", "-v", text, busybox_image, "true", check=False, timeout=120)
    assert refused.code == 125 and word in refused.err
    assert brig("ps", "-aq").out == ""
