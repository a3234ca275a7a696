# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured. A measure yields rows (what, unit, brig's samples, the peer's or None, the peer)."""

import contextlib
import ctypes
import os
import subprocess
import tarfile
import time
import zlib
from pathlib import Path

from backup import instance_backup
from clone import instance_clone
from layers import layer_build, second_instance
from net import networks
from oci import oci_runtime
from support import images, registry
from support.command import Brig

PODMAN = ["--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Bench:
    """Folders, images and a brig of the run's own; everything made is made once, when first wanted."""

    def __init__(self, folder, rounds):
        self.folder, self.rounds = folder, rounds
        self.brig = Brig(folder / "root", folder / "run")
        self._made = set()

    def _once(self, path, make):
        if path not in self._made:
            make(path)
            self._made.add(path)
        return path

    @property
    def tree(self):
        return self._once(self.folder / "tree", images.busybox_tree)

    @property
    def image(self):
        self._once("busybox", lambda name: self.brig("image", "import", "--name", name, self.tree))
        return "busybox"

    @property
    def kernel(self):
        """The folder of brig's kernel, for plain QEMU to boot the same."""
        vmlinuz, modules = images.debian_kernel_files()
        self._once("kernel", lambda name: self.brig(
            "kernel", "import", "--name", name, vmlinuz, "--modules", modules, timeout=300))
        return self.brig.root / "kernels/kernel"

    @property
    def layout(self):
        """An OCI layout with Debian's root file system as one gzip layer."""
        def make(path):
            images.run("umoci", "init", "--layout", path)
            images.run("umoci", "new", "--image", f"{path}:debian")
            images.run("umoci", "raw", "add-layer", "--image", f"{path}:debian", images.debian_tar())

        return self._once(self.folder / "layout", make)

    @property
    def layers(self):
        """An OCI layout with the same files in ten layers, a hard link beside what it links to."""
        def make(path):
            images.run("umoci", "init", "--layout", path)
            images.run("umoci", "new", "--image", f"{path}:debian")
            part = self.folder / "part.tar"
            for number in range(10):
                with tarfile.open(images.debian_tar()) as whole, tarfile.open(part, "w") as out:
                    for member in whole:
                        name = member.linkname if member.islnk() else member.name
                        if (0 if member.isdir() else zlib.crc32(name.encode()) % 10) == number:
                            out.addfile(member, whole.extractfile(member) if member.isreg() else None)
                images.run("umoci", "raw", "add-layer", "--image", f"{path}:debian", part)

        return self._once(self.folder / "layers", make)

    def clean(self):
        for name in self.brig("ps", "-a", "-q", check=False).out.split():
            self.brig("rm", "-f", name, check=False)


def children():
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@contextlib.contextmanager
def orphans_adopted():
    """What commands leave running meanwhile becomes this process's to wait for, by what this gives.

    A podman that has ended leaves "podman container cleanup" behind, which keeps the processors busy for
    longer than a container of brig's lives; nobody's leavings are to count as the next one's time.
    """
    libc, ours = ctypes.CDLL(None), children()

    def rest():
        while left := children() - ours:
            for pid in left:
                os.waitpid(pid, 0)

    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield rest
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def milliseconds(commands, rounds):
    """Wall times of each command, from before its fork to its end; the first round warms up.

    The commands take turns, since a machine's disk and processors are quicker at one minute than at the
    next. Without a time limit: Python waits for one by asking now and then, up to 50 ms apart.
    """
    samples = [[] for _ in commands]
    with orphans_adopted() as rest:
        for _ in range(rounds + 1):
            for command, times in zip(commands, samples):
                started = time.perf_counter()
                subprocess.run([str(word) for word in command], check=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, close_fds=False)
                times.append((time.perf_counter() - started) * 1000)
                rest()
    return [times[1:] for times in samples]


def first_output(command, text, rounds):
    """Milliseconds from before the fork until the text is in stdout; then the command is let end."""
    samples = []
    for _ in range(rounds + 1):
        started, seen = time.perf_counter(), b""
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, bufsize=0) as process:
            while text not in seen:
                chunk = process.stdout.read(4096)
                if not chunk:
                    raise RuntimeError(f"{command[0]} ended without {text!r}: {seen[-2000:]!r}")
                seen += chunk
            samples.append((time.perf_counter() - started) * 1000)
            while process.stdout.read(65536):
                pass
    return samples[1:]


def pss(pid):
    """KiB of memory that are the process's, shared pages by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no Pss of {pid}")


def container_start(bench):
    # crun takes no part in a hybrid cgroup layout: for it, and so for both, there is none.
    runtimes = ("crun", "runc")
    podmans = [["unshare", "-m", "sh", "-c", 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"', "sh",
                "podman", "--runtime", runtime, "run", "--rm", *PODMAN, "--rootfs", bench.tree, "/bin/true"]
               for runtime in runtimes]
    ours, *theirs = milliseconds([bench.brig.command("run", "--rm", bench.image, "/bin/true"), *podmans],
                                 bench.rounds)
    for runtime, times in zip(runtimes, theirs):
        yield "container: run --rm /bin/true", "ms", ours, times, f"podman with {runtime}"


def machine_start(bench):
    rounds = max(3, bench.rounds // 5)
    kernel = bench.kernel
    ours = first_output(bench.brig.command("run", "--rm", "--vm", bench.image, "echo", "brig-says"),
                        b"brig-says", rounds)
    plain = plain_qemu(bench, kernel)
    yield "machine: to the first output", "ms", ours, first_output(plain, b"brig-says", rounds), "plain QEMU, TCG"


def plain_qemu(bench, kernel):
    """QEMU as one would start it by hand for the same: the same kernel, an initramfs whose init speaks."""
    initramfs = bench.folder / "plain.img"
    if not initramfs.exists():
        (bench.tree / "init").write_text("#!/bin/sh\necho brig-says\npoweroff -f\n")
        (bench.tree / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(bench.tree)) for path in sorted(bench.tree.rglob("*")))
        with open(initramfs, "wb") as file:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=bench.tree, input=names.encode(),
                           stdout=file, check=True)
        (bench.tree / "init").unlink()
    return ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", "512",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", kernel / "vmlinuz", "-initrd", initramfs, "-append", "console=ttyS0 quiet"]


def keeper_memory(bench):
    name = bench.brig("run", "-d", bench.image, "sleep", "100000").out.strip()
    keeper = bench.brig.json("inspect", name)[0]["run"]["keeper_pid"]
    ours = [pss(keeper)]
    bench.brig("rm", "-f", name)
    yield "memory of the keeper (PSS)", "KiB", ours, conmon_memory(bench), "conmon"


def conmon_memory(bench):
    name = "brig-bench-conmon"
    pidfile = bench.folder / "conmon.pid"
    images.run("podman", "--runtime", "runc", "run", "-d", "--name", name, *PODMAN, "--conmon-pidfile", pidfile,
               "--rootfs", bench.tree, "sleep", "100000")
    try:
        return [pss(int(pidfile.read_text()))]
    finally:
        images.run("podman", "rm", "-f", "-t", "0", name)


def listing(bench):
    names = []
    for i in range(550):
        verb = ["run", "-d"] if i < 50 else ["create"]
        names.append(bench.brig(*verb, "--name", f"listed-{i}", bench.image, "sleep", "100000").out.strip())
    (ours,) = milliseconds([bench.brig.command("ps", "-a")], bench.rounds)
    bench.brig("rm", "-f", *names, timeout=300)
    yield "ps of 500 stopped and 50 running", "ms", ours, None, "(aim: under 50 ms)"


def figures(bench):
    names = [bench.brig("run", "-d", "--name", f"used-{i}", bench.image, "sleep", "100000").out.strip()
             for i in range(500)]
    (ours,) = milliseconds([bench.brig.command("stats", "--no-stream")], bench.rounds)
    bench.brig("rm", "-f", *names, timeout=300)
    yield "stats of 500 running", "ms", ours, None, "(aim: under 100 ms)"


def image_unpack(bench):
    rounds = max(3, bench.rounds // 5)
    layout = f"oci:{bench.layout}:debian"
    archive = bench.folder / "debian-archive.tar"
    images.run("skopeo", "copy", layout, f"oci-archive:{archive}:debian")
    ours = samples(bench, archive, rounds, import_by_brig)
    for peer, work in (("skopeo copy, umoci unpack", unpack_by_umoci), ("podman load", load_by_podman)):
        yield "image: import of Debian", "ms", ours, samples(bench, archive, rounds, work), peer


def samples(bench, archive, rounds, work):
    """Times work, in a new empty folder each time."""
    found = []
    for i in range(rounds):
        folder = bench.folder / f"{i}"  # short, since podman wants a short path
        folder.mkdir()
        started = time.perf_counter()
        work(bench, archive, folder)
        found.append((time.perf_counter() - started) * 1000)
        images.run("rm", "-rf", "--one-file-system", folder)
    return found


def import_by_brig(bench, archive, folder):
    images.run(*Brig(folder / "root", folder / "run").command("image", "import", "--name", "debian", archive))


def unpack_by_umoci(bench, archive, folder):
    images.run("skopeo", "copy", f"oci-archive:{archive}:debian", f"oci:{folder / 'layout'}:debian")
    images.run("umoci", "unpack", "--image", f"{folder / 'layout'}:debian", folder / "bundle")


def load_by_podman(bench, archive, folder):
    images.run("podman", "--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "overlay",
               "load", "-i", archive, stderr=subprocess.DEVNULL)


def image_pull(bench):
    with registry.serve(bench.folder / "registry") as address:
        source = f"docker://{address}/debian:1"
        images.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{bench.layers}:debian", source)
        works = {"brig": pull_by_brig, "skopeo copy, umoci unpack": unpack_from_registry, "podman pull": pull_by_podman}
        found = {peer: [] for peer in works}
        for _ in range(max(3, bench.rounds // 5)):  # in turns
            for peer, work in works.items():
                found[peer] += samples(bench, source, 1, work)
    ours = found.pop("brig")
    for peer, theirs in found.items():
        yield "image: pull of Debian in ten layers", "ms", ours, theirs, peer


def pull_by_brig(bench, source, folder):
    images.run(*Brig(folder / "root", folder / "run").command(
        "pull", "-q", "--tls-verify=false", source.removeprefix("docker://")))


def unpack_from_registry(bench, source, folder):
    images.run("skopeo", "copy", "--src-tls-verify=false", source, f"oci:{folder / 'layout'}:debian")
    images.run("umoci", "unpack", "--image", f"{folder / 'layout'}:debian", folder / "bundle")


def pull_by_podman(bench, source, folder):
    images.run("podman", "--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "overlay",
               "pull", "-q", "--tls-verify=false", source)


MEASURES = {
    "container": container_start,
    "machine": machine_start,
    "memory": keeper_memory,
    "listing": listing,
    "figures": figures,
    "image": image_unpack,
    "clone": instance_clone,
    "backup": instance_backup,
    "pull": image_pull,
    "build": layer_build,
    "second": second_instance,
    "oci": oci_runtime,
    "network": lambda bench: networks(bench, milliseconds),
}
