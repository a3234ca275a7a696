# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test must not leave behind: processes, mounts, cgroups, loop devices, files."""

import os
from pathlib import Path

from support import wait


def _read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def processes(folder):
    """[(pid, command line)] of the processes whose command line or environment names the folder."""
    needle, found = os.fsencode(folder), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        command = _read(entry / "cmdline")
        if needle in command or needle in _read(entry / "environ"):
            found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
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


def cgroups(names):
    """brig's cgroups of the instances, in any hierarchy."""
    return [str(found) for root in cgroup_roots() if (root / "brig").is_dir()
            for found in (root / "brig").rglob("*") if found.name in names]


def find(folder, names):
    """Everything that is left of the instances in names, whose brig had its folders in folder."""
    return ([f"process {pid}: {command}" for pid, command in processes(folder)]
            + [f"mount: {line}" for line in mounts(folder)]
            + [f"loop device {line}" for line in loop_devices(folder)]
            + [f"cgroup {path}" for path in cgroups(names)])


def wait_for_processes(folder, seconds):
    """Lets processes that are ending end; whether they do is find()'s to say."""
    deadline = wait.Deadline(seconds, "processes to end")
    try:
        for pid, _ in processes(folder):
            wait.process_end(pid, deadline.left())
    except TimeoutError:
        pass
