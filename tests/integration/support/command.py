# SPDX-License-Identifier: GPL-2.0-or-later
"""Running the real program as a user would: with pipes, or on a terminal."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from dataclasses import dataclass
from pathlib import Path

from support import wait

TREE = Path(__file__).resolve().parents[3]


@dataclass
class Result:
    """How a command ended. out and err are text, or bytes when the caller asked for them."""

    args: list
    code: int
    out: object
    err: object


class CommandError(AssertionError):
    def __init__(self, result):
        super().__init__(f"{' '.join(map(str, result.args))}: exit status {result.code}\n"
                         f"--- stdout\n{result.out[-4000:]}\n--- stderr\n{result.err[-4000:]}")
        self.result = result


class Running:
    """A command that runs. Use as a context manager: what still runs at its end is killed."""

    def __init__(self, args, env, tty=False, size=(24, 80), cwd=None):
        self.args, self.tty = args, tty
        self.out, self.err = bytearray(), bytearray()
        self._seen = 0
        if tty:
            self._master, slave = pty.openpty()
            self.resize(*size)
            self.process = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave, env=env,
                                            cwd=cwd, start_new_session=True,
                                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(slave)
            self._streams = {self._master: self.out}
        else:
            self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, env=env, cwd=cwd, bufsize=0)
            self._streams = {self.process.stdout.fileno(): self.out,
                             self.process.stderr.fileno(): self.err}

    @property
    def pid(self):
        return self.process.pid

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data, timeout=30):
        """Writes all of data to stdin (or types it), taking output meanwhile."""
        data = memoryview(data.encode() if isinstance(data, str) else data)
        fd = self._master if self.tty else self.process.stdin.fileno()
        deadline = wait.Deadline(timeout, "stdin to take the bytes")
        os.set_blocking(fd, False)
        while data:
            if fd in self._pump(deadline, writer=fd):
                try:
                    data = data[os.write(fd, data[:65536]):]
                except BlockingIOError:
                    pass
        os.set_blocking(fd, True)

    def end_input(self):
        """End of file on stdin (half-close); a terminal gets control-D."""
        if self.tty:
            os.write(self._master, b"\x04")
        else:
            self.process.stdin.close()

    def signal(self, number):
        self.process.send_signal(number)

    def expect(self, pattern, timeout=30):
        """Waits until the output after the last match matches the pattern; returns the match."""
        deadline = wait.Deadline(timeout, f"{pattern!r} in the output of {' '.join(self.args)}")
        while True:
            match = re.compile(pattern.encode(), re.M).search(self.out, self._seen)
            if match:
                self._seen = match.end()
                return match
            try:
                if not self._streams:
                    raise TimeoutError(f"the output ended without {pattern!r}")
                self._pump(deadline)
            except TimeoutError as error:
                raise TimeoutError(f"{error}\n--- stdout\n{self.out.decode(errors='replace')}\n"
                                   f"--- stderr\n{self.err.decode(errors='replace')}") from None

    def finish(self, timeout=60, text=True):
        """Ends the input, takes the output to its end, waits; returns the Result."""
        if not self.tty and not self.process.stdin.closed:
            self.process.stdin.close()
        deadline = wait.Deadline(timeout, f"the end of {' '.join(self.args)}")
        try:
            while self._streams:
                self._pump(deadline)
            code = self.process.wait(deadline.left())
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            self.kill()
            raise TimeoutError(f"{error}\n--- stdout\n{self.out[-4000:].decode(errors='replace')}\n"
                               f"--- stderr\n{self.err[-4000:].decode(errors='replace')}") from None
        out, err = bytes(self.out), bytes(self.err)
        if text:
            out, err = out.decode(errors="replace"), err.decode(errors="replace")
        return Result(self.args, 128 - code if code < 0 else code, out, err)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def _pump(self, deadline, writer=None):
        """Takes what is there of the output, waiting for some; returns the descriptors ready to write."""
        readable, writable, _ = select.select(list(self._streams), [writer] if writer is not None else [],
                                              [], deadline.left())
        for fd in readable:
            try:
                chunk = os.read(fd, 65536)
            except OSError:  # the other end of a terminal is gone
                chunk = b""
            self._streams[fd].extend(chunk)
            if not chunk:
                del self._streams[fd]
        return writable

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()
        if self.tty:
            os.close(self._master)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Brig:
    """The command line with folders of its own: brig("ps", "-a").out, brig.json("inspect", name)."""

    def __init__(self, root, run, program=None, prefix=(), network="none"):
        self.root, self.run = Path(root), Path(run)
        self.program = program or os.environ.get("BRIG", str(TREE / "build/brig"))
        self.engine = os.environ.get("BRIG_TEST_ENGINE")  # that runs VMs: kvm or qemu; else brig chooses
        self._running = []
        self._prefix = list(prefix)  # what each command begins with
        self.network = network  # of instances, if nothing is said; a test that is not about networks makes none

    @property
    def vm_engine(self):
        """The name of the engine that the tests' VMs have."""
        if self.engine:
            return self.engine
        checks = json.loads(self("doctor", "--json", check=False).out)["checks"]
        return "kvm" if any((c["id"], c["status"]) == ("kvm-guest", "ok") for c in checks) else "qemu"

    def command(self, *args):
        args = list(map(str, args))
        # Whatever makes a VM takes the engine that is to be tested.
        if self.engine and "--vm" in args and "--engine" not in args:
            at = args.index("--vm") + 1
            args[at:at] = ["--engine", self.engine]
        return [*self._prefix, self.program, "--root", str(self.root), "--run", str(self.run), *args]

    def environment(self, env=None):
        # Nothing of the caller's environment but what any user has.
        clean = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", "TERM": "xterm",
                 "BRIG_NETWORK": self.network,
                 "CONTAINERS_REGISTRIES_CONF": str(TREE / "tests/integration/support/registries.conf")}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                clean[name] = os.environ[name]
        return {**clean, **(env or {})}

    def popen(self, *args, env=None, tty=False, size=(24, 80), cwd=None):
        running = Running(self.command(*args), self.environment(env), tty, size, cwd)
        self._running.append(running)
        return running

    def __call__(self, *args, input=None, check=True, timeout=60, env=None, tty=False, text=True,
                 cwd=None):
        """Runs to the end. check: any exit status but 0 fails the test."""
        with self.popen(*args, env=env, tty=tty, cwd=cwd) as running:
            if input is not None:
                try:
                    running.send(input, timeout)
                except BrokenPipeError:
                    pass  # the command did not want all of it; its exit status tells
            result = running.finish(timeout, text)
        if check and result.code:
            raise CommandError(result)
        return result

    def fails(self, *args, code=125, **options):
        """Runs what must fail with this exit status; returns the Result."""
        result = self(*args, check=False, **options)
        if result.code != code:
            raise CommandError(result)
        return result

    def json(self, *args, **options):
        wanted = [] if "inspect" in args else ["--json"]  # which speaks nothing else
        return json.loads(self(*args, *wanted, **options).out)

    def stop_commands(self):
        """Kills the commands of popen() that still run."""
        for running in self._running:
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()
