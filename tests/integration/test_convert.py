# SPDX-License-Identifier: GPL-2.0-or-later
"""An instance changes its kind and keeps all that it has written, whatever happens meanwhile."""

import os
import signal
import subprocess

import pytest

from support import layers, wait

pytestmark = pytest.mark.root

# What overlays and file systems can hold, made inside.
WRITE = """
set -e
cd /root
echo text > file; chown 1000:2000 file; chmod 4750 file
ln file again; ln -s /nowhere/at/all link; ln link link-again
ln -s "$(printf '%0300d' 7)" far
mkfifo -m 640 fifo
touch -d '2001-02-03 04:05:06' file fifo
truncate -s 314572800 holes; printf data | dd of=holes bs=1 seek=12345678 conv=notrunc 2> /dev/null
: > "$(printf '%0255d' 1)"
mkdir -p deep/a/b; chmod 1777 deep; echo x > deep/a/b/c
i=0; while [ $i -lt 600 ]; do echo $i > deep/a/many-$i; i=$((i + 1)); done
rm /bin/gzip /bin/zcat
rm -r /home; mkdir /home; echo new > /home/new
echo more >> /etc/group
"""

CHECK = """
set -e
cd /root
[ "$(stat -c %a:%u:%g:%h file)" = 4750:1000:2000:2 ]
[ file -ef again ]
[ "$(readlink link)" = /nowhere/at/all ]
[ "$(cat deep/a/b/c deep/a/many-599)" = "$(printf 'x\\n599')" ]
[ ! -e /bin/gzip ] && [ ! -L /bin/zcat ]
[ "$(ls /home)" = new ]
tail -n 1 /etc/group
"""


CHECK_MACHINE = """
set -e
cd /root
[ "$(ls deep)" = vm ] && [ ! -e /bin/uname ] && [ ! -e /bin/gzip ] && [ "$(ls /home)" = new ]
[ "$(stat -c %s big)" = 10485760 ] && [ "$(stat -c %t:%T null)" = 1:3 ]
stat -c '%u:%a %h' file
"""


def kind_of(brig, name="a"):
    return brig.json("inspect", name)[0]["kind"]


def folder_of(brig, name="a"):
    return brig.root / "instances" / name


def names_in(brig, name="a"):
    return sorted(path.name for path in folder_of(brig, name).iterdir())


def decorate(upper):
    """What no shell inside can make: attributes, and nodes that only a VM's root may."""
    acl = bytes.fromhex("02000000" "01000600ffffffff" "02000700d0070000" "04000400ffffffff" "10000700ffffffff"
                        "20000400ffffffff")
    top = upper / "root"
    os.setxattr(top / "file", "user.note", b"a" * 3000)
    os.setxattr(top / "file", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.setxattr(top / "deep", "system.posix_acl_default", acl)
    os.setxattr(top / "deep/a/b/c", "system.posix_acl_access", acl)
    os.setxattr(top / "link", "trusted.note", b"on a link", follow_symlinks=False)
    os.mknod(top / "disk", 0o060640, os.makedev(259, 70000))
    os.mknod(top / "socket", 0o140755)
    os.utime(top / "deep", ns=(1, 1234567890987654321))
    os.utime(top / "link", ns=(1, 4000000000123456789), follow_symlinks=False)


@pytest.mark.vm
def test_both_ways_with_what_containers_and_machines_write(brig, busybox_image, debian_kernel, tmp_path):
    brig("run", "-d", "--name", "a", "-e", "KEY=value", "-l", "note=kept", "-m", "256m", "--restart", "on-failure:3",
         busybox_image, "sleep", "1000")
    brig("exec", "a", "sh", "-c", WRITE)
    assert "running" in brig.fails("convert", "a", "--vm").err
    brig("stop", "-t", "0", "a")
    record = brig.json("inspect", "a")[0]
    upper, disk = folder_of(brig) / "upper", folder_of(brig) / "data.raw"
    decorate(upper)
    before = layers.listing(upper)

    assert brig("convert", "a", "--vm").out == "a\n"
    assert names_in(brig) == ["data.raw", "instance.json", "log"]
    assert layers.difference(before, layers.of_disk(disk, tmp_path / "disk")) == {}
    result = brig("convert", "a", "--vm")
    assert result.out == "a\n" and "already" in result.err

    brig("start", "a", timeout=120)
    assert brig("exec", "a", "sh", "-c", CHECK).out == "more\n"
    assert brig("exec", "a", "cat", "/proc/1/comm").out != ""
    brig("exec", "a", "sh", "-c", """
        set -e
        rm -r /root/deep /bin/uname; mkdir /root/deep; echo vm > /root/deep/vm
        mknod /root/null c 1 3; chmod 666 /root/null
        dd if=/dev/urandom of=/root/big bs=64k count=160 2> /dev/null
        fallocate -l 1048576 /root/reserved; sync
    """)
    # a name that layers of images cannot have
    brig("exec", "a", "sh", "-c", 'rm "/root/$(printf %0255d 1)"')
    brig("stop", "a", timeout=60)
    before = layers.of_disk(disk, tmp_path / "disk")
    assert before["bin/uname"]["device"] == 0 and before["root/null"]["device"] == os.makedev(1, 3)
    # room that was reserved and never written to is a hole
    before["root/reserved"]["ranges"] = []
    brig("commit", "a", "machine:1")
    assert brig("run", "--rm", "machine:1", "sh", "-c", CHECK_MACHINE).out == "1000:4750 2\n"

    brig("convert", "a", "--container")
    assert names_in(brig) == ["boot.log", "instance.json", "log", "upper"]
    assert layers.difference(before, layers.listing(upper)) == {}
    now = brig.json("inspect", "a")[0]
    for key in ("name", "kind", "image", "argv", "env", "labels", "memory", "restart", "restart_max", "created",
                "layers", "hostname", "disk_size"):
        assert now[key] == record[key], key
    brig("start", "a")
    assert brig("exec", "a", "cat", "/root/deep/vm").out == "vm\n"
    assert brig("exec", "a", "sh", "-c", "echo again > /root/deep/c; stat -c %u:%a /root/file").out == "1000:4750\n"
    brig("stop", "-t", "0", "a")

    # a machine that is killed leaves a journal that has not been replayed
    brig("convert", "a", "--vm")
    brig("start", "a", timeout=120)
    brig("exec", "a", "sh", "-c", "cat /root/deep/c > /root/last; rm /root/big; sync; echo lost > /root/lost")
    keeper = brig.json("inspect", "a")[0]["run"]["keeper_pid"]
    os.kill(keeper, signal.SIGKILL)
    wait.process_end(keeper, 30)
    brig("convert", "a", "--container")
    assert (upper / "root/last").read_text() == "again\n"
    assert not (upper / "root/big").exists()
    assert names_in(brig) == ["boot.log", "instance.json", "log", "upper"]


@pytest.fixture
def written(brig, busybox_image):
    """A stopped container "a" with a few files; what is in its upper folder."""
    brig("run", "--name", "a", busybox_image, "sh", "-c",
         "cd /root; echo text > file; ln file again; rm -r /home; mkdir /home; mkfifo fifo; truncate -s 1048576 holes")
    return layers.listing(folder_of(brig) / "upper")


STEPS = "mkdirat,renameat,rename,unlinkat,fsync,syncfs,fsconfig,fchmod,fork,clone3"


def convert_until_killed(brig, kind, number):
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={STEPS}", "-e",
             f"inject={STEPS}:signal=KILL:when={number}"]
    return subprocess.run(trace + brig.command("convert", "a", f"--{kind}"), env=brig.environment(), timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("kind", ["vm", "container"])
def test_a_kill_at_any_step_leaves_it_whole_in_one_of_its_kinds(brig, written, kind):
    """strace ends the command at its first step, at its second, and so on."""
    other = "container" if kind == "vm" else "vm"
    seen = set()
    for number in range(1, 200):
        if kind_of(brig) != other:
            brig("convert", "a", f"--{other}")
        code = convert_until_killed(brig, kind, number)
        seen.add(kind_of(brig))
        # the next verb that changes it removes what is left
        brig("rename", "a", "b")
        brig("rename", "b", "a")
        form = "data.raw" if kind_of(brig) == "vm" else "upper"
        assert [name for name in names_in(brig) if name not in ("work", "log", "boot.log")] == sorted(
            [form, "instance.json"]), number
        if kind_of(brig) == "vm":
            brig("convert", "a", "--container")
        assert layers.difference(written, layers.listing(folder_of(brig) / "upper")) == {}, number
        if code == 0:
            break
        assert code == -signal.SIGKILL, number
    assert number > 6 and code == 0
    assert seen == {"vm", "container"}


@pytest.fixture
def cramped(brig, busybox_store, tmp_path):
    """brig's root on a disk of 256 MiB."""
    small = tmp_path / "small"
    small.mkdir()
    with open(tmp_path / "small.raw", "wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-m", "0", tmp_path / "small.raw"], check=True)
    subprocess.run(["mount", "-o", "loop", tmp_path / "small.raw", small], check=True)
    brig.root, real = small / "root", brig.root
    brig.root.mkdir()
    for folder in ("images", "layers"):
        (brig.root / folder).symlink_to(busybox_store / folder)
    yield small
    brig("rm", "-f", "a")
    brig.root = real
    subprocess.run(["umount", small], check=True)


def test_a_full_disk_is_told_and_leaves_the_old_form(brig, cramped):
    def refused(kind):
        before = names_in(brig)
        assert "room" in (error := brig.fails("convert", "a", f"--{kind}").err) or "No space left" in error
        assert names_in(brig) == before
        assert kind_of(brig) != kind

    brig("run", "--name", "a", "busybox", "sh", "-c", "dd if=/dev/urandom of=/root/big bs=1M count=60 2> /dev/null")
    filler = cramped / "filler"
    filler.write_bytes(os.urandom(150 << 20))
    refused("vm")
    filler.unlink()
    brig("convert", "a", "--vm")
    filler.write_bytes(os.urandom(150 << 20))
    refused("container")
    filler.unlink()
    brig("convert", "a", "--container")
    assert (folder_of(brig) / "upper/root/big").stat().st_size == 60 << 20


def test_what_the_other_kind_does_not_have_is_refused_by_name(brig, busybox_image, debian_kernel, tmp_path):
    def refused(kind, *options):
        brig("create", "--name", "a", *options, busybox_image, "true")
        error = brig.fails("convert", "a", f"--{kind}").err
        brig("rm", "a")
        return error

    assert "--privileged" in refused("vm", "--privileged")
    assert "rshared" in refused("vm", "-v", f"{tmp_path}:/x:rshared")
    assert "16 MiB" in refused("vm", "-m", "16m")
    assert "--kernel-args" in refused("container", "--vm", "--kernel-args", "quiet")
    assert "--engine" in refused("container", "--vm", "--engine", "qemu")
    brig("create", "--name", "a", busybox_image, "true")
    assert "one of --vm and --container" in brig.fails("convert", "a").err
    assert "one of --vm and --container" in brig.fails("convert", "a", "--vm", "--container").err
    # nothing is written yet: there is nothing to carry
    brig("convert", "a", "--vm")
    assert kind_of(brig) == "vm" and names_in(brig) == ["instance.json"]
    brig("convert", "a", "--container")
    assert brig("start", "-a", "a").code == 0


def test_storage_of_runtimes_inside_stays_with_its_kind(brig, busybox_image, tmp_path):
    """What a runtime inside has stored means something to one kind alone: it is refused, and goes by nobody's mistake."""
    brig("run", "--name", "a", "--nesting", busybox_image, "sh", "-c", "echo 1 > /kept; echo 1 > /var/lib/docker/f")
    assert "/var/lib/docker" in brig.fails("convert", "a", "--vm").err
    assert kind_of(brig) == "container" and ".convert" not in names_in(brig)
    stored = folder_of(brig) / "nested/docker/f"
    assert stored.read_text() == "1\n"
    stored.unlink()
    brig("convert", "a", "--vm")
    assert names_in(brig) == ["data.raw", "instance.json", "log"]
    # as a runtime in the machine would
    disk = folder_of(brig) / "data.raw"
    script = "mkdir upper/var\nmkdir upper/var/lib\nmkdir upper/var/lib/containers\nmkdir upper/var/lib/containers/x\n"
    subprocess.run(["debugfs", "-w", disk], input=script.encode(), check=True, capture_output=True)
    assert "/var/lib/containers" in brig.fails("convert", "a", "--container").err
    assert kind_of(brig) == "vm" and names_in(brig) == ["data.raw", "instance.json", "log"]
    subprocess.run(["debugfs", "-w", disk], input=b"rmdir upper/var/lib/containers/x\n", check=True,
                   capture_output=True)
    brig("convert", "a", "--container")
    assert brig.json("inspect", "a")[0]["nesting"]
    brig("start", "a")
    brig("wait", "a")
    assert stored.read_text() == "1\n" and (folder_of(brig) / "upper/kept").read_text() == "1\n"


def test_a_disk_that_is_no_file_system_is_refused_and_stays(brig, written):
    brig("convert", "a", "--vm")
    disk = folder_of(brig) / "data.raw"
    with open(disk, "r+b") as file:
        file.write(os.urandom(300 << 10))
        file.truncate(2 << 20)
    error = brig.fails("convert", "a", "--container", timeout=120).err
    assert "file system" in error
    assert kind_of(brig) == "vm" and "data.raw" in names_in(brig) and ".convert" not in names_in(brig)
    with open(disk, "r+b") as file:
        assert os.fstat(file.fileno()).st_size == 2 << 20
