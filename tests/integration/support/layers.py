# SPDX-License-Identifier: GPL-2.0-or-later
"""What an instance has written, file by file, as it is on the host's disk."""

import contextlib
import hashlib
import os
import stat
import subprocess

# A handle of where a file was copied up from: not of the file, and not carried.
NOT_ITS_OWN = {"trusted.overlay.origin", "trusted.overlay.nlink", "trusted.overlay.uuid"}


def _ranges(path, size):
    """Where a file has data; the rest is holes."""
    found, at = [], 0
    with open(path, "rb") as file:
        while at < size:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            found.append((start, at))
    return found


def _attributes(path):
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False) if name not in NOT_ITS_OWN}


def _describe(path, status):
    yield "mode", oct(status.st_mode)
    yield "owner", (status.st_uid, status.st_gid)
    yield "changed", status.st_mtime_ns
    yield "device", status.st_rdev
    yield "attributes", _attributes(path)
    if stat.S_ISLNK(status.st_mode):
        yield "target", os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        yield "size", status.st_size
        yield "ranges", _ranges(path, status.st_size)
        with open(path, "rb") as file:
            yield "content", hashlib.file_digest(file, "sha256").hexdigest()


def listing(top):
    """{path below top: what is known of the file}, with all names of those that have several here."""
    found, names = {}, {}

    def add(path):
        status = os.lstat(path)
        name = os.path.relpath(path, top)
        found[name] = dict(_describe(path, status))
        if stat.S_ISDIR(status.st_mode):
            for entry in sorted(os.listdir(path)):
                add(os.path.join(path, entry))
        else:
            names.setdefault(status.st_ino, []).append(name)

    add(top)
    for same in names.values():
        for name in same:
            found[name]["names"] = same
    return found


@contextlib.contextmanager
def mounted(disk, folder):
    """The disk of a VM that a test trusts, read by the kernel."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "ro,noload,loop", disk, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def of_disk(disk, folder):
    with mounted(disk, folder) as top:
        return listing(top / "upper")


def difference(left, right):
    """{path: (left, right)}, for an assertion that says what differs."""
    return {name: (left.get(name), right.get(name)) for name in left.keys() | right.keys()
            if left.get(name) != right.get(name)}
