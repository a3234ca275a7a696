# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of containers beside podman's (netavark), in a network namespace of the run's own.

Not lxc-start: it is nothing that the project needs, and so not installed.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import images
from support.command import Brig
from support.wires import Namespace

IPERF_PORT, RR_PORT = 5201, 5202
SECONDS = 2
MANY = 200
HIDE_V2 = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'  # crun takes no part in a hybrid layout


def tree_with_tools(tree):
    """A small root file system with iperf3 and rr."""
    images.busybox_tree(tree)
    iperf = shutil.which("iperf3")
    libraries = subprocess.run(["ldd", iperf], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", libraries):
        there = tree / library.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, there)
    shutil.copy(iperf, tree / "usr/bin/iperf3")
    subprocess.run(["cc", "-O2", "-static", "-o", tree / "usr/bin/rr", Path(__file__).with_name("rr.c")], check=True)


def pinned(cpu):
    """Two ends on one CPU wake each other in a third of the time: where they are is not left to chance."""
    return [] if cpu is None else ["taskset", "-c", str(cpu)]


def stream(shown):
    """Mbit/s that arrived, of iperf3's -J."""
    found = json.loads(shown[shown.index("{"):])
    if "error" in found:
        raise RuntimeError(f"iperf3: {found['error']}")
    return found["end"]["sum_received"]["bits_per_second"] / 1e6


def streaming(address, seconds, reverse=False):
    return ["iperf3", "-J", "-c", address, "-p", str(IPERF_PORT), "-t", str(seconds), *(["-R"] if reverse else [])]


def round_trips(address, seconds, cpu=None):
    return [*pinned(cpu), "rr", address, str(RR_PORT), str(seconds)]


@contextlib.contextmanager
def servers(prefix, tree):
    """What is measured against, where the prefix leads."""
    commands = [["iperf3", "-s", "-p", str(IPERF_PORT)], [tree / "usr/bin/rr", "serve", str(RR_PORT)]]
    running = [subprocess.Popen([*prefix, *command], stdout=subprocess.DEVNULL) for command in commands]
    try:
        for port in (IPERF_PORT, RR_PORT):
            while not run([*prefix, "ss", "-Hltn", f"sport = :{port}"]):
                pass  # not yet
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def run(command):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Ours:
    def __init__(self, bench, host, tree):
        # /run is in memory on every host, and half of what a network takes on a disk is new files there.
        self.run = Path(tempfile.mkdtemp(prefix="brig-bench-", dir="/dev/shm"))
        self.brig = Brig(bench.brig.root, self.run, prefix=host.prefix, network="brig0")
        self.brig("image", "import", "--name", "net", tree)
        self.brig("network", "create", "--ipv4", "10.77.0.1/16", "brig0")  # for many
        self.gateway = self.brig.json("network", "inspect", "brig0")[0]["ipv4"].split("/")[0]

    def start(self, name, *command):
        self.brig("run", "-d", "--name", name, "--network", "brig0", "net", *command)

    def exec(self, name, *command):
        return self.brig("exec", name, *command, timeout=300).out

    def once(self, network):
        return self.brig.command("run", "--rm", "--network", network, "net", "/bin/true")

    def clean(self):
        names = self.brig("ps", "-a", "-q", check=False).out.split()
        if names:
            self.brig("rm", "-f", *names, check=False, timeout=300)
        self.brig("network", "rm", "brig0", check=False)
        shutil.rmtree(self.run)


class Podman:
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    def __init__(self, bench, host, tree):
        self.base = [*host.prefix, "unshare", "-m", "sh", "-c", HIDE_V2, "sh", "podman", "--root",
                     bench.folder / "pod", "--runroot", bench.folder / "podrun", "--storage-driver", "overlay",
                     "--network-config-dir", bench.folder / "podnet", "--runtime", "crun"]
        archive = bench.folder / "net.tar"
        run(["tar", "-C", tree, "-cf", archive, "."])
        run([*self.base, "import", archive, "net"])
        shown = json.loads(run([*self.base, "network", "inspect", "podman"]))
        self.gateway = shown[0]["subnets"][0]["gateway"]

    def start(self, name, *command):
        run([*self.base, "run", "-d", "--name", name, "--network", "podman", *self.limits, "net", *command])

    def exec(self, name, *command):
        return run([*self.base, "exec", name, *command])

    def once(self, network):
        network = {"brig0": "podman"}.get(network, network)
        return [*self.base, "run", "--rm", "--network", network, *self.limits, "net", "/bin/true"]

    def clean(self):
        subprocess.run([str(word) for word in [*self.base, "rm", "-a", "-f", "-t", "0"]], capture_output=True,
                       check=False)


def traffic(bench, host, tree, sides):
    """To the host and from it, and there and back."""
    for side in sides:
        side.start("talks", "sleep", "100000")
    cpus = sorted(os.sched_getaffinity(0))
    kinds = {
        "network: a stream, container to host": lambda side: stream(
            side.exec("talks", *streaming(side.gateway, SECONDS))),
        "network: a stream, host to container": lambda side: stream(
            side.exec("talks", *streaming(side.gateway, SECONDS, reverse=True))),
        "network: a byte to the host and back": lambda side: float(
            side.exec("talks", *round_trips(side.gateway, SECONDS, cpus[-1]))),
    }
    with servers([*host.prefix, *pinned(cpus[0])], tree):
        for what, measure in kinds.items():
            found = [[], []]
            for _ in range(max(3, bench.rounds // 3) + 1):
                for side, samples in zip(sides, found):
                    samples.append(measure(side))
            of_time = what.endswith("back")
            yield (what, "us" if of_time else "Mbit/s", found[0][1:], found[1][1:],
                   "podman, netavark" if of_time else "podman (more is better)")


def starts(bench, sides, milliseconds):
    ours, theirs = sides
    with_net, without, their_net, their_none = milliseconds(
        [ours.once("brig0"), ours.once("none"), theirs.once("brig0"), theirs.once("none")], bench.rounds)
    yield "network: run --rm of an image, on a bridge", "ms", with_net, their_net, "podman, netavark"
    yield ("network: what of that is the network", "ms", [a - b for a, b in zip(with_net, without)],
           [a - b for a, b in zip(their_net, their_none)], "podman, netavark")


def crowd(bench, ours, milliseconds):
    (first,) = milliseconds([ours.once("brig0")], bench.rounds)
    for number in range(MANY):
        ours.start(f"crowd-{number}", "sleep", "100000")
    (last,) = milliseconds([ours.once("brig0")], bench.rounds)
    yield f"network: run --rm beside {MANY} on the bridge", "ms", last, first, "brig, alone on it"


def networks(bench, milliseconds):
    tree = bench.folder / "net-tree"
    tree_with_tools(tree)
    with Namespace() as host, contextlib.ExitStack() as ends:
        sides = []
        for kind in (Ours, Podman):
            sides.append(kind(bench, host, tree))
            ends.callback(sides[-1].clean)
        yield from starts(bench, sides, milliseconds)
        yield from traffic(bench, host, tree, sides)
        sides[0].brig("rm", "-f", "talks")
        yield from crowd(bench, sides[0], milliseconds)
