# SPDX-License-Identifier: GPL-2.0-or-later
"""Cloning a big instance, on file systems that share blocks and on one that copies them; beside cp."""

import contextlib
import os
import shutil
import subprocess
import time

GIB = 1 << 30
DISK, FILES, FILE = 10 * GIB, 1000, 10 << 20
CHUNK, STEP = 1 << 20, 16 << 20
MAKE = {"btrfs": ["mkfs.btrfs", "-q"], "xfs": ["mkfs.xfs", "-q"]}


@contextlib.contextmanager
def file_system(bench, kind):
    """A new file system of 24 GiB, of which only what is written takes room."""
    image, at = bench.folder / f"{kind}.img", bench.folder / kind
    with open(image, "wb") as file:
        file.truncate(24 * GIB)
    subprocess.run([*MAKE[kind], image], check=True, stdout=subprocess.DEVNULL)
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", at], check=True)
        image.unlink()


def fill_disk(path):
    """10 GiB in some 1300 extents: half a GiB of data in the midst of what is only allotted."""
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, DISK)
        for at in range(0, DISK, STEP):
            os.pwrite(file.fileno(), os.urandom(4096) * (CHUNK // 4096), at)
        os.fsync(file.fileno())


def fill_layer(upper):
    """10 GiB in 1000 files."""
    (upper / "many").mkdir(parents=True)
    for i in range(FILES):
        with open(upper / "many" / str(i), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, FILE)
            file.write(os.urandom(4096))
    os.sync()


def seconds(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def copies(bench, brig, name):
    """Samples of brig copy, which ends when all is on the disk, and of cp and sync."""
    ours, peers = [], []
    for i in range(min(bench.rounds, 7)):
        there = brig.root / "peer"
        ours.append(1000 * seconds(lambda: brig("copy", name, "b")))
        peers.append(1000 * seconds(lambda: subprocess.run(
            ["sh", "-c", 'cp -a --reflink=auto "$1" "$2" && sync -f "$2"', "sh",
             brig.root / "instances" / name, there], check=True)))
        brig("rm", "b")
        shutil.rmtree(there)
        os.sync()
    return ours, peers


def instance_clone(bench):
    """A machine with a disk of 10 GiB, and a container with 10 GiB of files."""
    image = bench.image
    for kind in MAKE:
        with file_system(bench, kind) as at:
            brig = type(bench.brig)(at / "root", bench.folder / f"run-{kind}")
            brig.root.mkdir()
            for name in ("images", "layers"):
                (brig.root / name).symlink_to(bench.brig.root / name)
            for name, fill in (("disk", lambda path: fill_disk(path / "data.raw")),
                               ("files", lambda path: fill_layer(path / "upper"))):
                brig("create", "--name", name, image, "true")
                fill(brig.root / "instances" / name)
                ours, peers = copies(bench, brig, name)
                what = "a disk of 10 GiB" if name == "disk" else f"10 GiB in {FILES} files"
                yield f"copy of {what}, {kind}", "ms", ours, peers, "cp -a --reflink, sync"
                brig("rm", name)
