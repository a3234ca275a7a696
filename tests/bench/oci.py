# SPDX-License-Identifier: GPL-2.0-or-later
"""brig-oci beside crun, as an engine calls them: one configuration, crun's default with cgroups and all namespaces.

crun takes no part in a hybrid cgroup layout, so for both there is version 1 alone where the host has both.
"""

import contextlib
import ctypes
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

IDLE = 0.03  # seconds, after which an RCU grace period is not under way any more
CLONE_NEWNS = 0x20000
UNIFIED = "/sys/fs/cgroup/unified"
PROFILE = "/usr/share/containers/seccomp.json"  # podman's


@contextlib.contextmanager
def version_1():
    """A mount namespace without version 2 beside version 1."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not os.path.exists(UNIFIED):
        yield
        return
    ours, folder = os.open("/proc/self/ns/mnt", os.O_RDONLY), os.getcwd()
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["umount", UNIFIED], check=True)
    try:
        yield
    finally:
        libc.setns(ours, CLONE_NEWNS)
        os.close(ours)
        os.chdir(folder)


class Bundle:
    """One of crun's, without a terminal."""

    def __init__(self, bench, name, command, seccomp=False):
        self.path = bench.folder / f"bundle-{name}"
        self.path.mkdir()
        subprocess.run(["crun", "spec"], cwd=self.path, check=True)
        config = json.loads((self.path / "config.json").read_text())
        config["process"]["terminal"] = False
        config["process"]["args"] = command
        config["root"]["path"] = str(bench.tree)
        config["linux"]["namespaces"].append({"type": "cgroup"})
        if seccomp:
            config["linux"]["seccomp"] = profile(config["process"]["capabilities"]["bounding"])
        (self.path / "config.json").write_text(json.dumps(config))


def profile(capabilities):
    """podman's profile as podman puts it into a configuration."""
    given = json.loads(open(PROFILE).read())
    syscalls = []
    for rule in given["syscalls"]:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if "arches" in includes and "amd64" not in includes["arches"] or "amd64" in excludes.get("arches", []):
            continue
        if not set(includes.get("caps", [])) <= set(capabilities) or set(excludes.get("caps", [])) & set(capabilities):
            continue
        syscalls.append({key: rule[key] for key in ("names", "action", "args", "errnoRet")
                         if rule.get(key) not in (None, [])})
    return {"defaultAction": given["defaultAction"],
            **({"defaultErrnoRet": given["defaultErrnoRet"]} if "defaultErrnoRet" in given else {}),
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], "syscalls": syscalls}


def ms_of(commands, bundle):
    """One round: the wall time of the commands, one after the other."""
    started = time.perf_counter()
    for command in commands:
        subprocess.run([str(word) for word in command], cwd=bundle.path, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, close_fds=False)
    return (time.perf_counter() - started) * 1000


def turns(rounds, *sides, idle=0.0):
    """Samples of each side, which take turns; the first round warms up."""
    found = [[] for _ in sides]
    for _ in range(rounds + 1):
        for side, samples in zip(sides, found):
            if idle:
                select.select([], [], [], idle)
            samples.append(ms_of(*side))
    return [samples[1:] for samples in found]


def peak_memory(command, bundle):
    """KiB of the largest process of one run; busybox waits for it, since a child's figure begins with its parent's.

    busybox takes the kernel's figure, which is in KiB, for one in pages.
    """
    result = subprocess.run(["busybox", "time", "-f", "%M", *map(str, command)], cwd=bundle.path, check=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(result.stderr.split()[-1]) * 1024 // os.sysconf("SC_PAGE_SIZE")


def system_calls(command, bundle):
    """Of a whole run, with all that it forks."""
    trace = bundle.path / "trace"
    subprocess.run(["strace", "-f", "-qq", "-o", trace, *map(str, command)], cwd=bundle.path, check=True,
                   stdin=subprocess.DEVNULL)
    return sum("resumed>" not in line for line in trace.read_text().splitlines())


def storm(runtime, bundle, number, at_once):
    """Containers in a second."""
    script = f"seq {number} | xargs -P {at_once} -I{{}} {' '.join(map(str, runtime))} run storm-{{}}"
    return number / (ms_of([["sh", "-c", script]], bundle) / 1000)


def compare(bench, records):
    ours = [Path(bench.brig.program).with_name("brig-oci"), "--root", f"{records}/oci"]
    crun = ["crun", "--root", f"{records}/crun"]
    true, sleeps = Bundle(bench, "true", ["/bin/true"]), Bundle(bench, "sleep", ["/bin/sleep", "100000"])
    guarded = Bundle(bench, "seccomp", ["/bin/true"], seccomp=True)

    def runs(bundle):
        return [([[*runtime, "run", "bench"]], bundle) for runtime in (ours, crun)]

    def lives(bundle):
        return [([[*runtime, "create", "bench"], [*runtime, "start", "bench"], [*runtime, "delete", "-f", "bench"]], bundle)
                for runtime in (ours, crun)]

    rounds = bench.rounds * 4
    hot = turns(rounds, *runs(true))
    yield "oci: run /bin/true, back to back", "ms", hot[0], hot[1], "crun"
    cold = turns(rounds, *runs(true), idle=IDLE)
    yield "oci: the same, 30 ms idle before each", "ms", cold[0], cold[1], "crun"
    life = turns(rounds, *lives(true))
    yield "oci: create, start, delete", "ms", life[0], life[1], "crun"
    with_filter = turns(rounds, *runs(guarded))
    yield "oci: run with podman's seccomp profile", "ms", with_filter[0], with_filter[1], "crun"
    for runtime in (ours, crun):
        subprocess.run([*map(str, runtime), "run", "-d", "held"], cwd=sleeps.path, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        execs = [([[*runtime, "exec", "held", "/bin/true"]], sleeps) for runtime in (ours, crun)]
        hot, cold = turns(rounds, *execs), turns(rounds, *execs, idle=IDLE)
        yield "oci: exec /bin/true, back to back", "ms", hot[0], hot[1], "crun"
        yield "oci: exec, 30 ms idle before each", "ms", cold[0], cold[1], "crun"
    finally:
        for runtime in (ours, crun):
            subprocess.run([*map(str, runtime), "delete", "-f", "held"], check=True)
    yield "oci: 300 containers, four at a time", "/s", [storm(ours, true, 300, 4)], [storm(crun, true, 300, 4)], \
        "crun (more is better)"
    yield "oci: peak memory of a run", "KiB", [peak_memory([*ours, "run", "bench"], true)], \
        [peak_memory([*crun, "run", "bench"], true)], "crun"
    yield "oci: system calls of a run", "", [system_calls([*ours, "run", "bench"], true)], \
        [system_calls([*crun, "run", "bench"], true)], "crun"


def oci_runtime(bench):
    # a tmpfs, as /run is where engines have the records
    with version_1(), tempfile.TemporaryDirectory(prefix="brig-bench-", dir="/dev/shm") as records:
        yield from compare(bench, records)
