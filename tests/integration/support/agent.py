# SPDX-License-Identifier: GPL-2.0-or-later
"""A seccomp agent: who listens at linux.seccomp.listenerPath, and answers system calls in the kernel's stead."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101  # linux/seccomp.h, for structures of 80 and 24 bytes
CONTINUE = 1


def number(call):
    """Of a system call on this machine."""
    library = ctypes.CDLL("libseccomp.so.2")
    return library.seccomp_syscall_resolve_name(call.encode())


class Agent:
    """Use as a context manager. answers: {call: value, or the negative errno}; other calls go on, and so does one whose
    answer is a function: of the caller's pid, called while it waits."""

    def __init__(self, path, answers):
        self.path, self.answers = path, {number(call): value for call, value in answers.items()}
        self.states, self.seen, self._names = [], [], {number(call): call for call in answers}
        self._threads, self._end = [], os.pipe()

    def __enter__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.socket.listen(8)
        self._start(self._accept)
        return self

    def __exit__(self, *args):
        os.close(self._end[1])
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        os.close(self._end[0])
        self.socket.close()

    def _start(self, run, *args):
        self._threads.append(threading.Thread(target=run, args=args, daemon=True))
        self._threads[-1].start()

    def _readable(self, fd):
        """False once the agent ends."""
        return fd in select.select([fd, self._end[0]], [], [])[0]

    def _accept(self):
        while self._readable(self.socket.fileno()):
            connection = self.socket.accept()[0]
            with contextlib.closing(connection):
                data, fds, _, _ = socket.recv_fds(connection, 1 << 16, 4)
                while more := connection.recv(1 << 16):
                    data += more
            self.states.append((json.loads(data), len(fds)))
            self._start(self._answer, fds[0])

    def _answer(self, listener):
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._end[0], 0)
        while True:
            events = dict(poll.poll())
            if not events.get(listener, 0) & select.POLLIN:
                break  # nobody has the filter any more, or we end
            notification = bytearray(80)
            try:
                fcntl.ioctl(listener, NOTIF_RECV, notification)
            except OSError as error:  # the process was killed meanwhile
                assert error.errno in (errno.ENOENT, errno.EINTR)
                continue
            identity, pid, _, call = struct.unpack_from("=QIIi", notification)
            value = self.answers.get(call)
            self.seen.append((pid, self._names.get(call, call)))
            if callable(value):
                value = value(pid)
            answer = struct.pack("=QqiI", identity, max(value or 0, 0), min(value or 0, 0),
                                 CONTINUE if value is None else 0)
            with contextlib.suppress(FileNotFoundError):
                fcntl.ioctl(listener, NOTIF_SEND, answer)
        os.close(listener)
