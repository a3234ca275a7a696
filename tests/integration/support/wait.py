# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for events with a deadline. Tests wait for what they need, and never just for time to pass."""

import ctypes
import errno
import os
import select
import time
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
IN_MODIFY, IN_CLOSE_WRITE = 0x2, 0x8
IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_MOVED_FROM = 0x80, 0x100, 0x200, 0x40
IN_DELETE_SELF, IN_MOVE_SELF = 0x400, 0x800
IN_ALL = (IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM
          | IN_DELETE_SELF | IN_MOVE_SELF)


class Deadline:
    def __init__(self, seconds, what):
        self.end, self.seconds, self.what = time.monotonic() + seconds, seconds, what

    def left(self):
        """Seconds left; raises when there are none."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"waited {self.seconds} s for {self.what}")
        return left

    def poll(self, fd, events=select.POLLIN):
        """Waits until the descriptor is ready; returns poll()'s events."""
        poller = select.poll()
        poller.register(fd, events)
        while True:
            ready = poller.poll(self.left() * 1000)
            if ready:
                return ready[0][1]


def process_end(pid, timeout=10):
    """Waits until the process, which need not be a child, has ended. One that is gone has."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError as error:
        if error.errno == errno.EINVAL:  # a number without a process that is just being given up
            return
        raise
    try:
        Deadline(timeout, f"process {pid} to end").poll(fd)
    finally:
        os.close(fd)


def _existing(path):
    while not path.exists():
        path = path.parent
    return path


def file_state(paths, condition, timeout=10, what=None):
    """Waits until condition() is true, asking again after each change at one of the paths or in the
    folders above them that exist. Returns the condition's value."""
    paths = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(p) for p in paths]
    deadline = Deadline(timeout, what or f"a change of {', '.join(map(str, paths))}")
    while True:
        # A new watch each time, since folders come and go; set before the condition is looked at.
        fd = LIBC.inotify_init1(os.O_CLOEXEC)
        try:
            for path in {_existing(p) for p in paths} | {_existing(p.parent) for p in paths}:
                LIBC.inotify_add_watch(fd, os.fsencode(path), IN_ALL)
            value = condition()
            if value:
                return value
            deadline.poll(fd)
        finally:
            os.close(fd)


def file_exists(path, timeout=10):
    file_state(path, Path(path).exists, timeout, f"{path} to exist")


def file_contains(path, text, timeout=10):
    """Waits until the file holds the text; returns all that it holds."""
    path = Path(path)

    def holds():
        try:
            content = path.read_text(errors="replace")
        except OSError:
            return None
        return content if text in content else None

    return file_state(path, holds, timeout, f"{text!r} in {path}")
