# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk images as distributions have them: partition tables by hand, file systems by mke2fs."""

import struct
import subprocess
import uuid

SECTOR = 512
ALIGN = 2048  # sectors

LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ROOT = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
EFI = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS = "21686148-6449-6e6f-744e-656564454649"
SWAP = "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"


def ext4(tree, path, size=32 << 20):
    """The bytes of a file system that holds a folder."""
    path.unlink(missing_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), str(path)], check=True,
                   capture_output=True, timeout=60)
    return path.read_bytes()


def vfat(size=1 << 20):
    data = bytearray(size)
    data[54:62] = b"FAT16   "
    data[510:512] = b"\x55\xaa"
    return bytes(data)


def swap(size=1 << 20):
    data = bytearray(size)
    data[4086:4096] = b"SWAPSPACE2"
    return bytes(data)


def xfs(size=1 << 20):
    return b"XFSB".ljust(size, b"\0")


def _place(parts):
    """[(first sector, sectors, data)], and the sectors of the disk."""
    at, placed = ALIGN, []
    for data in parts:
        n = -(-len(data) // SECTOR)
        placed.append((at, n, data))
        at += -(-n // ALIGN) * ALIGN
    return placed, at + ALIGN


def _write(path, table, placed, sectors):
    with open(path, "wb") as file:
        file.truncate(sectors * SECTOR)
        file.write(table)
        for first, _, data in placed:
            file.seek(first * SECTOR)
            file.write(data)
    return path


def gpt(path, parts, numbers=None):
    """A disk with a GPT: parts are (type, data)."""
    placed, sectors = _place([data for _, data in parts])
    mbr = bytearray(SECTOR)
    mbr[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1, sectors - 1)
    mbr[510:512] = b"\x55\xaa"
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, sectors - 1, 34, sectors - 34,
                         uuid.uuid4().bytes_le, 2, 128, 128, 0)
    entries = bytearray(128 * 128)
    for i, ((kind, _), (first, n, _)) in enumerate(zip(parts, placed)):
        number = (numbers[i] if numbers else i + 1) - 1
        entries[number * 128:number * 128 + 48] = struct.pack(
            "<16s16sQQ", uuid.UUID(kind).bytes_le, uuid.uuid4().bytes_le, first, first + n - 1)
    return _write(path, bytes(mbr) + header.ljust(SECTOR, b"\0") + bytes(entries), placed, sectors)


def mbr(path, parts, logical=0):
    """A disk with an MBR: parts are (type, data), the last `logical` of them in an extended partition."""
    placed, sectors = _place([data for _, data in parts])
    primary = len(parts) - logical
    table = bytearray(SECTOR)
    rows = [(kind, first, n) for (kind, _), (first, n, _) in zip(parts[:primary], placed)]
    chain = []
    if logical:
        base = placed[primary][0] - ALIGN // 2
        rows.append((0x0F, base, sectors - base))
        for (kind, _), (first, n, _) in zip(parts[primary:], placed[primary:]):
            chain.append((first - ALIGN // 2, kind, n))
    for i, (kind, first, n) in enumerate(rows):
        table[446 + 16 * i:462 + 16 * i] = struct.pack("<B3sB3sII", 0, b"", kind, b"", first, n)
    table[510:512] = b"\x55\xaa"
    _write(path, bytes(table), placed, sectors)
    with open(path, "r+b") as file:
        for i, (at, kind, n) in enumerate(chain):
            link = bytearray(SECTOR)
            link[446:462] = struct.pack("<B3sB3sII", 0, b"", kind, b"", ALIGN // 2, n)
            if i + 1 < len(chain):
                link[462:478] = struct.pack("<B3sB3sII", 0, b"", 0x05, b"", chain[i + 1][0] - chain[0][0], 1)
            link[510:512] = b"\x55\xaa"
            file.seek(at * SECTOR)
            file.write(link)
    return path


def qcow2(raw, path, *options):
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", *options, str(raw), str(path)], check=True,
                   capture_output=True, timeout=60)
    return path
