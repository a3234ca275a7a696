# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels for VMs come from Debian or from files, whole or not at all, and boot."""

import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from support import images, kernels, wait

pytestmark = pytest.mark.root


@pytest.fixture(scope="session")
def vmlinuz():
    return images.debian_kernel_files()[0]


@pytest.fixture(scope="session")
def modules():
    return images.debian_kernel_files()[1]


@pytest.fixture(scope="session")
def elf(kernel_store):
    """The unpacked kernel. It is the oracle for nothing but the other packings: that it boots is tested."""
    return (kernel_store / "kernels/debian/vmlinux").read_bytes()


def names(brig):
    return brig("kernel", "ls", "-q").out.split()


def default(brig):
    return [row["name"] for row in brig.json("kernel", "ls") if row["default"]]


def leftovers(brig):
    """What is in the folder of kernels besides kernels."""
    folder = brig.root / "kernels"
    return ([path.name for path in folder.glob("cache/*")]
            + [path.name for path in folder.glob(".*") if path.name != ".lock"])


def refuses(brig, path, why, *options):
    before = names(brig)
    error = brig.fails("kernel", "import", path, *options).err
    assert re.search(why, error), error
    assert names(brig) == before
    assert before or not leftovers(brig)


# --- from Debian ---

def host_state():
    """What installing a kernel would change."""
    status = Path("/var/lib/dpkg/status")
    return (hashlib.sha256(status.read_bytes()).hexdigest(), sorted(os.listdir("/boot")),
            sorted(os.listdir("/lib/modules")) if os.path.exists("/lib/modules") else [])


def test_debians_kernel_is_fetched_and_nothing_is_installed(brig, vmlinuz):
    before = host_state()
    name = brig("kernel", "add", "debian", timeout=300).out.strip()
    assert host_state() == before
    release = vmlinuz.name.removeprefix("vmlinuz-")
    assert name == f"debian-{release}"
    (row,) = brig.json("kernel", "ls")
    assert (row["name"], row["release"], row["default"]) == (name, release, True)
    assert row["source"].startswith(f"linux-image-{release}=")
    kernel = brig.root / "kernels" / name
    assert (kernel / "vmlinuz").read_bytes() == vmlinuz.read_bytes()
    assert (kernel / "vmlinux").read_bytes()[:4] == b"\x7fELF"
    assert list((kernel / "modules").rglob("virtio_blk.ko*"))
    assert leftovers(brig) == [os.listdir(brig.root / "kernels/cache")[0]]
    assert row["size"] > sum(path.stat().st_size for path in kernel.iterdir() if path.is_file())


def test_debians_kernel_is_fetched_again_only_for_another_build(brig):
    name = brig("kernel", "add", "debian", timeout=300).out.strip()
    record = brig.root / "kernels" / name / "kernel.json"
    made = record.stat().st_ino
    assert brig("kernel", "add", "debian", timeout=300).out.strip() == name
    assert record.stat().st_ino == made
    old = json.loads(record.read_text())
    record.write_text(json.dumps({**old, "source": old["source"] + "~older"}))
    assert brig("kernel", "add", "debian", timeout=300).out.strip() == name
    assert json.loads(record.read_text())["source"] == old["source"]
    assert names(brig) == [name] and default(brig) == [name] and len(leftovers(brig)) == 1


def test_only_known_distributions_are_added(brig):
    assert "'hurd'" in brig.fails("kernel", "add", "hurd").err
    assert "usage" in brig.fails("kernel", "add").err


def test_empty_package_lists_are_told_apart(brig, tmp_path):
    (tmp_path / "lists/partial").mkdir(parents=True)
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::State::Lists "{tmp_path}/lists";\nDir::Cache "{tmp_path}";\n')
    error = brig.fails("kernel", "add", "debian", env={"APT_CONFIG": str(config)}).err
    assert "apt-get update" in error
    assert names(brig) == []


def path_with(folder, **programs):
    """A PATH in which the programs are scripts of ours; None: there is no such program."""
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).iterdir() if Path(place).is_dir() else []:
            if program.name not in programs and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    for name, script in programs.items():
        if script is not None:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_a_machine_without_apt_is_told_what_to_do(brig, tmp_path):
    env = path_with(tmp_path / "bin", **{"apt-cache": None})
    assert "brig kernel import" in brig.fails("kernel", "add", "debian", env=env).err


@pytest.mark.parametrize("tool, script, why", [
    ("apt-get", "echo 'E: Failed to fetch it  404  Not Found' >&2; exit 100", "404.*|apt-get update"),
    ("apt-get", "exit 0", "fetched no package"),
    ("apt-get", "echo x > broken.deb", "cannot unpack"),
    ("dpkg-deb", "mkdir -p $3/boot", "no /boot/vmlinuz"),
    ("depmod", "exit 1", "cannot index"),
])
def test_a_fetch_that_fails_leaves_nothing(brig, tmp_path, tool, script, why):
    env = path_with(tmp_path / "bin", **{tool: script})
    error = brig.fails("kernel", "add", "debian", env=env, timeout=300).err
    assert re.search(why, error), error
    assert names(brig) == [] and leftovers(brig) == []


@pytest.mark.parametrize("tool, step", [("apt-get", "fetched"), ("dpkg-deb", "fetched/*.deb"), ("depmod", "depmod")])
def test_what_a_killed_fetch_left_goes_with_the_next_command(brig, tmp_path, vmlinuz, tool, step):
    # The tool says that its step has come, and then waits until it is killed.
    ready = tmp_path / "ready"
    env = path_with(tmp_path / "bin", **{tool: f"echo $$ > {ready}.new; mv {ready}.new {ready}; exec sleep 1000"})
    running = brig.popen("kernel", "add", "debian", env=env)
    wait.file_exists(ready, timeout=120)
    running.signal(signal.SIGKILL)
    running.process.wait(10)
    wait.process_end(int(ready.read_text()))
    (work,) = (brig.root / "kernels").glob(".tmp-*")
    assert list(work.glob(step))
    assert names(brig) == []
    brig("kernel", "import", "--name", "next", vmlinuz)
    assert names(brig) == ["next"] and default(brig) == ["next"]
    assert not list((brig.root / "kernels").glob(".tmp-*"))


# --- from files ---

def test_a_kernel_is_imported_listed_chosen_and_removed(brig, vmlinuz, modules):
    release = modules.name
    assert brig("kernel", "import", vmlinuz, "--modules", modules, timeout=120).out == f"{release}\n"
    assert brig("kernel", "import", vmlinuz, "-m", modules.parent, "-n", "b", timeout=120).out == "b\n"
    assert names(brig) == [release, "b"] and default(brig) == [release]
    header, first, second = brig("kernel", "ls").out.splitlines()
    assert header.split() == ["NAME", "RELEASE", "DEFAULT", "SIZE", "ADDED", "SOURCE"]
    assert first.split()[:3] == [release, release, "yes"] and second.split()[:3] == ["b", release, "-"]
    assert [line.split()[:4] for line in brig("kernel", "ls", "--no-header").out.splitlines()] == [
        first.split()[:4], second.split()[:4]]
    assert brig("kernel", "default", "b").out == "b\n"
    assert default(brig) == ["b"]
    assert brig("kernel", "rm", "b").out == "b\n"
    assert default(brig) == [release]
    brig("kernel", "rm", release)
    assert brig.json("kernel", "ls") == [] and leftovers(brig) == []


def test_what_is_unknown_is_said(brig):
    assert "brig kernel ls" in brig.fails("kernel", "rm", "none").err
    assert "brig kernel ls" in brig.fails("kernel", "default", "none").err
    assert "none" in brig.fails("kernel", "import", "/none").err
    assert "regular file" in brig.fails("kernel", "import", "/dev/zero").err
    assert "'../x'" in brig.fails("kernel", "rm", "../x").err


@pytest.mark.parametrize("packer", kernels.PACKERS)
def test_every_packing_gives_the_same_kernel(brig, tmp_path, vmlinuz, elf, packer):
    image = tmp_path / "vmlinuz"
    image.write_bytes(kernels.packed(vmlinuz.read_bytes(), elf, packer))
    brig("kernel", "import", "--name", "a", image)
    assert (brig.root / "kernels/a/vmlinux").read_bytes() == elf


def test_an_unpacked_kernel_is_taken_as_it_is(brig, tmp_path, modules, elf):
    (tmp_path / "vmlinux").write_bytes(elf)
    brig("kernel", "import", tmp_path / "vmlinux")
    assert names(brig) == [modules.name]
    assert (brig.root / "kernels" / modules.name / "vmlinux").read_bytes() == elf


def test_packed_modules_are_the_same_to_a_guest(brig, tmp_path, kernel_store, vmlinuz, modules):
    copy = tmp_path / modules.name
    shutil.copytree(modules, copy, symlinks=True)
    for index in ("modules.dep", "modules.dep.bin"):  # another test may have made them
        (copy / index).unlink(missing_ok=True)
    for folder, command in (("virtio", "xz"), ("block", "zstd -q --rm"), ("net", "xz")):
        files = (copy / "kernel/drivers" / folder).rglob("*.ko")
        subprocess.run([*command.split(), *files], check=True)
    brig("kernel", "import", "--name", "a", vmlinuz, "--modules", copy, timeout=120)
    assert ((brig.root / "kernels/a/initramfs.img").read_bytes()
            == (kernel_store / "kernels/debian/initramfs.img").read_bytes())


def test_the_modules_must_be_the_kernels(brig, tmp_path, vmlinuz, modules):
    (tmp_path / "6.0.0-other").mkdir()
    refuses(brig, vmlinuz, f"lib/modules/{modules.name}", "--modules", tmp_path / "6.0.0-other")
    refuses(brig, vmlinuz, "No such file", "--modules", tmp_path / "none")
    (tmp_path / modules.name).mkdir()
    refuses(brig, vmlinuz, "CONFIG_", "--modules", tmp_path / modules.name)


# --- what is wrong ---

def spoiled(image, at, data):
    return image[:at] + data + image[at + len(data):]


def spoilers():
    """Name: (what to make of a good bzImage, what brig says)."""
    start = kernels.payload_start
    return {
        "empty": (lambda i: b"", "no x86 kernel"),
        "text": (lambda i: b"#!/bin/sh\n" * 100, "no x86 kernel"),
        "header only": (lambda i: i[:0x250], "no valid release"),
        "half": (lambda i: i[:len(i) // 2], "truncated"),
        "last block gone": (lambda i: kernels.with_payload(i, i[start(i):-1000000]), "corrupt|no kernel has"),
        "payload outside": (lambda i: spoiled(i, kernels.PAYLOAD_OFFSET, b"\xff" * 4), "header is wrong"),
        "payload endless": (lambda i: spoiled(i, kernels.PAYLOAD_LENGTH, b"\xff" * 4), "header is wrong"),
        "bytes changed": (lambda i: spoiled(i, start(i) + 1000000, os.urandom(1000)), "corrupt|truncated|segment|ELF"),
        "unknown packing": (lambda i: spoiled(i, start(i), b"\0" * 8), "no known format"),
        "bzip2": (lambda i: spoiled(i, start(i), b"BZh9"), "bzip2"),
        "old protocol": (lambda i: spoiled(i, 0x206, b"\x00\x02"), "older than 2.08"),
        "release is a path": (lambda i: spoiled(i, 0x200 + struct.unpack_from("<H", i, 0x20e)[0], b"../../x "),
                              "no valid release"),
        "not an ELF file": (lambda i: kernels.packed(i, b"x" * 100000, "gzip"), "no ELF file"),
        "claims 4 GiB": (lambda i: kernels.with_payload(i, kernels.PACKERS["xz"](b"x") + b"\xff" * 4), "no kernel has"),
        "claims too little": (lambda i: kernels.with_payload(
            i, kernels.PACKERS["zstd"](bytes(50 << 20)) + struct.pack("<I", 1000)), "corrupt"),
    }


@pytest.mark.parametrize("what", spoilers())
def test_a_bad_kernel_is_refused_and_leaves_nothing(brig, tmp_path, vmlinuz, what):
    spoil, why = spoilers()[what]
    (tmp_path / "bad").write_bytes(spoil(vmlinuz.read_bytes()))
    refuses(brig, tmp_path / "bad", why)


@pytest.mark.parametrize("at, data, why", [
    (18, b"\xb7", "64-bit x86"),  # another machine
    (32, b"\xff" * 8, "ELF header"),  # the segments' table
    (56, b"\xff\xff", "ELF header"),  # and their number
    (64 + 8, b"\xff" * 8, "outside of the file"),  # the first segment's offset
    (64 + 24, b"\xff" * 8, "impossible"),  # its address
    (64 + 4 * 56, b"\0" * 4, "CONFIG_PVH"),  # the notes' type
])
def test_a_bad_elf_file_is_refused_and_leaves_nothing(brig, tmp_path, elf, at, data, why):
    (tmp_path / "bad").write_bytes(spoiled(elf, at, data))
    refuses(brig, tmp_path / "bad", why)


def test_a_hostile_index_of_modules_is_refused(brig, tmp_path, vmlinuz, modules):
    copy = tmp_path / modules.name
    copy.mkdir()
    (copy / "modules.builtin").write_text("")
    for text, why in [("../../../etc/shadow.ko:\n", "wrong path"), ("/etc/shadow.ko:\n", "wrong path"),
                      ("k/virtio_pci.ko: k/virtio_pci.ko\n", "needs itself"), ("no colon\n", "colon")]:
        (copy / "modules.dep").write_text(text)
        refuses(brig, vmlinuz, why, "--modules", copy)
    (copy / "modules.dep").write_text("k/virtio_pci.ko:\n")
    (copy / "k").mkdir()
    (copy / "k/virtio_pci.ko").symlink_to("/etc/shadow")
    refuses(brig, vmlinuz, "virtio", "--modules", copy)


def test_a_full_disk_leaves_nothing(brig, vmlinuz):
    brig.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "tmpfs", brig.root], check=True)
    try:
        refuses(brig, vmlinuz, "No space left")
        assert not list((brig.root / "kernels").glob(".tmp-*"))
    finally:
        subprocess.run(["umount", brig.root], check=True)


def test_without_the_agent_nothing_is_fetched(brig, tmp_path):
    error = brig.fails("kernel", "add", "debian", env={"BRIG_GUEST": str(tmp_path / "none")}).err
    assert "BRIG_GUEST" in error
    assert not (brig.root / "kernels").exists()


def test_imports_at_once_do_not_disturb_one_another(brig, vmlinuz):
    running = [brig.popen("kernel", "import", "--name", f"k{i}", vmlinuz) for i in range(5)]
    assert [command.finish().code for command in running] == [0] * 5
    assert names(brig) == [f"k{i}" for i in range(5)]
    assert len(default(brig)) == 1 and len(leftovers(brig)) == 1
    again = [brig.popen("kernel", "import", "--name", "same", vmlinuz) for i in range(3)]
    assert sorted(command.finish().code for command in again) == [0, 125, 125]


# --- what it is all for ---

@pytest.mark.vm
def test_debians_kernel_boots_and_loads_what_root_needs(brig, tmp_path, vmlinuz, modules):
    env = {"BRIG_GUEST": str(kernels.probe(tmp_path))}
    brig("kernel", "import", "--name", "a", vmlinuz, "--modules", modules, env=env, timeout=120)
    console = kernels.boot(brig.root / "kernels/a")
    assert f"RELEASE {modules.name}" in console and "END" in console, console
    assert "FAILED" not in console, console
    loaded = set(re.findall(r"^MODULE (\S+)", console, re.M))
    assert {"virtio_pci", "virtio_blk", "virtio_console", "erofs", "overlay"} <= loaded
    assert "virtio_net" not in loaded  # for want of a card
