# SPDX-License-Identifier: GPL-2.0-or-later
"""What others have becomes an image: disks of distributions, and what LXC and Incus export."""

import os
import shutil
import subprocess

import pytest

from support import disks, layers
from support.archives import layer_of, leftovers, run

pytestmark = pytest.mark.root


@pytest.fixture
def system_tree(busybox_tree, tmp_path):
    """A root with what a distribution's has."""
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "etc").mkdir(exist_ok=True)
    (tree / "etc/os-release").write_text("ID=test\n")
    (tree / "etc/fstab").write_text("UUID=1234 / ext4 defaults 0 1\n")
    (tree / "srv").mkdir()
    (tree / "srv/file").write_text("data\n")
    (tree / "srv/file").chmod(0o4750)
    os.link(tree / "srv/file", tree / "srv/again")
    os.setxattr(tree / "srv/file", "user.note", b"x")
    with open(tree / "srv/holes", "wb") as file:
        file.truncate(50 << 20)
        file.seek(20 << 20)
        file.write(b"middle")
    os.symlink("/nowhere", tree / "srv/link")
    os.mknod(tree / "srv/null", 0o020666, os.makedev(1, 3))
    shutil.copy2("/bin/true", tree / "srv/tool")
    run("setcap", "cap_net_raw+ep", tree / "srv/tool")
    os.chown(tree / "srv/tool", 1234, 5678)
    return tree


def listing(tree):
    found = layers.listing(tree)
    found["etc/fstab.imported"] = found.pop("etc/fstab", None) or found.get("etc/fstab.imported")
    found["etc/fstab.imported"]["names"] = ["etc/fstab.imported"]
    for file in found.values():
        file["changed"] //= 10**9  # what mke2fs keeps
        file.pop("ranges", None)  # erofs does not tell them
    return found


def test_a_disk_of_a_distribution_becomes_an_image_with_all_of_its_root(brig, system_tree, tmp_path):
    root = disks.ext4(system_tree, tmp_path / "root.ext4")
    raw = disks.gpt(tmp_path / "debian-generic.raw",
                    [(disks.BIOS, bytes(1 << 20)), (disks.EFI, disks.vfat()), (disks.LINUX, root),
                     (disks.SWAP, disks.swap())], numbers=[14, 15, 1, 2])
    result = brig("image", "import", raw)
    assert result.out == "debian-generic:latest\n"
    for told in ("partition 14 (the partition of the boot loader,", "partition 15 (the EFI system partition, vfat)",
                 "partition 2 (a swap partition, swap)", "/etc/fstab.imported"):
        assert told in result.err
    with layer_of(brig, "debian-generic") as layer:
        assert layers.difference(listing(system_tree), listing(layer)) == {}
    assert brig("run", "--rm", "debian-generic", "cat", "/srv/again").out == "data\n"
    assert brig.json("image", "inspect", "debian-generic")["size"] < 10 << 20  # with its holes
    digest = brig.json("image", "inspect", "debian-generic")["layers"]
    for name, options in (("plain", []), ("packed", ["-c"])):
        disk = disks.qcow2(raw, tmp_path / f"{name}.qcow2", *options)
        assert brig("image", "import", disk).out == f"{name}:latest\n"
        assert brig.json("image", "inspect", name)["layers"] == digest
    assert not (brig.root / "tmp").exists() or not list((brig.root / "tmp").iterdir())


def test_tables_of_all_kinds_are_read(brig, system_tree, tmp_path):
    root = disks.ext4(system_tree, tmp_path / "root.ext4")
    home = tmp_path / "home"
    (home / "user").mkdir(parents=True)
    other = disks.ext4(home, tmp_path / "home.ext4", 1 << 20)
    images = {
        "mbr": disks.mbr(tmp_path / "mbr.img", [(0x83, other), (0x83, root)]),
        "logical": disks.mbr(tmp_path / "logical.img", [(0x82, disks.swap()), (0x83, other), (0x83, root)], 2),
        "whole": tmp_path / "root.ext4",
        "typed": disks.gpt(tmp_path / "typed.img", [(disks.LINUX, disks.xfs()), (disks.LINUX, other),
                                                    (disks.ROOT, root)]),
    }
    for name, image in images.items():
        result = brig("image", "import", "--name", name, "--change", "CMD cat /srv/file", image)
        assert ("ext4" in result.err) == (name != "whole")
        assert brig("run", "--rm", name).out == "data\n"
    with open(images["mbr"], "rb") as stream:
        assert brig("image", "import", "--name", "stream", "-", input=stream.read(), text=False).out


def test_a_disk_that_was_not_shut_down_is_repaired_in_a_copy(brig, system_tree, tmp_path):
    path = tmp_path / "root.ext4"
    disks.ext4(system_tree, path)
    run("debugfs", "-w", "-R", "feature needs_recovery", path)
    raw = disks.mbr(tmp_path / "crashed.img", [(0x83, path.read_bytes())])
    before = raw.read_bytes()
    brig("image", "import", raw)
    assert brig("run", "--rm", "crashed", "cat", "/srv/file").out == "data\n"
    assert raw.read_bytes() == before


def test_what_cannot_be_is_refused_by_name_and_leaves_nothing(brig, system_tree, tmp_path):
    def refused(path, *words):
        message = brig.fails("image", "import", "--name", "x", path).err
        assert all(word in message for word in words), message

    root = disks.ext4(system_tree, tmp_path / "root.ext4")
    refused(disks.gpt(tmp_path / "a", [(disks.EFI, disks.vfat()), (disks.ROOT, disks.xfs())]), "xfs", "virt-tar-out")
    whole = tmp_path / "b"
    whole.write_bytes(disks.xfs())
    refused(whole, "all of it (xfs)")
    cut = disks.mbr(tmp_path / "c", [(0x83, root)])
    os.truncate(cut, 20 << 20)
    refused(cut, "not within the disk", "cut short")
    (tmp_path / "d").write_bytes(b"KDMV".ljust(4096, b"\0"))
    refused(tmp_path / "d", "VMDK", "qemu-img convert")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "/etc/shadow", tmp_path / "e", "64M"],
                   check=True)
    refused(tmp_path / "e", "backing file", "qemu-img convert")
    packed = disks.qcow2(tmp_path / "root.ext4", tmp_path / "f", "-c")
    os.truncate(packed, packed.stat().st_size // 2)
    refused(packed, "qcow2")
    assert not leftovers(brig)
    assert "has no image" in brig.fails("image", "import", f"{tmp_path}/root.ext4:one").err


def test_a_user_brings_a_disk_too(user_brig, system_tree, tmp_path):
    (system_tree / "srv/null").unlink()
    raw = disks.mbr(tmp_path / "mine.img", [(0x83, disks.ext4(system_tree, tmp_path / "root.ext4"))])
    raw.chmod(0o644)
    shared = user_brig.root.parent / "mine.img"
    shutil.copy(raw, shared)
    user_brig("image", "import", shared)
    assert user_brig("run", "--rm", "mine", "cat", "/srv/file").out == "data\n"
