# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container may write: a bound by project quotas of the host's file system, where it has them."""

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.root

MIB = 1 << 20
WRITE = "dd if=/dev/zero of=/{} bs=1M count={} && sync -f /{}"


MAKE = {"ext4": ["mke2fs", "-q", "-t", "ext4", "-m", "0", "-O", "project,quota", "-E", "quotatype=prjquota"],
        "xfs": ["mkfs.xfs", "-q"]}


@pytest.fixture
def on_quotas(request, brig, busybox_store, tmp_path):
    """brig's root on an ext4, or what the parameter says, that holds projects to their limits; where it is mounted."""
    make = MAKE[getattr(request, "param", "ext4")]
    if not shutil.which(make[0]):
        pytest.skip(f"needs {make[0]}")
    disk, at = tmp_path / "disk.raw", tmp_path / "disk"
    at.mkdir()
    with open(disk, "wb") as file:
        file.truncate(512 * MIB)
    subprocess.run([*make, disk], check=True)
    if subprocess.run(["mount", "-o", "loop,prjquota", disk, at], capture_output=True, check=False).returncode:
        pytest.skip("this kernel has no project quotas")
    brig.root, real = at / "root", brig.root
    brig.root.mkdir()
    for folder in ("images", "layers"):
        (brig.root / folder).symlink_to(busybox_store / folder)
    yield at
    for name in brig("ps", "-a", "-q").out.split():
        brig("rm", "-f", name)
    brig.root = real
    subprocess.run(["umount", at], check=True)


def write(brig, name, mib, file="data"):
    return brig("exec", name, "sh", "-c", WRITE.format(file, mib, file), check=False)


def quota(brig, name):
    return brig.json("inspect", name)[0]["quota"]


def test_without_quotas_it_is_refused_with_what_to_do(brig, busybox_image):
    error = brig.fails("run", "--name", "a", "--disk-size", "64m", busybox_image, "true").err
    assert "--disk-size" in error and "prjquota" in error
    assert brig("ps", "-a", "-q").out == ""
    brig("create", "--name", "a", busybox_image, "true")
    assert "prjquota" in brig.fails("set", "a", "disk=64m").err
    assert not brig.json("inspect", "a")[0]["bounded"] and quota(brig, "a") is None
    brig("rm", "a")


def test_only_what_can_be_set_is_set(brig, busybox_image):
    brig("create", "--name", "a", busybox_image, "true")
    for words, told in [("disc=1g", "did you mean 'disk'"), ("colour=red", "disk, snapshots.schedule"),
                        ("snapshots.expiry=1s", "15m"), ("disk", "KEY=VALUE"), ("disk=much", "'much'"),
                        ("disk=1m", "at least 16m")]:
        assert told in brig.fails("set", "a", words).err
    brig("set", "a", "disk=none")  # as it is
    brig("rm", "a")


@pytest.mark.parametrize("on_quotas", MAKE, indirect=True)
def test_a_container_writes_no_more_than_its_bound_which_changes_while_it_runs(brig, on_quotas, busybox_image):
    brig("run", "-d", "--name", "a", "--disk-size", "32m", busybox_image, "sleep", "1000")
    brig("run", "-d", "--name", "b", "--disk-size", "32m", busybox_image, "sleep", "1000")
    assert write(brig, "a", 24).code == 0
    full = write(brig, "a", 24, "more")
    assert full.code != 0 and ("quota" in full.err or "No space" in full.err)
    assert 24 * MIB < quota(brig, "a")["used"] <= quota(brig, "a")["limit"] == 32 * MIB
    assert write(brig, "b", 24).code == 0
    # more, at once
    assert brig("set", "a", "disk=64m").out == "a\n"
    assert write(brig, "a", 24, "more").code == 0
    rows = {row["name"]: row for row in brig.json("df")["instances"]["items"]}
    assert rows["a"]["limit"] == 64 * MIB and 48 * MIB < rows["a"]["size"] < 52 * MIB
    # and it is the record's, for later starts
    brig("stop", "-t", "0", "a")
    assert brig.json("inspect", "a")[0]["disk_size"] == 64 * MIB
    brig("start", "a")
    assert write(brig, "a", 24, "third").code != 0
    brig("exec", "a", "rm", "/data", "/more", "/third")
    assert write(brig, "a", 48).code == 0


# What `chattr -p` and `chattr -P` do (FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR), as root of the container.
LEAVE = """
import ctypes, fcntl, os, struct, sys
root = os.open(f"/proc/{sys.argv[1]}/root", os.O_PATH)
namespaces = [os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY) for name in ("user", "mnt")]
libc = ctypes.CDLL(None)
for fd in namespaces:
    assert libc.setns(fd, 0) == 0
os.fchdir(root)
os.chroot(".")
os.setgid(0)
os.setuid(0)
for path, inherits in ("/d", 0x200), ("/d/f", 0):
    fd = os.open(path, os.O_RDONLY)
    got = bytearray(28)
    fcntl.ioctl(fd, 0x801c581f, got)
    flags, hint, extents, project, cow = struct.unpack_from("5I", got)
    assert project >> 24 == 0x62 and flags & 0x200 == inherits, (path, hex(project), flags)
    for new_flags, new_project in (flags, 0), (flags, project + 1), (flags ^ 0x200, project):
        struct.pack_into("5I", got, 0, new_flags, hint, extents, new_project, cow)
        try:
            fcntl.ioctl(fd, 0x401c5820, got)
        except OSError:
            continue
        sys.exit(f"{path} was changed")
"""


@pytest.mark.parametrize("options", [[], ["--cap-add", "ALL"]], ids=["usual", "all-capabilities"])
def test_who_is_inside_cannot_leave_the_bound(brig, on_quotas, busybox_image, options):
    brig("run", "-d", "--name", "a", "--disk-size", "32m", *options, busybox_image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", "mkdir /d; echo x > /d/f")
    pid = brig.json("inspect", "a")[0]["run"]["pid"]
    subprocess.run(["/usr/bin/python3", "-c", LEAVE, str(pid)], check=True)


@pytest.mark.parametrize("on_quotas", MAKE, indirect=True)
def test_the_bound_outlives_what_is_done_with_the_container(brig, on_quotas, busybox_image):
    """Whiteouts, symlinks and the like come from a snapshot without a project, and have to be of it again."""
    brig("run", "-d", "--name", "a", "--disk-size", "32m", busybox_image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", "rm -r /home; ln -s x /link; mkfifo /fifo; echo keep > /kept")
    assert write(brig, "a", 20).code == 0
    brig("stop", "-t", "0", "a")
    brig("snapshot", "create", "a", "s")
    assert quota(brig, "a")["used"] < 24 * MIB  # a snapshot does not count
    brig("snapshot", "restore", "a", "s")
    brig("copy", "a", "b")
    brig("rename", "a", "c")
    for name in "bc":
        brig("start", name)
        assert 20 * MIB < quota(brig, name)["used"] < 24 * MIB
        assert write(brig, name, 20, "more").code != 0
        brig("exec", name, "sh", "-c", "rm /more; mkdir /home /d && mv /link /fifo /kept /d && readlink /d/link")
        assert brig("exec", name, "ls", "/home").out == ""


def test_one_that_has_written_already_is_bound_at_its_next_start(brig, on_quotas, busybox_image):
    brig("run", "-d", "--name", "a", busybox_image, "sleep", "1000")
    assert write(brig, "a", 48).code == 0
    brig("exec", "a", "sh", "-c", "rm -r /home; ln -s x /link")
    assert "stop it first" in brig.fails("set", "a", "disk=32m").err
    brig("stop", "-t", "0", "a")
    brig("set", "a", "disk=64m")
    brig("start", "a")
    assert 48 * MIB < quota(brig, "a")["used"] < 52 * MIB
    assert write(brig, "a", 24, "more").code != 0
    brig("exec", "a", "sh", "-c", "rm /more; mkdir /home")
    # less than there is: nothing more is written, and nothing is lost
    brig("set", "a", "disk=16m")
    assert brig("exec", "a", "sh", "-c", "echo x > /y || wc -c < /data", check=False).out == f"{48 * MIB}\n"
    brig("set", "a", "disk=none")
    assert write(brig, "a", 24, "more").code == 0 and quota(brig, "a") is None
