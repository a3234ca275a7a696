# SPDX-License-Identifier: GPL-2.0-or-later
"""Container engines with brig-oci as their runtime, each in a host of its own.

A host is a set of namespaces (mounts, network, processes) with an empty /run: what an engine leaves at
fixed places there (its locks, sockets and network namespaces) ends with it, and nobody else's is met.
The rest lies below one folder, and the cgroups below one parent."""

import contextlib
import json
import os
import re
import secrets
import shutil
from pathlib import Path

from support import images, leaks, wait
from support.command import TREE, CommandError, Running

RUNTIME = os.environ.get("BRIG_OCI", str(TREE / "build/brig-oci"))
RUNTIME_ROOT = "/run/brig-oci"  # in the host

# What engines store lies in memory, which no busy disk holds up. SIGCHLD ignored: whoever is orphaned here is
# reaped by the kernel.
FIRST_PROCESS = """
mount -t tmpfs -o mode=755 run /run && mount -t tmpfs -o mode=711 store "$TMPDIR" &&
ip link set lo up && echo ready && exec env --ignore-signal=CHLD cat
"""


class Host:
    """Namespaces to run engines in. Use as a context manager: its end kills what runs in it."""

    def __init__(self):
        # short, since sockets lie below it
        self.folder = Path(f"/var/tmp/brig-engine-{secrets.token_hex(4)}")
        self.folder.mkdir(0o711)
        self.store = self.folder / "store"  # seen inside only
        self.store.mkdir()
        self.parent = f"/{self.folder.name}"
        self.deadline = wait.Deadline(60, "the host to start")
        self._running = []
        self._first = Running(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                               "--mount-proc", "sh", "-c", FIRST_PROCESS], self.environment())
        self._first.expect("ready", self.deadline.left())

    def environment(self, env=None):
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "xterm",
                 "TMPDIR": str(self.store)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                clean[name] = os.environ[name]
        return {**clean, **(env or {})}

    def popen(self, *command, env=None, **options):
        namespaces = f"/proc/{self._first.pid}/ns"
        running = Running(["nsenter", f"--mount={namespaces}/mnt", f"--net={namespaces}/net",
                           f"--pid={namespaces}/pid_for_children", "--", *map(str, command)],
                          self.environment(env), **options)
        self._running.append(running)
        return running

    def __call__(self, *command, input=None, code=0, env=None, tty=False):
        """Runs to the end, which must have this exit status (None: any)."""
        with self.popen(*command, env=env, tty=tty) as running:
            if input is not None:
                running.send(input, self.deadline.left())
            result = running.finish(self.deadline.left())
        if code is not None and result.code != code:
            raise CommandError(result)
        return result

    def cgroups(self):
        """The cgroups of containers, in any hierarchy. Podman, whatever the runtime, keeps one for its
        monitors, and leaves those of pods (a digest) in hierarchies that it does not know."""
        return {str(path) for root in leaks.cgroup_roots() for path in root.glob(f"{self.parent[1:]}/**/*/")
                if not re.fullmatch("conmon|[0-9a-f]{64}", path.name)}

    def cgroup(self, controller):
        """The parent in the controller's hierarchy of version 1, or in version 2's."""
        root = Path("/sys/fs/cgroup")
        return (root / controller if (root / controller).is_dir() else root) / self.parent[1:]

    def containers(self):
        """What brig-oci knows here, which engines have told it to forget."""
        return self(RUNTIME, "list", "-q").out.split()

    def leftovers(self):
        found = [f"container {name}" for name in self.containers()]
        found += [f"cgroup {path}" for path in self.cgroups()]
        found += [f"interface {link}" for link in json.loads(self("ip", "-j", "link").out or "[]")
                  if link.get("ifname", "").startswith("veth")]
        return found

    def close(self):
        for running in self._running:
            if running.process.poll() is None:
                running.kill()
        self._first.finish(30)  # kills, as a namespace's first process, the rest
        leaks.lasting_processes(self.folder, 10)
        for root in leaks.cgroup_roots():
            for path, folders, _ in os.walk(root / self.parent[1:], topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def oci_archive(tree, target):
    """The tree as an image `busybox` in an OCI archive, which each of the engines can read."""
    with Host() as host:
        podman = Podman(host)
        host("tar", "-C", tree, "-cf", host.store / "tree.tar", ".")
        podman("import", host.store / "tree.tar", "localhost/busybox:latest")
        podman("save", "--format", "oci-archive", "-o", target, "localhost/busybox:latest")


PODMAN_CONFIG = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "none"
[network]
network_backend = "netavark"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
pull_policy = "never"
runtime = "brig"
[engine.runtimes]
brig = ["{runtime}"]
"""
STORAGE_CONFIG = """\
[storage]
driver = "overlay"
graphroot = "{store}/storage"
runroot = "{folder}/run"
"""


class Podman:
    """podman("ps", "-a").out, podman.run("--rm", "true").out, and buildah on the same images."""

    def __init__(self, host):
        self.host = host
        config = host.folder / "containers.conf"
        config.write_text(PODMAN_CONFIG.format(runtime=RUNTIME))
        storage = host.folder / "storage.conf"
        storage.write_text(STORAGE_CONFIG.format(folder=host.folder, store=host.store))
        self.env = {"CONTAINERS_CONF": str(config),
                    "CONTAINERS_STORAGE_CONF": str(storage)}

    def command(self, *args):
        args = list(map(str, args))
        for making in (["run"], ["create"], ["pod", "create"]):
            if args[:len(making)] == making:
                args.insert(len(making), f"--cgroup-parent={self.host.parent}")
        return ["podman", f"--tmpdir={self.host.folder}/tmp",
                f"--network-config-dir={self.host.folder}/networks", *args]

    def popen(self, *args, **options):
        return self.host.popen(*self.command(*args), env=self.env, **options)

    def __call__(self, *args, **options):
        return self.host(*self.command(*args), env=self.env, **options)

    def json(self, *args):
        return json.loads(self(*args).out)

    def buildah(self, command, *args, **options):
        runtime = [f"--runtime={RUNTIME}", "--network=none"] if command in ("build", "run") else []
        return self.host("buildah", command, *runtime, *args, env=self.env, **options)


CONTAINERD_CONFIG = """\
version = 2
root = "{store}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "/run/containerd.sock"
"""


class Containerd:
    """ctr("task", "ls").out; ctr.run("--rm", image, "c1", "true")."""

    def __init__(self, host):
        self.host = host
        config = host.folder / "containerd.toml"
        config.write_text(CONTAINERD_CONFIG.format(store=host.store))
        self.daemon = host.popen("sh", "-c", f"exec containerd --config {config} 2>&1")
        self.daemon.expect("containerd successfully booted", host.deadline.left())

    def command(self, *args):
        return ["ctr", "--address=/run/containerd.sock", f"--namespace={self.host.parent[1:]}", *map(str, args)]

    def run_command(self, *args, runtime=RUNTIME):
        return self.command("run", f"--runc-binary={runtime}", "--runtime=io.containerd.runc.v2", *args)

    def popen_run(self, *args, **options):
        return self.host.popen(*self.run_command(*args), **options)

    def run(self, *args, **options):
        return self.host(*self.run_command(*args), **options)

    def __call__(self, *args, **options):
        return self.host(*self.command(*args), **options)
