# SPDX-License-Identifier: GPL-2.0-or-later
"""What is dear to make, kept outside the tree under a name with a digest of all it was made from.

An entry is a folder. One process at a time makes entries of a kind; who makes or uses one shares its lock, and
only what nobody holds is thrown away. A process that is killed leaves nothing locked.
"""

import fcntl
import hashlib
import os
import shutil
from pathlib import Path


def folder():
    default = "/var/cache" if os.geteuid() == 0 else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "brig-lab"


def digest(*parts):
    """Of texts, and of the names and contents of files."""
    total = hashlib.sha256()
    for part in parts:
        piece = f"{part.name} {part.stat().st_mode:o}\n".encode() + part.read_bytes() if isinstance(part, Path) \
            else str(part).encode()
        total.update(f"{len(piece)}:".encode() + piece)
    return total.hexdigest()[:16]


class Entry:
    """path, once got(); the lock is held until the process ends."""

    def __init__(self, kind, key):
        self.path = folder() / f"{kind}-{key}"
        self._kind = kind
        self._lock = None
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def _share(self):
        while True:
            lock = open(self.path.with_suffix(".lock"), "w")
            fcntl.flock(lock, fcntl.LOCK_SH)
            # Whoever threw the entry away has removed the lock's file too.
            if self.path.with_suffix(".lock").exists() and \
                    os.fstat(lock.fileno()).st_ino == self.path.with_suffix(".lock").stat().st_ino:
                return lock
            lock.close()

    def get(self, make):
        """The entry's folder, filled by make(folder) if it is not there."""
        self._lock = self._share()
        if not self.path.exists():
            self._lock.close()
            self._get_made(make)
        os.utime(self.path)
        return self.path

    def _get_made(self, make):
        # Not by the entry's own lock: who has made one goes on to share it, for long.
        with open(self.path.with_name(f"{self._kind}.making"), "w") as making:
            fcntl.flock(making, fcntl.LOCK_EX)
            self._lock = self._share()
            if not self.path.exists():
                self._make(make)

    def _make(self, make):
        new = self.path.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        try:
            make(new)
            new.rename(self.path)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def drop(self):
        """Throws the entry away, unless somebody else uses it."""
        if self._lock:
            self._lock.close()
            self._lock = None
        _discard(self.path)


def _discard(path):
    lock_path = path.with_suffix(".lock")
    with open(lock_path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for leftover in (path, path.with_suffix(".new")):
            shutil.rmtree(leftover, ignore_errors=True)
        lock_path.unlink(missing_ok=True)


def prune(kind, keep):
    """Keeps the entries of the kind that were used last, and what is being made."""
    stems = {path.with_suffix("") for path in folder().glob(f"{kind}-*")}
    entries = sorted((path for path in stems if path.exists()), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in stems - set(entries[:keep]):
        _discard(path)
