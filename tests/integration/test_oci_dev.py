# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices where no tmpfs is mounted at /dev, and more groups than most have: runtime-spec 1.3."""

import os
import stat

import pytest

pytestmark = pytest.mark.root

STANDARD = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
USERNS = {"linux.namespaces[+]": {"type": "user"}, "linux.uidMappings": MAPS, "linux.gidMappings": MAPS}
FUSE = {"path": "/dev/sub/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 5, "gid": 6}
NULL = {"path": "/opt/nothing", "type": "c", "major": 1, "minor": 3}
FIFO = {"path": "/dev/pipe", "type": "p", "fileMode": 0o600}
SHOW = "stat -c %F:%t:%T:%a:%u:%g "


def bind_dev(bundle, source):
    return {"mounts[+]": {"destination": "/dev", "source": str(source), "options": ["bind"]}}


@pytest.mark.parametrize("more", ({}, USERNS), ids=("host", "userns"))
def test_the_default_devices_are_there_without_a_mount(bundle, more):
    names = " ".join(f"/dev/{name}" for name in STANDARD)
    for _ in range(2):  # the second finds what the first has left
        out = bundle.out(f"stat -c %n=%F=%t:%T {names}; echo x > /dev/null; head -c 2 /dev/zero | wc -c; "
                         "for link in fd ptmx stdout; do readlink /dev/$link; done", more)
        lines = out.splitlines()
        assert lines[:6] == [f"/dev/{name}=character special file={number}" for name, number in STANDARD.items()]
        assert lines[6:] == ["2", "/proc/self/fd", "pts/ptmx", "/proc/self/fd/1"]
    assert all(stat.S_ISREG((bundle.rootfs / "dev" / name).stat().st_mode) for name in STANDARD)


def test_they_are_there_in_a_root_that_is_read_only(bundle):
    assert bundle.out("stat -c %t:%T /dev/null", {"root.readonly": True}) == "1:3"


def test_a_node_of_the_images_gives_way(bundle):
    os.mknod(bundle.rootfs / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.mknod(bundle.rootfs / "dev/ptmx", stat.S_IFCHR | 0o666, os.makedev(5, 2))
    assert bundle.out("stat -c %t:%T /dev/null; readlink /dev/ptmx") == "1:3\npts/ptmx"


@pytest.mark.parametrize("more", ({}, USERNS), ids=("host", "userns"))
def test_devices_of_ones_own_without_a_mount(bundle, more):
    out = bundle.out(SHOW + "/dev/sub/fuse /opt/nothing /dev/pipe; ls -A /dev | grep device",
                     {**more, "linux.devices": [FUSE, NULL, FIFO]}, check=False)
    assert out.splitlines() == ["character special file:a:e5:640:5:6", "character special file:1:3:666:0:0",
                                "fifo:0:0:600:0:0"]


def test_devices_in_a_bound_folder(bundle):
    folder = bundle.folder / "dev"
    folder.mkdir()
    os.mknod(folder / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    out = bundle.out(SHOW + "/dev/sub/fuse /opt/nothing; cat /proc/self/mountinfo | grep -c /dev/null",
                     {**bind_dev(bundle, folder), "linux.devices": [
                         FUSE, NULL, {"path": "/dev/null", "type": "c", "major": 1, "minor": 3}]}, check=False)
    assert out.splitlines() == ["character special file:a:e5:640:5:6", "character special file:1:3:666:0:0", "0"]


def test_the_hosts_own_folder_stays_as_it_is(bundle):
    before = sorted(os.listdir("/dev"))
    changes = {**bind_dev(bundle, "/dev"), "linux.devices": [{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5}]}
    assert bundle.out("head -c 1 /dev/zero | wc -c", changes) == "1"
    assert sorted(os.listdir("/dev")) == before


@pytest.mark.parametrize("path", ("/dev/other", "/etc/passwd"))
def test_something_else_in_its_place_is_an_error(bundle, path):
    os.mknod(bundle.rootfs / "dev/other", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    assert f"cannot show a device at {path}: there is something else already" in bundle.refused(
        {"linux.devices": [{**NULL, "path": path}]})


def test_more_groups_than_most_have(bundle):
    groups = [1000 + i for i in range(500)]
    user = {"uid": 7, "gid": 8, "additionalGids": groups}
    assert bundle.out("grep Groups /proc/self/status", {"process.user": user}).split()[1:] == list(map(str, groups))
    bundle.start(changes={"process.user": user})
    out = bundle.oci("exec", bundle.oci.id, "grep", "Groups", "/proc/self/status").stdout
    assert out.split()[1:] == list(map(str, groups))
