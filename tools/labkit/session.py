# SPDX-License-Identifier: GPL-2.0-or-later
"""One command in the machine: our streams, terminal and signals joined to it (tests/lab/machine/agent has
the frames).

A machine that says nothing for a second gets a frame that its agent passes over, for the interrupt that comes with
it: QEMU loses one now and then (docs/lab.md), and without another the machine would stand still for ever.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import time
import tty

HEADER = struct.Struct("<cI")
CHUNK = 64 << 10
FRAME_MAX = 1 << 20
TIMED_OUT = 124  # as timeout(1)
WAKE_SECONDS = 1
LAST_SECONDS = 10  # for the command to end when we are told to


class Lost(Exception):
    """The machine ended, or said nothing in time."""


class Port:
    """Frames to and from the agent. What the machine's serial console says is kept meanwhile."""

    def __init__(self, machine, verbose=False):
        self.machine, self.verbose = machine, verbose
        self._received = bytearray()
        machine.port.setblocking(False)

    def send(self, kind, data=b"", deadline=None):
        """Takes in what comes meanwhile: the agent may not read before it has written."""
        port, data = self.machine.port, memoryview(HEADER.pack(kind, len(data)) + data)
        while data:
            readable, writable, _ = self._wait([port], [port], deadline)
            if port in readable:
                self._take_in()
            if writable:
                data = data[port.send(data):]

    def _take_in(self):
        piece = self.machine.port.recv(CHUNK)
        if not piece:
            raise Lost(self.machine.last_words())
        self._received += piece

    def _wait(self, readers, writers, deadline):
        left = None if deadline is None else max(0, deadline - time.monotonic())
        readers = [*readers, self.machine.serial]
        ready = select.select(readers, writers, [], left)
        if not any(ready):
            raise TimeoutError
        if self.machine.serial in ready[0]:
            said = self.machine.serial.recv(CHUNK)
            if not said:
                raise Lost(self.machine.last_words())
            self.machine.console += said
            if self.verbose:
                sys.stderr.buffer.write(said)
                sys.stderr.flush()
        return ready

    def _frame(self):
        if len(self._received) < HEADER.size:
            return None
        kind, size = HEADER.unpack_from(self._received)
        if size > FRAME_MAX:
            raise Lost(f"a frame of {size} bytes came out of the machine")
        if len(self._received) < HEADER.size + size:
            return None
        data = bytes(self._received[HEADER.size:HEADER.size + size])
        del self._received[:HEADER.size + size]
        return kind, data

    def _wait_and_wake(self, readers, deadline):
        while True:
            wake = time.monotonic() + WAKE_SECONDS
            if deadline is not None and deadline <= wake:
                return self._wait(readers, [], deadline)
            try:
                return self._wait(readers, [], wake)
            except TimeoutError:
                self.send(b"K", deadline=deadline)

    def receive(self, deadline=None, also=(), wakes=False):
        """(kind, data), or (None, readers): some of the other readers are ready."""
        while True:
            frame = self._frame()
            if frame:
                return frame
            readers = [self.machine.port, *also]
            readable, _, _ = self._wait_and_wake(readers, deadline) if wakes else self._wait(readers, [], deadline)
            if self.machine.port in readable:
                self._take_in()
            others = [reader for reader in readable if reader in also]
            if others:
                return None, others

    def expect(self, kind, deadline):
        got, data = self.receive(deadline)
        if got != kind:
            raise Lost(f"the machine sent {got} in place of {kind}")
        return json.loads(data) if data else None


@contextlib.contextmanager
def _raw_terminal():
    saved = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)


@contextlib.contextmanager
def _signals():
    """A descriptor that gives the numbers of the signals that came."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH)
    old = {number: signal.signal(number, lambda *_: None) for number in wanted}
    old_fd = signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(old_fd)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def terminal_size():
    return list(struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[:2])


def _pass_signals(port, signals, with_tty):
    """Returns whether one of them is to end us."""
    numbers = os.read(signals, 64)
    for number in numbers:
        if number == signal.SIGWINCH:
            if with_tty:
                port.send(b"W", json.dumps(terminal_size()).encode())
        else:
            port.send(b"S", str(number).encode())
    return any(number in (signal.SIGTERM, signal.SIGHUP) for number in numbers)


def _write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def _join(port, signals, with_tty, deadline, wakes):
    readers = [0, signals]
    while True:
        kind, data = port.receive(deadline, readers, wakes)
        if kind == b"X":
            return json.loads(data)["status"]
        if kind in (b"O", b"E"):
            _write_all(1 if kind == b"O" else 2, data)
        elif kind is None and signals in data:
            if _pass_signals(port, signals, with_tty):
                deadline = time.monotonic() + LAST_SECONDS
        elif kind is None:
            typed = os.read(0, CHUNK // 2)
            port.send(b"I", typed, deadline)
            if not typed:
                readers.remove(0)


def run(port, timeout, with_tty, wakes):
    """Until the command ends; returns its exit status. wakes: not where instructions are counted."""
    deadline = time.monotonic() + timeout if timeout else None
    with _signals() as signals, _raw_terminal() if with_tty else contextlib.nullcontext():
        try:
            return _join(port, signals, with_tty, deadline, wakes)
        except TimeoutError:
            pass
    print(f"lab: the command did not end in time (LAB_TIMEOUT is {timeout} s)", file=sys.stderr)
    return TIMED_OUT
