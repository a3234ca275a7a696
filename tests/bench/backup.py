# SPDX-License-Identifier: GPL-2.0-or-later
"""Backups of an instance, whole and as an increment on an earlier one; beside tar and zstd."""

import os
import shutil
import time

from support import images

FILES, FILE, CHANGED = 64, 4 << 20, 2


def fill(folder, names):
    """Half of each file compresses well, half not at all."""
    for name in names:
        half = os.urandom(FILE // 2)
        (folder / name).write_bytes(half + bytes(i & 7 for i in range(256)) * (FILE // 512))
    os.sync()


def instance_backup(bench):
    """256 MiB in 64 files, of which 2 change. What they take is in MiB."""
    brig, image = bench.brig, bench.image
    brig("create", "--name", "a", image, "true")
    upper, out = brig.root / "instances/a/upper", bench.folder / "backups"
    upper.mkdir(exist_ok=True)
    out.mkdir()
    fill(upper, [f"f{i}" for i in range(FILES)])

    def tar(name, notes):
        images.run("sh", "-c", 'tar -C "$1" -c -g "$2" . | zstd -q -f -T1 -o "$3"', "sh", upper, notes, out / name)

    def row(what, ours_made, peer_made, rounds):
        ours, peers = [], []
        for _ in range(rounds):
            (out / "ours").unlink(missing_ok=True)
            started = time.monotonic()
            ours_made()
            between = time.monotonic()
            peer_made()
            ours.append(1000 * (between - started))
            peers.append(1000 * (time.monotonic() - between))
        size = (out / "ours").stat().st_size / (1 << 20), (out / "peer").stat().st_size / (1 << 20)
        yield what, "ms", ours, peers, "tar -g, zstd"
        yield f"{what}: size", "MiB", [size[0]], [size[1]], "tar -g, zstd"

    def whole_by_tar():
        (out / "notes").unlink(missing_ok=True)
        tar("peer", out / "notes")

    def increment_by_tar():
        shutil.copy(out / "notes", out / "notes.now")
        tar("peer", out / "notes.now")

    rounds = min(bench.rounds, 5)
    yield from row("export of 256 MiB", lambda: brig("export", "a", out / "ours"), whole_by_tar, rounds)
    os.rename(out / "ours", out / "base")
    fill(upper, [f"f{i}" for i in range(CHANGED)])
    yield from row(f"export --since, {CHANGED} of {FILES} files changed",
                   lambda: brig("export", "a", out / "ours", "--since", out / "base"), increment_by_tar, rounds)
    brig("rm", "a")
    shutil.rmtree(out)
