# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel files for the tests: bzImages packed in every way, and a machine that shows what it boots."""

import gzip
import lzma
import re
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).parent

# Where the fields of the set-up header are (the kernel's Documentation/arch/x86/boot.rst).
SETUP_SECTS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1f1, 0x248, 0x24c

BAD_WORDS = re.compile(r"\b(BUG|WARNING|Oops|Call Trace|unexpected|unhandled|invalid|FW bug|Firmware Bug|I/O error"
                       r"|soft lockup|hung task|corrupted)\b")
# The lab's SVM does not leave the guest for it, so KVM does not hear what the guest has chosen to save.
EMULATED_XSETBV = re.compile(r".*WARNING: .* at arch/x86/kernel/fpu/xstate\.c(?s:.*?)end trace .*\n")


def complaints(said):
    """Lines of a kernel's log that a machine that is well does not have."""
    return [line for line in EMULATED_XSETBV.sub("", said).splitlines() if BAD_WORDS.search(line)]


def lz4_legacy(data):
    """lz4's legacy frames with nothing packed: each block is one run of literals."""
    out = bytearray(b"\x02\x21\x4c\x18")
    for at in range(0, len(data), 8 << 20):
        block = data[at:at + (8 << 20)]
        left = len(block) - 15
        run = b"\xf0" + b"\xff" * (left // 255) + bytes([left % 255])
        out += struct.pack("<I", len(run) + len(block)) + run + block
    return bytes(out)


PACKERS = {
    "gzip": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=0),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    "zstd": lambda data: subprocess.run(["zstd", "-q", "-1", "-c"], input=data, check=True,
                                        stdout=subprocess.PIPE).stdout,
    "lz4": lz4_legacy,
}


def payload_start(image):
    return (image[SETUP_SECTS] + 1) * 512 + struct.unpack_from("<I", image, PAYLOAD_OFFSET)[0]


def with_payload(image, payload):
    """The bzImage with another payload in place of its own and nothing after it."""
    new = bytearray(image[:payload_start(image)]) + payload
    struct.pack_into("<I", new, PAYLOAD_LENGTH, len(payload))
    return bytes(new)


def packed(image, elf, packer):
    """The bzImage as a kernel's build makes it of the ELF file with this packer."""
    size = b"" if packer == "gzip" else struct.pack("<I", len(elf))  # gzip ends in it by itself
    return with_payload(image, PACKERS[packer](elf) + size)


def probe(folder):
    """A static program for $BRIG_GUEST that tells what was booted and ends the machine."""
    program = folder / "probe"
    subprocess.run(["musl-gcc", "-static", "-O1", "-o", program, HERE / "probe_init.c"], check=True)
    return program


def host_tsc_khz():
    """The guest's TSC is the host's, and a busy host makes its calibration fail."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return int(float(line.split(":")[1]) * 1000)
    return 2000000


def boot(kernel, timeout=60):
    """Boots the kernel's folder under QEMU; returns what the console said. Ends with the machine."""
    command = ["qemu-system-x86_64", "-M", "microvm,acpi=on,pcie=on,rtc=on", "-accel", "tcg", "-cpu", "max",
               "-m", "256", "-nodefaults", "-no-user-config", "-nographic", "-serial", "stdio", "-no-reboot",
               "-kernel", kernel / "vmlinux", "-initrd", kernel / "initramfs.img", "-append",
               f"console=ttyS0 panic=-1 quiet tsc_early_khz={host_tsc_khz()} tsc=reliable no_timer_check"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout, check=True).stdout.decode(errors="replace")
