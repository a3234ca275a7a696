# SPDX-License-Identifier: GPL-2.0-or-later
"""Every parser of outside bytes, and every device, stands its seeds and some seconds of new ones."""

import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
NAMES = {path.stem.removeprefix("fuzz_") for path in (TREE / "tests/fuzz").glob("fuzz_*.c")}
# What a guest drives by itself, or what it is started from.
GUEST = {"acpi_ports", "blk", "boot", "devices", "fixed", "gdb", "kernel_elf", "modules", "qcow2", "queue",
         "virtio_pci", "vmm_config"}
LINES_MAX = 320  # the driver of all devices is the longest


@pytest.mark.slow
@pytest.mark.xdist_group("build-clang")
@pytest.mark.parametrize("names,seconds", [(GUEST, 30), (NAMES - GUEST, 3)], ids=["guest", "others"])
def test_fuzzers_find_nothing(names, seconds):
    result = subprocess.run([TREE / "tools/fuzz", str(seconds), *sorted(names)], capture_output=True, text=True,
                            timeout=1800)
    assert result.returncode == 0, result.stdout[-20000:] + result.stderr[-4000:]
    assert result.stdout.count(": ok, Done ") == len(names)


def test_what_a_guest_drives_is_there():
    assert GUEST <= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_fuzzer_is_short_and_has_seeds(name):
    assert len((TREE / f"tests/fuzz/fuzz_{name}.c").read_text().splitlines()) <= LINES_MAX
    assert any((TREE / "tests/fuzz/corpus" / name).iterdir())
