# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces of a test: a host to run brig on, and the world that it is connected with.

    +-- host ---------------+          +-- world --------------+
    | 192.0.2.2/24     up0 =|==========|= w0     192.0.2.1/24  |
    | 2001:db8::2/64        |          |         2001:db8::1/64|
    +-----------------------+          +-----------------------+

The host's default routes lead to the world, which knows no way to what is behind the host.
"""

import contextlib
import ctypes
import json
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
HOST, WORLD = "192.0.2.2", "192.0.2.1"
HOST6, WORLD6 = "2001:db8::2", "2001:db8::1"


class Namespace:
    """A network namespace, held by a process. Use as a context manager."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.run("ip", "link", "set", "lo", "up")
        # Where br_netfilter is built in, a new namespace has it on; on most hosts it is off.
        self.filter_bridges(0)
        return self

    def filter_bridges(self, is_on):
        """What br_netfilter does there; False where the kernel has none."""
        knobs = "/proc/sys/net/bridge/bridge-nf-call-*"
        return "/" in self.run("sh", "-c", f"for f in {knobs}; do [ ! -e $f ] || {{ echo {is_on:d} >$f; echo $f; }}; done")

    def __exit__(self, *_):
        self.holder.stdin.close()
        self.holder.stdout.close()
        self.holder.wait()

    @property
    def pid(self):
        return self.holder.pid

    @property
    def prefix(self):
        """What a command begins with that runs there."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    def run(self, *args, check=True, timeout=30, input=None):
        """The output of a command there."""
        done = subprocess.run([*self.prefix, *map(str, args)], capture_output=True, text=True, timeout=timeout,
                              input=input)
        assert not check or done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout

    def links(self):
        return {link["ifname"] for link in json.loads(self.run("ip", "-j", "link"))}

    def inside(self, function):
        """What function() returns there, in a thread of its own, since a thread is in one namespace."""
        result = []

        def work():
            with open(f"/proc/{self.pid}/ns/net") as namespace:
                _setns(namespace.fileno())
            result.append(function())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return result[0]

    def listen(self, port, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        """A socket there that is bound to a port of any address."""
        def make():
            sock = socket.socket(family, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(8)
            sock.settimeout(30)
            return sock

        return self.inside(make)

    def fetch(self, address, port, timeout=10, say=""):
        """What a server says to a connection from there, after what is said to it; OSError if nobody answers."""
        def work():
            try:
                with socket.create_connection((address, port), timeout) as connection:
                    connection.sendall(say.encode())
                    return connection.makefile().read()
            except OSError as error:
                return error

        said = self.inside(work)
        if isinstance(said, OSError):
            raise said
        return said


class Joined(Namespace):
    """That of a process which is there already."""

    def __init__(self, pid):
        self._pid = pid

    @property
    def pid(self):
        return self._pid


def _setns(fd):
    """os.setns() comes with Python 3.12."""
    if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Wires:
    """The two of them, connected. Use as a context manager."""

    def __enter__(self):
        self.host, self.world = Namespace().__enter__(), Namespace().__enter__()
        self.connect()
        return self

    def connect(self):
        self.host.run("ip", "link", "add", "up0", "type", "veth", "peer", "w0", "netns", self.world.pid)
        for namespace, device, address, address6 in ((self.world, "w0", WORLD, WORLD6),
                                                     (self.host, "up0", HOST, HOST6)):
            namespace.run("ip", "addr", "add", f"{address}/24", "dev", device)
            namespace.run("ip", "addr", "add", f"{address6}/64", "dev", device, "nodad")
            namespace.run("ip", "link", "set", device, "up")
        self.host.run("ip", "route", "add", "default", "via", WORLD)
        self.host.run("ip", "-6", "route", "add", "default", "via", WORLD6)

    @contextlib.contextmanager
    def receiver(self, brig, name, port):
        """A connection from an instance to the world, which says nothing more on it: its end in the world, and what
        it hears."""
        begun = f"(echo begun; sleep 1000) | nc {WORLD} {port}"
        with self.world.listen(port) as listener, brig.popen("exec", name, "sh", "-c", begun) as hears:
            connection, _ = listener.accept()
            assert connection.recv(6) == b"begun\n"
            yield connection, hears
            connection.close()

    def __exit__(self, *_):
        self.host.__exit__()
        self.world.__exit__()
