# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk of brig's that is soon full."""

import subprocess
from contextlib import contextmanager


@contextmanager
def disk_of(brig, folder, mib):
    """brig's root is on a disk of that size, in the folder, which is made; its instances are removed at the end."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", folder], check=True)
    brig.root, real = folder / "root", brig.root
    yield folder
    names = brig("ps", "-a", "-q").out.split()
    if names:
        brig("rm", "-f", *names)
    brig.root = real
    subprocess.run(["umount", folder], check=True)
