# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixtures see what a test leaves behind: a check that finds nothing must be able to find something."""

import os
import subprocess
import sys
import threading

import pytest

from support import images, leaks, wait
from support.command import Running

WAITING = ["sh", "-c", "read line"]
FINDS = {
    "in its arguments": lambda folder: {"args": ["sh", "-c", "read line", str(folder)]},
    "in its environment": lambda folder: {"args": WAITING, "env": {**os.environ, "A": str(folder)}},
    "as its folder": lambda folder: {"args": WAITING, "cwd": folder},
    "as an open file": lambda folder: {"args": WAITING, "stdout": open(folder / "file", "w")},
}


@pytest.mark.parametrize("how", FINDS)
def test_a_process_is_found(tmp_path, how):
    process = subprocess.Popen(stdin=subprocess.PIPE, **FINDS[how](tmp_path))
    try:
        assert process.pid in [pid for pid, _ in leaks.processes(tmp_path)]
        assert process.pid in [pid for pid, _ in leaks.lasting_processes(tmp_path, 0.1)]
        process.stdin.close()  # it ends, some time after this
        assert leaks.lasting_processes(tmp_path, 10) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.root
def test_a_mount_is_found_here_and_in_a_namespace(tmp_path):
    (tmp_path / "m").mkdir()
    images.run("mount", "-t", "tmpfs", "none", tmp_path / "m")
    assert len(leaks.mounts(tmp_path)) == 1
    images.run("umount", tmp_path / "m")
    assert leaks.mounts(tmp_path) == []
    with Running(["unshare", "-m", "sh", "-c", "mount -t tmpfs none $0 && cd / && echo up && exec sleep 1000",
                  str(tmp_path / "m")], dict(os.environ)) as running:
        running.expect("up")
        assert leaks.mounts(tmp_path) == []
        assert running.pid in [pid for pid, _ in leaks.processes(tmp_path)]


OTHERS = {
    "by its words": lambda folder: {"args": ["unshare", "-m", "sh", "-c", "echo up && read line", folder]},
    "by its environment": lambda folder: {"args": ["unshare", "-m", "sh", "-c", "echo up && read line"],
                                          "env": {**os.environ, "HOME": folder}},
}


@pytest.mark.root
@pytest.mark.parametrize("how", OTHERS)
def test_a_copy_of_a_mount_in_anothers_namespace_is_not_ours(brig, how):
    folder = brig.root.parent
    (folder / "m").mkdir()
    images.run("mount", "-t", "tmpfs", "none", folder / "m")
    try:
        with subprocess.Popen(stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              **OTHERS[how]("/var/tmp/brig-of-another")) as process:
            assert process.stdout.readline() == b"up\n"
            assert f"{folder}/m" in open(f"/proc/{process.pid}/mountinfo").read()
            assert process.pid not in [pid for pid, _ in leaks.processes(folder)]
            process.stdin.close()
    finally:
        images.run("umount", folder / "m")


@pytest.mark.root
def test_a_loop_device_is_found(tmp_path):
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    try:
        device = subprocess.run(["losetup", "--find", "--show", tmp_path / "disk"], check=True,
                                capture_output=True, text=True).stdout.strip()
    except subprocess.CalledProcessError:
        pytest.skip("no loop devices here")
    assert len(leaks.loop_devices(tmp_path)) == 1
    images.run("losetup", "-d", device)
    assert leaks.loop_devices(tmp_path) == []


@pytest.mark.root
def test_a_cgroup_is_found(tmp_path):
    # The name that src/proto/instance.c makes of this run folder.
    run, cgroup = "/run/other", leaks.cgroup_roots()[0] / "brig/99b3c14a.run"
    assert leaks.cgroups(run) == []
    cgroup.mkdir(parents=True)
    try:
        assert leaks.cgroups(run) == [str(cgroup)]
    finally:
        cgroup.rmdir()


def test_waiting_ends_with_the_event_or_the_deadline(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(TimeoutError):
        wait.process_end(process.pid, 0.05)
    process.stdin.close()
    wait.process_end(process.pid)
    process.wait()
    with pytest.raises(TimeoutError):
        wait.file_exists(tmp_path / "a/b", 0.05)
    writer = threading.Thread(target=lambda: ((tmp_path / "a").mkdir(), (tmp_path / "a/b").write_text("one two")))
    writer.start()
    assert wait.file_contains(tmp_path / "a/b", "two") == "one two"
    writer.join()


def test_a_clone_shares_large_files_and_copies_small_ones(tmp_path):
    source, copy = tmp_path / "source", tmp_path / "copy"
    (source / "images").mkdir(parents=True)
    (source / "images/large").write_bytes(bytes(1 << 20))
    (source / "images/small").write_text("small")
    (source / "images/link").symlink_to("small")
    (source / "default").symlink_to("images")
    images.clone(source, copy)
    images.clone(source, copy)  # over what is there
    assert (copy / "images/large").stat().st_ino == (source / "images/large").stat().st_ino
    assert (copy / "images/small").stat().st_ino != (source / "images/small").stat().st_ino
    assert (copy / "images/link").readlink().name == "small"
    assert (copy / "default").readlink().name == "images"
