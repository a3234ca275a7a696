# SPDX-License-Identifier: GPL-2.0-or-later
"""brig-oci as engines call it, bundles for it to run, and what a test of it must not leave behind."""

import contextlib
import copy
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from support import leaks
from support.command import TREE

APPLETS = ("cat chmod chown chrt cp cut date dd dmesg echo env false find grep head hostname id ionice kill ln ls "
           "mkdir mkfifo mknod mount mv nice od ps pwd readlink rm sed sh sleep sort stat stty sync tail taskset "
           "test touch tr true tty umount uname unshare wc").split()


def config():
    """A container without anything that a test has to care for."""
    return {
        "ociVersion": "1.3.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["true"], "env": ["PATH=/bin"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts", "network", "cgroup")]},
    }


def _parts(path):
    """"linux.namespaces[2].path" as ["linux", "namespaces", 2, "path"]; "[+]" is one more element."""
    for name, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        yield name or (index if index == "+" else int(index))


def _descend(node, part, following):
    if part == "+":
        node.append([] if isinstance(following, int) or following == "+" else {})
        return node[-1]
    if isinstance(node, dict):
        return node.setdefault(part, [] if isinstance(following, int) or following == "+" else {})
    return node[part]


def changed(document, changes):
    """A copy in which the members at these paths have these values; the value `...` removes one."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        parts, node = list(_parts(path)), document
        for part, following in zip(parts, parts[1:]):
            node = _descend(node, part, following)
        if value is ...:
            del node[parts[-1]]
        elif parts[-1] == "+":
            node.append(value)
        else:
            node[parts[-1]] = value
    return document


def make_rootfs(folder, tree):
    """A root file system of the test's own, to write in; its busybox is the one of the tree that all share."""
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root"):
        (folder / name).mkdir(parents=True)
    os.link(tree / "bin/busybox", folder / "bin/busybox")
    for applet in APPLETS:
        (folder / "bin" / applet).symlink_to("busybox")
    for name in ("passwd", "group"):
        shutil.copy(tree / "etc" / name, folder / "etc" / name)
    (folder / "tmp").chmod(0o1777)


class Oci:
    """brig-oci with a root of its own: oci("list").stdout."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "root"
        self.more = []  # options before the verb
        self.program = Path(os.environ.get("BRIG", str(TREE / "build/brig"))).with_name("brig-oci")
        self.id = folder.name  # a name that no other test's container has

    def command(self, *args, options=None):
        before = ["--root", self.root, *self.more] if options is None else options
        return [str(self.program), *map(str, before), *map(str, args)]

    def environment(self, env=None):
        return {"PATH": os.environ["PATH"], "HOME": "/root", **(env or {})}

    def __call__(self, *args, options=None, check=True, **how):
        how = {"stdin": subprocess.DEVNULL, "timeout": 20, **how, "env": self.environment(how.get("env"))}
        result = subprocess.run(self.command(*args, options=options), capture_output=True, text=True, **how)
        if check:
            assert result.returncode == 0, result.stderr
        return result

    def fails(self, *args, **how):
        """Returns the one line that stderr then has."""
        result = self(*args, check=False, **how)
        assert result.returncode == 1, (result.stdout, result.stderr)
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr

    def log(self, name="log.json"):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def popen(self, *args, **how):
        how = {"stdin": subprocess.DEVNULL, **how, "env": self.environment(how.get("env"))}
        return subprocess.Popen(self.command(*args), text=True, **how)

    # containers

    def state(self, name=None):
        return json.loads(self("state", name or self.id).stdout)

    def ids(self):
        return self("list", "-q").stdout.split()

    def processes(self):
        """Those that name the folder, or have it in a mount namespace of their own."""
        needle, ours, found = os.fsencode(self.folder), os.readlink("/proc/self/ns/mnt"), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    command = (entry / "cmdline").read_bytes()
                    if needle in command or (os.readlink(entry / "ns/mnt") != ours
                                             and needle in (entry / "mountinfo").read_bytes()
                                             and not leaks.is_anothers(entry, self.folder)):
                        found.append(f"process {entry.name}: {command}")
            except OSError:  # it has ended meanwhile
                pass
        return found

    def leftovers(self):
        """What is there of containers that are deleted, or were never made."""
        groups = [path for root in leaks.cgroup_roots() for folder in (root, root / "brig-oci") if folder.is_dir()
                  for path in folder.iterdir() if self.id in path.name]
        return (self.processes()
                + [f"mount: {line}" for line in leaks.mounts(self.folder)]
                + [f"cgroup {path}" for path in groups]
                + ([f"folder {path}" for path in self.root.iterdir()] if self.root.is_dir() else []))


class Bundle:
    """A folder with a configuration and a root file system of its own."""

    def __init__(self, oci, folder, tree):
        self.oci, self.folder, self.rootfs = oci, folder, folder / "rootfs"
        self.base = config()
        make_rootfs(self.rootfs, tree)

    def write(self, changes=None, script=None):
        """config.json with the changes; script is what the shell then runs."""
        document = changed(self.base, changes or {})
        if script is not None:
            document["process"]["args"] = ["sh", "-c", script]
        (self.folder / "config.json").write_text(json.dumps(document))
        return self

    def run(self, script=None, changes=None, check=True, options=(), name=None, **how):
        """Runs to the end; the result of the call."""
        self.write(changes, script)
        return self.oci("run", "--bundle", self.folder, *options, name or self.oci.id, check=check, **how)

    def out(self, script, changes=None, **how):
        """What the script writes, in a container that ends well."""
        return self.run(script, changes, **how).stdout.strip()

    def create(self, script=None, changes=None, name=None, options=(), **how):
        """Its streams are not ours: nobody would read them."""
        self.write(changes, script)
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **how}
        errors = self.oci.folder / "create.err"
        with open(errors, "w") as file:
            code = subprocess.run(
                self.oci.command("create", "--bundle", self.folder, *options, name or self.oci.id), stderr=file,
                timeout=60, env=self.oci.environment(), **how).returncode
        assert code == 0, errors.read_text()

    def start(self, script="exec sleep 1000", changes=None, name=None, **how):
        """A container that runs; the pid of its first process."""
        self.create(script, changes, name, **how)
        self.oci("start", name or self.oci.id)
        return self.oci.state(name)["pid"]

    def refused(self, changes, script=None, verb="create"):
        """The error, after a look at what it is told by and that nothing is left."""
        oci, log = self.oci, self.oci.folder / "log.json"
        self.write(changes, script)
        log.unlink(missing_ok=True)
        line = oci.fails(verb, "--bundle", self.folder, oci.id,
                         options=["--root", oci.root, "--log", log, "--log-format", "json"])
        last = oci.log()[-1]
        assert last["level"] == "error"
        assert line == f"brig-oci: {last['msg']}\n"
        assert not oci.leftovers()
        return last["msg"]


class ConsoleSocket:
    """Where an engine waits for the master of a container's terminal."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.socket.settimeout(10)

    def receive(self):
        """(name, master)"""
        with contextlib.closing(self.socket), self.socket.accept()[0] as connection:
            data, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        assert len(fds) == 1
        return data.decode(), fds[0]


def read_terminal(master):
    """All that is written to the terminal until nobody has it open any more."""
    text = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # EIO: no slave is open
            break
        if not data:
            break
        text += data
    return text.decode().replace("\r\n", "\n")
