# SPDX-License-Identifier: GPL-2.0-or-later
"""A VMM without its keeper: what src/vmm/hull.c gives it, and the frames of src/proto/vmm.h."""

import ctypes
import fcntl
import os
import struct
import subprocess
from dataclasses import dataclass

VERSION = struct.pack("<I", 1)
CONFIGURE, READY, ENDED, PAUSE, RESUME, POWER_BUTTON, TUNE = 1, 2, 5, 6, 7, 8, 15
ENDS = ("power-off", "reset", "panic", "fault", "quit", "error")
POWER_OFF, ERROR = ENDS.index("power-off"), ENDS.index("error")
MIB = 1 << 20

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
ABOVE = 100  # all numbers that a child's descriptors are to have


def frame(kind, payload=b""):
    return struct.pack("<IHHI", len(payload), kind, 0, 0) + payload


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def frames(connection):
    """Yields (kind, payload) until the other end is closed."""
    heard = b""
    while data := connection.recv(65536):
        heard += data
        while len(heard) >= 12 and len(heard) >= 12 + struct.unpack_from("<I", heard)[0]:
            length, kind = struct.unpack_from("<IH", heard)
            yield kind, heard[12:12 + length]
            heard = heard[12 + length:]


def configuration(cmdline="", cpus=1, memory=64 * MIB, huge=0, shared=0, disks=(), nets=(), vsock_cid=0):
    """What CONFIGURE says. disks: (serial, and the numbers of struct vmm_disk); nets: those of struct vmm_net"""
    return b"".join((
        VERSION, text("machine"), text("12345678-1234-1234-1234-123456789abc"), text(cmdline),
        struct.pack("<QIBB", memory, cpus, huge, shared),
        struct.pack("<I", len(disks)),
        *(text(serial) + struct.pack("<BBBIQQQQ", *disk) for serial, *disk in disks),
        struct.pack("<I", len(nets)), *(struct.pack("<6sHIB", *net) for net in nets),
        struct.pack("<IIB", vsock_cid, 0, 0)))


def spawn(argv, fds, **options):
    """Starts it in mounts of its own, which it leaves behind. fds: {number in the child: descriptor of ours}, which
    stay ours to close."""
    high = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, ABOVE) for number, fd in fds.items()}

    def place():
        # Private, or what it unmounts would go from the host too.
        if LIBC.unshare(CLONE_NEWNS) or LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "cannot make a mount namespace")
        for number, fd in high.items():
            os.dup2(fd, number, inheritable=True)

    try:
        return subprocess.Popen(argv, pass_fds=(*fds, *high.values()), preexec_fn=place, stdin=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, **options)
    finally:
        for fd in high.values():
            os.close(fd)


@dataclass
class Mapping:
    start: int
    end: int
    rights: str
    name: str
    pss: int = 0  # KiB


def mappings(pid):
    found = []
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            if not fields[0].endswith(":"):
                start, end = (int(part, 16) for part in fields[0].split("-"))
                found.append(Mapping(start, end, fields[1], fields[5].strip() if len(fields) > 5 else ""))
            elif fields[0] == "Pss:":
                found[-1].pss = int(fields[1])
    return found


def own_mappings(pid, guest):
    """Those without the guest's memory, which is the first run of adjoining ones that is as long."""
    run = []
    found = mappings(pid)
    for mapping in found:
        run = [*run, mapping] if run and run[-1].end == mapping.start else [mapping]
        if run[-1].end - run[0].start >= guest:
            return [mapping for mapping in found if mapping not in run]
    raise ValueError("the guest's memory is not in one piece")
