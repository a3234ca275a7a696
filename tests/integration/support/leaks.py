# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test must not leave behind: processes, mounts, cgroups, loop devices, files."""

import os
import re
from pathlib import Path

from support import wait

# brig-tests-... is the whole run's
TEST_FOLDER = re.compile(rb"/var/tmp/brig-(?!tests-)[\w-]+")


def _read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _links(process):
    """What the process has open, its folder and its root, as far as it lets itself be read."""
    for link in ("cwd", "root", "exe"):
        yield process / link
    try:
        yield from (process / "fd").iterdir()
    except OSError:
        pass


def _readlink(link):
    try:
        return os.fsencode(os.readlink(link))
    except OSError:
        return b""


def is_anothers(process, folder):
    """Whether it comes of a command that has to do with another test's folder, by its words or, where these
    name none, by its environment."""
    while process.name not in ("0", "1"):
        named = (set(TEST_FOLDER.findall(_read(process / "cmdline")))
                 or set(TEST_FOLDER.findall(_read(process / "environ"))))
        if named:
            return os.fsencode(folder) not in named
        parent = re.search(rb"^PPid:\t(\d+)", _read(process / "status"), re.M)
        if not parent:
            return False
        process = Path("/proc") / os.fsdecode(parent[1])
    return False


def processes(folder):
    """[(pid, command line)] of the processes that have to do with the folder: by their command line,
    their environment, what they have open or what they have mounted in a namespace of their own. Of what is
    mounted on the host for a while, any test that runs beside may have got a copy into its namespaces."""
    needle, ours, found = os.fsencode(folder), os.readlink("/proc/self/ns/mnt"), []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        command = _read(process / "cmdline")
        if (needle in command or needle in _read(process / "environ")
                or any(needle in _readlink(link) for link in _links(process))
                or (_readlink(process / "ns/mnt") != os.fsencode(ours)
                    and needle in _read(process / "mountinfo") and not is_anothers(process, folder))):
            found.append((int(process.name), command.replace(b"\0", b" ").decode(errors="replace")))
    return found


def mounts(folder):
    """Mount points in the folder, and mounts from a source or a layer in it, of our namespace."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(folder) in line]


def loop_devices(folder):
    """Loop devices over a file of the folder."""
    return [f"{device.name}: {backing}" for device in Path("/sys/block").glob("loop*")
            if str(folder) in (backing := _read(device / "loop/backing_file").decode().strip())]


def cgroup_roots():
    return [Path(fields[1]) for fields in map(str.split, Path("/proc/self/mounts").read_text().splitlines())
            if fields[2] in ("cgroup", "cgroup2")]


def cgroups(run):
    """The cgroups of the instances with this run folder, in any hierarchy (instance_cgroup() in
    src/proto/instance.c names them)."""
    digest = 2166136261
    for byte in os.fsencode(run):
        digest = ((digest ^ byte) * 16777619) & 0xFFFFFFFF
    return [str(found) for root in cgroup_roots() for found in [root / f"brig/{digest:08x}.run"]
            if found.is_dir()]


def lasting_processes(folder, seconds):
    """Those of processes() that have not ended after that time. Each look is a new one: a process in the midst
    of its end has no command line any more by which to tell whose it is."""
    deadline = wait.Deadline(seconds, "processes to end")
    while found := processes(folder):
        try:
            wait.process_end(found[0][0], deadline.left())
        except TimeoutError:
            break
    return found


def find(folder, run, seconds):
    """Everything that is left of a brig whose folders are in folder, the run folder among them, once its
    processes had that time to end."""
    return ([f"process {pid}: {command}" for pid, command in lasting_processes(folder, seconds)]
            + [f"mount: {line}" for line in mounts(folder)]
            + [f"loop device {line}" for line in loop_devices(folder)]
            + [f"cgroup {path}" for path in cgroups(run)])
