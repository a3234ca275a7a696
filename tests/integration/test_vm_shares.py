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
    # a device of the guest's choice would be one of the host's
    assert sh(brig, "mknod /s/disk b 8 0", check=False).code != 0 and not (folder / "disk").exists()
    # many files, and much in one
    sh(brig, "for i in $(seq 200); do echo $i > /v/$i; done; dd if=/dev/urandom of=/v/big bs=1M count=8 2>/dev/null")
    assert len(list(data.parent.iterdir())) == 202
    digest = sh(brig, "md5sum < /v/big").out
    assert subprocess.run(["md5sum"], stdin=open(data.parent / "big"), capture_output=True, text=True).stdout == digest
    # no server outlives the instance's keeper
    pids = servers(folder) + servers(brig.root / "volumes/db/data")
    assert len(pids) >= 2
    os.kill(brig.json("inspect", "a")[0]["run"]["keeper_pid"], signal.SIGKILL)
    for pid in pids:
        wait.process_end(pid, 30)
    brig("rm", "-f", "a")


def test_an_empty_volume_gets_what_the_image_has_there(brig, start, busybox_tree, folder, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "data").mkdir()
    (tree / "data/seed").write_text("of the image\n")
    os.chown(tree / "data/seed", 33, 34)
    (tree / "data").chmod(0o750)
    brig("image", "import", "--name", "data", tree)
    start("-v", "db:/data", "-v", "other:/data/below:nocopy", "-v", f"{folder}:/s", image="data")
    assert sh(brig, "cat /data/seed; stat -c %u:%g /data/seed; stat -c %a /data").out == "of the image\n33:34\n750\n"
    assert sh(brig, "ls /data").out == "below\nseed\n"
    # a server that dies harms nothing else
    for pid in servers(folder):
        os.kill(pid, signal.SIGKILL)
    sh(brig, "echo kept > /data/seed")
    # a start anew has a new one, and finds what is there
    brig("restart", "-t", "1", "a", timeout=120)
    assert sh(brig, "cat /data/seed /s/file").out == "kept\nof the host\n"


def test_a_machine_sees_no_more_than_it_is_shown(brig, start, folder):
    """Read-only holds against the guest's kernel, with what is mounted below; links lead to nothing of the host's."""
    (folder / "below").mkdir()
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "up").symlink_to("../../../../etc/hostname")
    images.run("mount", "-t", "tmpfs", "tmpfs", folder / "below")
    (folder / "below/deep").touch()
    one, other = folder / "file", folder.parent / "a, b"
    other.write_text("other\n")
    try:
        start("-v", f"{folder}:/s:ro", "-v", f"{folder}:/alone:bind", "-v", f"{one}:/etc/one:ro", "-v", f"{other}:/new/o")
        sh(brig, "mount -o remount,rw /s; touch /s/x /s/below/x", check=False)
        assert not (folder / "x").exists() and not (folder / "below/x").exists()
        assert sh(brig, "cat /s/file; ls /s/below /alone/below").out == "of the host\n/alone/below:\n\n/s/below:\ndeep\n"
        assert Path("/etc/hostname").read_text() not in sh(brig, "cat /s/out /s/up /s/../etc/hostname", check=False).out
        # single files, of which one can be written
        assert sh(brig, "cat /etc/one /new/o; stat -c %u:%g /etc/one").out == "of the host\nother\n7:8\n"
        sh(brig, "mount -o remount,rw /etc/one; echo x > /etc/one; echo written > /new/o", check=False)
        assert (one.read_text(), other.read_text()) == ("of the host\n", "written\n")
        assert sh(brig, "ls /dev/shm; ls /new").out == "o\n"
        brig("rm", "-f", "a", timeout=60)
    finally:
        images.run("umount", folder / "below")


@pytest.mark.parametrize("text,word", [("/dev/null:/s", "neither a folder nor a file"), ("/:/s:rslave", "'rslave' is for")])
def test_what_a_machine_cannot_be_shown_is_refused(brig, busybox_image, debian_kernel, text, word):
    refused = brig("run", "--rm", "--vm", "-v", text, busybox_image, "true", check=False, timeout=120)
    assert refused.code == 125 and word in refused.err
    assert brig("ps", "-aq").out == ""
