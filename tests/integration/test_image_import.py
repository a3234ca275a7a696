# SPDX-License-Identifier: GPL-2.0-or-later
"""What others have becomes an image: disks of distributions, and what LXC and Incus export."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from support import disks, layers
from support.archives import entry, layer_of, leftovers, run, tar

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
    del found["."]["changed"]  # when the file system was made
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


# --- LXC and Incus ---

METADATA = """architecture: aarch64
creation_date: 1700000000
properties:
  description: "A system: \\"test\\""
  os: Debian
  release: 'bookworm'
  note: |
    two
    lines
templates:
  /etc/hostname:
    when:
    - create
    template: hostname.tpl
"""

INDEX = """name: web
backend: zfs
pool: default
snapshots:
- snap0
optimized: false
type: container
config:
  container:
    architecture: x86_64
    config:
      environment.MODE: a b
      image.os: Debian
      limits.memory: 1GiB
      user.owner: me
      volatile.eth0.hwaddr: 00:16:3e:00:00:01
    devices:
      eth0:
        network: incusbr0
        type: nic
    ephemeral: false
    profiles:
    - default
    description: the web
  pool:
    config:
      source: /x
"""

LXC = """# made by a tool
lxc.include = /usr/share/lxc/config/common.conf
lxc.arch = linux64
lxc.environment = MODE=a b
lxc.init.cmd = /bin/sh -c "exit"
lxc.init.cwd = /srv
lxc.idmap = u 0 100000 65536
lxc.net.0.type = veth
lxc.rootfs.path = dir:/var/lib/lxc/web/rootfs
"""


def archive(path, tree, root, files, shift=0):
    """A tar with files, and the tree in the folder root, all of it first in a folder that is removed."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        top = Path(folder)
        (top / root).parent.mkdir(parents=True, exist_ok=True)
        run("cp", "-aT", tree, top / root)
        for name, data in files.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(data)
        names = [*files, root.split("/")[0]] if "backup/index.yaml" not in files else ["backup"]
        if shift:
            files = {path.lstat().st_ino: path for path in [top / root, *(top / root).rglob("*")]}
            for found in files.values():
                status = found.lstat()
                os.chown(found, status.st_uid + shift, status.st_gid + shift, follow_symlinks=False)
        run("tar", "--create", "--auto-compress", "--xattrs", "--xattrs-include=*", "--sparse", "--numeric-owner", "--sort=name",
            "--file", path, "--directory", top, *dict.fromkeys(names))
    return path


def exported(tree, layer):
    """The same files, as the tar of the test has them."""
    def of(top):
        found = layers.listing(top)
        for file in found.values():
            file["changed"] //= 10**9
            file.pop("ranges", None)
        return found

    return layers.difference(of(tree), of(layer)) == {}


def test_an_image_of_incus_keeps_its_files_and_properties(brig, system_tree, tmp_path):
    image = archive(tmp_path / "incus.tar.xz", system_tree, "rootfs",
                    {"metadata.yaml": METADATA, "templates/hostname.tpl": "x"})
    result = brig("image", "import", image)
    assert result.out == "incus:latest\n" and "templates" in result.err
    with layer_of(brig, "incus") as layer:
        assert exported(system_tree, layer)
    config = brig.json("image", "inspect", "incus")["config"]
    assert config["architecture"] == "arm64"
    assert config["config"]["Labels"] == {"image.description": 'A system: "test"', "image.os": "Debian",
                                          "image.release": "bookworm", "image.note": "two\nlines\n"}


def test_a_backup_of_incus_keeps_what_an_image_can_have_and_tells_the_rest(brig, system_tree, tmp_path):
    image = archive(tmp_path / "web.tar", system_tree, "backup/container/rootfs",
                    {"backup/index.yaml": INDEX, "backup/snapshots/snap0/rootfs/x": "y"}, shift=1000000)
    result = brig("image", "import", "--change", "CMD echo $MODE", image)
    for told in ("limits.memory", "the device eth0", "the snapshot snap0", "the profile default", "by 1000000:1000000"):
        assert told in result.err
    assert "volatile" not in result.err and "source" not in result.err
    with layer_of(brig, "web") as layer:
        owner = (layer / "srv/tool").stat()
        assert (owner.st_uid, owner.st_gid) == (1234, 5678) and not (layer / "x").exists()
    config = brig.json("image", "inspect", "web")["config"]
    assert config["architecture"] == "amd64"
    assert config["config"]["Labels"] == {"image.os": "Debian", "user.owner": "me", "description": "the web"}
    assert brig("run", "--rm", "web").out == "a b\n"


def test_a_container_of_lxc_becomes_an_image_as_a_folder_and_as_a_tar(brig, system_tree, tmp_path):
    image = archive(tmp_path / "lxc.tar.gz", system_tree, "rootfs", {"config": LXC}, shift=100000)
    folder = tmp_path / "folder"
    folder.mkdir()
    run("tar", "-xf", image, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", folder)
    for name, source in (("tar", image), ("folder", folder)):
        result = brig("image", "import", "--name", name, source)
        assert "lxc.net.0.type" in result.err and "lxc.include" in result.err and "by 100000:100000" in result.err
        assert "linux64" in result.err and "idmap" not in result.err
        with layer_of(brig, name) as layer:
            assert layers.difference(without_times(system_tree), without_times(layer)) == {}
        run_config = brig.json("image", "inspect", name)["config"]["config"]
        assert run_config["WorkingDir"] == "/srv" and run_config["Env"] == ["MODE=a b"]
        assert run_config["Cmd"][:2] == ["/bin/sh", "-c"]


def without_times(top):
    found = layers.listing(top)
    for file in found.values():
        file.pop("changed")
        file.pop("ranges", None)
        # chown takes them away
        file["attributes"].pop("security.capability", None)
        file["mode"] = file["mode"][:-4] + "0" + file["mode"][-3:]
    return found


def test_exports_without_a_root_that_can_be_read_are_refused_by_name(brig, tmp_path):
    def refused(files, *words):
        path = tmp_path / "x.tar"
        path.write_bytes(tar(*(entry(name, data) for name, data in files.items())))
        message = brig.fails("image", "import", path).err
        assert all(word in message for word in words), message

    index = INDEX.encode()
    refused({"metadata.yaml": METADATA.encode()}, "rootfs.squashfs")
    refused({"backup/index.yaml": index, "backup/container.bin": b"x"}, "--optimized-storage")
    refused({"backup/index.yaml": index, "backup/virtual-machine.img": b"x"}, "of a VM")
    refused({"metadata.yaml": b"a: &b c\n", "rootfs/x": b""}, "line 1 of its settings")
    refused({"metadata.yaml": b"a: 1\n" * 200000, "rootfs/x": b""}, "metadata.yaml")
    refused({"metadata.yaml": b"a: b\n", "rootfs/../../x": b""}, "'..'")
    squashed = tmp_path / "rootfs.squashfs"
    squashed.write_bytes(b"hsqs".ljust(4096, b"\0"))
    assert "sqfs2tar" in brig.fails("image", "import", squashed).err
    assert not leftovers(brig)


def test_a_root_that_only_looks_like_an_export_is_a_root(brig, busybox_tree, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(busybox_tree, tree, symlinks=True)
    (tree / "backup").mkdir()
    (tree / "backup/file").write_text("x\n")
    run("tar", "--create", "--sort=name", "--file", tmp_path / "root.tar", "--directory", tree, "backup", "bin", "etc")
    brig("image", "import", tmp_path / "root.tar")
    assert brig("run", "--rm", "root", "cat", "/backup/file").out == "x\n"
