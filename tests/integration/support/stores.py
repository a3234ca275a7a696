# SPDX-License-Identifier: GPL-2.0-or-later
"""Roots of brig's, with images or a kernel in them, that tests start from: each is filled once a run, by the first
worker that wants it. With $BRIG_TEST_STORES they are copied from that folder, where it has them: an emulated machine
takes minutes to fill what its host fills in seconds."""

import os
import shutil
from pathlib import Path

from support import images
from support.command import Brig


def _busybox(folder, brig):
    brig("image", "import", "--name", "busybox", busybox_tree(folder))


def _debian(folder, brig):
    images.clone(get(folder, "busybox"), brig.root)  # so that a test can have both
    _image(brig, "debian", images.debian_tar())


def _next(_, brig):
    _image(brig, "next", images.debian_tar(suite=images.NEXT_SUITE))


def _nesting(_, brig):
    _image(brig, "nesting", images.debian_tar(images.NESTING_PACKAGES))


def _kernel(_, brig):
    vmlinuz, modules = images.debian_kernel_files()
    brig("kernel", "import", "--name", "debian", vmlinuz, "--modules", modules, timeout=300)
    brig("kernel", "default", "debian")


def _image(brig, name, tar):
    brig("image", "import", "--name", name, tar, timeout=300)


FILL = {"busybox": _busybox, "debian": _debian, "next": _next, "nesting": _nesting, "kernel": _kernel}


def busybox_tree(folder):
    return images.made_once(folder / "busybox-tree", images.busybox_tree)


def get(folder, name):
    """The store's root, made in the folder if it is not there."""
    ready = Path(os.environ.get("BRIG_TEST_STORES", "/nonexistent")) / f"store-{name}"

    def make(path):
        if ready.is_dir():
            shutil.copytree(ready, path, symlinks=True)
        else:
            FILL[name](folder, Brig(path, path.with_name(path.name + "-run")))

    return images.made_once(folder / f"store-{name}", make)
