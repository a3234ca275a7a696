# SPDX-License-Identifier: GPL-2.0-or-later
"""The largest machine: 64 CPUs, 256 GiB, huge pages. What the guest finds of it, and what it costs."""

import os
import signal
import socket
import struct
import tempfile
from pathlib import Path

import pytest

from support import vmm
from support.vmm import MIB

TREE = Path(__file__).resolve().parents[2]
GUEST = TREE / "build/tests/lab/large-guest"
GIB = 1 << 30
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
FIRMWARE = 0x100000 - 0x9fc00  # LAYOUT_HIGH_MEMORY less LAYOUT_EBDA: no memory for a kernel
SECONDS = 100

pytestmark = [pytest.mark.root, pytest.mark.lab]


class Large:
    """A machine that has ended: what its guest said, by line; how it ended; the VMM's memory at most."""

    def __init__(self, cpus=1, memory=64 * MIB, **config):
        control, theirs = socket.socketpair()
        serial, their_serial = socket.socketpair()
        config = vmm.configuration(cpus=cpus, memory=memory, **config)
        kvm = Path("/dev/kvm").open("r+b", buffering=0)
        with kvm, tempfile.TemporaryFile() as empty, GUEST.open("rb") as guest:
            control.send(vmm.frame(vmm.CONFIGURE, config))
            files = {3: theirs, 4: kvm, 5: their_serial, 6: empty, 7: guest, 8: empty}
            fds = {number: file.fileno() for number, file in files.items()}
            process = vmm.spawn([TREE / "build/brig-vmm"], fds)
        for each in (theirs, their_serial):
            each.close()
        try:
            serial.settimeout(SECONDS)
            said = b"".join(iter(lambda: serial.recv(4096), b""))
        finally:
            os.kill(process.pid, signal.SIGKILL)  # it has ended if it said anything
            _, process.returncode, usage = os.wait4(process.pid, 0)
        self.resident = usage.ru_maxrss << 10  # or ours, which it was before
        self.errors = process.stderr.read()
        lines = map(str.split, said.decode().splitlines())
        self.said = {name: [int(word, 16) for word in words] for name, *words in lines}
        self.end, self.why = None, b""
        for kind, payload in vmm.frames(control):
            if kind == vmm.ENDED:
                self.end, self.why = struct.unpack_from("<I", payload)[0], payload[4:]


@pytest.fixture
def huge_pages():
    before = HUGE_PAGES.read_text()
    HUGE_PAGES.write_text(str(int(before) + 32))
    if int(HUGE_PAGES.read_text()) < int(before) + 32:
        HUGE_PAGES.write_text(before)
        pytest.skip("this machine has no huge pages to spare")
    yield
    HUGE_PAGES.write_text(before)


@pytest.mark.parametrize("cpus", [1, 64])
def test_a_guest_finds_all_its_cpus(cpus):
    """In the ACPI tables, in CPUID where the host has such leaves, and by starting them."""
    machine = Large(cpus=cpus)
    assert machine.end == vmm.POWER_OFF, (machine.why, machine.errors)
    tables, cores, started = machine.said["cpus"]
    assert (tables, started) == (cpus, cpus) and cores in (0, cpus)


def test_more_cpus_than_there_may_be_are_refused():
    machine = Large(cpus=65)
    assert machine.end == vmm.ERROR and b"1 to 64" in machine.why


@pytest.mark.parametrize("gib, shared", [(3, 0), (4, 1), (256, 0), (256, 1)])
def test_memory_that_is_not_touched_is_not_paid_for(gib, shared):
    machine = Large(memory=gib * GIB, shared=shared)
    assert machine.end == vmm.POWER_OFF, (machine.why, machine.errors)
    assert machine.said["memory"] == [gib * GIB - FIRMWARE]
    high = [4 * GIB, (gib + 1) * GIB - 2 * MIB] if gib > 3 else [0, 0]
    assert machine.said["touched"] == high
    assert machine.resident < 128 * MIB


def test_a_guest_on_huge_pages(huge_pages):
    """Which are taken from the host's when it starts, and given back at its end."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = [line for line in lines if line.startswith("HugePages_Free")]
    for _ in range(2):
        machine = Large(cpus=2, huge=1)
        assert machine.end == vmm.POWER_OFF, (machine.why, machine.errors)
        assert machine.said["memory"] == [64 * MIB - FIRMWARE]
    assert free[0] in Path("/proc/meminfo").read_text()


def test_huge_pages_that_the_host_has_not_are_refused():
    machine = Large(memory=256 * GIB, huge=1)
    assert machine.end == vmm.ERROR and b"nr_hugepages" in machine.why
