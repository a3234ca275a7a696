# SPDX-License-Identifier: GPL-2.0-or-later
"""Layers: how fast one of a big root is made, beside mkfs.erofs alone, and what a second instance of an image adds."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from support import images

GIB = 1 << 30
READ = "find / -xdev -type f -exec cat {} + > /dev/null"


def blocks(folder):
    """Bytes that the files below it take."""
    return sum(os.lstat(os.path.join(top, name)).st_blocks * 512
               for top, _, names in os.walk(folder) for name in names)


def big_root(folder):
    """A root of 1 GiB: Debian as often as it takes."""
    taken, n = 0, 0
    while taken < GIB:
        part = folder / f"{n}"
        part.mkdir(parents=True)
        images.run("tar", "-C", part, "-xf", images.debian_tar())
        taken, n = taken + blocks(part), n + 1
    os.sync()
    return folder


def seconds(*command):
    started = time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def layer_build(bench):
    """What brig does besides is to hash it all, and to keep it as others' tools read it."""
    tree, out = big_root(bench.folder / "big"), bench.folder / "big.erofs"
    ours, theirs = [], []
    for _ in range(max(3, bench.rounds // 5)):
        ours.append(seconds(*bench.brig.command("image", "import", "--name", "big", tree)))
        bench.brig("rmi", "big")
        theirs.append(seconds("sh", "-c", 'mkfs.erofs "$1" "$2" && sync "$1"', "sh", out, tree))
        out.unlink()
    shutil.rmtree(tree)
    yield "image: import of a root of 1 GiB", "s", ours, theirs, "mkfs.erofs, sync"


def cached(pid):
    """Bytes of files that are in memory because the process's control group has read them."""
    groups = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    group = groups.get("memory", groups[""]).strip()
    stat = Path(f"/sys/fs/cgroup{'/memory' if 'memory' in groups else ''}{group}/memory.stat").read_text()
    found = {key: int(value) for key, value in (line.split() for line in stat.splitlines())}
    return (found["total_cache"] - found["total_shmem"]) if "total_cache" in found else found["file"] - found["shmem"]


def instances(bench, options):
    """Two of the same image that read all of it: what each adds on the disk and in the page cache."""
    brig, added = bench.brig, []
    for name in ("first", "second"):
        before = blocks(brig.root)
        brig("run", "-d", "--name", name, *options, "debian", "sleep", "1000000", timeout=300)
        brig("exec", name, "sh", "-c", READ, timeout=600)
        pid = brig.json("inspect", name)[0]["run"]["pid"]
        added.append((blocks(brig.root) - before, cached(pid)))
    brig("rm", "-f", "first", "second")
    return added


def second_instance(bench):
    bench.brig("image", "import", "--name", "debian", images.debian_tar(), timeout=300)
    assert bench.kernel  # made before anything is measured
    for kind, options in (("container", []), ("machine", ["--vm"])):
        for layer in (bench.brig.root / "layers").iterdir():  # as if nobody had read it yet
            with open(layer, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        first, second = instances(bench, options)
        for i, where in enumerate(("on the disk", "in the page cache")):
            yield (f"{kind}: a second one of Debian, {where}", "MiB", [second[i] / (1 << 20)], [first[i] / (1 << 20)],
                   "the first one")
